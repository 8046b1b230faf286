"""Private information: found by kind, masked in place, never by chance numbers."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus import private

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
    ("Patient name: Mary O'Neil, 54", "Patient name: [PERSON_NAME], 54", ["person_name"]),
]
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
]


@pytest.mark.parametrize(("text", "masked", "kinds"), FOUND)
def test_found_and_masked(text: str, masked: str, kinds: list[str]) -> None:
    texts = pl.Series([text, None, "clean"])
    assert private.find(texts).to_list() == [kinds, [], []]
    wanted = pl.Series([kinds, [], []], dtype=pl.List(pl.String))
    assert private.mask(texts, wanted).to_list() == [masked, None, "clean"]


@pytest.mark.parametrize("text", CLEAN)
def test_look_alikes_stay(text: str) -> None:
    assert private.find(pl.Series([text])).to_list() == [[]]
    assert private.mask_all(pl.Series([text])).to_list() == [text]


def test_only_listed_kinds_are_masked_and_only_where_listed() -> None:
    text = "mail x@example.com, 电话13812345678"
    wanted = pl.Series([["phone"], ["email"], []], dtype=pl.List(pl.String))
    assert private.mask(pl.Series([text] * 3), wanted).to_list() == [
        "mail x@example.com, 电话[PHONE]",
        "mail [EMAIL], 电话13812345678",
        text,
    ]
    with pytest.raises(ValueError, match=r"unknown kinds .*\['fax'\]; known: \['bank_card'"):
        private.mask(pl.Series(["a"]), pl.Series([["fax"]]))


def test_an_invalid_number_beside_a_valid_one_stays() -> None:
    text = "bad 4111111111111112, good 4111111111111111, bad 4111111111111112"
    masked = "bad 4111111111111112, good [BANK_CARD], bad 4111111111111112"
    assert private.mask_all(pl.Series([text])).to_list() == [masked]


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
