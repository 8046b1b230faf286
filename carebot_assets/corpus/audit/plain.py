"""What the audits share: how they read documents, and their own way of taking text apart."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

import polars as pl

from carebot_assets import parquet
from carebot_assets.corpus.variants import converted

_CODES = (range(0xD800), range(0xF900, 0x34000), range(0xE0000, 0xE01F0))

_CJK = r"\x{3040}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{3FFFF}"
NO_LETTER = r"[^\p{L}\p{M}\p{N}]"
_UNIT = rf"[{_CJK}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_CJK}]]+"


def batches(corpus: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Ids and texts of all documents, as many at a time as there are in a row group."""
    return parquet.groups(corpus.select("doc_id", "text"))


def units(text: pl.Expr) -> pl.Expr:
    """Words and single CJK characters of a text as a list of strings, folded but for Traditional
    characters, which take `simplified` less time one by one."""
    return _lower(text).str.extract_all(_UNIT)


def letters(text: pl.Expr) -> pl.Expr:
    """A text's letters and digits, folded, without single ASCII ones that stand alone.

    Consecutive units of a text but for single ASCII characters are consecutive here: what
    separates them is gone. For that alone `_`, which is no letter, must not bound one.
    """
    alone = rf"(?-u:\b)[a-z0-9](?-u:\b)|{NO_LETTER}+"
    return folded(text).str.replace_all("_", " ", literal=True).str.replace_all(alone, "")


def folded(text: pl.Expr) -> pl.Expr:
    """The text in compatibility form, lower case and Simplified characters."""
    return simplified(_lower(text))


def simplified(text: pl.Expr) -> pl.Expr:
    """The text in Simplified characters."""
    return text.str.replace_many(_simplified())


def _lower(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.to_lowercase()


def joins(character: pl.Expr) -> pl.Expr:
    """Whether what a character becomes depends on its neighbours: marks, parts of Hangul
    syllables, what is made of such; and a capital sigma."""
    return _lower(character).str.contains(r"[\p{M}\x{1100}-\x{11FF}]") | (character == "\u03a3")


def units_of(text: str) -> list[str]:
    """The same of one text, not folded to simplified characters."""
    pattern = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+"
    return re.findall(pattern, unicodedata.normalize("NFKC", text).lower())


@lru_cache(maxsize=1)
def _simplified() -> dict[str, str]:
    every = [chr(code) for code in range(0x4E00, 0xA000)]
    simple = converted(every, "t2s")
    return {one: other for one, other in zip(every, simple, strict=True) if one != other}


@lru_cache(maxsize=1)
def characters() -> pl.Series:
    """Whatever is a character but for those of private use."""
    return pl.Series([chr(code) for code in chain(*_CODES)])
