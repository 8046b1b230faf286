"""What normalisation changes, and that its short cut changes nothing else."""

import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carebot_assets.corpus import normalize

TEXT = st.text(
    st.one_of(
        st.sampled_from(
            "aé 病。\u0301\u1161\u00a0\r\n\t\u202e\u2028\u0085\u3000\uac00\u0915\u093c"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)


def normalized(*texts: str) -> list[str]:
    return (
        pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
        .select(normalize.normalize(pl.col("t")))["t"]
        .to_list()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("e\u0301 \x93quoted\x94 \u00a0x", "\u00e9 \u201cquoted\u201d  x"),
        ("a \t\u3000\n\n\n\nb  ", "a\n\nb"),
        ("zero\u200bwidth\u202e \U000e0041tag\x00", "zerowidth tag"),
        ("全角，标点", "全角，标点"),
    ],
)
def test_changes(text: str, expected: str) -> None:
    assert normalized(text) == [expected]


def test_no_character_is_missed_by_the_short_cut() -> None:
    chars = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    frame = pl.DataFrame({"c": chars}).with_columns(
        odd=pl.col("c").str.contains(normalize._odd()), clean=normalize._cleaned(pl.col("c"))
    )
    assert frame.filter(~pl.col("odd") & (pl.col("c") != pl.col("clean"))).is_empty()


@given(st.lists(TEXT, max_size=5))
def test_the_short_cut_changes_nothing(texts: list[str]) -> None:
    cleaned = pl.Series("t", texts, pl.String).to_frame().select(normalize._cleaned(pl.col("t")))
    assert normalized(*texts) == normalized(*cleaned["t"].to_list())


@given(TEXT)
def test_normal_text_stays(text: str) -> None:
    once = normalized(text)
    assert normalized(*once) == once
