"""The compiled search equals a slow, obvious version of itself on any text."""

import unicodedata

import numpy as np
import opencc
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus import test_kernels as plain
from carebot_assets.corpus import matching

CLINICAL = st.text(alphabet="aB19 .\n患者頭痛后後Ａ０，。é̈ß⼀㎎", max_size=60)
TEXTS = st.lists(st.one_of(st.text(max_size=60), CLINICAL, st.none()), max_size=6)
SIMPLIFY = opencc.OpenCC("t2s").convert


def fold(char: str) -> str:
    """One character for another, as far as that is one character of the first two planes.

    Of those beyond, which have other forms, normalised text holds none.
    """
    if ord(char) >= 0x20000:
        return char
    wide = unicodedata.normalize("NFKC", char)
    char = plain.fold(wide if len(wide) == 1 and ord(wide) < 0x20000 else char)
    simple = SIMPLIFY(char) if plain.is_cjk(char) else char
    return simple if len(simple) == 1 and ord(simple) < 0x20000 else char


def units_of(text: str) -> list[str]:
    units = plain.units_of("".join(map(fold, text)))
    return [unit for unit in units if len(unit) > 1 or not unit.isascii()]


def windows_of(text: str | None, n: int) -> list[int]:
    units = units_of(text or "")
    return [plain.gram_hash(units[i : i + n]) for i in range(len(units) - n + 1)]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        ("A. 3 of 10 µ", ["of", "10", "μ"]),
        ("(Ｂ) V１ 導聯，①", ["v1", "导", "联"]),
        ("头发 頭髮 ⼀", ["头", "发", "头", "发", "一"]),
        ("𠀀 é", ["𠀀", "é"]),
        ("\U0002f800", ["\U0002f800"]),
    ],
)
def test_units(text: str, units: list[str]) -> None:
    assert units_of(text) == units
    assert matching.num_units(pl.Series([text])).to_list() == [len(units)]
    found = matching.ngrams(pl.Series([text]), 1)
    assert found.ngram.tolist() == [plain.gram_hash([unit]) for unit in units]


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, n=st.integers(1, 6))
def test_ngrams(texts: list[str | None], n: int) -> None:
    found = matching.ngrams(pl.Series(texts, dtype=pl.String), n)
    columns = (found.text.tolist(), found.position.tolist(), found.ngram.tolist())
    assert list(zip(*columns, strict=True)) == [
        (row, place, gram)
        for row, text in enumerate(texts)
        for place, gram in enumerate(windows_of(text, n))
    ]


def test_numbers_are_alike_where_asked() -> None:
    texts = pl.Series(["pulse 90 min", "pulse １10 min", "pulse v10 min"])
    one, same, other = matching.ngrams(texts, 3, same_numbers=True).ngram.tolist()
    assert one == same != other
    assert len(set(matching.ngrams(texts, 3).ngram.tolist())) == 3


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, items=TEXTS)
def test_find(texts: list[str | None], items: list[str | None]) -> None:
    lengths = [1, 3, 5]
    grams = {gram for item in items for n in lengths for gram in windows_of(item, n)}
    wanted = np.array(sorted(grams), np.uint64)
    rows, places = matching.find(
        pl.Series(texts, dtype=pl.String), matching.lookup(wanted, np.array(lengths))
    )
    assert list(zip(rows.tolist(), wanted[places].tolist(), strict=True)) == [
        (row, gram)
        for row, text in enumerate(texts)
        for n in lengths
        for gram in windows_of(text, n)
        if gram in grams
    ]


def test_find_grows_its_result() -> None:
    wanted = np.array([plain.gram_hash(["ab"])], np.uint64)
    looked_up = matching.lookup(wanted, np.array([1]))
    rows, _ = matching.find(pl.Series(["b", "ab " * 5000]), looked_up)
    assert rows.tolist() == [1] * 5000


def test_sliced_columns_are_read_from_their_start() -> None:
    texts = pl.Series(["one two", "two three", None, "四五"])
    whole = matching.ngrams(texts, 2)
    part = matching.ngrams(texts[1:], 2)
    assert part.ngram.tolist() == whole.ngram.tolist()[1:]
