"""Hashed n-grams of characters or words of many texts at once, as a sparse matrix.

The same features as sklearn's `HashingVectorizer` in kind, at compiled speed: that one walks every
n-gram of every text in Python.
"""

import re
from functools import cache
from typing import Any

import numpy as np
import polars as pl

SIZES = (1, 4)
WORD_SIZES = (1, 2)
# Written without blanks between words: each character is taken for one.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# Number of code points.
POINTS = 0x110000


def vectorize(
    texts: pl.Series, max_chars: int, features: int, sizes: tuple[int, int] = SIZES
) -> Any:
    """Rows of unit length with 1 + log(count) of each hashed character n-gram.

    Args:
        texts: case is folded and white space runs count as one blank.
        max_chars: characters read of each text.
        features: columns of the matrix; n-grams that share a column add up.
        sizes: smallest and largest n.

    Returns:
        A `scipy.sparse.csr_matrix` of float32.
    """
    points, offsets = code_points(_folded(texts, max_chars).str.replace_all(r"\s+", " "))
    return _matrix(points, offsets, features, sizes)


def vectorize_words(
    texts: pl.Series, max_chars: int, features: int, sizes: tuple[int, int] = WORD_SIZES
) -> Any:
    """The same of words and runs of words; a CJK character is a word of its own."""
    points = code_points(_folded(texts, max_chars))
    units, offsets = _kernels()[0](*points, _classes())
    return _matrix(units, offsets, features, sizes)


def code_points(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Code points of all texts, and where each text starts in them.

    One code point an entry: UTF-32 keeps kernels free of decoding.
    """
    offsets = np.concatenate([[0], np.cumsum(texts.str.len_chars().to_numpy().astype(np.int64))])
    return np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32), offsets


def _folded(texts: pl.Series, max_chars: int) -> pl.Series:
    return texts.fill_null("").str.head(max_chars).str.to_lowercase()


def _matrix(units: np.ndarray, offsets: np.ndarray, features: int, sizes: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    counts, columns, values = _kernels()[1](units, offsets, features, *sizes)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return csr_matrix((values, columns, indptr), shape=(len(offsets) - 1, features))


@cache
def _classes() -> np.ndarray:
    """Of every code point: 0 between words, 1 in a word, 2 a word by itself."""
    every = "".join(map(chr, range(POINTS)))
    classes = np.zeros(POINTS, np.uint8)
    for pattern, kind in ((r"\w+", 1), (f"[{CJK}]+", 2)):
        for run in re.finditer(pattern, every):
            classes[run.start() : run.end()] = kind
    return classes


@cache
def _kernels() -> tuple[Any, Any]:
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def words(points, offsets, classes):  # type: ignore[no-untyped-def]
        codes = np.empty(len(points), np.uint64)
        starts = np.zeros(len(offsets), np.int64)
        filled = 0
        for row in range(len(offsets) - 1):
            before = 0
            for i in range(offsets[row], offsets[row + 1]):
                kind = classes[points[i]]
                if kind != 0:
                    if kind == 2 or before != 1:
                        codes[filled] = np.uint64(1469598103934665603)
                        filled += 1
                    code = (codes[filled - 1] ^ np.uint64(points[i])) * np.uint64(1099511628211)
                    codes[filled - 1] = code ^ (code >> np.uint64(29))
                before = kind
            starts[row + 1] = filled
        return codes[:filled].copy(), starts

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def tally(units, offsets, features, min_n, max_n):  # type: ignore[no-untyped-def]
        num = len(offsets) - 1
        counts = np.zeros(num, np.int64)
        room = len(units) * (max_n - min_n + 1)
        columns = np.empty(room, np.int32)
        values = np.empty(room, np.float32)
        seen = np.zeros(features, np.int32)
        used = np.empty(features, np.int32)
        filled = 0
        for row in range(num):
            start, stop = offsets[row], offsets[row + 1]
            num_used = 0
            for i in range(start, stop):
                code = np.uint64(1469598103934665603)
                for n in range(min(max_n, stop - i)):
                    code = (code ^ np.uint64(units[i + n])) * np.uint64(1099511628211)
                    mixed = (code ^ (code >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
                    if n + 1 < min_n:
                        continue
                    column = np.int32((mixed >> np.uint64(16)) % np.uint64(features))
                    if seen[column] == 0:
                        used[num_used] = column
                        num_used += 1
                    seen[column] += 1
            norm = 0.0
            for k in range(num_used):
                value = 1.0 + np.log(seen[used[k]])
                columns[filled + k] = used[k]
                values[filled + k] = value
                norm += value * value
                seen[used[k]] = 0
            norm = np.sqrt(norm)
            for k in range(filled, filled + num_used):
                values[k] /= norm
            filled += num_used
            counts[row] = num_used
        return counts, columns[:filled].copy(), values[:filled].copy()

    return words, tally
