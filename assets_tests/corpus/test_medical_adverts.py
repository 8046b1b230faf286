"""Medical adverts: how many are found of a set that was written without a look at the lexicon.

They stand here as first written and judged; phrases of theirs are not to be put into the lexicon,
or the figure in README says nothing. The sentences of medicine are on the same subjects.
"""

import pytest

from assets_tests.conftest import rows_of
from carebot_assets.corpus import rules
from carebot_assets.corpus.measures import measure
from carebot_assets.settings import Settings

ADVERTS_ZH = [
    "本院引进德国最新设备，专业治疗前列腺炎，十五分钟无痛治疗，随治随走。在线预约挂号可免专家挂号"
    "费，咨询电话全天开通。",
    "告别痘痘烦恼！我院皮肤科专家一对一诊疗，暑期学生凭学生证治疗费八折优惠，名额有限，快来预约。",
    "祖传秘方专治风湿骨病，三个疗程根治，签约治疗，无效退款。患者来电请拨热线，免费邮寄药品。",
    "白癜风不再难治！本院独家技术让白斑快速消失，治愈率高达98%，已帮助上万名患者摆脱困扰，点击"
    "在线咨询专家。",
    "无痛人流只需三分钟，不住院，不影响工作学习，本院推出580元套餐，现在预约还可享受免费术后检查。",
    "癌症患者的福音，纯中药抗癌胶囊，不手术不化疗，服用一个月肿瘤明显缩小，厂家直销，货到付款。",
    "糖尿病人再也不用打胰岛素了！这款降糖茶喝一周血糖就降下来，国家专利产品，订购热线如下，前一百"
    "名买二送一。",
    "男性阳痿早泄怎么办？选择我们，权威专家坐诊，一次治疗终身不复发，电话预约享专家亲诊，保护隐私"
    "。",
    "整形美容季，双眼皮手术特价1980元，韩国专家亲自操刀，微创无痕，扫码添加顾问微信领取优惠券。",
    "牛皮癣患者看过来，本院采用美国第五代光疗技术，彻底清除病根不反弹，医保可报销，来院路线请咨询"
    "客服。",
    "增高不是梦！十八岁以后还能长高，服用本品三个月平均增高八厘米，无任何副作用，欢迎加盟代理。",
    "专业植发医院，毛囊成活率高达95%以上，终身质保，春季特惠每单位立减五元，立即点击免费设计发"
    "际线。",
    "肝病患者必看：某军医研制的转阴胶囊，乙肝大三阳三个月转阴，全国免费热线，汇款后三日内发货。",
    "妇科炎症反复发作？本品一贴见效，草本配方安全无副作用，关注公众号领取试用装，买三盒送一盒。",
    "近视眼恢复仪，每天十分钟，摘掉眼镜不是梦，视力恢复率99%，现在下单立减三百元，支持货到付款。",
    "痔疮患者的好消息，我院微创手术不开刀不流血，当天手术当天回家，网上预约手术费减免20%。",
    "减肥胶囊七天瘦十斤，不节食不运动，明星都在用，官方正品，假一赔十，加微信了解详情。",
    "骨质增生、腰椎间盘突出的朋友有福了，神奇膏药一贴就灵，三天止痛，七天见效，订购电话二十四小时"
    "接听。",
]
MEDICINE_ZH = [
    "前列腺炎的治疗包括抗生素、α受体阻滞剂和物理治疗，疗程一般为四至六周，复发者应查明病因。",
    "白癜风的光疗以窄谱中波紫外线为首选，需要数月才能看到复色，部分患者停药后会复发。",
    "人工流产术后应休息两周，一个月内禁止性生活和盆浴，如出血多于月经量或发热应及时就诊。",
    "2型糖尿病患者在生活方式干预和口服药物后血糖仍不达标时，应及早开始胰岛素治疗。",
    "痔的手术适用于保守治疗无效的三、四度内痔，术后常见的并发症是疼痛、出血和尿潴留。",
    "近视一旦形成不可逆转，角膜塑形镜只能暂时改善白天的裸眼视力并延缓眼轴增长。",
    "乙肝大三阳患者的抗病毒治疗目标是抑制病毒复制，表面抗原转阴只在少数患者中发生。",
    "银屑病是慢性复发性疾病，目前没有根治的办法，治疗的目的是控制症状、提高生活质量。",
    "植发手术后两周移植的毛发会脱落，三个月后重新长出，成活率与取发和保存的时间有关。",
    "医保报销比例因地区而异，住院患者出院时可直接结算，门诊慢性病需先办理登记。",
]
ADVERTS_EN = [
    "Erase diabetes in 14 days with this doctor-approved root extract! No needles, no pills. "
    "Order now and get two bottles free, money-back guarantee.",
    "Our clinic offers painless laser hair removal, 50% off this month only. Book your free "
    "consultation online or call our hotline today.",
    "Suffering from joint pain? This miracle patch stops arthritis in minutes. Used by "
    "thousands, clinically proven, no side effects, buy now.",
    "Buy Viagra and Cialis online without prescription, lowest prices, discreet shipping "
    "worldwide, satisfaction guaranteed.",
    "Lose 20 pounds in three weeks without diet or exercise. Celebrity doctors swear by this "
    "natural fat burner. Limited supply, claim your trial bottle.",
    "Restore your hearing naturally! One simple trick that big pharma doesn't want you to "
    "know. Click here to watch the free video.",
    "Get a Hollywood smile: dental implants from $999, free x-ray and consultation, financing "
    "available, call now for an appointment.",
    "Stem cell therapy cures autism, MS and Parkinson's at our world-class centre. 95% "
    "success rate. Contact our patient coordinator for a quote.",
]
MEDICINE_EN = [
    "Sildenafil is available by prescription only and must not be combined with nitrates "
    "because of the risk of severe hypotension.",
    "Stem cell therapy for Parkinson's disease remains experimental; no trial has shown "
    "lasting benefit so far.",
    "Dental implants fail in about five percent of patients, mostly smokers and people with "
    "poorly controlled diabetes.",
    "Weight loss of five to ten percent over six months lowers blood pressure and improves "
    "glycaemic control.",
    "Arthritis pain can be eased with topical diclofenac, exercise and weight loss; opioids "
    "are not recommended.",
]


@pytest.mark.parametrize(
    ("texts", "lang", "least", "most"),
    [
        (ADVERTS_ZH, "zh", 13, 18),
        (ADVERTS_EN, "en", 7, 8),
        (MEDICINE_ZH, "zh", 0, 0),
        (MEDICINE_EN, "en", 0, 0),
    ],
    ids=["adverts zh", "adverts en", "medicine zh", "medicine en"],
)
def test_medical_adverts(
    demo: Settings, texts: list[str], lang: str, least: int, most: int
) -> None:
    rows = [
        {"doc_id": f"{i:02}", "shard": "s", "lang": lang, "text": text}
        for i, text in enumerate(texts)
    ]
    measured = measure(rows_of("documents", *rows).lazy())
    reasons = rules.decide(measured, demo.rules).collect()["reasons"]
    found = sum(bool(set(failed) & {"advert_v1", "medical_advert_v1"}) for failed in reasons)
    assert least <= found <= most
