"""The sieve of the audit against its slow reference: letters by Polars, strings by Python."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus.audit import plain, sieve

ODD = st.sampled_from("aZÉéeΣς\u0301 ﬁ１Ａ㎎℃½ｶﾞ한ᄒ體体，。_-İ´\u00adＫ\ue000\U000f0000\U000e0101")
TEXT = st.text(ODD | st.characters(exclude_categories=["Cs"]))
PIECES = st.sampled_from(("ab", "é", "éa", "1é", "x_y", "_", "中", "a中b", "，", "3.", "q", "℃"))
WORDS = st.sampled_from(("of", "the", "乙", "型", "肝炎", "x", "ab", "cde"))
TEXTS = st.lists(WORDS, max_size=9).map(" ".join)
SOME = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


def letters(text: str) -> str:
    found: str = pl.DataFrame({"t": [text]}).select(plain.letters(pl.col("t"))).item()
    return found


def pairs(*strings: tuple[str, str]) -> sieve.Pairs:
    schema = {"one": pl.String, "other": pl.String}
    return sieve.pairs(pl.DataFrame(list(strings), schema=schema, orient="row"))


@given(TEXT)
def test_folding(text: str) -> None:
    slow = unicodedata.normalize("NFKC", text).lower()
    slow = "".join(plain._simplified().get(c, c) for c in slow)
    assert pl.DataFrame({"text": [text]}).select(plain.folded(pl.col("text"))).item() == slow


@settings(deadline=None)  # tables are made at the first call
@given(st.lists(PIECES, max_size=12))
def test_letters_are_the_units_but_for_single_ascii_characters(parts: list[str]) -> None:
    text = " ".join(parts) + "；" + "-".join(parts)
    units = pl.DataFrame({"text": [text]}).select(plain.units(pl.col("text"))).item()
    assert letters(" ".join(unit for unit in units if len(unit.encode()) > 1)) == letters(text)


@settings(deadline=None)
@given(TEXT, st.data())
def test_a_text_holds_whatever_its_letters_hold(text: str, data: st.DataObject) -> None:
    """What a text's neighbours and ends make of its letters is in the window too."""
    known = letters(text)
    if not known:
        return
    at = data.draw(st.integers(0, len(known) - 1))
    string = known[at : at + data.draw(st.integers(1, 9))]
    texts = pl.Series(["elsewhere", text, "here"])
    assert sieve.holding(texts, pairs((string, string)))[1]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.lists(st.tuples(SOME, SOME), max_size=3))
def test_both_of_a_pair(texts: list[str], wanted: list[tuple[str, str]]) -> None:
    strings = [(letters(a), letters(b)) for a, b in wanted]
    strings = [(a, b) for a, b in strings if a and b]
    prepared = pairs(*strings)

    def head(string: str) -> str:
        is_long = len(string) >= 2 * prepared.narrow
        return string[: prepared.wide if is_long else prepared.narrow]

    expected = [
        any(head(a) in letters(t) and head(b) in letters(t) for a, b in strings) for t in texts
    ]
    assert sieve.holding(pl.Series(texts, dtype=pl.String), prepared).to_list() == expected


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("acute hepatitis B and cirrhosis of the liver", True),
        ("CIRRHOSIS... (a) Acute: hepa-titis", True),
        ("cirrhosis of the liver", False),
        ("乙型肝炎与肝硬化", True),
        ("乙型，A. 肝炎……肝硬化", True),
        ("乙型肝炎", False),
        ("e\u0301 alone", True),  # a mark joins: not for the sieve to say
        ("", False),
    ],
)
def test_examples(text: str, held: bool) -> None:
    wanted = pairs(("acutehepatitis", "cirrhosis"), ("乙型肝炎", "肝硬化"))
    assert sieve.holding(pl.Series([text]), wanted).to_list() == [held]


def test_no_pairs_and_no_texts() -> None:
    assert sieve.holding(pl.Series(["some text"]), pairs()).to_list() == [False]
    assert sieve.holding(pl.Series([], dtype=pl.String), pairs(("ab", "cd"))).to_list() == []


def test_many_texts_and_a_part_of_them() -> None:
    texts = pl.Series(["ab cd" if i % 4 == 1 else "cd" for i in range(11)])
    wanted = pairs(("ab", "cd"))
    assert sieve.holding(texts, wanted).arg_true().to_list() == [1, 5, 9]
    assert sieve.holding(texts[4:], wanted).arg_true().to_list() == [1, 5]
