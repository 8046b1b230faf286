"""Whether a text is of one piece: how alike its parts are, and if one in the middle is foreign.

A text is cut into equal pieces. For every passage of neighbouring pieces inside it, and for every
cut through it, the two sides are compared by the n-grams they share, and by the topics that these
belong to: a passage of another document is less like what is around it than the surroundings are
like each other. Source: TextTiling (Hearst 1997, lexical cohesion), with all passages in place of
neighbouring windows; topics by latent semantic analysis (Foltz, Kintsch and Landauer 1998).
"""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import ngrams

PIECES = 10
# Shares of a text that a foreign passage may have.
SHORTEST, LONGEST = 0.15, 0.6
FEATURES = 1 << 18
# Han characters and pairs of them are words; of other scripts the stems of words count.
SIZES = {True: (1, 2), False: (3, 5)}
# Topics of each language, rows that n-grams share for them (a rater's folder holds them all), in
# how many texts one must occur, and the seed.
TOPICS, TOPIC_ROWS, MIN_COUNT, SEED = 24, 1 << 16, 3, 20241215
CONTRASTS = (
    "foreign_most", "foreign", "apart_most", "apart", "apart_beyond", "cut_most", "cut"
)  # fmt: skip
MEASURES = (*CONTRASTS, *(f"topic_{name}" for name in CONTRASTS))


def fit(texts: pl.Series, han: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `measure` compares by.

    Returns:
        In how many pieces of texts each hashed n-gram occurs, the last number being that of all
        pieces; and `TOPIC_ROWS` rows of the topics that n-grams belong to, each language's beside
        the other's.
    """
    pieces = _pieces(texts, han)
    counts = np.append(np.bincount(pieces.indices, minlength=FEATURES), pieces.shape[0])
    topics = np.zeros((TOPIC_ROWS, 2 * TOPICS), np.float32)
    for lang in (False, True):
        own = np.repeat(han == lang, PIECES)
        topics[:, lang * TOPICS : (lang + 1) * TOPICS] = _topics(pieces[own])
    return counts.astype(np.float32), topics


def measure(
    texts: pl.Series, han: np.ndarray, counts: np.ndarray, topics: np.ndarray
) -> np.ndarray:
    """One row of `MEASURES` a text, each of them a cosine or a difference of cosines.

    Args:
        texts: to measure.
        han: which of them are in Han characters.
        counts: of `fit` on known texts; n-grams of many pieces weigh little.
        topics: of `fit`.
    """
    pieces = _pieces(texts, han)
    pieces.data *= _rarity(counts)[pieces.indices]
    shared = gram()(pieces.indices, pieces.data, pieces.indptr, PIECES, FEATURES)
    about = np.asarray(_folded(pieces) @ topics).reshape(len(texts), PIECES, 2, TOPICS)
    about = about[np.arange(len(texts)), :, np.asarray(han, int)]
    alike = np.einsum("nik,njk->nij", about, about)
    return np.hstack([_contrasts(shared), _contrasts(alike)])


def _folded(pieces: Any) -> Any:
    """The same rows in `TOPIC_ROWS` columns."""
    from scipy.sparse import csr_matrix

    columns = pieces.indices % TOPIC_ROWS
    return csr_matrix((pieces.data, columns, pieces.indptr), shape=(pieces.shape[0], TOPIC_ROWS))


def _rarity(counts: np.ndarray) -> np.ndarray:
    return np.log((counts[-1] + 1) / (counts[:-1] + 1)).astype(np.float32)


def _topics(pieces: Any) -> np.ndarray:
    """Weights of n-grams in the topics of texts, whose pieces these are."""
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    num = pieces.shape[0] // PIECES
    weights = np.zeros((TOPIC_ROWS, TOPICS), np.float32)
    if num <= TOPICS:
        return weights
    whose = np.repeat(np.arange(num), PIECES)
    joined = csr_matrix((np.ones(len(whose), np.float32), (whose, np.arange(len(whose)))))
    texts = (joined @ _folded(pieces)).tocsr()
    counts = np.append(np.bincount(texts.indices, minlength=TOPIC_ROWS), num)
    known = np.flatnonzero(counts[:-1] >= MIN_COUNT)
    if len(known) <= TOPICS:
        return weights
    # A word that comes back ten times says little more than one that does three times.
    texts.data = np.sqrt(texts.data) * _rarity(counts)[texts.indices]
    svd = TruncatedSVD(TOPICS, random_state=SEED).fit(normalize(texts.tocsc()[:, known].tocsr()))
    # Between raw and whitened: the first topics are the whole language's.
    weights[known] = (svd.components_ / np.sqrt(svd.singular_values_)[:, None]).T
    return weights


def _pieces(texts: pl.Series, han: np.ndarray) -> Any:
    """Vectors of all pieces, `PIECES` rows a text."""
    from scipy.sparse import csr_matrix, vstack

    name, length = pl.col("text"), pl.col("text").str.len_chars()
    ends = [length * k // PIECES for k in range(PIECES + 1)]
    pieces = [name.str.slice(a, b - a) for a, b in pairwise(ends)]
    flat = (
        pl.DataFrame({"text": texts})
        .select(pl.concat_list(pieces).alias("piece"))["piece"]
        .explode(empty_as_null=False, keep_nulls=False)
    )
    is_han = pl.Series(np.repeat(han, PIECES))
    # Each language by its own sizes, then every piece back to its place.
    parts = [ngrams.vectorize(flat.filter(is_han == one), 1 << 20, FEATURES, SIZES[one])
             for one in (True, False)]  # fmt: skip
    order = np.argsort(~is_han.to_numpy(), kind="stable")
    return csr_matrix(vstack(parts))[np.argsort(order, kind="stable")]


def _contrasts(products: np.ndarray) -> np.ndarray:
    """Measures from the products of every piece of a text with every other."""

    def alike(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """Cosine of sums of pieces, one column a row of the masks."""
        both, own, other = (
            np.einsum("ri,nij,rj->nr", a, products, b, optimize=True)
            for a, b in ((one, two), (one, one), (two, two))
        )
        return np.asarray(both / np.sqrt(own * other + 1e-9))

    at = np.arange(PIECES)
    passages = [(i, j) for i in range(1, PIECES - 1) for j in range(i + 1, PIECES)
                if SHORTEST * PIECES <= j - i <= LONGEST * PIECES]  # fmt: skip
    starts, stops = np.array(passages).T
    before = (at < starts[:, None]).astype(float)
    after = (at >= stops[:, None]).astype(float)
    inside = 1.0 - before - after
    foreign = alike(before, after) - (alike(before, inside) + alike(inside, after)) / 2
    around = alike(inside, before + after)
    left = (at < np.arange(2, PIECES - 1)[:, None]).astype(float)
    cut = alike(left, 1.0 - left)
    lowest, usual = around.min(axis=1), around.mean(axis=1)
    return np.column_stack(
        [foreign.max(axis=1), foreign.mean(axis=1), lowest, usual,
         (around - usual[:, None]).min(axis=1), cut.min(axis=1), cut.mean(axis=1)]
    )  # fmt: skip


@cache
def gram() -> Any:
    """Products of all rows of a group of rows with each other, compiled at its first use."""
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def kernel(columns, values, starts, group, features):  # type: ignore[no-untyped-def]
        num = (len(starts) - 1) // group
        out = np.zeros((num, group, group))
        dense = np.zeros(features)
        for text in range(num):
            for i in range(group):
                row = text * group + i
                for k in range(starts[row], starts[row + 1]):
                    dense[columns[k]] = values[k]
                for j in range(i, group):
                    total = 0.0
                    for k in range(starts[text * group + j], starts[text * group + j + 1]):
                        total += values[k] * dense[columns[k]]
                    out[text, i, j] = total
                    out[text, j, i] = total
                for k in range(starts[row], starts[row + 1]):
                    dense[columns[k]] = 0.0
        return out

    return kernel
