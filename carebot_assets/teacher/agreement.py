"""How far two rounds of a teacher, and teacher and people, agree: numbers, tables by group."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from carebot_assets.teacher.client import Answer, summarize
from carebot_assets.teacher.consensus import BY_PEOPLE

# Scores come in quarters; kappa wants classes, and half points are as fine as two readers agree.
KAPPA_STEP = 0.5
MAX_ERRORS = 5
GROUPS = ("lang", "source")


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
    # Weights want the distance of scores: every step between the least and the greatest is a class.
    labels: list[Any] = classes.to_list()
    if weights is not None:
        labels = list(range(labels[0], labels[-1] + 1))
    return float(
        cohen_kappa_score(
            both["one"].to_list(), both["two"].to_list(), labels=labels, weights=weights
        )
    )


def agreement(table: pl.LazyFrame, max_gap: float | None = None) -> dict[str, Any]:
    """Coverage, agreement and kappa of a table of labels or scores.

    The teacher's two rounds are compared also where people have the last word. `max_gap` is what
    makes two scores disagree; without it the statuses of the table count.
    """
    frame = compared(table, max_gap).collect()
    by_people = frame["labeled_by"] == BY_PEOPLE
    num, num_answered = frame.height, int(frame["is_answered"].sum())
    num_agreed = int((frame["is_answered"] & frame["is_agreed"]).sum())
    summary: dict[str, Any] = {
        "num_documents": num,
        "num_agreed": num_agreed,
        "num_disagreed": num_answered - num_agreed,
        "num_failed": num - num_answered,
        "num_by_people": int(by_people.sum()),
        "coverage_ratio": num_answered / num if num else 0.0,
        "agreement_ratio": num_agreed / num_answered if num_answered else 0.0,
        **_kappa_of(frame),
    }
    if by_people.any():
        people = frame.filter(by_people & pl.Series(frame["is_answered"]))
        summary |= _against_people(people)
    return summary


def compared(table: pl.LazyFrame, max_gap: float | None = None) -> pl.LazyFrame:
    """The table with `is_answered` (in both rounds) and `is_agreed`."""
    names = table.collect_schema().names()
    if "label_1" in names:
        agreed = pl.col("label_1") == pl.col("label_2")
    elif max_gap is not None:
        agreed = (pl.col("score_1") - pl.col("score_2")).abs() < max_gap
    else:
        agreed = pl.col("status") == "agreed"
    return table.with_columns(is_answered=_is_answered(table), is_agreed=agreed.fill_null(False))


def by_group(table: pl.LazyFrame, max_gap: float | None = None) -> dict[str, str]:
    """Markdown tables of agreement by language, by source, and by class or whole score.

    A class counts where either round names it: its agreement is that of the documents at stake.
    """
    frame = compared(table, max_gap).collect()
    tables = {f"agreement_by_{name}": _markdown(frame, name) for name in GROUPS}
    if "label_1" in frame.columns:
        named = pl.concat(
            [frame.with_columns(at_stake="label_1"), frame.with_columns(at_stake="label_2")]
        ).unique(["doc_id", "at_stake"], maintain_order=True)
        return tables | {"agreement_by_class": _markdown(named, "at_stake", "class")}
    mean = ((pl.col("score_1") + pl.col("score_2")) / 2).floor().cast(pl.Int64).cast(pl.String)
    return tables | {
        "agreement_by_score": _markdown(frame.with_columns(mean=mean), "mean", "score")
    }


def report(
    table: pl.LazyFrame,
    rounds: Sequence[Sequence[Answer]],
    teacher: str,
    max_gap: float | None = None,
) -> dict[str, Any]:
    """Metadata of a table of labels or scores: agreement, and what the calls cost."""
    costs = summarize([answer for answers in rounds for answer in answers])
    errors = sorted({a.error for answers in rounds for a in answers if a.error})[:MAX_ERRORS]
    failed = table.filter(~_is_answered(table)).select("doc_id").collect()["doc_id"].to_list()
    return {
        "teacher": teacher,
        **costs,
        **agreement(table, max_gap),
        "num_failed_calls": costs["num_failed"],
        **by_group(table, max_gap),
        "failed_documents": failed[:100],
        "errors": errors,
    }


def _is_answered(table: pl.LazyFrame) -> pl.Expr:
    name = "label" if "label_1" in table.collect_schema().names() else "score"
    return pl.col(f"{name}_1").is_not_null() & pl.col(f"{name}_2").is_not_null()


def _kappa_of(frame: pl.DataFrame) -> dict[str, float | None]:
    if "label_1" in frame.columns:
        return {"kappa": kappa(frame["label_1"], frame["label_2"])}
    return {"weighted_kappa": kappa(frame["score_1"], frame["score_2"], "quadratic")}


def _against_people(frame: pl.DataFrame) -> dict[str, Any]:
    """The teacher's first round against people: an independent reader, unlike a consensus."""
    if "label_1" in frame.columns:
        return {
            "people_agreement_ratio": (frame["label_1"] == frame["label"]).mean(),
            "people_kappa": kappa(frame["label_1"], frame["label"]),
        }
    return {
        "people_mean_gap": (frame["score_1"] - frame["score"]).abs().mean(),
        "people_weighted_kappa": kappa(frame["score_1"], frame["score"], "quadratic"),
    }


def _markdown(frame: pl.DataFrame, column: str, title: str | None = None) -> str:
    lines = [
        f"| {title or column} | documents | failed | agreed | kappa |",
        "|---|---|---|---|---|",
    ]
    for (name,), group in frame.filter(pl.col(column).is_not_null()).group_by(
        column, maintain_order=True
    ):
        answered = int(group["is_answered"].sum())
        agreed = int((group["is_answered"] & group["is_agreed"]).sum())
        [value] = _kappa_of(group).values()
        shown = "" if value is None or column == "at_stake" else f"{value:.3f}"
        ratio = f"{agreed / answered:.1%}" if answered else ""
        lines.append(f"| {name} | {group.height} | {group.height - answered} | {ratio} | {shown} |")
    return "\n".join([*lines[:2], *sorted(lines[2:])])
