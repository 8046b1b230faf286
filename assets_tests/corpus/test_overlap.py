import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus.overlap import NGRAM, HeldOut

ZH = "患者三天前受凉后出现发热咳嗽，最高体温三十九度，给予物理降温与口服补液后好转出院。"
EN = (
    "The patient was admitted with a fever of three days and a dry cough that got worse at night, "
    "and was discharged after rest and oral fluids."
)


@pytest.mark.parametrize(
    ("text", "overlaps"),
    [
        (ZH, True),
        (EN.upper(), True),
        ("前言。" * 20 + ZH + "后记。" * 20, True),
        ("患者三天前受凉后出现发熱咳嗽，最高體溫三十九度", True),  # a part of it, Traditional
        (EN[:100] + " But this is another end.", True),
        (EN[:50] + " But this part is another one and goes on for long in its own way.", False),
        (ZH[:10] + "体温正常，无需治疗，注意休息，随诊观察，三个月后复查血常规。", False),
        ("The patient was admitted with a broken leg and was discharged after surgery.", False),
        ("", False),
        ("发热", False),
    ],
)
def test_same_near_and_contained_text_overlaps(text: str, overlaps: bool) -> None:
    index = HeldOut(pl.Series([ZH, EN]), 0.5)
    assert index.in_texts(pl.Series(["other", text])).to_list() == [False, overlaps]


def test_short_text_overlaps_itself_only() -> None:
    index = HeldOut(pl.Series(["多喝水。"]), 0.5)
    assert index.in_texts(pl.Series(["多喝水。", "多喝热水。"])).to_list() == [True, False]
    nothing = HeldOut(pl.Series([], dtype=pl.String), 0.5)
    assert nothing.in_texts(pl.Series([ZH])).to_list() == [False]
    assert index.in_texts(pl.Series([], dtype=pl.String)).to_list() == []


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("甲乙丙"), max_size=24).map("".join), max_size=4),
    st.lists(st.lists(st.sampled_from("甲乙丙"), max_size=24).map("".join), max_size=4),
)
def test_overlaps_are_those_of_the_slow_way(held: list[str], texts: list[str]) -> None:
    def grams(text: str) -> set[str]:
        return {text[i : i + NGRAM] for i in range(len(text) - NGRAM + 1)}

    index = HeldOut(pl.Series(held, dtype=pl.String), 0.5)
    slow = {
        (i, j): len(grams(a) & grams(b)) / min(len(grams(a)), len(grams(b)))
        for i, a in enumerate(texts)
        for j, b in enumerate(index.texts)
        if grams(a) & grams(b)
    }
    found = index.overlaps(pl.Series(texts, dtype=pl.String))
    assert {(i, j): value for i, j, value in found.iter_rows()} == slow
