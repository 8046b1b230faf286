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

_TERMINALS = np.array(sorted(map(ord, ".!?:;,…。！？：；，、~～\"'”’»)）]】》」』")), np.uint32)
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
    ratios = _repetition(*kernels._buffers(text), kernels._table(), _TERMINALS)
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
            if kind == HAN or kind == KANA:
                row[1] += 1
                in_word = False
            elif kind == LATIN or kind == OTHER_LETTER or kind == DIGIT:
                if not in_word:
                    row[1] += 1
                in_word = True
            else:
                in_word = False
    return counts


@njit(cache=True, nogil=True)
def _seen(value, slots, stamps, stamp, mask):  # type: ignore[no-untyped-def]
    """Slot of a value in an open hash table that a new `stamp` empties."""
    slot = value & mask
    while stamps[slot] == stamp and slots[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _repeated_spans(data, start, end, by_sentence, slots, stamps, stamp, mask, terminals):
    # type: ignore[no-untyped-def]
    """Characters in spans (lines or sentences) seen before, in all spans, spans without a closing
    mark, spans."""
    repeated, total, unterminated, spans = 0, 0, 0, 0
    i = start
    while i < end:
        # One span: from here to a newline or, for sentences, past a full stop.
        begin, last = -1, i
        value, chars = _FNV_OFFSET, 0
        while i < end:
            byte = data[i]
            i += 1
            if byte == 10:
                break
            if begin < 0:
                if byte == 32 or byte == 9:
                    continue
                begin = i - 1
            value = (value ^ np.uint64(byte)) * _FNV_PRIME
            if byte & 0xC0 != 0x80:
                chars += 1
            if byte != 32 and byte != 9:
                last = i
            if by_sentence:
                if byte == 46 or byte == 33 or byte == 63:
                    if i == end or data[i] == 32 or data[i] == 10:
                        break
                elif byte == 0x82 and i - 3 >= start and data[i - 2] == 0x80 and data[i - 3] == 0xE3:
                    break
                elif i - 3 >= start and data[i - 3] == 0xEF and data[i - 2] == 0xBC:
                    if byte == 0x81 or byte == 0x9F or byte == 0x9B:
                        break
        if begin < 0:
            continue
        spans += 1
        total += chars
        if not by_sentence:
            first = last - 1
            while first > begin and data[first] & 0xC0 == 0x80:
                first -= 1
            code = np.uint32(data[first])
            if last - first == 2:
                code = (code & np.uint32(0x1F)) << 6 | np.uint32(data[first + 1] & 0x3F)
            elif last - first == 3:
                code = (
                    (code & np.uint32(0x0F)) << 12
                    | np.uint32(data[first + 1] & 0x3F) << 6
                    | np.uint32(data[first + 2] & 0x3F)
                )
            place = np.searchsorted(terminals, code)
            if place == len(terminals) or terminals[place] != code:
                unterminated += 1
        elif last - begin < MIN_SENTENCE_BYTES:
            continue
        value ^= value >> np.uint64(32)
        slot = _seen(value, slots, stamps, stamp, mask)
        if stamps[slot] == stamp:
            repeated += chars
        stamps[slot], slots[slot] = stamp, value
    return repeated, total, unterminated, spans


@njit(cache=True, nogil=True)
def _repetition(data, offsets, table, terminals):  # type: ignore[no-untyped-def]
    num_texts = len(offsets) - 1
    ratios = np.zeros((num_texts, 5), np.float64)
    units, windows, slots = kernels._room(offsets)
    stamps, counts = np.zeros(len(slots), np.int64), np.zeros(len(slots), np.int64)
    unused = np.empty(2, np.uint64)
    stamp = 0
    for d in range(num_texts):
        start, end = offsets[d], offsets[d + 1]
        size = 16
        while size < 2 * (end - start):
            size *= 2
        mask = np.uint64(min(size, len(slots)) - 1)
        row = ratios[d]
        for column in range(2):
            stamp += 1
            repeated, total, unterminated, spans = _repeated_spans(
                data, start, end, column == 1, slots, stamps, stamp, mask, terminals
            )
            if total:
                row[column] = repeated / total
            if column == 0 and spans >= MIN_LINES:
                row[3] = unterminated / spans
        num_units = kernels._units(data, start, end, table, units, unused)
        for n in range(2, 5):
            stamp += 1
            best = 0
            for i in range(kernels._windows(units, num_units, n, windows)):
                slot = _seen(windows[i], slots, stamps, stamp, mask)
                if stamps[slot] != stamp:
                    stamps[slot], slots[slot], counts[slot] = stamp, windows[i], 0
                counts[slot] += 1
                best = max(best, counts[slot])
            if best >= MIN_NGRAM_COUNT:
                row[2] = max(row[2], min(1.0, best * n / num_units))
        stamp += 1
        distinct, seen, i = 0, 0, start
        while i < end and seen < UNIQUE_WINDOW:
            char, kind, i = kernels._decode(data, i, table)
            if kind == kernels.SPACE:
                continue
            seen += 1
            code = np.uint64(char)
            slot = _seen(code, slots, stamps, stamp, mask)
            if stamps[slot] != stamp:
                stamps[slot], slots[slot] = stamp, code
                distinct += 1
        if seen:
            row[4] = distinct / seen
    return ratios
