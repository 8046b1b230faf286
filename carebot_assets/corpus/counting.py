"""Compiled passes that count: characters by class, repetition of lines, sentences and n-grams.

Importing this module imports numba; import it inside functions.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus import kernels

# Class numbers 0, 2 and 3 are those of `kernels`, which also gives them to the upper planes.
SYMBOL, OTHER_LETTER, HAN, SPACE, LATIN, DIGIT, KANA, REPLACEMENT = range(8)
CLASSES = ("symbol", "other_letter", "han", "space", "latin", "digit", "kana", "replacement")
UNIQUE_WINDOW = 200
MIN_SENTENCE_BYTES = 16
MIN_NGRAM_COUNT = 4
MIN_LINES = 4

# Closing marks, after folding of full-width forms.
_TERMINALS = np.array(sorted(map(ord, ".!?:;,…。、~\"'”’»)]】》」』")), np.uint32)
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


def characters(text: pl.Series) -> pl.DataFrame:
    """Characters of every text: in all (`num_chars`), by class, and estimated tokens.

    A token is a CJK character or a run of other letters and digits.
    """
    counts = _characters(*kernels._buffers(text), _classes())
    names = ("num_chars", "num_tokens", *(f"num_{name}" for name in CLASSES))
    return pl.DataFrame({name: counts[:, i] for i, name in enumerate(names)})


def repetition(text: pl.Series) -> pl.DataFrame:
    """How much of every text repeats; all columns lie in 0..1.

    `dup_line_ratio` and `dup_sentence_ratio` weigh by characters what had occurred before,
    sentences of a few characters aside. `top_ngram_ratio` is the largest share of the units that
    the most frequent n-gram of 2 to 4 units covers, among n-grams seen four times or more (so
    ties between n-grams seen once do not matter). `unterminated_ratio` counts lines without a
    closing mark (0 for fewer than four lines: a single open end says nothing),
    `unique_char_ratio` distinct ones among the first 200 characters but spaces.

    Source: Gopher (Rae et al. 2021, arXiv 2112.11446, section A1.1), repetition removal.
    """
    ratios = _repetition(*kernels._buffers(text), kernels._table())
    names = (
        *("dup_line_ratio", "dup_sentence_ratio", "top_ngram_ratio"),
        *("unterminated_ratio", "unique_char_ratio"),
    )
    return pl.DataFrame({name: ratios[:, i] for i, name in enumerate(names)})


@lru_cache(maxsize=1)
def _classes() -> NDArray[np.uint32]:
    """Class (high 8 bits) of the characters of the first two planes."""
    table = np.zeros(kernels._TABLE_SIZE, np.uint32)
    for code in range(len(table)):
        table[code] = _class_of(code) << 24
    return table


def _class_of(code: int) -> int:
    char = chr(code)
    category = unicodedata.category(char)
    if code == 0xFFFD:
        return REPLACEMENT
    if 0x3400 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF:
        return HAN
    if 0x3041 <= code <= 0x30FF and category[0] == "L":
        return KANA
    if char.isspace():
        return SPACE
    if category[0] in "LM":
        return LATIN if code < 0x250 or 0x1E00 <= code < 0x1F00 else OTHER_LETTER
    return DIGIT if category == "Nd" else SYMBOL


@njit(cache=True, nogil=True)
def _characters(data, offsets, table):  # type: ignore[no-untyped-def]
    num_texts = len(offsets) - 1
    counts = np.zeros((num_texts, 10), np.int64)
    for d in range(num_texts):
        row, i, end, in_word = counts[d], offsets[d], offsets[d + 1], False
        while i < end:
            _, kind, i = kernels._decode(data, i, table)
            row[0] += 1
            row[np.int64(kind) + 2] += 1
            if kind in (HAN, KANA):
                row[1] += 1
                in_word = False
            elif kind in (LATIN, OTHER_LETTER, DIGIT):
                if not in_word:
                    row[1] += 1
                in_word = True
            else:
                in_word = False
    return counts


@njit(cache=True, nogil=True)
def _slot(value, slots, stamps, stamp, mask):  # type: ignore[no-untyped-def]
    """Slot of a value in an open hash table that a new `stamp` empties."""
    slot = value & mask
    while stamps[slot] == stamp and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _ends_sentence(char, width, following):  # type: ignore[no-untyped-def]
    """A full-width stop (folded to ASCII but for the ideographic one), or . ! ? before space."""
    if char == 0x3002:
        return True
    if width == 3:
        return char in (0x21, 0x3B, 0x3F)
    return char in (0x21, 0x2E, 0x3F) and following <= 0x20


@njit(cache=True, nogil=True)
def _spans(data, start, end, table, by_sentence, hashes):  # type: ignore[no-untyped-def]
    """Lines or sentences of a text: characters in repeated ones, in all, unterminated, number.

    Characters are folded, spaces do not count. Sentences of a few characters are not compared.
    """
    slots, stamps, stamp, mask = hashes
    repeated, total, unterminated, number, i = 0, 0, 0, 0, start
    while i < end:
        begin, chars, last, value = i, 0, np.uint32(0), _FNV_OFFSET
        while i < end:
            before = i
            char, kind, i = kernels._decode(data, i, table)
            if char == 0x0A:
                break
            if kind == kernels.SPACE:
                continue
            if chars == 0:
                begin = before
            chars, last, value = chars + 1, char, (value ^ np.uint64(char)) * _FNV_PRIME
            following = data[i] if i < end else np.uint8(0)
            if by_sentence and _ends_sentence(char, i - before, following):
                break
        if chars == 0:
            continue
        number += 1
        total += chars
        place = np.searchsorted(_TERMINALS, last)
        unterminated += place == len(_TERMINALS) or _TERMINALS[place] != last
        if by_sentence and i - begin < MIN_SENTENCE_BYTES:
            continue
        value ^= value >> np.uint64(32)
        slot = _slot(value, slots, stamps, stamp, mask)
        if stamps[slot] == stamp:
            repeated += chars
        stamps[slot], slots[slot] = stamp, value
    return repeated, total, unterminated, number


@njit(cache=True, nogil=True)
def _top_count(windows, count, counts, hashes):  # type: ignore[no-untyped-def]
    """How often the most frequent of the hashed n-grams occurs."""
    slots, stamps, stamp, mask = hashes
    best = 0
    for i in range(count):
        slot = _slot(windows[i], slots, stamps, stamp, mask)
        if stamps[slot] != stamp:
            stamps[slot], slots[slot], counts[slot] = stamp, windows[i], 0
        counts[slot] += 1
        best = max(best, counts[slot])
    return best


@njit(cache=True, nogil=True)
def _unique_ratio(data, start, end, table, hashes):  # type: ignore[no-untyped-def]
    """Distinct among the first characters but spaces."""
    slots, stamps, stamp, mask = hashes
    distinct, seen, i = 0, 0, start
    while i < end and seen < UNIQUE_WINDOW:
        char, kind, i = kernels._decode(data, i, table)
        if kind == kernels.SPACE:
            continue
        seen += 1
        code = np.uint64(char)
        slot = _slot(code, slots, stamps, stamp, mask)
        if stamps[slot] != stamp:
            stamps[slot], slots[slot] = stamp, code
            distinct += 1
    return distinct / max(seen, 1)


@njit(cache=True, nogil=True)
def _repetition(data, offsets, table):  # type: ignore[no-untyped-def]
    ratios = np.zeros((len(offsets) - 1, 5), np.float64)
    units, windows, slots = kernels._room(offsets)
    stamps, counts = np.zeros(len(slots), np.int64), np.zeros(len(slots), np.int64)
    unused = np.empty(2, np.uint64)
    for d in range(len(ratios)):
        start, end, row = offsets[d], offsets[d + 1], ratios[d]
        size = 16
        while size < 2 * (end - start):
            size *= 2
        mask, stamp = np.uint64(size - 1), 6 * d + 1
        for by_sentence in (False, True):
            hashes = (slots, stamps, stamp + by_sentence, mask)
            repeated, total, unterminated, number = _spans(
                data, start, end, table, by_sentence, hashes
            )
            row[1 if by_sentence else 0] = repeated / max(total, 1)
            if not by_sentence and number >= MIN_LINES:
                row[3] = unterminated / number
        num_units = kernels._units(data, start, end, table, units, unused)
        for n in range(2, 5):
            count = kernels._windows(units, num_units, n, windows)
            best = _top_count(windows, count, counts, (slots, stamps, stamp + n, mask))
            if best >= MIN_NGRAM_COUNT:
                row[2] = max(row[2], min(1.0, best * n / num_units))
        row[4] = _unique_ratio(data, start, end, table, (slots, stamps, stamp + 5, mask))
    return ratios
