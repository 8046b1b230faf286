"""Private information: found by kind, masked in place, never by chance numbers."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.private_values import VALUES
from carebot_assets.corpus import private
from carebot_assets.corpus.private.detector import SCOPES, Detector

FOUND = [
    ("联系邮箱lin@example.com。", "联系邮箱[EMAIL]。", ["email"]),
    ("Write to a.b-c+d@mail.example.org, please", "Write to [EMAIL], please", ["email"]),
    ("电话13812345678转", "电话[PHONE]转", ["phone"]),
    ("手机 138-1234-5678", "手机 [PHONE]", ["phone"]),
    ("请拨010-62345678或（0755）26543210", "请拨[PHONE]或[PHONE]", ["phone"]),
    ("call +44 20 7946 0958 now", "call [PHONE] now", ["phone"]),
    ("call (212) 456-7890 or 212-456-7890.", "call [PHONE] or [PHONE].", ["phone"]),
    ("身份证11010519491231002X。", "身份证[CN_RESIDENT_ID]。", ["cn_resident_id"]),
    ("SSN: 331-97-4605.", "SSN: [US_SSN].", ["us_ssn"]),
    ("card 4111 1111 1111 1111 ok", "card [BANK_CARD] ok", ["bank_card"]),
    ("卡号6217006801148757049。", "卡号[BANK_CARD]。", ["bank_card"]),
    ("发帖IP183.246.7.9，", "发帖IP[IP]，", ["ip"]),
    ("see ftp://bob:secret@host.example/x now", "see [URL_CREDENTIALS] now", ["url_credentials"]),
    ("GET /a?token=abcdef12&x=1", "GET /a?token=[URL_CREDENTIALS]&x=1", ["url_credentials"]),
    ("住院号：20231234。", "住院号：[MEDICAL_RECORD_NUMBER]。", ["medical_record_number"]),
    ("MRN: AB-123456.", "MRN: [MEDICAL_RECORD_NUMBER].", ["medical_record_number"]),
    ("患者姓名：欧阳娜娜，女", "患者姓名：[PERSON_NAME]，女", ["person_name"]),
    ("姓名:张三性别:男", "姓名:[PERSON_NAME]性别:男", ["person_name"]),
    ("姓名 张三 性别 男 年龄 58", "姓名 [PERSON_NAME] 性别 男 年龄 58", ["person_name"]),
    ("姓名张三，男，58岁", "姓名[PERSON_NAME]，男，58岁", ["person_name"]),
    ("患者：李四，男，发热", "患者：[PERSON_NAME]，男，发热", ["person_name"]),
    ("加微信号 lin_2023，或QQ 123456789", "加微信号 [MESSENGER_ID]，或QQ [MESSENGER_ID]",
     ["messenger_id"]),
    ("Patient name: Mary O'Neil, 54", "Patient name: [PERSON_NAME], 54", ["person_name"]),
    # Digits in other forms
    ("电话１３８１２３４５６７８。", "电话[PHONE]。", ["phone"]),
    ("手机 138 1234 5678，座机 010 62345678", "手机 [PHONE]，座机 [PHONE]", ["phone"]),
    ("患者李明（110105 19491231 002X）", "患者李明（[CN_RESIDENT_ID]）", ["cn_resident_id"]),
    ("号码1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X完", "号码[CN_RESIDENT_ID]完", ["cn_resident_id"]),
    ("身份证１１０１０５１９４９１２３１００２Ｘ", "身份证[CN_RESIDENT_ID]", ["cn_resident_id"]),
    ("旧身份证号：110105491231002。", "旧身份证号：[CN_RESIDENT_ID]。", ["cn_resident_id"]),
    ("邮箱lin＠example.com", "邮箱[EMAIL]", ["email"]),
    ("call 212–456–7890 today", "call [PHONE] today", ["phone"]),
    ("UK: 020 7946 0958, mobile 07700 900123", "UK: [PHONE], mobile [PHONE]", ["phone"]),
    ("Fax: 345-899-3560x458, 0086-10-62345678", "Fax: [PHONE], [PHONE]", ["phone"]),
    ("热线400-820-8820", "热线[PHONE]", ["phone"]),
    # Other kinds
    ("IBAN GB82 WEST 1234 5698 7654 32 ok", "IBAN [IBAN] ok", ["iban"]),
    ("card number 4222222222222 was lost", "card number [BANK_CARD] was lost", ["bank_card"]),
    ("Passport No. 123456789; 护照号：E12345678", "Passport No. [PASSPORT]; 护照号：[PASSPORT]",
     ["passport"]),
    ("医保卡号：B12345678X，保单号 PL20231234",
     "医保卡号：[INSURANCE_NUMBER]，保单号 [INSURANCE_NUMBER]",
     ["insurance_number"]),
    ("Policy No. HX-123456; NHS number 943 476 5919",
     "Policy No. [INSURANCE_NUMBER]; NHS number [INSURANCE_NUMBER]", ["insurance_number"]),
    ("患者王建国，男，56岁", "患者[PERSON_NAME]，男，56岁", ["person_name"]),
    ("My name is Ann Lee and", "My name is [PERSON_NAME] and", ["person_name"]),
    ("My name is Susan. Um, thirty", "My name is [PERSON_NAME]. Um, thirty", ["person_name"]),
    ("1.13812345678 2)lin@example.com", "1.[PHONE] 2)[EMAIL]", ["email", "phone"]),
    ("Name: Ann Lee\nPhone: n/a", "Name: [PERSON_NAME]\nPhone: n/a", ["person_name"]),
    ("家庭住址：北京市朝阳区建国路88号3单元501室，电话不详",
     "家庭住址：[ADDRESS]，电话不详", ["address"]),
    ("His address is 12 Elm Street; he", "His address is [ADDRESS]; he", ["address"]),
    ("出生日期：1978年5月3日，", "出生日期：[DATE_OF_BIRTH]，", ["date_of_birth"]),
    ("DOB: 03/05/1978, seen", "DOB: [DATE_OF_BIRTH], seen", ["date_of_birth"]),
    ("驾驶证号：110105194912310021", "驾驶证号：[DRIVER_LICENSE]", ["driver_license"]),
    ("微信号：lin_2023，QQ：123456789",
     "微信号：[MESSENGER_ID]，QQ：[MESSENGER_ID]", ["messenger_id"]),
    ("from 2001:4860:4860:0:0:0:0:8888 on", "from [IP] on", ["ip"]),
    ("IP address: 5.6.7.8", "IP address: [IP]", ["ip"]),
    (f"key {'AKIA'}{'ABCDEFGHIJKLMNOP'} leaked", "key [SECRET_KEY] leaked", ["secret_key"]),
    (f"{'-----BEGIN'} RSA PRIVATE KEY-----\nabc+/=\n{'-----END'} RSA PRIVATE KEY-----\nend",
     "[SECRET_KEY]\nend", ["secret_key"]),
]  # fmt: skip
CLEAN = [
    "身份证110105194912310021（校验码不对）",
    "卡号 4111111111111112",
    "the ratio was 10.0.0.1 to 192.168.1.1, section 1.2.3.4.5, version 300.1.1.1",
    "SSN 000-12-3456 and 666-12-3456",
    "2020年13812人，编号213812345678901",
    "n = 123-456 of 1234567 at 2003-2004; p < 0.001; 42.195 km",
    "the 2-year-old patient name tag; 姓名不详",
    "meet @home, a@b, 3 @ 4",
    "PMID 31978945, doi 10.1056/NEJMoa2001017, ISBN 978-7-117-24567-8",
    # Numbers of medicine and literature
    "doi:10.1016/0140-6736(95)91234-5 and 10.1037/0278-6133.23.5.517, PMC13812345678",
    "NCT01234567, ISRCTN13812345, ChiCTR-TRC-13003812, ISSN 1234-5679, ORCID 0000-0002-1825-0097",
    "国药准字H20013812345，批准文号：国药准字Z13020795，批号13812345678，条形码6901234567892",
    "ICD-10 E11.9, C50.911; EC 3.4.21.104; MIM 613-123; CAS 50-78-2; GenBank NM_000138.4",
    "0.5-1.0 g, 2 x 250-500 mg; 1 000 000 IU; 120/80-140/90 mmHg; 37.5-38.5 C",
    "software version 10.15.7.120, v2.100.3.200, 第12.3.4.150节",
    "1990-2003 (n=1381), 2010-2019 (n=2212) and 2012-12-31 to 2013-01-02 10:20:30",
    "vol 381, pp 1381-1392; 345 678 912 patients; 12 345 67 8",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
    "患者某，男，姓名：张某某；患者李某，女；联系人：不详",
    "姓名 性别 年龄 科室；姓名 年龄 男；微信号 很多，QQ 音乐，QQ 2024 版，微信 8.0.3",
    "Patient name: unknown; NHS number 943 476 5918; passport control; social security system",
    "xmin = 231.16735458085, 175.8616967153441, 2.36733658745116; id='+31153719'",
    "02.02-02.28每日3粒; My name is Doctor X",
    "心率110次/分，血压138 1234；随访2013-08-12 34例",
    "生日快乐；地址不详；出生体重3200g；医保报销50-80%",
    "patients living at 2500 m; a card game of 52; phone use 2-3 hours; fax of 2003",
]


@pytest.mark.parametrize("detector", private.DETECTORS, ids=lambda d: f"{d.kind} {d.gate[:20]}")
def test_every_pattern_compiles_and_names_a_known_scope(detector: Detector) -> None:
    texts = pl.Series(["x"])
    assert texts.str.contains(detector.gate).len() == texts.str.contains(detector.pattern).len()
    assert detector.scope == "any" or detector.scope in SCOPES


@pytest.mark.parametrize(("text", "masked", "kinds"), FOUND)
def test_found_and_masked(text: str, masked: str, kinds: list[str]) -> None:
    texts = pl.Series([text, None, "clean"])
    assert private.find(texts).to_list() == [kinds, [], []]
    assert private.mask(texts, kinds).to_list() == [masked, None, "clean"]


@pytest.mark.parametrize("text", CLEAN)
def test_look_alikes_stay(text: str) -> None:
    assert private.find(pl.Series([text])).to_list() == [[]]
    assert private.mask_all(pl.Series([text])).to_list() == [text]


@pytest.mark.parametrize(
    ("kinds", "masked"),
    [
        (["phone"], "mail x@example.com, 电话[PHONE]"),
        (["email"], "mail [EMAIL], 电话13812345678"),
        ([], "mail x@example.com, 电话13812345678"),
    ],
)
def test_only_listed_kinds_are_masked(kinds: list[str], masked: str) -> None:
    texts = pl.Series(["mail x@example.com, 电话13812345678"] * 2)
    assert private.mask(texts, kinds).to_list() == [masked] * 2


def test_a_kind_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"unknown kinds .*\['fax'\]; known: \['address', 'bank_card'"
    ):
        private.mask(pl.Series(["a"]), ["fax"])


def test_masks_are_put_where_they_are_listed() -> None:
    text = "电话13812345678, mail x@example.com"
    spans = private.tally(pl.Series([text, "clean", text[:20]]))["private_spans"]
    texts = pl.Series([text, "clean", text[:8], text[:13], text[:22], None])
    masks = pl.Series([spans[0], [], spans[0], spans[0], spans[0], []], dtype=spans.dtype)
    assert private.mask_at(texts, masks).to_list() == [
        "电话[PHONE], mail [EMAIL]",
        "clean",
        "电话[PHONE]",
        "电话[PHONE]",
        "电话[PHONE], mail [EMAIL]",
        None,
    ]
    assert texts[0] == text


def test_an_invalid_number_beside_a_valid_one_stays() -> None:
    text = "bad 4111111111111112, good 4111111111111111, bad 4111111111111112"
    masked = "bad 4111111111111112, good [BANK_CARD], bad 4111111111111112"
    assert private.mask_all(pl.Series([text])).to_list() == [masked]


def test_occurrences_are_counted_and_placed() -> None:
    texts = pl.Series(["电话13812345678 a@example.com, b@example.com", None, "none"])
    found = private.tally(texts)
    assert dict(found.schema) == private.TALLY
    places = [
        {"kind": "phone", "start": 2, "length": 11},
        {"kind": "email", "start": 14, "length": 13},
        {"kind": "email", "start": 29, "length": 13},
    ]
    assert found.rows() == [(["email", "phone"], [2, 1], places), ([], [], []), ([], [], [])]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_values_of_every_kind_are_found_where_they_stand(lang: str) -> None:
    assert set(VALUES) == set(private.BY_NAME)
    texts = [f"𠮷 e\u0301 {by_lang[lang].sentence}" for by_lang in VALUES.values()]
    found = private.tally(pl.Series(texts))["private_spans"].to_list()
    for (kind, by_lang), text, spans in zip(VALUES.items(), texts, found, strict=True):
        value = by_lang[lang].value
        assert spans == [{"kind": kind, "start": text.index(value), "length": len(value)}]


@pytest.mark.parametrize(
    ("damaged", "shown"),
    [
        (r'{"text": "\u4f4f\u9662\u53f7\uff1aAB-4821', '{"text": "住院号：[MEDICAL_RECORD_NUMBER]'),
        (r'{"text": "\u59d3\u540d:\u6b27\u9633\u601d\u96e8,', '{"text": "姓名:[PERSON_NAME],'),
        (r'{"text": "\ud83e\ude7a x\u0000 \u00', r'{"text": "\ud83e\ude7a x \u00'),
        (r"电话138\u200b1234\u00ad5678。", "电话[PHONE]。"),
        ("MRN: AB\u200b-55\u202e88", "MRN: [MEDICAL_RECORD_NUMBER]"),
        ("no. 8832-1104-23, 12 g", "no. [NUMBER], 12 g"),
        (None, None),
    ],
)
def test_samples_of_damaged_records_are_redacted(damaged: str | None, shown: str | None) -> None:
    assert private.redact(pl.Series([damaged, "clean"])).to_list() == [shown, "clean"]


def test_places_are_those_of_the_original_text() -> None:
    text = "血压１２０，电话１３８１２３４５６７８和lin@example.com"
    found = private.spans(pl.Series([text])).sort("start")
    values = [text[start : start + length] for _, start, length, _ in found.rows()]
    assert values == ["１３８１２３４５６７８", "lin@example.com"]
    assert private.mask_all(pl.Series([text])).item() == "血压１２０，电话[PHONE]和[EMAIL]"


def test_a_huge_text_is_masked_in_linear_time() -> None:
    text = "write to a.b@example.com now; " * 30_000
    assert private.mask_all(pl.Series([text])).item() == "write to [EMAIL] now; " * 30_000


def test_empty_series() -> None:
    empty = pl.Series([], dtype=pl.String)
    assert private.find(empty).to_list() == []
    assert private.find(empty).dtype == pl.List(pl.String)


WORDS = st.sampled_from([text for text, _, _ in FOUND] + CLEAN) | st.text(max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_masking_is_complete_and_repeatable(parts: list[str]) -> None:
    texts = pl.Series([" | ".join(parts)])
    masked = private.mask_all(texts)
    assert private.find(masked).to_list() == [[]]
    assert private.mask_all(masked).to_list() == masked.to_list()
    assert private.find(texts).to_list()[0] == sorted(set(private.find(texts).to_list()[0]))
