"""What a run of the whole graph came to, for a person at a terminal."""

from collections.abc import Callable

import polars as pl
from rich.console import Console
from rich.table import Table

from carebot_assets.defs.partitions import CHECKPOINTS
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
        ("Mean loss per token on held-out text", _losses),
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
        kept = store.scan("filtered_corpus").select("doc_id").head(1).collect()
        lines.append((f"carebot why {kept.item()[:12]}", "the life of a document"))
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
    ("domain_classifier", ("accuracy", "medical_precision", "medical_recall", "medical_f1")),
    ("quality_seed_scores", ("num_scored", "agreement", "weighted_kappa")),
    ("quality_rater", ("spearman", "mae", "accuracy_at_keep")),
)


def _raters(store: Store) -> Table:
    table = _table("", "what", "value")
    for name, keys in RATER_FACTS:
        metadata = store.require(name).metadata
        for key in keys:
            if key in metadata:
                table.add_row(name, key.replace("_", " "), _number(metadata[key]))
    return table


def _losses(store: Store) -> Table:
    table = _table("checkpoint", *(f"{s} before -> after" for s in STRATA))
    for name in CHECKPOINTS:
        metadata = store.require(name).metadata
        table.add_row(name, *(_change(metadata, stratum) for stratum in STRATA))
    return table


def _change(metadata: dict[str, object], stratum: str) -> str:
    before, after = (metadata.get(f"{stratum}_loss_{when}") for when in ("before", "after"))
    return f"{_number(before)} -> {_number(after)}"


def _scores(store: Store) -> Table:
    from carebot_assets.evaluation.statistics import wilson_interval

    scores = (
        store.scan("benchmark_scores")
        .group_by("checkpoint", "suite")
        .agg(pl.col("correct").sum(), pl.len())
        .collect()
    )
    suites = sorted(scores["suite"].unique())
    table = _table("checkpoint", *suites)
    cells = {(c, s): (hits, n) for c, s, hits, n in scores.iter_rows()}
    for checkpoint in CHECKPOINTS:
        row = []
        for suite in suites:
            hits, count = cells.get((checkpoint, suite), (0, 0))
            low, high = wilson_interval(hits, count) if count else (0.0, 0.0)
            row.append(
                f"{100 * hits / count:.1f} ({100 * low:.0f}-{100 * high:.0f})" if count else "-"
            )
        table.add_row(checkpoint, *row)
    return table


def _consultations(store: Store) -> Table:
    dimensions = ("fluency", "relevance", "completeness", "proficiency")
    scores = (
        store.scan("consultation_scores")
        .group_by("checkpoint", "suite")
        .agg(pl.len().alias("turns"), *(pl.col(d).mean() for d in dimensions))
        .sort("suite", "checkpoint")
        .collect()
    )
    table = _table("checkpoint", "suite", "turns", *dimensions)
    for row in scores.iter_rows(named=True):
        table.add_row(
            row["checkpoint"],
            row["suite"],
            f"{row['turns']:,}",
            *(_number(row[d]) for d in dimensions),
        )
    return table


def _truth(store: Store) -> Table:
    from carebot_assets.sample.truth import judge_the_judges

    table = _table("judge", "kind", "planted", "recall", "precision")
    for judge, kind, planted, recall, precision in judge_the_judges(store).iter_rows():
        table.add_row(judge, kind, f"{planted:,}", _number(recall), _number(precision))
    return table
