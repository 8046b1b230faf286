"""Compiled passes over the UTF-8 bytes of a text column: units, n-grams, MinHash.

A *unit* is a word (a run of letters, marks and digits) or a single CJK character, folded: lower
case, full-width forms as ASCII. One tokeniser thus serves both languages, and an n-gram is n
consecutive units, hashed to 64 bits (its length is part of the hash). Importing this module
imports numba; import it inside functions.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from carebot_assets.corpus import alphabet
from carebot_assets.corpus.alphabet import TABLE_SIZE, code_at
from carebot_assets.corpus.views import utf8

OTHER, WORD, CJK, SPACE = 0, 1, 2, 3
_KINDS = np.full(alphabet.CLASS_MASK + 1, OTHER, np.uint32)
_KINDS[alphabet.LATIN : alphabet.NUMBER + 1] = WORD
_KINDS[alphabet.SPACE] = SPACE
# Hiragana and katakana, ideographs with extension A, compatibility ideographs. Planes 2 and 3 are
# ideographs throughout and are not in the table.
_CJK_RANGES = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_MASK = (1 << 64) - 1

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

UInt64s = NDArray[np.uint64]
Int64s = NDArray[np.int64]


class Sketch(NamedTuple):
    """One row a text: what deduplication compares."""

    num_shingles: Int64s
    signature: NDArray[np.uint32]
    bands: UInt64s
    fingerprint: UInt64s


def sketch(text: pl.Series, n: int, bands: int, rows: int, seed: int = 0) -> Sketch:
    """MinHash signature, band hashes and a 128-bit fingerprint of every text (null is empty).

    The fingerprint is of the folded text without white space. A text shorter than `n` units has
    one shingle, a text without any unit has none and a signature of maxima.
    """
    factors, terms = _permutations(bands * rows, seed)
    return Sketch(*_sketch(*utf8(text), _table(), n, bands, rows, factors, terms))


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    """Folded character (low 24 bits) and class (high 8 bits) of the first two planes."""
    entries = alphabet.plain_table()
    kinds = _KINDS[alphabet.class_of.py_func(entries)]
    for low, high in _CJK_RANGES:
        kinds[low : high + 1] = CJK
    return (entries & np.uint32(alphabet.FOLDED)) | kinds << np.uint32(24)


@lru_cache(maxsize=4)
def _permutations(count: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Odd factors and terms of the hash functions x -> factor * x + term (mod 2**32)."""
    values = []
    for i in range(1, 2 * count + 1):
        z = (seed << 32 | i) * int(_BASE) & _MASK
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
    code, i = code_at(data, i)
    if code < TABLE_SIZE:
        packed = table[code]
        return packed & np.uint32(0xFFFFFF), packed >> np.uint32(24), i
    kind = np.uint32(CJK) if code < 0x40000 else np.uint32(OTHER)
    return code, kind, i


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
def _room(bounds):  # type: ignore[no-untyped-def]
    """Buffers for the units and the windows of the longest text."""
    longest = 1
    for d in range(len(bounds)):
        longest = max(longest, bounds[d, 1] - bounds[d, 0])
    return np.empty(longest, np.uint64), np.empty(longest, np.uint64)


@njit(cache=True, nogil=True)
def _sketch(data, bounds, table, n, bands, rows, factors, terms):  # type: ignore[no-untyped-def]
    num_texts, width = len(bounds), bands * rows
    num_shingles = np.zeros(num_texts, np.int64)
    signatures = np.full((num_texts, width), np.uint32(0xFFFFFFFF), np.uint32)
    band_hashes = np.zeros((num_texts, bands), np.uint64)
    fingerprints = np.zeros((num_texts, 2), np.uint64)
    units, shingles = _room(bounds)
    for d in range(num_texts):
        count = _units(data, bounds[d, 0], bounds[d, 1], table, units, fingerprints[d])
        count = _windows(units, count, min(n, count), shingles)
        num_shingles[d] = count
        minima = signatures[d]
        # Four at a time, the last one as often as it takes: a minimum does not mind.
        for i in range(0, count, 4):
            a = np.uint32(shingles[i] >> np.uint64(32))
            b = np.uint32(shingles[min(i + 1, count - 1)] >> np.uint64(32))
            c = np.uint32(shingles[min(i + 2, count - 1)] >> np.uint64(32))
            e = np.uint32(shingles[min(i + 3, count - 1)] >> np.uint64(32))
            for p in range(width):
                # uint32 * uint32 is uint64 here: without the casts no minimum is ever taken.
                one = min(
                    np.uint32(factors[p] * a + terms[p]), np.uint32(factors[p] * b + terms[p])
                )
                two = min(
                    np.uint32(factors[p] * c + terms[p]), np.uint32(factors[p] * e + terms[p])
                )
                minima[p] = min(minima[p], min(one, two))
        for b in range(bands):
            # No bucket is of two bands.
            band = _FNV_OFFSET + np.uint64(b)
            for r in range(rows):
                band = _mix((band ^ np.uint64(minima[b * rows + r])) * _FNV_PRIME)
            band_hashes[d, b] = band
    return num_shingles, signatures, band_hashes, fingerprints
