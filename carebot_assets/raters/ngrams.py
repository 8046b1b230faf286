"""Hashed character n-grams of many texts at once, as a sparse matrix.

The same features as sklearn's `HashingVectorizer(analyzer="char", ngram_range=(1, 4))` in kind, at
compiled speed: that one walks every n-gram of every text in Python.
"""

from functools import cache
from typing import Any

import numpy as np
import polars as pl

SIZES = (1, 4)


def vectorize(
    texts: pl.Series, max_chars: int, features: int, sizes: tuple[int, int] = SIZES
) -> Any:
    """Rows of unit length with 1 + log(count) of each hashed n-gram.

    Args:
        texts: case is folded and white space runs count as one blank.
        max_chars: characters read of each text.
        features: columns of the matrix; n-grams that share a column add up.
        sizes: smallest and largest n.

    Returns:
        A `scipy.sparse.csr_matrix` of float32.
    """
    from scipy.sparse import csr_matrix

    plain = texts.fill_null("").str.head(max_chars).str.to_lowercase().str.replace_all(r"\s+", " ")
    # One code point an entry: UTF-32 keeps the kernel free of decoding.
    lengths = plain.str.len_chars().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    points = np.frombuffer("".join(plain).encode("utf-32-le", "replace"), dtype=np.uint32)
    counts, columns, values = _kernel()(points, offsets, features, *sizes)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return csr_matrix((values, columns, indptr), shape=(len(texts), features))


@cache
def _kernel() -> Any:
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def kernel(points, offsets, features, min_n, max_n):  # type: ignore[no-untyped-def]
        num = len(offsets) - 1
        counts = np.zeros(num, np.int64)
        room = len(points) * (max_n - min_n + 1)
        columns = np.empty(room, np.int32)
        values = np.empty(room, np.float32)
        tally = np.zeros(features, np.int32)
        used = np.empty(features, np.int32)
        filled = 0
        for row in range(num):
            start, stop = offsets[row], offsets[row + 1]
            num_used = 0
            for i in range(start, stop):
                code = np.uint64(1469598103934665603)
                for n in range(min(max_n, stop - i)):
                    code = (code ^ np.uint64(points[i + n])) * np.uint64(1099511628211)
                    mixed = (code ^ (code >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
                    if n + 1 < min_n:
                        continue
                    column = np.int32((mixed >> np.uint64(16)) % np.uint64(features))
                    if tally[column] == 0:
                        used[num_used] = column
                        num_used += 1
                    tally[column] += 1
            norm = 0.0
            for k in range(num_used):
                value = 1.0 + np.log(tally[used[k]])
                columns[filled + k] = used[k]
                values[filled + k] = value
                norm += value * value
                tally[used[k]] = 0
            norm = np.sqrt(norm)
            for k in range(filled, filled + num_used):
                values[k] /= norm
            filled += num_used
            counts[row] = num_used
        return counts, columns[:filled].copy(), values[:filled].copy()

    return kernel
