"""Pictures of the funnel and of drift over shards, as Markdown images that carry their own data."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets import markdown
from carebot_assets.corpus import funnel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LANGUAGES = {"zh": "#2a7f62", "en": "#4c78a8", "other": "#b9a44c"}
GREEN, RED, GREY = "#2a7f62", "#b5524a", "#c9c9c9"
JUDGE_COLORS = ("#7a4a8c", "#b5524a", "#d98c3f", "#d9c04a", "#7fa3c7", "#8a8a8a")
MAX_SOURCES = 24
MAX_REASONS = 20
MAX_SHARDS = 40
MAX_MEASURES = 18


def left(total: pl.DataFrame) -> str:
    """Documents left after each judge, by language, and those it dropped."""
    by_lang = funnel.totals(total, "lang").with_columns(pl.col("stage").cast(pl.String))
    stages = funnel.totals(total)["stage"].cast(pl.String).to_list()
    figure, axes = _figure(8.6, 0.5 * len(stages) + 1.1)
    bottom = [0] * len(stages)
    for lang, color in LANGUAGES.items():
        kept = dict(by_lang.filter(pl.col("lang") == lang).select("stage", "keep").iter_rows())
        widths = [kept.get(stage, 0) for stage in stages]
        if any(widths):
            axes.barh(stages, widths, left=bottom, color=color, label=f"left, {lang}")
            bottom = [a + b for a, b in zip(bottom, widths, strict=True)]
    lost = [0, *(before - after for before, after in pairwise(bottom))]
    axes.barh(stages, lost, left=bottom, color=GREY, label="dropped here")
    for row, (kept_here, gone) in enumerate(zip(bottom, lost, strict=True)):
        text = f"  {kept_here:,}" + (f"  (-{gone:,})" if gone else "")
        axes.text(kept_here + gone, row, text, va="center", fontsize=8)
    axes.set_xlim(0, 1.22 * max(bottom, default=0) or 1)
    axes.set_xlabel("documents")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _legend_below(figure, axes)
    return markdown.image(figure, "documents left after each judge")


def by_source(total: pl.DataFrame) -> str:
    """Of every source and language: the share of its documents that each judge dropped."""
    rows = funnel.totals(total, "source", "lang").filter(pl.col("lang") != funnel.UNKNOWN)
    read = rows.filter(pl.col("stage") == funnel.READING).select("source", "lang", read="keep")
    ranked = read.filter(pl.col("read") > 0).sort(
        "read", "source", "lang", descending=[True, False, False]
    )
    shown = ranked.head(MAX_SOURCES).with_columns(label=pl.format("{} {}", "source", "lang"))
    others = ranked[MAX_SOURCES:].with_columns(
        label=pl.lit(f"{ranked.height - MAX_SOURCES} others")
    )
    named = rows.join(pl.concat([shown, others]), on=["source", "lang"])
    sums = named.group_by("label", "stage").agg(pl.col("keep", "drop", "failed", "read").sum())
    labels = [*shown["label"], *([others["label"][0]] if len(others) else [])]
    figure, axes = _figure(8.6, 0.27 * len(labels) + 1.6)
    edge = dict.fromkeys(labels, 0.0)
    last = sums["stage"].max()
    parts = [("left", GREEN, sums.filter(pl.col("stage") == last).with_columns(n="keep"))]
    stages = [s for s in sums["stage"].unique().sort() if s != funnel.READING]
    for stage, color in zip(reversed(stages), JUDGE_COLORS, strict=False):
        of_stage = sums.filter(pl.col("stage") == stage)
        parts.append((stage, color, of_stage.with_columns(n=pl.col("drop") + pl.col("failed"))))
    for name, color, frame in parts:
        share = dict(frame.select("label", pl.col("n") / pl.col("read")).iter_rows())
        widths = [share.get(label, 0.0) for label in labels]
        axes.barh(labels, widths, left=list(edge.values()), color=color, label=name)
        edge = {k: v + w for (k, v), w in zip(edge.items(), widths, strict=True)}
    counts = dict(sums.filter(pl.col("stage") == last).select("label", "read").iter_rows())
    for row, label in enumerate(labels):
        axes.text(1.01, row, f"{counts[label]:,}", va="center", fontsize=8)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of the documents read (number at the right)")
    _legend_below(figure, axes)
    return markdown.image(figure, "fate of the documents by source and language")


def reasons(table: pl.DataFrame) -> str:
    """The most frequent reasons to drop a document, apart by cause."""
    drops = table.filter(pl.col("verdict") == "drop", pl.col("reason") != "")
    counts = drops.group_by("reason", "cause").agg(pl.col("num_documents").sum())
    top = counts.sort("num_documents", "reason", descending=[True, False]).head(MAX_REASONS)
    figure, axes = _figure(8.6, 0.27 * max(top.height, 2) + 1.4)
    for cause, color in ((funnel.DEFECT, RED), (funnel.CONFIGURED, JUDGE_COLORS[4])):
        widths = [n if c == cause else 0 for n, c in top.select("num_documents", "cause").rows()]
        axes.barh(_short(top["reason"]), widths, color=color, label=_CAUSES[cause])
    for row, count in enumerate(top["num_documents"]):
        axes.text(count, row, f" {count:,}", va="center", fontsize=8)
    axes.set_xlim(0, 1.15 * max([1, *top["num_documents"]]))
    axes.set_xlabel("documents (one with two reasons counts in both)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _legend_below(figure, axes)
    return markdown.image(figure, "reasons to drop a document")


def drift(scores: pl.DataFrame, limit: float) -> str:
    """Shards (rows) by measure (columns): how far each lies from its source's usual value.

    Shown are the shards and measures that deviate most. Red is above, blue below the usual value;
    a deviation that is reported has its score written into the cell.
    """
    extent = pl.col("score").abs().max().alias("extent")
    ranked = scores.with_columns(row=pl.format("{} {}", "shard", "lang"))
    shards = ranked.group_by("row").agg(extent).sort("extent", "row", descending=[True, False])
    measures = (
        ranked.group_by("measure").agg(extent).sort("extent", "measure", descending=[True, False])
    )
    names = sorted(shards["row"].head(MAX_SHARDS))
    columns = measures["measure"].head(MAX_MEASURES).to_list()
    figure, axes = _figure(2.6 + 0.46 * max(len(columns), 4), 1.9 + 0.22 * max(len(names), 2))
    cells = {
        (r, m): (s, d) for r, m, s, d in ranked.select("row", "measure", "score", "deviates").rows()
    }
    grid = [[cells.get((row, column), (0.0, False))[0] for column in columns] for row in names]
    if grid and columns:
        image = axes.imshow(grid, cmap="RdBu_r", vmin=-2 * limit, vmax=2 * limit, aspect="auto")
        figure.colorbar(image, ax=axes, label="robust z-score", shrink=0.8)
    for y, row in enumerate(names):
        for x, column in enumerate(columns):
            score, deviates = cells.get((row, column), (0.0, False))
            if deviates:
                axes.text(
                    x, y, f"{score:+.0f}", ha="center", va="center", fontsize=7, color="white"
                )
    axes.set_xticks(range(len(columns)), _short(columns), rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), _short(names), fontsize=8)
    return markdown.image(figure, "deviation of shards from those of their source")


_CAUSES = {funnel.DEFECT: "defect of the text", funnel.CONFIGURED: "asked for by the profile"}


def _short(labels: Any, width: int = 40) -> list[str]:
    """Long names without their middle: what tells shards apart stands at the end."""
    return [one if len(one) <= width else f"{one[: width - 22]}..{one[-20:]}" for one in labels]


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    figure, axes = markdown.new_figure(width, height)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_below(figure: "Figure", axes: Any) -> None:
    """Rows from the top down, and a legend where no bar can lie under it."""
    axes.invert_yaxis()
    axes.margins(y=0.01)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
