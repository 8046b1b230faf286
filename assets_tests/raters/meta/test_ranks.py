"""Numbers over scores: how steady an order is, which snapshot is chosen, how even weights are."""

import numpy as np
import pytest

from carebot_assets.raters.meta import ranks

UP = np.arange(10.0)


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ([UP, 3 * UP + 1], [1.0]),
        ([UP, -UP, -2 * UP], [-1.0, 1.0]),
        ([np.zeros(10), UP], [0.0]),
        ([UP], []),
    ],
)
def test_stability(snapshots: list[np.ndarray], expected: list[float]) -> None:
    assert ranks.stability(snapshots) == pytest.approx(expected)


def test_a_decaying_order_is_not_chosen() -> None:
    random = np.random.default_rng(0)
    steady = [UP + random.normal(0, 0.3, 10) for _ in range(6)]
    decayed = [random.permutation(UP) for _ in range(2)]
    assert ranks.choose([*steady, *decayed]) in (4, 5)
    assert ranks.choose([-UP, -UP, UP, UP]) == 3, "the first half does not count"
    assert ranks.choose([UP]) == 0


def test_evenness() -> None:
    assert ranks.evenness(np.full(8, 1 / 8)) == pytest.approx(1.0)
    assert ranks.evenness(np.array([1.0, 0, 0, 0])) == 0.0


@pytest.mark.parametrize(
    ("scores", "good", "expected"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),
        ([1, 3, 2, 4], [0, 0, 1, 1], 0.75),
    ],
)
def test_auc_counts_pairs(scores: list[float], good: list[int], expected: float) -> None:
    assert ranks.auc(np.array(scores, float), np.array(good, bool)) == expected
