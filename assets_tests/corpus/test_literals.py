"""Literals found in one pass over bytes, against Polars' own search for each list."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carebot_assets.corpus import literals, phrases

ALPHABET = st.sampled_from("aAbBzZ[@ .©é病院\x00😀")
LITERAL = st.text(ALPHABET, min_size=1, max_size=6).filter(lambda text: len(text.encode()) > 1)
LISTS = st.lists(st.lists(LITERAL, min_size=1, max_size=4), max_size=literals.MAX_LISTS)


def slowly(texts: pl.Series, lists: list[list[str]]) -> list[int]:
    found = [
        texts.str.contains_any(one, ascii_case_insensitive=True).fill_null(False) for one in lists
    ]
    return [sum(1 << i for i, column in enumerate(found) if column[d]) for d in range(len(texts))]


@settings(deadline=None)  # the pass is compiled at the first call
@given(st.lists(st.none() | st.text(ALPHABET), max_size=6), LISTS)
@example(["@", "©", "\x00\x00\x00"], [["\x00@"], ["©"], ["\x00\x00\x00"]])
def test_any_texts_and_lists(texts: list[str | None], lists: list[list[str]]) -> None:
    """Of few letters, so that literals begin, overlap and end alike, at the texts' ends too."""
    series = pl.Series(texts, dtype=pl.String)
    for some in (series, series.slice(1), pl.concat([series, series]).slice(len(texts) // 2)):
        held = literals.held(some, literals.prepared(lists))
        assert held.tolist() == slowly(some, lists)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("", 0),
        ("Buy NOW", 1),
        ("buy no", 0),
        ("© 2020", 2),
        ("立即购买", 4),
        ("立即购", 0),
        ("fag and buy now and 立即购买©", 15),
    ],
)
def test_heads_of_every_width(text: str, held: int) -> None:
    wanted = literals.prepared([["buy now"], ["©"], ["立即购买"], ["FAG"]])
    assert literals.held(pl.Series([text]), wanted).tolist() == [held]


def test_no_text_holds_one_of_no_literals() -> None:
    assert literals.held(pl.Series(["a", None]), literals.prepared([])).tolist() == [0, 0]
    assert literals.held(pl.Series([], dtype=pl.String), literals.prepared([["ab"]])).size == 0


def test_the_built_in_phrases_in_themselves() -> None:
    lists = [phrases.load()._raw[kind] for kind in phrases.KINDS]
    texts = pl.Series([f"x {phrase.upper()} y" for one in lists for phrase in one])
    assert literals.held(texts, literals.prepared(lists)).tolist() == slowly(texts, lists)
