"""Keep rules: the best of a batch, and each document by its own chance with the same outcome."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carebot_assets.raters.meta import keep


@given(
    scores=st.lists(st.integers(0, 20), min_size=1, max_size=40),
    batch=st.integers(2, 12),
    discard=st.floats(0, 0.95),
)
def test_top_k_keeps_the_best_of_every_batch(scores: list[int], batch: int, discard: float) -> None:
    kept = keep.top_k(np.array(scores, float), batch, discard)
    num_batches = max(1, len(scores) // batch)
    for number in range(num_batches):
        # What is left over goes with the last whole batch.
        end = len(scores) if number == num_batches - 1 else (number + 1) * batch
        part, chosen = scores[number * batch : end], kept[number * batch : end]
        assert chosen.sum() == keep.num_kept(len(part), discard)
        best = sorted(part, reverse=True)[: int(chosen.sum())]
        assert sorted(np.array(part)[chosen].tolist(), reverse=True) == best


@pytest.mark.parametrize("discard", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("batch", [8, 64])
def test_a_chance_of_ones_own_keeps_as_many(batch: int, discard: float) -> None:
    share = keep.num_kept(batch, discard) / batch
    grid = (np.arange(20_000) + 0.5) / 20_000
    assert keep.chance(grid, batch, discard).mean() == pytest.approx(share, abs=1e-4)


def test_a_chance_of_ones_own_is_that_of_the_batch() -> None:
    """Against drawing batches and keeping their best."""
    random, batch, discard = np.random.default_rng(0), 8, 0.5
    scores = random.random(batch * 20_000)
    kept = keep.top_k(scores, batch, discard)
    expected = keep.chance(scores, batch, discard)
    bins = (scores * 10).astype(int)
    for number in range(10):
        mine = bins == number
        assert kept[mine].mean() == pytest.approx(expected[mine].mean(), abs=0.02)


def test_large_batches_make_a_step() -> None:
    assert keep.chance(np.array([0.45, 0.55]), 5000, 0.5) == pytest.approx([0, 1], abs=1e-6)


def test_percentiles_count_ties_half() -> None:
    reference = np.array([1.0, 2, 2, 3])
    found = keep.percentile(np.array([0.0, 1, 2, 3, 4]), reference)
    assert found.tolist() == [0, 0.125, 0.5, 0.875, 1]


@pytest.mark.parametrize("rule", ["pointwise", "top_k"])
def test_documents_are_judged_within_their_language(rule: keep.Rule) -> None:
    """One language's scores lie above all of the other's: half of each is kept all the same."""
    random = np.random.default_rng(0)
    langs = np.array(["zh", "en"] * 1000)
    values = random.normal(size=2000) + 10 * (langs == "zh")
    scores = pl.DataFrame(
        {"doc_id": [str(i) for i in range(2000)], "lang": langs, "value_score": values}
    )
    reference = scores.select("lang", "value_score")
    found = keep.judge(scores, reference, rule, 100, 0.5).with_columns(lang=scores["lang"])
    for lang in ("zh", "en"):
        part = found.filter(lang=lang)
        assert part["keep"].mean() == pytest.approx(0.5, abs=0.05)
        kept, dropped = (part.filter(keep=keep_)["value"].mean() for keep_ in (True, False))
        assert kept > dropped + 1  # type: ignore[operator]


def test_what_has_no_score_is_not_kept() -> None:
    scores = pl.DataFrame(
        {"doc_id": ["a", "b"], "lang": ["zh", "fr"], "value_score": [None, 3.0]},
        schema_overrides={"value_score": pl.Float64},
    )
    reference = pl.DataFrame({"lang": ["zh", "zh"], "value_score": [1.0, 2.0]})
    found = keep.judge(scores, reference, "top_k", 10, 0.0)
    assert found["keep"].to_list() == [False, True]
    assert found["percentile"].to_list() == [None, 1.0], "an unknown language stands among all"
    table = found.lazy().with_columns(source=pl.lit("s"))
    numbers = keep.summarize(table)
    assert numbers["num_without_score"] == 1 and numbers["keep_ratio"] == 0.5
    assert "| s | 2 | 1.000 | 50.0% |" in numbers["by_source"]
