"""What two independent rounds of a teacher agree on.

Source: CareBot 1.1 (papers: arXiv 2412.15236): every seed is labelled and scored twice; labels that
differ and scores about two points apart are removed, and the mean of two scores is the target.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from carebot_assets.teacher.client import Answer, Teacher, summarize

SUB_SCORES = ("grammar", "information", "coherence", "relevance")
# Scores come in quarters; kappa wants classes, and half points are as fine as two readers agree.
KAPPA_STEP = 0.5


ROUNDS = (1, 2)


def ask_twice(
    teacher: Teacher, role: str, items: Sequence[Mapping[str, str]], log: logging.Logger
) -> list[list[Answer]]:
    """The answers of two independent rounds, with the bill before and progress in the log."""
    rounds = []
    for number in ROUNDS:
        bill = teacher.estimate(role, items, round=number)
        log.info(f"{role}, round {number}: {teacher.description}, at most {bill}")

        def progress(done: int, total: int, number: int = number) -> None:
            if done == total or done % max(1, total // 10) == 0:
                log.info(f"{role}, round {number}: {done} of {total}")

        rounds.append(teacher.ask(role, items, round=number, on_progress=progress))
    return rounds


def agreed_labels(
    sample: pl.LazyFrame, rounds: Sequence[Sequence[Answer]], teacher: str
) -> pl.DataFrame:
    """Rows of `domain_seed_labels`: both labels, and the label where they are the same.

    Args:
        sample: the labelled documents, in the order of the answers.
        rounds: two lists of answers to role `domain_label`.
        teacher: model that labelled.
    """
    one, two = (_field(answers, "label", pl.String) for answers in rounds)
    agreed = pl.col("label_1") == pl.col("label_2")
    return (
        sample.select("doc_id", "lang", "source")
        .collect()
        .with_columns(one.alias("label_1"), two.alias("label_2"), teacher=pl.lit(teacher))
        .with_columns(
            label=pl.when(agreed).then("label_1"),
            status=pl.when(agreed.is_null())
            .then(pl.lit("failed"))
            .when(agreed)
            .then(pl.lit("agreed"))
            .otherwise(pl.lit("disagreed")),
        )
    )


def agreed_scores(
    sample: pl.LazyFrame, rounds: Sequence[Sequence[Answer]], max_gap: float, teacher: str
) -> pl.DataFrame:
    """Rows of `quality_seed_scores`: both scores, and their mean where they are close.

    Args:
        sample: the scored documents, in the order of the answers.
        rounds: two lists of answers to role `quality_score`.
        max_gap: rounds this far apart or farther disagree.
        teacher: model that scored.
    """
    scores = [_field(answers, "score", pl.Float64).alias(f"score_{n}") for n, answers in
              enumerate(rounds, 1)]  # fmt: skip
    gap = (pl.col("score_1") - pl.col("score_2")).abs()
    return (
        sample.select("doc_id", "lang", "source")
        .collect()
        .with_columns(
            *scores,
            *(
                ((_field(rounds[0], name, pl.Float64) + _field(rounds[1], name, pl.Float64)) / 2)
                .alias(name)
                for name in SUB_SCORES
            ),
            teacher=pl.lit(teacher),
        )
        .with_columns(
            score=pl.when(gap < max_gap).then((pl.col("score_1") + pl.col("score_2")) / 2),
            status=pl.when(gap.is_null())
            .then(pl.lit("failed"))
            .when(gap < max_gap)
            .then(pl.lit("agreed"))
            .otherwise(pl.lit("disagreed")),
        )
    )  # fmt: skip


def kappa(one: pl.Series, two: pl.Series, weights: str | None = None) -> float | None:
    """Cohen's kappa of two rounds; None where it is undefined (no pairs, or one class only).

    Args:
        one, two: labels, or with `weights` ("linear", "quadratic") scores, cut into half points.
    """
    from sklearn.metrics import cohen_kappa_score

    both = pl.DataFrame({"one": one, "two": two}).drop_nulls()
    if weights is not None:
        both = both.select((pl.all() / KAPPA_STEP).round().cast(pl.Int64))
    classes = pl.concat([both["one"], both["two"]]).unique().sort()
    if classes.len() < 2:
        return None
    # sklearn reads the order of classes, which weights need, from `labels`.
    return float(
        cohen_kappa_score(
            both["one"].to_list(), both["two"].to_list(), labels=classes.to_list(), weights=weights
        )
    )


def agreement(table: pl.LazyFrame) -> dict[str, Any]:
    """Coverage, agreement and kappa of a table of labels or scores."""
    frame = table.collect()
    counts = {
        f"num_{status}": int((frame["status"] == status).sum())
        for status in ("agreed", "disagreed", "failed")
    }
    answered = counts["num_agreed"] + counts["num_disagreed"]
    summary: dict[str, Any] = {
        "num_documents": frame.height,
        **counts,
        "coverage_ratio": answered / frame.height if frame.height else 0.0,
        "agreement_ratio": counts["num_agreed"] / answered if answered else 0.0,
    }
    if "label_1" in frame.columns:
        return summary | {"kappa": kappa(frame["label_1"], frame["label_2"])}
    return summary | {"weighted_kappa": kappa(frame["score_1"], frame["score_2"], "quadratic")}


def report(table: pl.LazyFrame, rounds: Sequence[Sequence[Answer]], teacher: str) -> dict[str, Any]:
    """Metadata of a table of labels or scores: agreement, and what the calls cost."""
    costs = summarize([answer for answers in rounds for answer in answers])
    errors = sorted({a.error for answers in rounds for a in answers if a.error})[:5]
    return {"teacher": teacher, **agreement(table), **costs, "errors": errors}


def _field(answers: Sequence[Answer], name: str, dtype: type[pl.DataType]) -> pl.Series:
    values = [answer.value[name] if answer.value else None for answer in answers]
    return pl.Series(name, values, dtype=dtype)
