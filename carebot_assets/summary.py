"""What a run of the whole graph came to, for a person at a terminal."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from carebot_assets.settings import Settings
from carebot_assets.store import Store, StoreError

STRATA = ("medical_zh", "medical_en", "general")
MAX_REASONS = 14


def print_summary(console: Console, store: Store, settings: Settings) -> None:
    """Print what there is; a part whose artifacts are missing says so."""
    parts: list[tuple[str, Callable[[Store], Table]]] = [
        ("Documents", _documents),
        ("Dropped, by reason", _reasons),
        ("Labels and raters", _raters),
        ("Mean loss per token on held-out text, before -> after", _losses),
        ("Accuracy, 0-shot (95 % interval)", _scores),
        ("Judged consultations (1..5)", _consultations),
    ]
    if settings.sample_world:
        parts.append(("Judges against the planted truth of the sample world", _truth))
    for title, part in parts:
        try:
            table = part(store)
        except StoreError as error:
            console.print(f"\n{title}: {error}", markup=False)
            continue
        if table.row_count:
            console.print(f"\n{title}", style="bold")
            console.print(table)
    if settings.teacher.is_offline:
        console.print(
            "\nLabels, scores, answers and verdicts above come from the offline heuristic teacher: "
            "it exercises the protocol and is no measure of medical quality.",
            markup=False,
        )
    _next_steps(console, store)


def _next_steps(console: Console, store: Store) -> None:
    console.print("\nNext", style="bold")
    lines = [("make ui", "the graph, its checks and plots in the Dagster UI")]
    try:
        primary = pl.col("stratum").str.starts_with("primary")
        used = store.scan("stable_mix").filter(primary).select("doc_id").head(1).collect()
        lines.append((f"carebot why {used.item()[:12]}", "the life of a document"))
    except (StoreError, ValueError):
        lines.append(("carebot why DOC_ID", "the life of a document"))
    lines += [
        ("carebot report", "the scorecard as one HTML page"),
        (
            f"duckdb {store.dir('warehouse') / 'warehouse.duckdb'}",
            "every table, for questions of your own",
        ),
    ]
    for command, what in lines:
        console.print(f"  {command:32} {what}", markup=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    return table


def _number(value: object, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def _documents(store: Store) -> Table:
    """Documents that entered and left each judge, by language."""
    documents = store.scan("documents").group_by("lang").len().collect()
    quarantined = store.scan("documents", side_table="quarantine").select(pl.len()).collect().item()
    table = _table("", "all", *sorted(documents["lang"]))
    counts = dict(documents.iter_rows())
    table.add_row(
        "read", f"{sum(counts.values()):,}", *(f"{counts[lang]:,}" for lang in sorted(counts))
    )
    table.add_row("quarantined (unreadable)", f"{quarantined:,}")
    funnel = (
        store.scan("quality_funnel")
        .filter(pl.col("verdict") == "keep")
        .group_by("stage", "lang")
        .agg(pl.col("num_documents").sum())
        .collect()
    )
    for stage in (
        store.scan("quality_funnel")
        .filter(pl.col("stage") != "documents")
        .select(pl.col("stage").unique(maintain_order=True))
        .collect()["stage"]
    ):
        kept = dict(
            funnel.filter(pl.col("stage") == stage).select("lang", "num_documents").iter_rows()
        )
        table.add_row(
            f"kept by {stage}",
            f"{sum(kept.values()):,}",
            *(f"{kept.get(lang, 0):,}" for lang in sorted(counts)),
        )
    return table


def _reasons(store: Store) -> Table:
    dropped = (
        store.scan("quality_funnel")
        .filter(pl.col("verdict") == "drop")
        .group_by("stage", "reason")
        .agg(pl.col("num_documents").sum(), pl.col("num_tokens").sum())
        .sort("num_documents", "reason", descending=[True, False])
        .head(MAX_REASONS)
        .collect()
    )
    table = _table("reason", "judge", "documents", "tokens")
    for stage, reason, documents, tokens in dropped.iter_rows():
        table.add_row(reason, stage, f"{documents:,}", f"{tokens:,}")
    return table


RATER_FACTS = (
    ("domain_seed_labels", ("num_labelled", "agreement", "kappa")),
    ("domain_classifier", ("accuracy_ratio", "medical_precision", "medical_recall", "medical_f1")),
    ("quality_seed_scores", ("num_scored", "agreement", "weighted_kappa")),
    ("quality_rater", ("spearman", "mean_absolute_error", "accuracy_at_3")),
    ("value_rater", ("target_auc", "planted_auc", "rank_stability", "length_correlation")),
)


def _raters(store: Store) -> Table:
    table = _table("", "what", "value")
    for name, keys in RATER_FACTS:
        manifest = store.manifest(name)
        metadata = manifest.metadata if manifest else {}
        for key in keys:
            if key in metadata:
                table.add_row(name, key.replace("_", " "), _number(metadata[key]))
    return table


def _scorecard(store: Store) -> dict[str, Any]:
    """The numbers of the scorecard, so that the terminal and the page cannot differ."""
    return json.loads((store.path("scorecard") / "scores.json").read_text("utf-8"))


def _losses(store: Store) -> Table:
    table = _table("checkpoint", *STRATA)
    rows = _scorecard(store)["losses"]
    for checkpoint in dict.fromkeys(row["checkpoint"] for row in rows):
        losses = {row["stratum"]: row for row in rows if row["checkpoint"] == checkpoint}
        cells = [losses.get(stratum, {}) for stratum in STRATA]
        table.add_row(
            checkpoint,
            *(f"{_number(c.get('before'))} -> {_number(c.get('after'))}" for c in cells),
        )
    return table


def _scores(store: Store) -> Table:
    numbers = _scorecard(store)
    suites = numbers["suites"]
    table = _table("checkpoint", *(suite["suite"] for suite in suites))
    cells = {(row["checkpoint"], row["suite"]): row for row in numbers["benchmarks"]}
    for checkpoint in numbers["checkpoints"]:
        found = [cells.get((checkpoint, suite["suite"])) for suite in suites]
        table.add_row(checkpoint, *(_percent(cell) for cell in found))
    table.add_row("chance", *(f"{100 * suite['chance']:.1f}" for suite in suites), style="dim")
    table.add_row("items", *(f"{suite['num_items']:,}" for suite in suites), style="dim")
    return table


def _percent(cell: dict[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return "-"
    value, low, high = (100 * cell[key] for key in ("value", "low", "high"))
    return f"{value:.1f} ({low:.0f}-{high:.0f})"


def _consultations(store: Store) -> Table:
    rows = _scorecard(store)["consultations"]
    dimensions = list(dict.fromkeys(row["dimension"] for row in rows))
    table = _table("checkpoint, suite", "answers", *dimensions)
    for suite, checkpoint in dict.fromkeys((row["suite"], row["checkpoint"]) for row in rows):
        mine = [r for r in rows if (r["suite"], r["checkpoint"]) == (suite, checkpoint)]
        values = {row["dimension"]: row["value"] for row in mine}
        table.add_row(
            f"{checkpoint}, {suite}",
            f"{mine[0]['num_answers']:,}",
            *(_number(values[dimension]) for dimension in dimensions),
        )
    return table


def _truth(store: Store) -> Table:
    from carebot_assets.sample.truth import judge_the_judges

    table = _table("judge", "kind", "planted", "recall", "precision")
    for judge, kind, planted, recall, precision in judge_the_judges(store).iter_rows():
        table.add_row(judge, kind, f"{planted:,}", _number(recall), _number(precision))
    return table
