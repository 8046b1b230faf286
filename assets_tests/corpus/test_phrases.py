"""Phrases of adverts, abuse and page furniture; the user's own lists; words of medicine."""

import re
from pathlib import Path

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.corpus import lexicons, literals, phrases, rules
from carebot_assets.corpus.measures import measure
from carebot_assets.settings import Settings, SettingsError, load_settings

FILLER = {
    "zh": "本文介绍高血压的诊断与治疗。" * 12,
    "en": "The patient was seen in the clinic. " * 20,
}


def counts(text: str, own: dict[str, str] | None = None) -> dict[str, float]:
    texts, known = pl.Series([text, None]), phrases.load(own)
    held = literals.held(texts, literals.prepared(known.lists))
    return known.measures(texts, held).row(0, named=True)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("Buy now! Limited stock!", "num_advert", 2),
        ("BUY   now", "num_advert", 0),
        ("限时优惠，加微信领取优惠券", "num_advert", 3),
        ("encloser closers, idiotypic bitchiness", "num_abuse", 0),
        ("you idiot, SHUT UP", "num_abuse", 2),
        ("An idiot, in the sense of the older literature, and an imbecile", "num_abuse", 0),
        ("闭嘴，你这个白痴", "num_abuse", 2),
        ("本院祖传秘方，包治百病，永不复发", "num_medical_advert", 3),
        ("Miracle cure without prescription", "num_medical_advert", 2),
        ("Accept Cookies\nA text.", "boilerplate_line_ratio", 0.5),
        ("版权所有\n首页 | 关于我们\n正文。\n又一行。", "boilerplate_line_ratio", 0.5),
        ("关于我们" + "的研究" * 60, "boilerplate_line_ratio", 0.0),
        ("", "boilerplate_line_ratio", 0.0),
    ],
)
def test_counts(text: str, column: str, expected: float) -> None:
    assert counts(text)[column] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("乳房、阴道、阴茎、睾丸、肛门、包皮的检查；性交疼痛、射精障碍、梅毒和性无能。",
         "zh"),
        ("分泌物恶臭，肛门排气（放屁），代谢废物经肾排出；补肾壮阳；母狗咬伤；蝗虫过敏。", "zh"),
        ("Breast, penis, vagina, vulva, anus, rectum, nipple, semen, sexual intercourse, rape, "
         "ejaculation, spastic paresis, erectile dysfunction, masturbation and gonorrhoea.", "en"),
        ("有效率92.5%，治愈率达80%，口服，每日3次，饭后服用，忌食辛辣，孕妇禁用，特价药品目录。",
         "zh"),
        ("The trial offered free treatment; 20% of 150 patients took part; call rates were low.",
         "en"),
    ],
)  # fmt: skip
def test_words_of_medicine_are_neither_abuse_nor_adverts(
    text: str, lang: str, demo: Settings
) -> None:
    verdict = judged(text + FILLER[lang], lang, demo)
    assert not set(verdict) & {"toxic_v1", "advert_v1", "medical_advert_v1"}


def judged(text: str, lang: str, demo: Settings) -> list[str]:
    rows = rows_of("documents", {"doc_id": "a", "shard": "s", "lang": lang, "text": text})
    return list(rules.decide(measure(rows.lazy()), demo.rules).collect()["reasons"][0])


@pytest.mark.parametrize(
    ("text", "lang", "rule"),
    [
        (
            "本院老军医祖传秘方，包治百病，签约治疗，永不复发，预约挂号热线。",
            "zh",
            "medical_advert_v1",
        ),
        ("祖传秘方，加微信咨询", "zh", "medical_advert_v1"),
        ("全场清仓，立即抢购，满百包邮", "zh", "advert_v1"),
        ("A miracle cure! Order now, free shipping.", "en", "medical_advert_v1"),
        ("Order now, free shipping, while supplies last.", "en", "advert_v1"),
    ],
)
def test_adverts_of_medicine_are_their_own_kind(
    text: str, lang: str, rule: str, demo: Settings
) -> None:
    reasons = judged(text + FILLER[lang], lang, demo)
    assert rule in reasons
    assert ("medical_advert_v1" in reasons) is (rule == "medical_advert_v1")


def test_own_phrases_count_beside_the_built_in_ones(tmp_path: Path) -> None:
    zh, en = tmp_path / "zh.txt", tmp_path / "en.txt"
    zh.write_text("# mine\n\ufeff\n臭番茄\n乳房\n", "utf-8")
    en.write_text("Rotten Tomato\nanus\nx\n", "utf-8")
    own = {"abuse_zh": str(zh), "abuse_en": str(en)}
    assert counts("你这个臭番茄，闭嘴", own)["num_abuse"] == 2
    assert counts("you rotten tomato; rotten tomatoes; anus", own)["num_abuse"] == 1
    assert counts("乳房检查", own)["num_abuse"] == 0
    assert counts("you rotten tomato")["num_abuse"] == 0
    en.write_text("rotten tomatoes\n", "utf-8")
    assert counts("rotten tomatoes", own)["num_abuse"] == 1, "a changed file is read anew"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("坏词".encode("gb18030"), "is not UTF-8"),
        (b"# only a comment\n\n", "holds no phrase"),
        (b"anus\nrectum\n", "holds no phrase"),
        (b"a" * 300, "phrase 1 of .* has 300 characters"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"rules\.lexicons\.abuse_en: .*mine\.txt") as error:
        phrases.load({"abuse_en": str(file)})
    assert re.search(message, str(error.value))


def test_an_unknown_list_is_refused_and_paths_are_anchored(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("extends: demo\nrules: {lexicons: {abuse_zh: lists/zh.txt}}\n", "utf-8")
    settings = load_settings(str(profile), {})
    assert settings.rules.lexicons == {"abuse_zh": str(tmp_path / "lists/zh.txt")}
    profile.write_text("extends: demo\nrules: {lexicons: {insults: zh.txt}}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"rules\.lexicons"):
        load_settings(str(profile), {})


def test_lists_hold_no_word_of_medicine_and_no_repetition() -> None:
    for kind, listed in lexicons.BUILT_IN.items():
        assert len(set(map(str.lower, listed))) == len(listed), kind
        assert kind == "boilerplate" or all(len(phrase) > 1 for phrase in listed)
    assert not set(lexicons.BUILT_IN["abuse"]) & lexicons.MEDICAL
