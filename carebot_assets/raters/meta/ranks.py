"""Is a rater done, and what does it measure: numbers over its scores."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

PLATEAU = 0.02


def stability(snapshots: Sequence[np.ndarray]) -> list[float]:
    """Rank correlation of each snapshot of scores with the one before it; one number fewer.

    Scores that are all equal order nothing: their correlation counts as 0.
    Source: DataRater (arXiv 2505.17895), Figure 13.
    """
    return [correlation(one, two) for one, two in pairwise(snapshots)]


def choose(snapshots: Sequence[np.ndarray]) -> int:
    """The latest snapshot of the second half whose order was about as steady as orders ever were.

    Score scales grow and orders can decay in long trainings, so the last one is not the best by
    itself; the outer loss says little, because inner models are reset.
    """
    first = max(1, len(snapshots) // 2)
    steady = stability(snapshots)[first - 1 :]
    if not steady:
        return len(snapshots) - 1
    return first + max(i for i, found in enumerate(steady) if found >= max(steady) - PLATEAU)


def correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one side is constant."""
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 0.0
    return float(spearmanr(one, two).statistic)


def evenness(weights: np.ndarray) -> float:
    """Entropy of weights that sum to one, relative to that of equal ones (0..1)."""
    known = weights[weights > 0]
    return float(-(known * np.log(known)).sum() / math.log(len(weights)))


def auc(scores: np.ndarray, is_good: np.ndarray) -> float:
    """Probability that a good one is scored above another; ties count half."""
    from scipy.stats import rankdata

    good = int(is_good.sum())
    ranks = rankdata(scores)[is_good].sum()
    return float((ranks - good * (good + 1) / 2) / (good * (len(scores) - good)))
