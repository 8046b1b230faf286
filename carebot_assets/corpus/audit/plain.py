"""What the audits share: how they read documents, and their own way of taking text apart."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

import polars as pl

from carebot_assets import parquet

# Whatever is a character but for those of private use.
_CODES = (range(0xD800), range(0xF900, 0x32000), range(0xE0000, 0xE01F0))

_CJK = r"\x{3040}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{3FFFF}"
_NO_LETTER = r"(?-u:\b)[a-z0-9](?-u:\b)|[^\p{L}\p{M}\p{N}]+"
_UNIT = rf"[{_CJK}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_CJK}]]+"


def batches(corpus: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Ids and texts of all documents, as many at a time as there are in a row group."""
    return parquet.groups(corpus.select("doc_id", "text"))


def units(text: pl.Expr) -> pl.Expr:
    """Words and single CJK characters of a text as a list of folded strings."""
    return _folded(text).str.extract_all(_UNIT)


def letters(text: pl.Expr) -> pl.Expr:
    """A text's letters and digits, folded, without those that stand alone.

    Consecutive units of a text but for single ASCII characters are consecutive here: what
    separates them is gone. For that alone `_`, which is no letter, must not bound one.
    """
    return _folded(text).str.replace_all("_", " ", literal=True).str.replace_all(_NO_LETTER, "")


def _folded(text: pl.Expr) -> pl.Expr:
    """The text in compatibility form, lower case and Simplified characters."""
    is_ascii = text.str.len_bytes() == text.str.len_chars()
    joins = pl.when(~is_ascii).then(text).str.contains(_joining())
    slow = pl.when(joins).then(text).str.normalize("NFKC").str.to_lowercase()
    return pl.coalesce(
        pl.when(is_ascii).then(text).str.to_lowercase(),
        pl.when(~joins).then(text).str.replace_many(_folds()),
        slow.str.replace_many(_simplified()),
    )


def units_of(text: str) -> list[str]:
    """The same of one text, not folded to simplified characters."""
    pattern = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+"
    return re.findall(pattern, unicodedata.normalize("NFKC", text).lower())


@lru_cache(maxsize=1)
def _simplified() -> dict[str, str]:
    import opencc

    characters = "".join(map(chr, range(0x4E00, 0xA000)))
    convert = opencc.OpenCC("t2s").convert
    pairs = ((character, convert(character)) for character in characters)
    return {character: simple for character, simple in pairs if character != simple}


@lru_cache(maxsize=1)
def _folds() -> dict[str, str]:
    """What each character becomes, whatever stands beside it."""
    folded = _lower().str.replace_many(_simplified())
    return {one: other for one, other in zip(_characters(), folded, strict=True) if one != other}


@lru_cache(maxsize=1)
def _joining() -> str:
    """Class of the characters that become one with a neighbour: marks, parts of Hangul syllables,
    what is made of such; and a capital sigma, which depends on its place."""
    joins = _characters().filter(_lower().str.contains(r"[\p{M}\x{1100}-\x{11FF}]"))
    return f"[\u03a3{re.escape(''.join(joins))}]"


@lru_cache(maxsize=1)
def _characters() -> pl.Series:
    return pl.Series([chr(code) for code in chain(*_CODES)])


@lru_cache(maxsize=1)
def _lower() -> pl.Series:
    """Each character alone in compatibility form and lower case."""
    return _characters().str.normalize("NFKC").str.to_lowercase()
