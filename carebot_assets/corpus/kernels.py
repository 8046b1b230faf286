"""Compiled passes over the UTF-8 bytes of a text column: units, n-grams, MinHash, search.

A *unit* is a word (a run of letters, marks and digits) or a single CJK character, folded: lower
case, full-width forms as ASCII. One tokeniser thus serves both languages, and an n-gram is n
consecutive units, hashed to 64 bits (its length is part of the hash). Importing this module
imports numba; import it inside functions.
"""

import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

OTHER, WORD, CJK, SPACE = 0, 1, 2, 3
# Hiragana and katakana, ideographs with extension A, compatibility ideographs. Planes 2 and 3 are
# ideographs throughout and are not in the table.
_CJK_RANGES = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_TABLE_SIZE = 0x20000
_MASK = (1 << 64) - 1

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

# Bits by which the table of starts in a `Lookup` is coarser than its bitmap.
_COARSER = np.uint64(4)

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]


class Sketch(NamedTuple):
    """One row a text: what deduplication compares."""

    num_shingles: Int64s
    signature: NDArray[np.uint32]
    bands: UInt64s
    fingerprint: UInt64s


class Grams(NamedTuple):
    """One row a distinct n-gram of a text; `num_units` is its length."""

    text: Int64s
    ngram: UInt64s
    num_units: Int64s


class Lookup(NamedTuple):
    """N-grams to search for: sorted hashes, their lengths, a bitmap of their leading bits, and
    where in `hashes` each value of somewhat fewer leading bits starts."""

    hashes: UInt64s
    lengths: Int64s
    bitmap: NDArray[np.uint8]
    starts: Int64s
    shift: np.uint64


def sketch(text: pl.Series, n: int, bands: int, rows: int) -> Sketch:
    """MinHash signature, band hashes and a 128-bit fingerprint of every text (null is empty).

    The fingerprint is of the folded text without white space. A text shorter than `n` units has
    one shingle, a text without any unit has none and a signature of maxima.
    """
    factors, terms = _permutations(bands * rows)
    return Sketch(*_sketch(*_buffers(text), _table(), n, bands, rows, factors, terms))


def ngrams(text: pl.Series, n: int) -> Grams:
    """Distinct n-grams of every text in order; one shorter gram of a text shorter than `n`."""
    return Grams(*_ngrams(*_buffers(text), _table(), n))


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
    found: tuple[Int64s, Int64s] = _find(*_buffers(text), _table(), *wanted)
    return found


def _buffers(text: pl.Series) -> tuple[NDArray[np.uint8], Int64s]:
    array: Any = text.fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    """Folded character (low 24 bits) and class (high 8 bits) of the first two planes."""
    table = np.zeros(_TABLE_SIZE, np.uint32)
    for code in range(_TABLE_SIZE):
        plain = chr(code - 0xFEE0) if 0xFF01 <= code <= 0xFF5E else chr(code)
        lower = plain.lower()
        folded = ord(lower) if len(lower) == 1 else ord(plain)
        if any(low <= code <= high for low, high in _CJK_RANGES):
            kind = CJK
        elif plain.isspace():
            kind = SPACE
        else:
            kind = WORD if unicodedata.category(chr(folded))[0] in "LMN" else OTHER
        table[code] = folded | kind << 24
    return table


@lru_cache(maxsize=4)
def _permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Odd factors and terms of the hash functions x -> factor * x + term (mod 2**32)."""
    values = []
    for i in range(1, 2 * count + 1):
        z = i * int(_BASE) & _MASK
        z = (z ^ z >> 30) * int(_MIX_1) & _MASK
        z = (z ^ z >> 27) * int(_MIX_2) & _MASK
        values.append((z ^ z >> 31) >> 32)
    return np.array(values[:count], np.uint32) | np.uint32(1), np.array(values[count:], np.uint32)


@njit(inline="always")
def _mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _decode(data, i, table):  # type: ignore[no-untyped-def]
    """Folded character, class and next position; the bytes are valid UTF-8."""
    lead = data[i]
    if lead < 0x80:
        packed = table[lead]
        return packed & np.uint32(0xFFFFFF), packed >> np.uint32(24), i + 1
    if lead < 0xE0:
        code = (np.uint32(lead & 0x1F) << 6) | np.uint32(data[i + 1] & 0x3F)
        step = 2
    elif lead < 0xF0:
        code = (
            (np.uint32(lead & 0x0F) << 12)
            | (np.uint32(data[i + 1] & 0x3F) << 6)
            | np.uint32(data[i + 2] & 0x3F)
        )
        step = 3
    else:
        code = (
            (np.uint32(lead & 0x07) << 18)
            | (np.uint32(data[i + 1] & 0x3F) << 12)
            | (np.uint32(data[i + 2] & 0x3F) << 6)
            | np.uint32(data[i + 3] & 0x3F)
        )
        step = 4
    if code < _TABLE_SIZE:
        packed = table[code]
        return packed & np.uint32(0xFFFFFF), packed >> np.uint32(24), i + step
    kind = np.uint32(CJK) if code < 0x40000 else np.uint32(OTHER)
    return np.uint32(code), kind, i + step


@njit(cache=True, nogil=True)
def _units(data, start, end, table, out, fingerprint):  # type: ignore[no-untyped-def]
    """Hash every unit of a text into `out`; returns their number."""
    count, in_word, word, i = 0, False, _FNV_OFFSET, start
    first, second = _FNV_OFFSET, _BASE
    while i < end:
        char, kind, i = _decode(data, i, table)
        code = np.uint64(char)
        if kind != SPACE:
            first = (first ^ code) * _MIX_1
            first ^= first >> np.uint64(32)
            second = (second + code) * _MIX_2
            second ^= second >> np.uint64(29)
        if kind == WORD:
            word = (word ^ code) * _FNV_PRIME
            in_word = True
            continue
        if in_word:
            out[count] = _mix(word)
            count += 1
            in_word, word = False, _FNV_OFFSET
        if kind == CJK:
            out[count] = _mix((_FNV_OFFSET ^ code) * _FNV_PRIME)
            count += 1
    if in_word:
        out[count] = _mix(word)
        count += 1
    fingerprint[0], fingerprint[1] = _mix(first), _mix(second)
    return count


@njit(cache=True, nogil=True)
def _windows(units, count, n, out):  # type: ignore[no-untyped-def]
    """Hash of every window of `n` units (a polynomial, rolled, then mixed); their number."""
    if n < 1 or count < n:
        return 0
    top = np.uint64(1)
    for _ in range(n - 1):
        top *= _BASE
    salt = np.uint64(n) * _FNV_PRIME
    rolling = np.uint64(0)
    for i in range(count):
        if i >= n:
            rolling -= units[i - n] * top
        rolling = rolling * _BASE + units[i]
        if i >= n - 1:
            out[i - n + 1] = _mix(rolling ^ salt)
    return count - n + 1


@njit(cache=True, nogil=True)
def _distinct(hashes, count, slots):  # type: ignore[no-untyped-def]
    """Move the distinct hashes to the front, in order of first occurrence; their number."""
    size = 16
    while size < 2 * count:
        size *= 2
    slots[:size] = 0
    mask, kept = np.uint64(size - 1), 0
    for i in range(count):
        value = hashes[i] if hashes[i] != 0 else np.uint64(1)  # 0 marks an empty slot
        slot = value & mask
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == 0:
            slots[slot] = value
            hashes[kept] = value
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _room(offsets):  # type: ignore[no-untyped-def]
    """Buffers for the longest text: units, windows and the slots of `_distinct`."""
    longest = 1
    for d in range(len(offsets) - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    size = 16
    while size < 2 * longest:
        size *= 2
    return np.empty(longest, np.uint64), np.empty(longest, np.uint64), np.empty(size, np.uint64)


@njit(cache=True, nogil=True)
def _sketch(data, offsets, table, n, bands, rows, factors, terms):  # type: ignore[no-untyped-def]
    num_texts, width = len(offsets) - 1, bands * rows
    num_shingles = np.zeros(num_texts, np.int64)
    signatures = np.full((num_texts, width), np.uint32(0xFFFFFFFF), np.uint32)
    band_hashes = np.zeros((num_texts, bands), np.uint64)
    fingerprints = np.zeros((num_texts, 2), np.uint64)
    units, shingles, slots = _room(offsets)
    for d in range(num_texts):
        count = _units(data, offsets[d], offsets[d + 1], table, units, fingerprints[d])
        count = _windows(units, count, min(n, count), shingles)
        count = _distinct(shingles, count, slots)
        num_shingles[d] = count
        minima = signatures[d]
        for i in range(count):
            x = np.uint32(shingles[i] >> np.uint64(32))
            for p in range(width):
                # uint32 * uint32 is uint64 here: without the cast no minimum is ever taken.
                value = np.uint32(factors[p] * x + terms[p])
                minima[p] = min(minima[p], value)
        for b in range(bands):
            band = _FNV_OFFSET
            for r in range(rows):
                band = _mix((band ^ np.uint64(minima[b * rows + r])) * _FNV_PRIME)
            band_hashes[d, b] = band
    return num_shingles, signatures, band_hashes, fingerprints


@njit(cache=True, nogil=True)
def _ngrams(data, offsets, table, n):  # type: ignore[no-untyped-def]
    units, windows, slots = _room(offsets)
    unused = np.empty(2, np.uint64)
    total = max(len(data), 1)
    texts, hashes = np.empty(total, np.int64), np.empty(total, np.uint64)
    lengths = np.empty(total, np.int64)
    used = 0
    for d in range(len(offsets) - 1):
        count = _units(data, offsets[d], offsets[d + 1], table, units, unused)
        length = min(n, count)
        count = _distinct(windows, _windows(units, count, length, windows), slots)
        texts[used : used + count] = d
        hashes[used : used + count] = windows[:count]
        lengths[used : used + count] = length
        used += count
    return texts[:used].copy(), hashes[:used].copy(), lengths[:used].copy()


@njit(cache=True, nogil=True)
def _find(data, offsets, table, wanted, lengths, bitmap, starts, shift):  # type: ignore[no-untyped-def]
    units, windows, _ = _room(offsets)
    unused = np.empty(2, np.uint64)
    texts, indices = np.empty(1024, np.int64), np.empty(1024, np.int64)
    used = 0
    for d in range(len(offsets) - 1):
        count = _units(data, offsets[d], offsets[d + 1], table, units, unused)
        for length in lengths:
            for i in range(_windows(units, count, length, windows)):
                value = windows[i] if windows[i] != 0 else np.uint64(1)
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
