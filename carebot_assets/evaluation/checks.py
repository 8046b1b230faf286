"""What the tables of the evaluation must fulfil."""

from typing import Any

import polars as pl

from carebot_assets.evaluation import items as items_module
from carebot_assets.evaluation import statistics
from carebot_assets.evaluation.consultations import rounds_of
from carebot_assets.evaluation.suites import DIMENSIONS
from carebot_assets.expectations import MAX_OFFENDERS, Finding, inside


def counts_as_published(items: pl.LazyFrame, adapters: dict[str, str]) -> Finding:
    """Suites read whole have as many items as their publisher's scored set.

    Args:
        items: `benchmark_items`.
        adapters: adapter by suite, of the suites whose files should be the publisher's, whole.
    """
    found = items.group_by("suite").agg(pl.len(), pl.col("subject").drop_nulls().unique()).collect()
    wrong, known = {}, 0
    for suite, count, subjects in found.rows():
        if suite in adapters:
            published = items_module.published_count(adapters[suite], subjects)
            known += published is not None
            if published is not None and published != count:
                wrong[suite] = {"found": count, "published": published}
    shown = "; ".join(f"{s} {w['found']} instead of {w['published']}" for s, w in wrong.items())
    text = f"{known} suites as published" if not wrong else f"not as published: {shown}"
    metadata = {"num_compared": known, "num_not_compared": found.height - known, "wrong": wrong}
    return Finding(not wrong, text, metadata)


def answered_once(scores: pl.LazyFrame, items: pl.LazyFrame) -> Finding:
    """Every item with one right option has exactly one answer, and nothing else has one."""
    asked = items_module.askable(items).select("item_id").collect()["item_id"]
    answered = scores.select("item_id").collect()["item_id"]
    missing = asked.filter(~asked.is_in(answered.implode()))
    unknown = answered.filter(~answered.is_in(asked.implode()))
    num_repeated = answered.len() - answered.n_unique()
    passed = not (missing.len() or unknown.len() or num_repeated)
    text = f"{answered.len()} answers to {asked.len()} items"
    if not passed:
        text += f": {missing.len()} missing, {unknown.len()} unknown, {num_repeated} repeated"
    examples = [*missing.head(MAX_OFFENDERS), *unknown.head(MAX_OFFENDERS)]
    return Finding(passed, text, {"num_answers": answered.len(), "examples": examples})


def predictions_legal(scores: pl.LazyFrame, items: pl.LazyFrame) -> Finding:
    """A prediction is an option of its item, `correct` says whether it is the answer, and the
    answer is the item's."""
    choices = items_module.with_choices(items).select("item_id", "choices", right="answer")
    legal = pl.col("choices").list.contains(pl.col("prediction"))
    consistent = pl.col("correct") == (pl.col("prediction") == pl.col("answer"))
    same_answer = pl.col("answer") == pl.col("right")
    wrong = (
        scores.join(choices, on="item_id", how="left", maintain_order="left")
        .filter(~(legal & consistent & same_answer).fill_null(False))
        .select("item_id", "prediction", "answer", "correct")
        .collect()
    )
    text = "all predictions are options of their items"
    if not wrong.is_empty():
        text = f"{wrong.height} answers are no option of their item or marked wrongly"
    offenders = wrong.head(MAX_OFFENDERS).to_dicts()
    return Finding(wrong.is_empty(), text, {"num_wrong": wrong.height, "examples": offenders})


def above_chance(scores: pl.LazyFrame, items: pl.LazyFrame) -> Finding:
    """The accuracy's interval does not lie below the chance level as a whole; one that contains
    it passes and says so."""
    right, count = scores.select(pl.col("correct").sum(), pl.len()).collect().row(0)
    estimate = statistics.accuracy(right, count)
    chance = statistics.chance_level(items_module.with_choices(items))
    metadata: dict[str, Any] = {**estimate.to_dict(), "chance": chance}
    if estimate.value is None or estimate.low is None or estimate.high is None or chance is None:
        return Finding(False, "no answers to compare with chance", metadata)
    if estimate.high < chance:
        relation = "below chance: answers or options may be mixed up"
    elif estimate.low > chance:
        relation = "above chance"
    else:
        relation = "not above chance"
    shown = f"{estimate.value:.3f} ({estimate.low:.3f} .. {estimate.high:.3f})"
    text = f"accuracy {shown} is {relation} ({chance:.3f})"
    return Finding(estimate.high >= chance, text, {**metadata, "above": estimate.low > chance})


def turns_judged(scores: pl.LazyFrame, items: pl.LazyFrame, min_ratio: float) -> Finding:
    """Every round of every dialogue has one row, and enough of them have grades."""
    wanted = rounds_of(items).select("item_id", "turn")
    rows = scores.select("item_id", "turn", "status").collect()
    missing = wanted.join(rows, on=["item_id", "turn"], how="anti")
    unknown = rows.join(wanted, on=["item_id", "turn"], how="anti")
    if missing.height or unknown.height:
        text = f"{missing.height} rounds without a row, {unknown.height} rows without a round"
        examples = missing.head(MAX_OFFENDERS).to_dicts()
        return Finding(False, text, {"num_rounds": wanted.height, "examples": examples})
    ratio = rows.select((pl.col("status") == "scored").mean()).item()
    return inside("share of rounds with grades", ratio, min_ratio, 1.0)


def grades_in_scale(scores: pl.LazyFrame) -> Finding:
    """Grades are 1..5 exactly where the status is `scored`, else missing."""
    grades = [pl.col(name) for name in DIMENSIONS]
    scored = pl.col("status") == "scored"
    good = pl.all_horizontal(grade.is_between(1, 5).fill_null(False) for grade in grades)
    absent = pl.all_horizontal(grade.is_null() for grade in grades)
    failed = pl.col("status") == "failed"
    wrong = scores.filter(~((scored & good) | (failed & absent))).collect()
    text = "grades lie in 1..5" if wrong.is_empty() else f"{wrong.height} rows with other grades"
    examples = wrong.select("item_id", "turn", "status", *DIMENSIONS).head(MAX_OFFENDERS).to_dicts()
    return Finding(wrong.is_empty(), text, {"num_wrong": wrong.height, "examples": examples})
