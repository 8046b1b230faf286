"""What the quality rater's head learns from scores and from spoilt twins."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from carebot_assets.raters import faults, regressor

NUM, ENCODED, WRITTEN = 60, 5, 58


def made(seed: int) -> tuple[csr_matrix, np.ndarray, csr_matrix]:
    """Vectors of texts, scores that follow the first encoded column, and what twins lack: much of
    the first written column, now and then very much, and a little of the first encoded one."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(NUM, ENCODED + WRITTEN)) / 4
    vectors[:, ENCODED:] /= 4
    fallen = rng.normal(size=(3 * NUM, ENCODED + WRITTEN)) / 4
    fallen[:, ENCODED] += np.where(rng.random(3 * NUM) < 0.1, 8.0, 0.6)
    fallen[:, 0] -= 0.1
    return csr_matrix(vectors), 3 + 2 * vectors[:, 0], csr_matrix(fallen)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_twins_fall_and_scores_are_followed(seed: int) -> None:
    vectors, truth, fallen = made(seed)
    weight, bias = regressor._fit(vectors, truth, fallen, 2.0)
    below = (fallen @ weight.T)[:, 0]
    assert below.mean() > 0.7 * faults.PENALTY
    assert (below > 0).mean() > 0.9
    found = (vectors @ weight.T)[:, 0] + bias[0]
    assert np.corrcoef(found, truth)[0, 1] > 0.8
    # Only the scores, and the twins are where chance puts them.
    alone, _ = regressor._fit(vectors, truth, fallen[:0], 2.0)
    assert ((fallen @ alone.T)[:, 0] > 0).mean() < 0.5


def test_the_larger_their_weight_the_more_twins_say() -> None:
    vectors, truth, fallen = made(3)
    gaps = [
        float((fallen @ regressor._fit(vectors, truth, fallen, weight)[0].T).mean())
        for weight in (0.1, 2.0, 200.0)
    ]
    assert gaps[0] < gaps[1] < gaps[2]
    assert gaps[2] == pytest.approx(faults.PENALTY, abs=0.05)


def test_one_twin_alone_is_left_out() -> None:
    vectors, truth, fallen = made(4)
    one, none = (regressor._fit(vectors, truth, fallen[:num], 2.0) for num in (1, 0))
    np.testing.assert_array_equal(one[0], none[0])
    np.testing.assert_array_equal(one[1], none[1])
