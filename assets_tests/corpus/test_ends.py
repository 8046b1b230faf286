"""Ends of texts in one pass, against Python's own characters."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carebot_assets.corpus.audit import ends

CHARACTERS = st.sampled_from("ab中 \t\n\u0085\u00a0\u3000\u2028\u202f\u200b\x1f、é😀")
TEXT = st.text(CHARACTERS, max_size=70)


def slowly(text: str | None) -> tuple[str, str]:
    """The audit's white space is Unicode's with all separators, as the regex engine has it."""
    plain: str = pl.Series([text or ""]).str.replace_all(r"[\s\p{Z}]+", "")[0]
    return plain[: ends.SIZE], plain[-ends.SIZE :]


@settings(deadline=None)  # the pass is compiled at the first call
@given(st.lists(st.none() | TEXT, max_size=8))
def test_same_hash_where_the_ends_are_the_same(texts: list[str | None]) -> None:
    found = ends.hashes(pl.Series("text", texts, dtype=pl.String)).to_list()
    known = [slowly(text) for text in texts]
    for i in range(len(texts)):
        for j in range(i):
            assert (found[i] == found[j]) == (known[i] == known[j])


@given(TEXT, st.lists(st.integers(0, 70)), st.sampled_from(" \t\n\u0085\u00a0\u3000\u2028"))
def test_white_space_does_not_matter(text: str, places: list[int], space: str) -> None:
    spaced = text
    for place in places:
        spaced = spaced[:place] + space + spaced[place:]
    found = ends.hashes(pl.Series([text, spaced]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("a" * 24 + "x" + "b" * 24, "a" * 24 + "y" + "b" * 24, True),
        ("a" * 23 + "x" + "b" * 24, "a" * 24 + "b" * 24, False),
        ("患者 发热\n三天", "患者发热三天", True),
        ("患者发热三天", "患者发热四天", False),
        ("", " \u3000\n", True),
        ("abc", "ab", False),
    ],
)
def test_examples(one: str, other: str, is_same: bool) -> None:
    found = ends.hashes(pl.Series([one, other]))
    assert (found[0] == found[1]) == is_same
