"""Characters as the measures see them: class, folded form and marks, and their decoding.

A text is decoded once into two arrays, the code points and their table entries; every measure is
then a short loop over these. Importing this module imports numba; import it inside functions.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus.variants import han_variants

CLASSES = (
    *("symbol", "punctuation", "han", "simplified", "traditional", "kana", "latin", "greek"),
    *("other_letter", "mark", "digit", "number", "space", "replacement"),
)
SYMBOL, PUNCTUATION, HAN, SIMPLIFIED, TRADITIONAL, KANA, LATIN, GREEK = range(8)
OTHER_LETTER, MARK, DIGIT, NUMBER, SPACE, REPLACEMENT = range(8, len(CLASSES))
"""Han characters that both ways of writing share are `han`; the two others belong to one only."""

TABLE_SIZE = 0x20000
FOLDED = 0x1FFFF
CLASS_SHIFT, CLASS_MASK = 17, 0xF
# Marks. C4 takes these ends for its own; FineWeb those with the property Sentence_Terminal, of
# which only those met in Chinese and English text are listed; a closing mark may end any line, a
# stop a sentence.
C4_END, TERMINAL, CLOSING, BULLET, LEAD_2, LEAD_3, TAIL, GBK, STOP = (1 << i for i in range(21, 30))
COUNTED, BRACKET = 1 << 30, 1 << 31
"""Characters that are counted by themselves, not only among those of their class; `[` and `{`."""
HASH, DOT, ELLIPSIS = 0x23, 0x2E, 0x2026

_C4_ENDS = ".?!\"'"
_TERMINALS = ".!?．！？。｡‼‽⁇⁈⁉﹒﹖﹗؟۔।॥"
_CLOSINGS = ".!?:;,…。、~\"'”’»)]】》」』．！？：；，～＂＇）］"
_STOPS = ".!?。！？；"
_BULLETS = "-•·●○■□◆◇▪▶*–—"
# UTF-8 read as Windows-1252 (or as Latin-1: normalisation made one of the other): the characters
# that lead bytes of two and three byte sequences and their continuation bytes turn into.
_LEADS_2 = "\u00c2\u00c3\u00c4\u00c5\u00d0\u00d1\u00d8\u00d9"
_LEADS_3 = "".join(map(chr, range(0xE0, 0xF0)))
_TAILS = bytes(b for b in range(0x80, 0xC0) if b != 0xA0).decode("cp1252", "replace")
# UTF-8 read as GBK: first characters of what the commonest Chinese words and marks turn into, and
# the classic signs of lost characters.
_AS_GBK = "鐨銆锛鏄鍦鍜鈥鍥鏈綉娴绾鏂寮锟"

_MARKS = (
    *((_C4_ENDS, C4_END), (_TERMINALS, TERMINAL), (_CLOSINGS, CLOSING), (_BULLETS, BULLET)),
    *((_LEADS_2, LEAD_2), (_LEADS_3, LEAD_3), (_TAILS, TAIL), (_AS_GBK, GBK), (_STOPS, STOP)),
    ("#.\u2026" + _LEADS_2 + _LEADS_3 + _TAILS + _AS_GBK, COUNTED),
    ("[{", BRACKET),
)


@lru_cache(maxsize=1)
def table() -> NDArray[np.uint32]:
    """Folded form (17 bits), class (4 bits) and marks of the first two planes."""
    entries = plain_table().copy()
    for name, number in (("simplified", SIMPLIFIED), ("traditional", TRADITIONAL)):
        codes = np.array([ord(char) for char in han_variants()[name]])
        entries[codes] = codes | number << CLASS_SHIFT
    for characters, mark in _MARKS:
        codes = np.unique([ord(char) for char in characters if char != "\ufffd"])
        entries[codes] |= np.uint32(mark)
    return entries


@lru_cache(maxsize=1)
def plain_table() -> NDArray[np.uint32]:
    """Folded form and class alone, both ways of writing Chinese as `han`."""
    entries = np.zeros(TABLE_SIZE, np.uint32)
    for code in range(TABLE_SIZE):
        folded = fold(chr(code))
        entries[code] = ord(folded) | _class_of(folded) << CLASS_SHIFT
    return entries


def fold(char: str) -> str:
    """Lower case, and the plain form of a full-width character."""
    plain = chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char
    return plain.lower() if len(plain.lower()) == 1 else plain


def _class_of(char: str) -> int:
    code, category = ord(char), unicodedata.category(char)
    if code == 0xFFFD:
        return REPLACEMENT
    if 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF:
        return HAN
    if char.isspace():
        return SPACE
    if category[0] == "L":
        if 0x3041 <= code <= 0x30FF:
            return KANA
        if 0x370 <= code < 0x400 or 0x1F00 <= code < 0x2000:
            return GREEK
        return LATIN if code < 0x250 or 0x1E00 <= code < 0x1F00 else OTHER_LETTER
    if category[0] == "N":
        return DIGIT if category == "Nd" else NUMBER
    return {"M": MARK, "P": PUNCTUATION}.get(category[0], SYMBOL)


def room(text: pl.Series) -> int:
    """Characters of the longest text, at least one."""
    return max([1, *text.str.len_chars().fill_null(0).top_k(1).to_list()])


@njit(inline="always")
def class_of(entry):  # type: ignore[no-untyped-def]
    return (entry >> np.uint32(CLASS_SHIFT)) & np.uint32(CLASS_MASK)


@njit(inline="always")
def folded(code, entry):  # type: ignore[no-untyped-def]
    return entry & np.uint32(FOLDED) if code < TABLE_SIZE else code


@njit(inline="always")
def code_at(data, i):  # type: ignore[no-untyped-def]
    """Code point of the character at `i` of valid UTF-8, and the next place."""
    lead = np.uint32(data[i])
    if lead < 0x80:
        return lead, i + 1
    second = np.uint32(data[i + 1] & 0x3F)
    if lead < 0xE0:
        return np.uint32((lead & np.uint32(0x1F)) << np.uint32(6) | second), i + 2
    third = second << np.uint32(6) | np.uint32(data[i + 2] & 0x3F)
    if lead < 0xF0:
        return np.uint32((lead & np.uint32(0x0F)) << np.uint32(12) | third), i + 3
    fourth = third << np.uint32(6) | np.uint32(data[i + 3] & 0x3F)
    return np.uint32((lead & np.uint32(0x07)) << np.uint32(18) | fourth), i + 4


@njit(inline="always")
def decoded(data, i, entries_of):  # type: ignore[no-untyped-def]
    """Code point and table entry of the character at `i` of valid UTF-8, and the next place."""
    code, i = code_at(data, i)
    if code < TABLE_SIZE:
        return code, entries_of[code], i
    # Planes 2 and 3 are ideographs throughout.
    kind = HAN if code < 0x40000 else SYMBOL
    return code, np.uint32(kind << CLASS_SHIFT), i


@njit(cache=True, nogil=True)
def decode(data, start, end, entries_of, codes, entries):  # type: ignore[no-untyped-def]
    """Code points and table entries of valid UTF-8; returns their number."""
    i, count = start, 0
    while i < end:
        codes[count], entries[count], i = decoded(data, i, entries_of)
        count += 1
    return count
