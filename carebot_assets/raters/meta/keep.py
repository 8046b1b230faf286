"""Which documents a meta-learned rater keeps: of a batch the best, or each by its own chance.

Source: DataRater (arXiv 2505.17895), section on using the rater: ranks decide, weights are for
training it only.
"""

import numpy as np


def top_k(scores: np.ndarray, batch: int, discard: float) -> np.ndarray:
    """Keep the best of every batch of consecutive scores, a share `1 - discard`, at least one.

    Of equal scores the earlier ones. A last, shorter batch keeps its own share.
    """
    keep = np.zeros(len(scores), bool)
    for start in range(0, len(scores), batch):
        part = scores[start : start + batch]
        best = np.argsort(-part, kind="stable")[: num_kept(len(part), discard)]
        keep[start + best] = True
    return keep


def num_kept(batch: int, discard: float) -> int:
    """How many of a batch stay."""
    return max(1, round((1 - discard) * batch))


def chance(percentile: np.ndarray, batch: int, discard: float) -> np.ndarray:
    """Probability to be kept of a document, whoever else is in its batch.

    The chance to be among the K best of B with B - 1 others drawn at random:
    P[Binomial(B - 1, 1 - p) <= K - 1], where p is the share of scores below the document's.
    Averaged over p it is K / B; with large batches it becomes the step p > discard.
    """
    from scipy.stats import binom

    return binom.cdf(num_kept(batch, discard) - 1, batch - 1, 1 - np.asarray(percentile))


def percentile(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Share of the sorted reference scores below each score; ties count half."""
    below = np.searchsorted(reference, scores, "left")
    upto = np.searchsorted(reference, scores, "right")
    return (below + upto) / (2 * len(reference))
