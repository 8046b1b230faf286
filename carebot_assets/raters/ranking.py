"""Weights that put one of two above the other, learned from pairs.

Source: Bradley and Terry 1952 (the odds of winning); Burges et al. 2005 (learned from features).
"""

from typing import Any

import numpy as np


def above(lacking: Any, inverse_penalty: float, tolerance: float) -> np.ndarray:
    """Weights under which what the worse ones lack is worth more than nothing.

    Args:
        lacking: sparse rows, the better of a pair less the worse; rows of nothing teach nothing.
        inverse_penalty: inverse strength of the penalty on large weights (`C`).
        tolerance: at which the solver stops.

    Returns:
        A weight a column, all zero where there are fewer than two pairs.
    """
    from sklearn.linear_model import LogisticRegression

    rows = lacking[np.diff(lacking.indptr) > 0]
    if rows.shape[0] < 2:
        return np.zeros(lacking.shape[1], np.float32)
    # Which of two comes first says nothing: half of the pairs are turned, without an intercept.
    sign = np.where(np.arange(rows.shape[0]) % 2, 1.0, -1.0)
    model = LogisticRegression(
        C=inverse_penalty, fit_intercept=False, solver="liblinear", tol=tolerance
    )
    model.fit(rows.multiply(sign[:, None]).tocsr(), sign)
    return np.asarray(model.coef_[0], np.float32)
