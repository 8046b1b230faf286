"""Deita scores: how complex a question and how good its answer is, round by round.

Each round is rated alone, without history. A record's score is the mean over its rounds of
complexity x quality, so 1..36; for one round that is the product itself.
Source: Deita (arXiv 2312.15685), combined by the mean as in CareBot 1.3 instead of Deita's sum.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

ROLE = "instruction_score"


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
            question=pl.col("turns").list.eval(field("text").filter(field("role") == "user")),
            answer=pl.col("turns").list.eval(field("text").filter(field("role") == "assistant")),
        )
        .explode("question", "answer", empty_as_null=False)
        .collect()
    )


def items(rounds_table: pl.DataFrame) -> list[dict[str, str]]:
    """The teacher's items, one a round, in order."""
    return rounds_table.select("question", "answer").to_dicts()


def combine(rounds_table: pl.DataFrame, answers: Sequence[Answer], teacher: str) -> pl.DataFrame:
    """Table `instruction_scores` from the answers to `items`.

    A record with a round that the teacher failed to rate has status `failed` and no score.
    """
    values = [answer.value if answer.status == "ok" else None for answer in answers]
    scored = rounds_table.select("record_id", "source").with_columns(
        pl.Series(name, [value and value[name] for value in values], dtype=pl.Float64)
        for name in ("complexity", "quality")
    )
    is_failed = pl.any_horizontal(pl.col("complexity", "quality").is_null()).any()
    product = pl.col("complexity") * pl.col("quality")
    return scored.group_by("record_id", maintain_order=True).agg(
        pl.col("source").first(),
        "complexity",
        "quality",
        score=pl.when(~is_failed).then(product.mean()),
        status=pl.when(is_failed).then(pl.lit("failed")).otherwise(pl.lit("scored")),
        teacher=pl.lit(teacher),
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
