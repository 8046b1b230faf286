"""Private information that a label gives away: 住院号：, MRN:, Patient name:, 地址： and so on."""

from carebot_assets.corpus.private import validators as valid
from carebot_assets.corpus.private.detector import IS, SEP, B, Detector, within

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾"
    "丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤"
    "尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐沿"
    "梅莫庄辛管祝左涂谷祁时舒耿牟卜詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景"
)
_GIVEN_EN = r"[A-Z](?:\.|[\p{L}'-]*)"
_NAME_EN = rf"(?:(?:Mr|Mrs|Ms|Dr)\.? )?{_GIVEN_EN}(?: {_GIVEN_EN}){{0,3}}"
_NUMBER = r"[A-Za-z]{0,4}-?[0-9][0-9-]{3,19}"
_DATE_EN = (
    r"(?:[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}"
    r"|[0-9]{1,2}(?:st|nd|rd|th)? [A-Z][a-z]{2,8},? [0-9]{4}"
    r"|[A-Z][a-z]{2,8}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4})"
)

ZH = within(
    "not_ascii",
    Detector(
        "person_name",
        "姓名|联系人",
        r"(?P<before>(?:姓名|联系人)\s?[：:]\s?)[\p{Han}·]{2,4}?"
        r"(?P<after>性别|年龄|出生|民族|[^\p{Han}·]|$)",
        valid.is_name_zh,
    ),
    Detector(
        "person_name",
        "，男|，女|,男|,女|、男|、女|, 男|, 女",
        rf"(?P<before>(?:患者|姓名)\s?[：:]?\s?)[{_SURNAMES}]\p{{Han}}{{1,2}}(?P<after>[，,、]\s?[男女])",
        valid.is_name_zh,
    ),
    # A form without colons; its head alone (姓名 性别 年龄) has no surname.
    Detector(
        "person_name",
        r"姓名\s",
        rf"(?P<before>姓名\s{{1,4}})[{_SURNAMES}]\p{{Han}}{{1,2}}"
        r"(?P<after>\s{1,4}(?:性别|年龄|出生|民族|[男女]))",
        valid.is_name_zh,
    ),
    Detector(
        "medical_record_number",
        "院号|历号|案号|门诊号|就诊号|检查号|影像号",
        rf"(?P<before>(?:住院号|病历号|门诊号|病案号|就诊号|检查号|影像号){IS}){_NUMBER}",
    ),
    Detector(
        "insurance_number",
        "医保|社保|社会保障|保单|疗保险|会保险",
        r"(?P<before>(?:医保|社保|社会保障|保单|医疗保险|社会保险)(?:卡|证|账户|个人)?"
        rf"(?:编?号码?|卡号){IS})[A-Za-z]{{0,4}}-?[0-9][0-9A-Za-z-]{{5,22}}",
    ),
    Detector(
        "passport",
        "护照|通行证",
        rf"(?P<before>(?:护照|通行证){IS})[A-Z]{{0,2}}[0-9]{{6,10}}{B}",
    ),
    Detector(
        "driver_license",
        "驾驶证|驾照",
        rf"(?P<before>(?:驾驶证|驾照){IS})[0-9]{{12,18}}[Xx]?{B}",
    ),
    Detector(
        "date_of_birth",
        "出生日|出生年|出生时间|生日",
        r"(?P<before>(?:出生日期|出生年月日?|出生时间|生日)\s?[：:]\s?)(?:19|20)[0-9]{2}\s?[年./-]\s?"
        r"[0-9]{1,2}(?:\s?[月./-]\s?(?:[0-9]{1,2}日?)?)?",
    ),
    Detector(
        "address",
        "地址|住址",
        r"(?P<before>(?:住址|地址)\s?[：:]\s?)[^\n，。；;,\[]{2,60}"
        r"[市区县镇乡村路街巷弄号栋幢室楼][^\n，。；;,\[\s]{0,20}",
    ),
    Detector(
        "address",
        "[0-9]室",
        r"\p{Han}{2,24}(?:路|街|巷|弄|道|村|小区|花园|苑|里)[0-9]{1,5}(?:号|弄)"
        r"[\p{Han}0-9-]{0,16}[0-9]室",
    ),
)

EN = (
    Detector(
        "person_name",
        "Name:",
        rf"(?P<before>(?m:^)[ \t]*Name:[ \t]+){_NAME_EN}(?P<after>\s*\n\s*(?i:address|phone|tel"
        r"|e-?mail|date of birth|dob|sex|gender|age|mrn))",
        valid.is_name_en,
    ),
    Detector(
        "person_name",
        "ame: |ame:|ame：|ame is|ATIENT NAME|urname",
        r"(?P<before>(?i:patient(?:'s)? name|name of (?:the )?patient|full name|(?:first|last"
        rf"|maiden|middle) name|surname|{B}my name)(?:\s?[：:]\s?| is )){_NAME_EN}",
        valid.is_name_en,
    ),
    Detector(
        "medical_record_number",
        "MRN|ecord [Nn]|ospital [Nn]|atient [IN]",
        rf"(?P<before>{B}(?:MRN|(?i:medical record (?:number|no\.?)|hospital (?:number|no\.)"
        rf"|patient (?:ID|number|no\.)){B}){IS}){_NUMBER}",
    ),
    Detector(
        "insurance_number",
        "olicy [Nn]|nsurance [INi]|ember ID|edicare [IN]|edicaid [IN]",
        rf"(?P<before>{B}(?i:(?:insurance )?policy (?:number|no\.?)|insurance (?:id|number|no\.?)"
        rf"|member id|medic(?:are|aid) (?:id|number|no\.?)){IS})"
        "[A-Z]{0,4}-?[0-9][0-9A-Z-]{5,19}",
    ),
    Detector(
        "insurance_number",
        "NHS",
        rf"(?P<before>NHS{IS})[0-9]{{3}}{SEP}?[0-9]{{3}}{SEP}?[0-9]{{4}}{B}",
        valid.is_nhs_number,
    ),
    Detector(
        "driver_license",
        "river(?:'s|s)? [Ll]icen",
        rf"(?P<before>(?i:driver'?s? licen[sc]e){IS})[A-Z]{{0,3}}[0-9][0-9-]{{4,17}}{B}",
    ),
    Detector(
        "date_of_birth",
        r"irth: |irth is|irth[?.]|irthdate|DOB|D\.O\.B|irthday:|IRTH",
        rf"(?P<before>{B}(?:DOB|D\.O\.B\.?|(?i:date of birth|birth date|birthdate|birthday)){IS}"
        rf"[?.]?\s?(?i:it is |it's )?){_DATE_EN}",
    ),
    Detector(None, "ddress", r"(?i:ip|e-?mail|web|mac|url|site) address"),
    Detector(
        "address",
        "ddress is|ddress:|DDRESS:|ddress of",
        r"(?P<before>(?:[Aa]ddress|ADDRESS)(?: of [^\n]{1,40}? is| is|[：:])\s+)"
        r"[^\n\[;(]{0,40}[0-9][^\n\[;(]{0,80}(?:\n(?:\s|Apt|Suite|Unit)[^\n\[;:]{2,60}){0,3}",
    ),
    Detector(
        "address",
        r"liv(?:e|es|ing) [ao][nt] [0-9]|resid(?:e|es|ing) at [0-9]",
        r"(?P<before>(?:liv|resid)(?:e|es|ing) (?:at|on) )[0-9]{1,5} [A-Z][^\n,.;\[]{3,60}",
    ),
    Detector(
        "address",
        "Street,|Avenue,|Road,|Drive,|Lane,|Blvd| Ave,| St,| Rd,|Apt|Suite",
        rf"{B}[1-9][0-9]{{0,4}} (?:[A-Z][a-z]+ ){{1,3}}(?:St|Street|Ave|Avenue|Rd|Road|Blvd"
        r"|Boulevard|Lane|Ln|Drive)\.?,?\s(?:Apt|Suite|Unit|Ste"
        r"|[A-Z][A-Za-z ]{2,30},? [A-Z]{2} [0-9]{5})\.? ?#?[0-9A-Z]{0,5}",
    ),
    Detector(
        "passport",
        "assport",
        rf"(?P<before>{B}[Pp]assport(?: ID)?{IS})[A-Z]{{0,2}}[0-9]{{6,10}}{B}",
    ),
)

MESSENGERS = (
    Detector(
        "messenger_id",
        "微信|QQ|qq|VX|vx",
        r"(?P<before>(?:微信|[qQ]{2}|(?i:vx))(?:号码?|群号?)?\s?[：:]\s?)"
        rf"[A-Za-z0-9][A-Za-z0-9_-]{{4,19}}{B}",
        valid.has_digit,
    ),
    Detector(
        "messenger_id",
        "微信号",
        rf"(?P<before>微信号码?\s)[A-Za-z][A-Za-z0-9_-]{{4,19}}{B}",
        valid.has_digit,
    ),
    Detector(
        "messenger_id",
        "QQ|qq",
        rf"(?P<before>[qQ]{{2}}(?:号码?|群号?)?\s)[1-9][0-9]{{4,10}}{B}",
    ),
)
