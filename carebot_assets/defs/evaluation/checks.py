"""Checks of the evaluation stage."""

import json

import polars as pl

from carebot_assets.defs.checking import Shelf, check, table_checks
from carebot_assets.evaluation import checks, scorecard
from carebot_assets.expectations import Finding

table_checks(
    "benchmark_items",
    "benchmark_scores",
    "consultation_scores",
)


def _items(shelf: Shelf) -> pl.LazyFrame:
    """Items of the checked partition's suite."""
    suite = (shelf.partition or "").split("|")[-1]
    return shelf.scan("benchmark_items").filter(pl.col("suite") == suite)


@check("benchmark_items", severity="WARN")
def item_counts(shelf: Shelf) -> Finding:
    """Suites have as many items as published.

    Compared are suites read without `limit` from files outside the sample world, whose publisher's
    count is known (for suites of several subjects: of all subjects found).
    """
    evaluation = shelf.settings.evaluation
    sources = {**evaluation.benchmarks, **evaluation.consultations}
    whole = {
        suite: source.adapter
        for suite, source in sources.items()
        if source.limit is None and "{sample}" not in source.path
    }
    return checks.counts_as_published(shelf.scan(), whole)


@check("benchmark_scores", blocking=True)
def answered_once(shelf: Shelf) -> Finding:
    """Every item is answered exactly once."""
    return checks.answered_once(shelf.scan(), _items(shelf))


@check("benchmark_scores", blocking=True)
def predictions_legal(shelf: Shelf) -> Finding:
    """Predictions are options of their items and marked rightly."""
    return checks.predictions_legal(shelf.scan(), _items(shelf))


@check("benchmark_scores", severity="WARN")
def above_chance(shelf: Shelf) -> Finding:
    """The accuracy is not below chance, and it is said whether it is above."""
    return checks.above_chance(shelf.scan(), _items(shelf))


@check("consultation_scores")
def turns_judged(shelf: Shelf) -> Finding:
    """Every turn is there, and enough of them have grades."""
    minimum = shelf.settings.evaluation.min_judged_ratio
    return checks.turns_judged(shelf.scan(), _items(shelf), minimum)


@check("consultation_scores", blocking=True)
def grades_in_scale(shelf: Shelf) -> Finding:
    """Grades are 1..5 where an answer was scored, and missing where it was not."""
    return checks.grades_in_scale(shelf.scan())


@check("scorecard", blocking=True)
def numbers_of_the_tables(shelf: Shelf) -> Finding:
    """Every number of the scorecard is what the tables give, recomputed in DuckDB."""
    folder = shelf.store.path("scorecard")
    wrong = scorecard.differences(
        json.loads((folder / "scores.json").read_text("utf-8")),
        (folder / "scorecard.html").read_text("utf-8"),
        shelf.scan("benchmark_scores").collect(),
        shelf.scan("consultation_scores").collect(),
    )
    text = "all numbers are those of the tables" if not wrong else f"{len(wrong)} numbers differ"
    return Finding(not wrong, text, {"num_different": len(wrong), "different": wrong[:20]})
