"""Texts as compiled passes see them, against their own bytes."""

import gc

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carebot_assets.corpus.views import utf8

# Twelve bytes lie in the view itself, thirteen do not.
TEXTS = st.lists(st.none() | st.text(max_size=20) | st.sampled_from(["x" * 12, "é" * 6 + "y", ""]))


def read(texts: pl.Series) -> list[str]:
    data, bounds = utf8(texts)
    gc.collect()
    return [bytes(data[begin:end]).decode() for begin, end in bounds]


@given(TEXTS, st.integers(0, 5))
def test_any_texts_slices_and_selections(texts: list[str | None], begin: int) -> None:
    series = pl.Series(texts, dtype=pl.String)
    twice = pl.concat([series, series], rechunk=False)
    every_third = series.gather(range(0, len(series), 3))
    for some in (series, series[begin:], twice, twice[begin:], every_third):
        assert read(some) == [text or "" for text in some]


@pytest.mark.parametrize("texts", [[], [None], [""], ["a"], ["长" * 100_000, "b"]])
def test_edges(texts: list[str | None]) -> None:
    assert read(pl.Series(texts, dtype=pl.String)) == [text or "" for text in texts]


def test_memory_lives_as_long_as_it_is_seen() -> None:
    data, bounds = utf8(
        pl.Series(["a long text of its own buffer", "another one of that kind"]) + "!"
    )
    gc.collect()
    garbage = [pl.Series(["z" * 100] * 1000) + "?" for _ in range(20)]
    assert len(garbage) == 20
    assert bytes(data[slice(*bounds[0])]) == b"a long text of its own buffer!"
