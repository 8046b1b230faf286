"""What the scorecard says: the numbers of every section, as JSON values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl

from carebot_assets.evaluation import items as items_module
from carebot_assets.evaluation import published, statistics
from carebot_assets.evaluation.suites import DIMENSIONS

AVERAGE = "average"
NUM_TOP_REASONS = 4


@dataclass(frozen=True)
class Material:
    """What a scorecard is made of: tables, and manifests' metadata as plain mappings.

    Attributes:
        checkpoints: in the order of the rows.
        benchmarks: `benchmark_scores` of all checkpoints and suites.
        consultations: `consultation_scores` likewise.
        items: `benchmark_items`.
        losses: held-out losses by checkpoint, `before` and `after` its training, by stratum.
        funnel: `quality_funnel`.
        volumes: rows by table.
        raters: metadata by classifier or rater.
        mixes: metadata by mix.
        published_counts: size of the publisher's scored set by suite, where known.
        generated: suites whose items are of the sample world and not the publisher's.
    """

    profile: str
    checkpoints: Sequence[str]
    benchmarks: pl.DataFrame
    consultations: pl.DataFrame
    items: pl.DataFrame
    teacher: str
    teacher_is_offline: bool
    losses: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    funnel: pl.DataFrame | None = None
    volumes: Mapping[str, int] = field(default_factory=dict)
    raters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mixes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published_counts: Mapping[str, int | None] = field(default_factory=dict)
    generated: Sequence[str] = ()
    bootstrap_samples: int = 1000
    seed: int = 0


def build(material: Material) -> dict[str, Any]:
    """Everything the page shows, as JSON values (`scores.json`)."""
    return {
        "profile": material.profile,
        "checkpoints": list(material.checkpoints),
        "teacher": {"name": material.teacher, "offline": material.teacher_is_offline},
        "suites": _suites(material),
        "benchmarks": _benchmarks(material),
        "benchmark_changes": _benchmark_changes(material),
        "consultations": _consultations(material),
        "consultation_changes": _consultation_changes(material),
        "losses": _losses(material.losses),
        "funnel": _funnel(material),
        "volumes": dict(material.volumes),
        "raters": {name: _readable(values) for name, values in material.raters.items()},
        "mixes": {name: _readable(values) for name, values in material.mixes.items()},
        "published": {
            "benchmarks": published.KNOWLEDGE,
            "consultations": {
                suite: {
                    model: dict(zip((*DIMENSIONS, AVERAGE), grades, strict=True))
                    for model, grades in models.items()
                }
                for suite, models in published.CONSULTATIONS.items()
            },
        },
    }


def summarize(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of the benchmarks and consultations, for metadata: plain values are plotted
    over time."""
    found: dict[str, Any] = {"num_suites": len(scores["suites"])}
    for row in scores["benchmarks"]:
        found[f"accuracy {row['checkpoint']} {row['suite']}"] = row["value"]
    for row in scores["consultations"]:
        if row["dimension"] == AVERAGE:
            found[f"grade {row['checkpoint']} {row['suite']}"] = row["value"]
    return found


def _suites(material: Material) -> list[dict[str, Any]]:
    choices = items_module.with_choices(material.items.lazy()).collect()
    rows = []
    for (suite, lang), part in material.benchmarks.group_by("suite", "lang", maintain_order=True):
        asked = choices.lazy().filter(pl.col("suite") == suite)
        rows.append(
            {
                "suite": suite,
                "lang": lang,
                "num_items": part["item_id"].n_unique(),
                "num_published": material.published_counts.get(str(suite)),
                "generated": suite in material.generated,
                "chance": statistics.chance_level(asked),
            }
        )
    return sorted(rows, key=lambda row: row["suite"])


def _benchmarks(material: Material) -> list[dict[str, Any]]:
    counts = material.benchmarks.group_by("checkpoint", "suite").agg(
        pl.col("correct").sum().alias("right"), pl.len().alias("n")
    )
    return [
        {
            "checkpoint": row["checkpoint"],
            "suite": row["suite"],
            **statistics.accuracy(row["right"], row["n"]).to_dict(),
        }
        for row in counts.sort("suite", "checkpoint").to_dicts()
    ]


def _benchmark_changes(material: Material) -> list[dict[str, Any]]:
    """Each checkpoint against the one before it, on the same items."""
    changes = []
    for suite in material.benchmarks["suite"].unique().sort():
        answers = material.benchmarks.filter(pl.col("suite") == suite).sort("item_id")
        by_checkpoint = {
            str(key[0]): part["correct"].to_list() for key, part in answers.group_by("checkpoint")
        }
        present = [name for name in material.checkpoints if name in by_checkpoint]
        for first, second in pairwise(present):
            test = statistics.mcnemar(by_checkpoint[first], by_checkpoint[second])
            changes.append({"suite": suite, "first": first, "second": second, **test})
    return changes


def _graded(material: Material) -> pl.DataFrame:
    average = pl.mean_horizontal(*DIMENSIONS).alias(AVERAGE)
    return material.consultations.filter(pl.col("status") == "scored").with_columns(average)


def _consultations(material: Material) -> list[dict[str, Any]]:
    graded = _graded(material)
    total = material.consultations.group_by("suite", "checkpoint").len().sort("suite", "checkpoint")
    rows = []
    for suite, checkpoint, num_answers in total.rows():
        part = graded.filter(pl.col("suite") == suite, pl.col("checkpoint") == checkpoint)
        for dimension in (*DIMENSIONS, AVERAGE):
            estimate = statistics.mean_of_groups(
                part[dimension].to_list(),
                part["item_id"].to_list(),
                samples=material.bootstrap_samples,
                seed=material.seed,
            )
            names = {"suite": suite, "checkpoint": checkpoint, "dimension": dimension}
            rows.append({**names, **estimate.to_dict(), "num_answers": num_answers})
    return rows


def _consultation_changes(material: Material) -> list[dict[str, Any]]:
    """Each chat checkpoint against the one before it, on the turns both have grades for."""
    graded = _graded(material).select("suite", "checkpoint", "item_id", "turn", AVERAGE)
    changes = []
    for suite in graded["suite"].unique().sort():
        of_suite = graded.filter(pl.col("suite") == suite)
        present = [c for c in material.checkpoints if c in of_suite["checkpoint"]]
        for first, second in pairwise(present):
            both = (
                of_suite.filter(pl.col("checkpoint") == first)
                .join(
                    of_suite.filter(pl.col("checkpoint") == second),
                    on=["item_id", "turn"],
                    suffix="_second",
                )
                .sort("item_id", "turn")
            )
            estimate = statistics.paired_difference(
                both[AVERAGE].to_list(),
                both[f"{AVERAGE}_second"].to_list(),
                both["item_id"].to_list(),
                samples=material.bootstrap_samples,
                seed=material.seed,
            )
            names = {"suite": suite, "first": first, "second": second}
            changes.append({**names, **estimate.to_dict()})
    return changes


def _losses(losses: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    """Held-out losses around each training, of the texts measured both times."""
    return [
        {"checkpoint": checkpoint, "stratum": stratum, "before": before, "after": after}
        for checkpoint, measured in losses.items()
        for stratum, before in measured.get("before", {}).items()
        if (after := measured.get("after", {}).get(stratum)) is not None
    ]


def _funnel(material: Material) -> list[dict[str, Any]]:
    """What is left after each judge; a document dropped for two reasons counts in both."""
    if material.funnel is None:
        return []
    kept = pl.col("verdict") == "keep"
    stages = material.funnel.group_by("stage", maintain_order=True).agg(
        pl.col("num_documents").filter(kept).sum().alias("num_kept"),
        pl.col("num_tokens").filter(kept).sum().alias("num_tokens_kept"),
    )
    dropped = (
        material.funnel.filter(pl.col("verdict").is_in(["drop", "failed"]))
        .group_by("stage", "reason")
        .agg(pl.col("num_documents").sum())
        .sort("num_documents", "reason", descending=[True, False])
    )
    rows: list[dict[str, Any]] = []
    if "documents" in material.volumes and "documents" not in stages["stage"]:
        everything = {"stage": "documents", "num_kept": material.volumes["documents"]}
        rows.append({**everything, "num_tokens_kept": None, "top_reasons": []})
    for stage in stages.to_dicts():
        reasons = dropped.filter(pl.col("stage") == stage["stage"]).head(NUM_TOP_REASONS)
        pairs = reasons.select("reason", "num_documents").rows()
        rows.append({**stage, "top_reasons": [list(pair) for pair in pairs]})
    return rows


def _readable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Of an artifact's metadata what fits a page: single values, and Markdown tables as rows."""
    values: dict[str, Any] = {
        k: v for k, v in metadata.items() if isinstance(v, bool | int | float)
    }
    values |= {
        k: v
        for k, v in metadata.items()
        if isinstance(v, str) and len(v) < 80 and not v.startswith(("|", "!", "#"))
    }
    tables = {
        key: [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines()
            if not re.fullmatch(r"[|\s:-]+", line)
        ]
        for key, text in metadata.items()
        if isinstance(text, str) and text.startswith("|")
    }
    return {"values": values, "tables": tables}
