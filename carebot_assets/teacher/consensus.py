"""What two independent rounds of a teacher agree on.

Source: CareBot 1.1 (papers: arXiv 2412.15236): every seed is labelled and scored twice; labels that
differ and scores about two points apart are removed, and the mean of two scores is the target.
"""

import logging
from collections.abc import Mapping, Sequence

import polars as pl

from carebot_assets.teacher.client import Answer, Teacher

SUB_SCORES = ("grammar", "information", "coherence", "relevance")
ROUNDS = (1, 2)
AGREED, DISAGREED, FAILED = "agreed", "disagreed", "failed"
BY_TEACHER, BY_PEOPLE = "teacher", "human"


def ask_twice(
    teacher: Teacher, role: str, items: Sequence[Mapping[str, str]], log: logging.Logger
) -> list[list[Answer]]:
    """The answers of two independent rounds, with the bill before and progress in the log."""
    bill = teacher.estimate(role, items, ROUNDS)
    log.info(
        f"{role}, two rounds by {teacher.description}: {bill['num_calls']:.0f} calls, "
        f"{bill['num_cached']:.0f} answers known; about {bill['expected_usd']:.2f} and at most "
        f"{bill['cost_usd']:.2f} US dollars"
    )
    return teacher.ask_rounds(role, items, ROUNDS, log=log)


def agreed_labels(
    sample: pl.LazyFrame,
    rounds: Sequence[Sequence[Answer]],
    teacher: str,
    people: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Rows of `domain_seed_labels`: both labels, and the label where they are the same.

    Args:
        sample: the labelled documents, in the order of the answers.
        rounds: two lists of answers to role `domain_label`.
        teacher: model that labelled.
        people: labels from people by document, which win.
    """
    one, two = (_field(answers, "label", pl.String) for answers in rounds)
    agreed = pl.col("label_1") == pl.col("label_2")
    frame = _documents(sample).with_columns(
        one.alias("label_1"), two.alias("label_2"), teacher=pl.lit(teacher)
    )
    frame = frame.with_columns(label=pl.when(agreed).then("label_1"), status=_status(agreed))
    return _overruled(frame, "label", people or {}, pl.String)


def agreed_scores(
    sample: pl.LazyFrame,
    rounds: Sequence[Sequence[Answer]],
    max_gap: float,
    teacher: str,
    people: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Rows of `quality_seed_scores`: both scores, and their mean where they are close.

    Args:
        sample: the scored documents, in the order of the answers.
        rounds: two lists of answers to role `quality_score`.
        max_gap: rounds this far apart or farther disagree.
        teacher: model that scored.
        people: scores from people by document, which win.
    """
    one, two = (_field(answers, "score", pl.Float64) for answers in rounds)
    means = [
        ((_field(rounds[0], name, pl.Float64) + _field(rounds[1], name, pl.Float64)) / 2).alias(
            name
        )
        for name in SUB_SCORES
    ]
    close = (pl.col("score_1") - pl.col("score_2")).abs() < max_gap
    mean = (pl.col("score_1") + pl.col("score_2")) / 2
    frame = _documents(sample).with_columns(
        one.alias("score_1"), two.alias("score_2"), *means, teacher=pl.lit(teacher)
    )
    frame = frame.with_columns(score=pl.when(close).then(mean), status=_status(close))
    return _overruled(frame, "score", people or {}, pl.Float64)


def _documents(sample: pl.LazyFrame) -> pl.DataFrame:
    return sample.select("doc_id", "lang", "source").collect()


def _status(agreed: pl.Expr) -> pl.Expr:
    answered = pl.when(agreed).then(pl.lit(AGREED)).otherwise(pl.lit(DISAGREED))
    return pl.when(agreed.is_null()).then(pl.lit(FAILED)).otherwise(answered)


def _overruled(
    frame: pl.DataFrame, column: str, people: Mapping[str, object], dtype: type[pl.DataType]
) -> pl.DataFrame:
    """What people said stands in place of what the teacher agreed on; its rounds stay visible."""
    said = pl.DataFrame(
        {"doc_id": list(people), "said": list(people.values())},
        schema={"doc_id": pl.String, "said": dtype},
    )
    is_said = pl.col("said").is_not_null()
    return (
        frame.join(said, on="doc_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("said", column).alias(column),
            status=pl.when(is_said).then(pl.lit(AGREED)).otherwise("status"),
            labeled_by=pl.when(is_said).then(pl.lit(BY_PEOPLE)).otherwise(pl.lit(BY_TEACHER)),
        )
        .drop("said")
    )


def _field(answers: Sequence[Answer], name: str, dtype: type[pl.DataType]) -> pl.Series:
    values = [answer.value[name] if answer.value else None for answer in answers]
    return pl.Series(name, values, dtype=dtype)
