"""Intervals and paired tests behind the scorecard. Libraries are loaded on first use."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; bounds are None where there is too little to tell."""

    value: float | None
    low: float | None
    high: float | None
    num: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def accuracy(num_correct: int, num_items: int) -> Estimate:
    """Share of right answers with its Wilson interval, which stays inside 0..1 for few items."""
    if num_items == 0:
        return Estimate(None, None, None, 0)
    from scipy.stats import binomtest

    interval = binomtest(num_correct, num_items).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(num_correct / num_items, float(interval.low), float(interval.high), num_items)


def chance_level(items: pl.LazyFrame) -> float | None:
    """Accuracy of a uniform guess on items with `choices`."""
    mean = items.select((1.0 / pl.col("choices").list.len()).mean()).collect().item()
    return None if mean is None else float(mean)


def mean_of_groups(
    values: Sequence[float], groups: Sequence[str], *, samples: int, seed: int
) -> Estimate:
    """Mean with a bootstrap interval that draws whole groups.

    The turns of one dialogue are alike; drawing single turns would give too narrow an interval.
    """
    if not values:
        return Estimate(None, None, None, 0)
    sums, counts = _by_group(values, groups)
    value = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Estimate(value, None, None, len(values))
    low, high = _interval(sums, counts, samples, seed)
    return Estimate(value, low, high, len(values))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """Exact paired test of two checkpoints' answers to the same items."""
    import numpy as np
    from scipy.stats import binomtest

    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"{a.size} answers against {b.size}: the items must be the same")
    gained, lost = int((~a & b).sum()), int((a & ~b).sum())
    p_value = binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    difference = float(b.mean() - a.mean()) if a.size else None
    return {
        "difference": difference,
        "num_gained": gained,
        "num_lost": lost,
        "num_items": int(a.size),
        "p_value": float(p_value),
    }


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    groups: Sequence[str],
    *,
    samples: int,
    seed: int,
) -> Estimate:
    """Mean of `second - first` over the same turns, with a bootstrap interval over dialogues."""
    if not len(first) == len(second) == len(groups):
        raise ValueError(f"{len(first)} grades against {len(second)}: the turns must be the same")
    differences = [b - a for a, b in zip(first, second, strict=True)]
    return mean_of_groups(differences, groups, samples=samples, seed=seed)


def _by_group(values: Sequence[float], groups: Sequence[str]) -> tuple[Any, Any]:
    frame = pl.DataFrame({"group": groups, "value": values}, strict=False)
    totals = frame.group_by("group", maintain_order=True).agg(
        pl.col("value").sum(), pl.len().alias("n").cast(pl.Float64)
    )
    return totals["value"].to_numpy(), totals["n"].to_numpy()


def _interval(sums: Any, counts: Any, samples: int, seed: int) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import bootstrap

    def ratio(sums: Any, counts: Any, axis: int = -1) -> Any:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    interval = bootstrap(
        (sums, counts),
        ratio,
        n_resamples=samples,
        # Resamples are drawn in blocks: a million numbers at a time, whatever the suite's size.
        batch=max(1, 1_000_000 // len(sums)),
        confidence_level=CONFIDENCE,
        method="percentile",
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    # Where both percentiles fall on the same value, they are rounded apart, either way.
    low, high = sorted((float(interval.low), float(interval.high)))
    return low, high
