import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carebot_assets.evaluation import statistics as subject


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(50, 100, 0.4038, 0.5962), (0, 20, 0.0, 0.1611), (113, 113, 0.9671, 1.0)],
)
def test_wilson_intervals(right: int, count: int, low: float, high: float) -> None:
    estimate = subject.accuracy(right, count)
    assert estimate.value == right / count
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)


def test_nothing_answered_has_no_accuracy() -> None:
    assert subject.accuracy(0, 0) == subject.Estimate(None, None, None, 0)
    assert subject.mean_of_groups([], [], samples=10, seed=0).value is None


def test_chance_is_of_a_uniform_guess() -> None:
    items = pl.LazyFrame({"choices": [["A", "B"], ["A", "B", "C", "D"]]})
    assert subject.chance_level(items) == 0.375
    assert subject.chance_level(items.head(0)) is None


@given(st.lists(st.floats(1, 5), min_size=2, max_size=30))
@example([1.541167813925664, 1.541167813925664, 4.541167813925664, 2.541167813925664])
def test_bootstrap_intervals_hold_the_mean(values: list[float]) -> None:
    groups = [str(n // 3) for n in range(len(values))]
    estimate = subject.mean_of_groups(values, groups, samples=200, seed=1)
    assert estimate.value == pytest.approx(sum(values) / len(values))
    assert estimate == subject.mean_of_groups(values, groups, samples=200, seed=1)
    if estimate.low is not None and estimate.high is not None:
        assert min(values) - 1e-9 <= estimate.low <= estimate.high <= max(values) + 1e-9


def test_turns_of_one_dialogue_count_together() -> None:
    values = [1.0] * 20 + [5.0] * 20
    dialogues = ["a"] * 20 + ["b"] * 20
    turns = [str(n) for n in range(40)]
    together = subject.mean_of_groups(values, dialogues, samples=500, seed=0)
    apart = subject.mean_of_groups(values, turns, samples=500, seed=0)
    assert (together.low, together.high) == (1.0, 5.0)
    assert apart.low is not None and apart.low > 2
    assert subject.mean_of_groups([2.0, 3.0], ["a", "a"], samples=9, seed=0).low is None


def test_mcnemar_counts_what_changed() -> None:
    first = [True] * 10 + [False] * 10
    second = [True] * 9 + [False] + [True] * 9 + [False]
    test = subject.mcnemar(first, second)
    assert (test["num_lost"], test["num_gained"], test["num_items"]) == (1, 9, 20)
    assert test["difference"] == pytest.approx(0.4)
    assert test["p_value"] == pytest.approx(22 / 1024)
    assert subject.mcnemar(first, first)["p_value"] == 1.0
    with pytest.raises(ValueError, match="20 answers against 1"):
        subject.mcnemar(first, [True])


def test_paired_differences() -> None:
    estimate = subject.paired_difference(
        [1.0, 2.0, 3.0], [2.0, 3.0, 5.0], ["a", "b", "c"], samples=100, seed=0
    )
    assert estimate.value == pytest.approx(4 / 3)
    assert estimate.low is not None and estimate.low >= 1.0
    with pytest.raises(ValueError, match="2 grades against 1"):
        subject.paired_difference([1.0, 1.0], [1.0], ["a"], samples=9, seed=0)
