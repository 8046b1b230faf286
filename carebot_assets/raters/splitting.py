"""Training and validation rows of a labelled sample, by groups of near-duplicates."""

import hashlib
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import ngrams

MAX_CHARS = 2000
SHINGLE_CHARS = 6
FEATURES = 1 << 24
BANDS, ROWS = 24, 3
# Rows of a sample that share this much of their shingles must not be on both sides.
MIN_SIMILARITY = 0.4
_PRIME = (1 << 61) - 1


def near_duplicate_groups(texts: pl.Series) -> np.ndarray:
    """Number of the group of every text: texts in different groups have little in common.

    Groups are connected components of pairs with an estimated Jaccard similarity of at least 0.4
    over shingles of 6 characters, found by MinHash (24 bands of 3). Letters and digits only, so
    that case, spacing and marks do not matter.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    plain = texts.fill_null("").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")
    rows = ngrams.vectorize(plain, MAX_CHARS, FEATURES, (SHINGLE_CHARS, SHINGLE_CHARS))
    signatures = _minhash(rows.indices, rows.indptr)
    one, two = _candidates(signatures)
    similar = (signatures[one] == signatures[two]).mean(axis=1) >= MIN_SIMILARITY
    pairs = (np.ones(similar.sum()), (one[similar], two[similar]))
    graph = coo_matrix(pairs, shape=(len(texts), len(texts)))
    groups: np.ndarray = connected_components(graph, directed=False)[1]
    return groups


def is_validation(texts: pl.Series, ratio: float, seed: int) -> np.ndarray:
    """Which texts are for validation: whole groups of near-duplicates, by the hash of a text.

    The side of a text that resembles no other depends on itself and the seed only.
    """
    groups = near_duplicate_groups(texts)
    # A labelled sample is small; a hash that no library version changes is worth the loop.
    numbers = np.array(
        [
            int.from_bytes(hashlib.blake2b(f"{seed}:{t}".encode(), digest_size=8).digest())
            for t in texts.fill_null("")
        ],
        dtype=np.uint64,
    )
    lowest = np.full(groups.max(initial=-1) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(lowest, groups, numbers)
    return np.asarray(lowest[groups] < np.uint64(ratio * (2**64 - 1)))


def _minhash(columns: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Minima of the hash functions over the columns of every row; an empty row has its own."""
    rng = np.random.default_rng(20241212)
    factors, terms = rng.integers(1, _PRIME, (2, BANDS * ROWS), dtype=np.uint64)
    empty = np.flatnonzero(np.diff(starts) == 0)
    signatures = np.empty((len(starts) - 1, BANDS * ROWS), np.uint64)
    filled = np.flatnonzero(np.diff(starts) > 0)
    values = columns.astype(np.uint64)
    for i, (factor, term) in enumerate(zip(factors, terms, strict=True)):
        hashed = (values * factor + term) >> np.uint64(20)
        signatures[filled, i] = (
            np.minimum.reduceat(hashed, starts[:-1][filled]) if len(filled) else 0
        )
        signatures[empty, i] = np.arange(len(empty), dtype=np.uint64) + np.uint64(1 << 60)
    return signatures


def _candidates(signatures: np.ndarray) -> tuple[Any, Any]:
    """Pairs of neighbours that agree in a band; a chain of them reaches all that do."""
    ones, twos = [], []
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        keys = part.view([("", part.dtype)] * ROWS).ravel()
        order = np.argsort(keys, kind="stable")
        same = keys[order][1:] == keys[order][:-1]
        ones.append(order[:-1][same])
        twos.append(order[1:][same])
    return np.concatenate(ones), np.concatenate(twos)
