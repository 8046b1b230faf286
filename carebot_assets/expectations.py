"""What a table must fulfil: pure functions from frames to findings.

A finding is what an asset check reports: passed or not, one sentence, and the numbers behind it.
"""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from carebot_assets.tables import VERDICTS, Table

MAX_OFFENDERS = 20


@dataclass(frozen=True)
class Finding:
    """Outcome of one expectation."""

    passed: bool
    description: str
    metadata: dict[str, Any] = field(default_factory=dict)


def conforms(table: Table, frame: pl.LazyFrame) -> Finding:
    """The columns are those of the schema, in order, with its types."""
    found, wanted = dict(frame.collect_schema()), dict(table.schema)
    wrong = [
        f"{name}: {found.get(name, 'missing')} instead of {dtype}"
        for name, dtype in wanted.items()
        if found.get(name) != dtype
    ] + [f"{name}: unknown column" for name in found if name not in wanted]
    text = "schema as declared" if not wrong else f"schema differs: {'; '.join(wrong)}"
    return Finding(not wrong, text, {"num_wrong_columns": len(wrong)})


def unique(frame: pl.LazyFrame, key: tuple[str, ...]) -> Finding:
    """No two rows share a key, and no key is null."""
    bad = (pl.col("len") > 1) | pl.any_horizontal(pl.col(key).is_null())
    counts = frame.group_by(key).len().filter(bad).sort(key).collect(engine="streaming")
    offenders = counts.head(MAX_OFFENDERS).to_dicts()
    label = ", ".join(key)
    text = f"{label} unique" if counts.is_empty() else f"{counts.height} values of {label} repeat"
    return Finding(counts.is_empty(), text, {"num_repeated": counts.height, "examples": offenders})


def same_rows(frame: pl.LazyFrame, parent: pl.LazyFrame, key: str) -> Finding:
    """The frame has exactly the parent's keys, in the parent's order."""
    mine = frame.select(key).collect(engine="streaming")[key]
    theirs = parent.select(key).collect(engine="streaming")[key]
    passed = mine.len() == theirs.len() and bool((mine == theirs).all())
    missing = theirs.filter(~theirs.is_in(mine.implode()))
    extra = mine.filter(~mine.is_in(theirs.implode()))
    text = (
        "same rows in the same order"
        if passed
        else (
            f"{missing.len()} rows missing, {extra.len()} unknown"
            if missing.len() or extra.len()
            else "same rows in another order or number"
        )
    )
    metadata = {
        "num_rows": mine.len(),
        "num_parent_rows": theirs.len(),
        "examples": [*missing.head(10), *extra.head(10)],
    }
    return Finding(passed, text, metadata)


def accounted(frame: pl.LazyFrame) -> Finding:
    """rows in = kept + dropped + skipped + failed, drops have reasons and keeps have none."""
    has_reason = pl.col("reasons").list.len().fill_null(0) > 0
    verdict = pl.col("verdict")
    counts = (
        frame.select(
            pl.len().alias("num_rows"),
            *(verdict.eq(v).sum().alias(f"num_{v}") for v in VERDICTS),
            (verdict.eq("drop") & ~has_reason).sum().alias("num_drops_without_reason"),
            (verdict.eq("keep") & has_reason).sum().alias("num_keeps_with_reason"),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    total = sum(counts[f"num_{v}"] for v in VERDICTS)
    passed = (
        total == counts["num_rows"]
        and not counts["num_drops_without_reason"]
        and not counts["num_keeps_with_reason"]
    )
    text = (
        f"{counts['num_rows']} rows = {counts['num_keep']} kept + {counts['num_drop']} dropped + "
        f"{counts['num_skip']} skipped + {counts['num_failed']} failed"
        if passed
        else "rows are not accounted for: " + ", ".join(f"{k}={v}" for k, v in counts.items() if v)
    )
    return Finding(passed, text, dict(counts))


def inside(name: str, value: float | None, low: float, high: float) -> Finding:
    """A number lies in its band; a missing or undefined number does not."""
    passed = value is not None and low <= value <= high
    shown = "missing" if value is None else f"{value:.4g}"
    return Finding(
        passed,
        f"{name} {shown} {'inside' if passed else 'outside'} {low:g} .. {high:g}",
        {"observed": value, "low": low, "high": high},
    )
