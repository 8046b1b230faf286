"""Compiled search for n-grams of known texts in a text column.

Units are those of `kernels` (words and single CJK characters, folded), folded further, since a leak
is still one when it was converted: compatibility forms, Traditional as Simplified characters.
Single ASCII letters and digits are no units: the letters of options, list numbers, "a". Importing
this module imports numba; import it inside functions.
"""

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus import kernels
from carebot_assets.corpus.kernels import (
    _FNV_OFFSET,
    _FNV_PRIME,
    CJK,
    WORD,
    Int64s,
    UInt64s,
    _decode,
    _mix,
    _room,
    _windows,
)
from carebot_assets.corpus.variants import converted
from carebot_assets.corpus.views import utf8

_NUMBER = np.uint64(0x23)  # stands for every number where numbers are alike
# Bits by which the table of starts in a `Lookup` is coarser than its bitmap.
_COARSER = np.uint64(4)


class Grams(NamedTuple):
    """One row a window of `n` units: its text, the place of its first unit, its hash."""

    text: Int64s
    position: Int64s
    ngram: UInt64s


class Lookup(NamedTuple):
    """N-grams to search for: sorted hashes, their lengths, a bitmap of their leading bits, and
    where in `hashes` each value of somewhat fewer leading bits starts."""

    hashes: UInt64s
    lengths: Int64s
    bitmap: NDArray[np.uint8]
    starts: Int64s
    shift: np.uint64


def ngrams(text: pl.Series, n: int, same_numbers: bool = False) -> Grams:
    """All windows of `n` units of every text, in order.

    Args:
        text: texts; null is empty.
        n: units of a window; a shorter text has none.
        same_numbers: all numbers are one unit.
    """
    return Grams(*_ngrams(*utf8(text), _table(), n, same_numbers))


def num_units(text: pl.Series) -> pl.Series:
    """Units of every text."""
    return pl.Series(text.name, _num_units(*utf8(text), _table()))


def lookup(wanted: UInt64s, lengths: Int64s) -> Lookup:
    """Prepare n-grams for `find`.

    Args:
        wanted: sorted hashes of n-grams.
        lengths: the lengths in units that occur among them.
    """
    # About one bit in 16 is set, up to 8 MB: nearly every miss is decided by one look at a cache.
    bits = max(16, min(26, (16 * len(wanted)).bit_length()))
    shift = np.uint64(64 - bits)
    bitmap = np.zeros(1 << bits, np.bool_)
    bitmap[wanted >> shift] = True
    counts = np.bincount(wanted >> (shift + _COARSER), minlength=1 << (bits - int(_COARSER)))
    return Lookup(
        np.ascontiguousarray(wanted),
        np.ascontiguousarray(lengths, np.int64),
        np.packbits(bitmap, bitorder="little"),
        np.concatenate(([0], np.cumsum(counts))),
        shift,
    )


def find(text: pl.Series, wanted: Lookup) -> tuple[Int64s, Int64s]:
    """Where wanted n-grams occur: (text, index of the n-gram), repetitions included."""
    found: tuple[Int64s, Int64s] = _find(*utf8(text), _table(), *wanted)
    return found


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    """The table of `kernels`, folded further."""
    table = kernels._table().copy()
    for code in range(len(table)):
        plain = unicodedata.normalize("NFKC", chr(code))
        if len(plain) == 1 and plain != chr(code) and ord(plain) < len(table):
            table[code] = table[ord(plain)]
    kinds = table >> np.uint32(24)
    characters = [chr(code) for code in np.flatnonzero(kinds == CJK) if chr(code).isprintable()]
    for character, simple in zip(characters, converted(characters, "t2s"), strict=True):
        if len(simple) == 1 and ord(simple) < len(table):
            table[ord(character)] = table[ord(simple)]
    return table


@njit(cache=True, nogil=True)
def _words(data, start, end, table, same_numbers, out):  # type: ignore[no-untyped-def]
    """Hash every unit of a text into `out`; returns their number."""
    count, i = 0, start
    word, length, digits, last = _FNV_OFFSET, 0, 0, np.uint64(0)
    while i <= end:
        if i < end:
            char, kind, i = _decode(data, i, table)
        else:
            char, kind, i = np.uint32(0), np.uint32(0), i + 1
        code = np.uint64(char)
        if kind == WORD:
            word = (word ^ code) * _FNV_PRIME
            length += 1
            digits += np.int64(np.uint64(48) <= code <= np.uint64(57))
            last = code
            continue
        if length > 1 or last >= np.uint64(128):
            if same_numbers and digits == length:
                word = _NUMBER
            out[count] = _mix(word)
            count += 1
        if length:
            word, length, digits, last = _FNV_OFFSET, 0, 0, np.uint64(0)
        if kind == CJK:
            out[count] = _mix((_FNV_OFFSET ^ code) * _FNV_PRIME)
            count += 1
    return count


@njit(cache=True, nogil=True)
def _num_units(data, bounds, table):  # type: ignore[no-untyped-def]
    units, _ = _room(bounds)
    counts = np.empty(len(bounds), np.int64)
    for d in range(len(counts)):
        counts[d] = _words(data, bounds[d, 0], bounds[d, 1], table, False, units)
    return counts


@njit(cache=True, nogil=True)
def _ngrams(data, bounds, table, n, same_numbers):  # type: ignore[no-untyped-def]
    units, windows = _room(bounds)
    total = 1 + np.sum(bounds[:, 1] - bounds[:, 0])
    texts, positions = np.empty(total, np.int64), np.empty(total, np.int64)
    hashes = np.empty(total, np.uint64)
    used = 0
    for d in range(len(bounds)):
        count = _words(data, bounds[d, 0], bounds[d, 1], table, same_numbers, units)
        count = _windows(units, count, n, windows)
        texts[used : used + count] = d
        positions[used : used + count] = np.arange(count)
        hashes[used : used + count] = windows[:count]
        used += count
    return texts[:used].copy(), positions[:used].copy(), hashes[:used].copy()


@njit(cache=True, nogil=True)
def _find(data, bounds, table, wanted, lengths, bitmap, starts, shift):  # type: ignore[no-untyped-def]
    units, windows = _room(bounds)
    texts, indices = np.empty(1024, np.int64), np.empty(1024, np.int64)
    used = 0
    for d in range(len(bounds)):
        count = _words(data, bounds[d, 0], bounds[d, 1], table, False, units)
        for length in lengths:
            for i in range(_windows(units, count, length, windows)):
                value = windows[i]
                slot = value >> shift
                if not bitmap[slot >> np.uint64(3)] >> (slot & np.uint64(7)) & np.uint64(1):
                    continue
                index = starts[slot >> _COARSER]
                end = starts[(slot >> _COARSER) + np.uint64(1)]
                while index < end and wanted[index] < value:
                    index += 1
                if index == end or wanted[index] != value:
                    continue
                if used == len(texts):
                    texts = np.concatenate((texts, np.empty_like(texts)))
                    indices = np.concatenate((indices, np.empty_like(indices)))
                texts[used], indices[used] = d, index
                used += 1
    return texts[:used].copy(), indices[:used].copy()
