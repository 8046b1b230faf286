"""Literals found in one pass over bytes, against Polars' own search for each list."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carebot_assets.corpus import literals, phrases

ALPHABET = st.sampled_from("aAbBzZ[@ .©é病院\x00😀")
LITERAL = st.text(ALPHABET, min_size=1, max_size=6).filter(lambda text: len(text.encode()) > 1)
LISTS = st.lists(st.lists(LITERAL, min_size=1, max_size=4), max_size=8)


def held(texts: pl.Series, lists: list[list[str]]) -> list[list[bool]]:
    wanted = literals.prepared({str(i): one for i, one in enumerate(lists)})
    return [holds.tolist() for holds in literals.held(texts, wanted).values()]


def slowly(texts: pl.Series, lists: list[list[str]]) -> list[list[bool]]:
    found = (texts.str.contains_any(one, ascii_case_insensitive=True) for one in lists)
    return [column.fill_null(False).to_list() for column in found]


@settings(deadline=None)  # the pass is compiled at the first call
@given(st.lists(st.none() | st.text(ALPHABET), max_size=6), LISTS)
@example(["@", "©", "\x00\x00\x00"], [["\x00@"], ["©"], ["\x00\x00\x00"]])
def test_any_texts_and_lists(texts: list[str | None], lists: list[list[str]]) -> None:
    """Of few letters, so that literals begin, overlap and end alike, at the texts' ends too."""
    series = pl.Series(texts, dtype=pl.String)
    for some in (series, series.slice(1), pl.concat([series, series]).slice(len(texts) // 2)):
        assert held(some, lists) == slowly(some, lists)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ""),
        ("Buy NOW", "a"),
        ("buy no", ""),
        ("© 2020", "b"),
        ("立即购买", "c"),
        ("立即购", ""),
        ("fag and buy now and 立即购买©", "abcd"),
    ],
)
def test_heads_of_every_width(text: str, names: str) -> None:
    lists = {"a": ["buy now"], "b": ["©"], "c": ["立即购买"], "d": ["FAG"]}
    found = literals.held(pl.Series([text]), literals.prepared(lists))
    assert "".join(name for name, holds in found.items() if holds.item()) == names


def test_no_text_holds_one_of_no_literals() -> None:
    assert held(pl.Series(["a", None]), []) == []
    assert held(pl.Series(["a", None]), [[]]) == [[False, False]]
    assert held(pl.Series([], dtype=pl.String), [["ab"]]) == [[]]


def test_as_many_lists_as_there_may_be() -> None:
    lists = [[f"w{i:02}"] for i in range(literals.MAX_LISTS)]
    texts = pl.Series(["w00 w63", "w62", "none"])
    assert held(texts, lists) == slowly(texts, lists)


def test_the_built_in_phrases_in_themselves() -> None:
    lists = [phrases.load().lists[kind] for kind in phrases.KINDS]
    texts = pl.Series([f"x {phrase.upper()} y" for one in lists for phrase in one])
    assert held(texts, lists) == slowly(texts, lists)
