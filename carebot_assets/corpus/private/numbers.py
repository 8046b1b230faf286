"""Private information that checks itself: keys, addresses of the net, ids, cards, telephones."""

from carebot_assets.corpus.private import validators as valid
from carebot_assets.corpus.private.detector import IS, SEP, B, Detector, within

_KEY_BLOCK = r"[A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?-----"

_EXTENSION = r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"
# Numbers of other things: literature, trials, approvals, codes of goods.
OTHERS = within(
    "digits",
    Detector(None, r"10\.[0-9]{4}", r"10\.[0-9]{4,9}/[^\s\"<>，。；]+"),
    Detector(
        None,
        "PMID|PMC|pmid|ISBN|ISSN|isbn|ISRCTN|NCT0|ChiCTR|EAN|orcid",
        r"(?i:pmid|pmcid?|isbn(?:-1[03])?|issn|isrctn|nct|chictr(?:-[a-z]{3,4})?|ean|orcid(?:\.org/)?)"
        r"[ :：.#]*[0-9][0-9Xx -]{3,20}",
    ),
    # Decimals; a single digit before the point may number a list.
    Detector(
        None,
        r"[0-9]\.[0-9]{8}",
        rf"{B}(?:(?:0|[1-9][0-9]+)\.[0-9]{{8,}}|[1-9]\.(?:[02-9][0-9]{{7,}}|1[0-2][0-9]{{6,}})){B}",
    ),
    Detector(
        None,
        "国药准|批准文|条形码|批号|订单号|统一社会",
        r"(?:国药准字|批准文号|条形码|批号|订单号|统一社会信用代码)[ :：A-Z]*[0-9][0-9A-Z]{5,20}",
    ),
)

NET = (
    Detector(
        "secret_key",
        "AKIA|ASIA|ghp_|gho_|ghu_|ghs_|ghr_|github_pat|glpat-|xox|AIza|sk-|k_live|eyJ|LTAI|-----B",
        rf"-----BEGIN {_KEY_BLOCK}(?:[\s\S]*?-----END {_KEY_BLOCK}|[\sA-Za-z0-9+/=:,-]*)"
        r"|(?:AKIA|ASIA)[A-Z2-7]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"
        r"|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}"
        rf"|{B}sk-[A-Za-z0-9_-]{{32,}}|[sr]k_live_[A-Za-z0-9]{{20,}}|LTAI[A-Za-z0-9]{{16,20}}{B}"
        r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    Detector(
        "url_credentials",
        "oken=|assword=|asswd=|api_?key=|API_?KEY=|TOKEN=",
        r"(?P<before>(?i:[?&](?:access_)?token|[?&]passw(?:or)?d|[?&]api_?key)=)[^\s&#\[]{4,}",
    ),
    Detector(
        "url_credentials",
        "://[^/ ]*:[^/ ]*@",
        r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@[^\s，。；]*",
    ),
    Detector(
        "ip",
        "[0-9a-fA-F]:[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:",
        rf"{B}[0-9a-fA-F]{{1,4}}(?::{{1,2}}[0-9a-fA-F]{{1,4}}){{3,7}}{B}",
        valid.is_ip,
    ),
    Detector("email", "@", r"[A-Za-z0-9_][A-Za-z0-9._%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"),
)

SPACED = (
    Detector(
        "cn_resident_id",
        "[0-9] [0-9] [0-9] [0-9] [0-9]",
        rf"{B}[1-8](?: [0-9]){{16}} [0-9Xx]{B}",
        valid.is_resident_id,
    ),
)

CHECKED = within(
    "digits",
    Detector(
        "iban",
        "[0-9]{2} ?[0-9A-Z]{4} ?[0-9A-Z]{4} ?[0-9A-Z]{3}",
        rf"{B}[A-Z]{{2}}[0-9]{{2}}(?: ?[0-9A-Z]{{4}}){{2,7}}(?: ?[0-9A-Z]{{1,3}})?{B}",
        valid.is_iban,
    ),
    Detector(
        "cn_resident_id",
        "[0-9]{17}",
        rf"{B}[1-8][0-9]{{16}}[0-9Xx]{B}",
        valid.is_resident_id,
    ),
    Detector(
        "cn_resident_id",
        "[0-9]{4}[ -][0-9]{4}[ -]?[0-9]{4}|[0-9]{6}[ -][0-9]{8}",
        rf"{B}[1-8][0-9]{{5}}{SEP}(?:19|20)[0-9]{{6}}{SEP}[0-9]{{3}}[0-9Xx]{B}"
        rf"|{B}[1-8][0-9]{{3}}(?:{SEP}[0-9]{{4}}){{3}}{SEP}?[0-9][0-9Xx]{B}",
        valid.is_resident_id,
    ),
    Detector(
        "cn_resident_id",
        "身份证",
        rf"(?P<before>身份证(?:件)?{IS})[1-8][0-9]{{14}}{B}",
        valid.is_resident_id,
    ),
    Detector("bank_card", "[0-9]{14}", rf"{B}[1-6][0-9]{{13,18}}{B}", valid.is_card),
    Detector(
        "bank_card",
        "[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4}",
        rf"{B}[0-9]{{4}}(?:{SEP}[0-9]{{4}}){{3}}(?:{SEP}[0-9]{{1,3}})?{B}"
        rf"|{B}3[0-9]{{3}}{SEP}[0-9]{{6}}{SEP}[0-9]{{4,5}}{B}",
        valid.is_card,
    ),
    Detector(
        "bank_card",
        "[0-9]{12}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
        rf"(?P<before>(?:(?i:card)|卡号|账号)[^0-9\n]{{0,30}})[0-9](?:{SEP}?[0-9]){{11,18}}{B}",
        valid.is_labelled_card,
    ),
    Detector(
        "us_ssn",
        "[0-9]{3}-[0-9]{2}-[0-9]{4}",
        rf"{B}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{B}",
        valid.is_ssn,
    ),
    Detector(
        "us_ssn",
        "SSN|ocial [Ss]ecurity",
        rf"(?P<before>(?:SSN|(?i:social security)){IS})"
        rf"[0-9]{{3}}{SEP}?[0-9]{{2}}{SEP}?[0-9]{{4}}{B}",
        valid.is_ssn,
    ),
)

IPS = within(
    "dots",
    # A number of a version, section or enzyme, which looks like an address.
    Detector(
        None,
        r"\.",
        r"(?i:ec|e\.c\.|version|ver\.?|v\.?|release|section|chapter|版本|版|第)[ :：]{0,2}"
        r"[0-9]+(?:\.[0-9]+){3,}",
    ),
    Detector(
        "ip",
        r"\.",
        r"[0-9]+(?:\.[0-9]+){3,}",
        valid.is_ip,
    ),
    Detector(
        "ip",
        r"\.",
        rf"(?P<before>{B}(?i:ip)(?: ?(?i:address)|地址)?{IS})"
        rf"[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}{B}",
        valid.is_labelled_ip,
    ),
)

PHONES = within(
    "digits",
    Detector(
        "phone",
        r"\+[0-9]|00[1-9][0-9 -]",
        r"(?P<before>^|[^0-9A-Za-z^.])(?:\+|00)[1-9][0-9]{0,3}(?:[ .-]?\(?[0-9]{1,6}\)?){2,6}"
        rf"{_EXTENSION}{B}",
        valid.is_international_phone,
    ),
    Detector("phone", "1[3-9][0-9]{9}", rf"{B}(?:86)?1[3-9][0-9]{{9}}{B}", valid.is_mobile_cn),
    Detector(
        "phone",
        "1[3-9][0-9][ -][0-9]{4}|1[3-9][0-9]{2}[ -][0-9]{3}[ -]",
        rf"{B}1[3-9][0-9](?:{SEP}[0-9]{{4}}{SEP}[0-9]{{4}}|{SEP}[0-9]{{8}}"
        rf"|[0-9]{SEP}[0-9]{{3}}{SEP}[0-9]{{4}}){B}",
        valid.is_mobile_cn,
    ),
    Detector(
        "phone",
        "0[0-9]{2,3}[-)） ] ?[0-9]{7}|[48]00[ -][0-9]{3,4}",
        rf"(?:[(（]0[0-9]{{2,3}}[)）] ?|{B}0[1-9][0-9]{{1,2}}[ -] ?)[2-9][0-9]{{6,7}}{B}"
        rf"|{B}[48]00[ -][0-9]{{3}}[ -]?[0-9]{{4}}{B}|{B}[48]00[ -][0-9]{{4}}[ -][0-9]{{3}}{B}",
    ),
    Detector(
        "phone",
        "[0-9]{3}[-.][0-9]{4}",
        rf"(?:\([2-9][0-9]{{2}}\) ?|{B}(?:1[ .-])?[2-9][0-9]{{2}}[ .-])"
        rf"[2-9][0-9]{{2}}[.-][0-9]{{4}}{_EXTENSION}{B}",
        valid.is_phone_us,
    ),
    Detector(
        "phone",
        r"0[0-9]{1,4}\)?[ .-][0-9]{2,6}",
        rf"(?P<before>^|[^0-9.-])\(?0[0-9]{{1,4}}\)?(?:[ .-][0-9]{{2,6}}){{1,4}}{B}",
        valid.is_national_phone,
    ),
    Detector(
        "phone",
        "电话|手机|热线|传真|座机|联系方式|微信",
        rf"(?P<before>(?:电话|手机|热线|传真|座机|联系方式|微信)(?:号码?|/微信|/传真|同号)?{IS})"
        rf"[0-9(](?:[ ()/-]{{0,2}}[0-9]){{6,14}}{B}",
        valid.is_phone_length,
    ),
    Detector(
        "phone",
        "[Tt]el[:. ]|TEL|hone|HONE|[Ff]ax|FAX|obile|Cell|cell:|hats[Aa]pp|Desk|all me",
        rf"(?P<before>{B}(?i:tel|tel\.|telephone|phone|cell|mobile|fax|whatsapp|desk"
        rf"|call me (?:on|at)){IS})[0-9(](?:[ ().-]{{0,2}}[0-9]){{6,14}}{_EXTENSION}{B}",
        valid.is_phone_length,
    ),
    Detector(
        "phone",
        "[0-9][ -](?:[Oo]ffice|[Ff]ax|[Mm]obile|[Hh]ome|[Cc]ell)",
        rf"{B}[0-9](?:[ .-]?[0-9]){{6,14}}(?P<after>[ -](?i:office|fax|mobile|home|cell){B})",
        valid.is_phone_length,
    ),
)
