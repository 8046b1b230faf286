"""Deita scores: how complex a question and how good its answer is, round by round.

A teacher scores a sample of rounds, two raters learn the scores and rate every round; each round
is rated alone, without history. A record's score is the mean over its rounds of complexity x
quality, so 1..36; for one round that is the product itself.
Source: Deita (arXiv 2312.15685), combined by the mean as in CareBot 1.3 instead of Deita's sum.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

ROLE = "instruction_score"
SCORES = ("complexity", "quality")


class Answer(Protocol):
    """What is read of a teacher's answer."""

    @property
    def status(self) -> str: ...
    @property
    def value(self) -> dict[str, Any] | None: ...


def rounds(dialogues: pl.LazyFrame) -> pl.DataFrame:
    """Rounds of records that alternate and end on the assistant: question and answer each."""
    field = pl.element().struct.field
    return (
        dialogues.select(
            "record_id",
            "source",
            "lang",
            question=pl.col("turns").list.eval(field("text").filter(field("role") == "user")),
            answer=pl.col("turns").list.eval(field("text").filter(field("role") == "assistant")),
        )
        .with_columns(round=pl.int_ranges(pl.col("question").list.len()))
        .explode("round", "question", "answer", empty_as_null=False)
        .collect()
    )


def sample(rounds_table: pl.DataFrame, num: int, seed: int) -> pl.DataFrame:
    """Rounds for the teacher: by hash, the same number of every source as far as there are."""
    order = pl.struct("record_id", "round").hash(seed)
    return (
        rounds_table.with_columns(order=order)
        .with_columns(turn=pl.col("order").rank("ordinal").over("source"))
        .sort("turn", "order", "record_id", "round")
        .head(num)
        .drop("order", "turn")
    )


def items(rounds_table: pl.DataFrame) -> list[dict[str, str]]:
    """The teacher's items, one a round, in order."""
    return rounds_table.select("question", "answer").to_dicts()


def scored(rounds_table: pl.DataFrame, answers: Sequence[Answer], teacher: str) -> pl.DataFrame:
    """Table `instruction_seed_scores` from the answers to `items`."""
    values = [answer.value if answer.status == "ok" else None for answer in answers]
    return rounds_table.with_columns(
        *(
            pl.Series(name, [value and value[name] for value in values], dtype=pl.Float64)
            for name in SCORES
        ),
        status=pl.Series([answer.status for answer in answers], dtype=pl.String),
        teacher=pl.lit(teacher),
    )


def combine(rounds_table: pl.DataFrame, model: str) -> pl.DataFrame:
    """Table `instruction_scores` from rounds with their complexity and quality.

    A record with a round that could not be rated has status `failed` and no score.
    """
    is_failed = pl.any_horizontal(pl.col(SCORES).is_null()).any()
    product = pl.col("complexity") * pl.col("quality")
    return rounds_table.group_by("record_id", maintain_order=True).agg(
        pl.col("source").first(),
        *SCORES,
        score=pl.when(~is_failed).then(product.mean()),
        status=pl.when(is_failed).then(pl.lit("failed")).otherwise(pl.lit("scored")),
        model=pl.lit(model),
    )


def summarize(scores: pl.LazyFrame) -> dict[str, Any]:
    """Counts and quantiles of the score, for metadata."""
    frame = scores.collect()
    quantiles = {f"score_p{int(100 * q)}": frame["score"].quantile(q) for q in (0.1, 0.5, 0.9)}
    return {
        "num_scored": int((frame["status"] == "scored").sum()),
        "num_failed": int((frame["status"] == "failed").sum()),
        "num_rounds": int(frame["complexity"].list.len().sum()),
        "mean_complexity": frame["complexity"].explode(empty_as_null=False).mean(),
        "mean_quality": frame["quality"].explode(empty_as_null=False).mean(),
        "mean_score": frame["score"].mean(),
        **quantiles,
    }
