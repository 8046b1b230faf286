"""Weights learned from pairs."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from carebot_assets.raters import ranking


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_the_worse_ones_lack_is_worth_something(sign: float) -> None:
    rng = np.random.default_rng(1)
    lacking = rng.normal(size=(200, 3))
    lacking[:, 1] += sign
    weights = ranking.above(csr_matrix(lacking), 1.0, 1e-4)
    assert weights[1] * sign > 0.5
    assert np.abs(weights[[0, 2]]).max() < abs(weights[1]) / 2
    assert (lacking @ weights > 0).mean() > 0.75


def test_pairs_without_a_difference_say_nothing() -> None:
    lacking = csr_matrix(np.random.default_rng(2).normal(1.0, 1.0, size=(40, 2)))
    padded = vstack([csr_matrix((6, 2)), lacking]).tocsr()
    np.testing.assert_array_equal(
        ranking.above(padded, 1.0, 1e-4), ranking.above(lacking, 1.0, 1e-4)
    )


@pytest.mark.parametrize("num", [0, 1])
def test_fewer_than_two_pairs_teach_nothing(num: int) -> None:
    np.testing.assert_array_equal(ranking.above(csr_matrix(np.ones((num, 4))), 1.0, 1e-4), 0)
