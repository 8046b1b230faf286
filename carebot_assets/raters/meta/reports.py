"""What a value rater's training says about it: figures, a table, plots."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets import markdown
from carebot_assets.raters.meta import ranks

LOG, PROBE = "training_log.parquet", "probe.parquet"
CURVES = {
    "outer_loss": "held-out loss of the inner models, nats",
    "inner_loss_fall": "fall of an inner model's loss since its birth, nats",
    "score_std": "spread of scores in a batch",
    "rank_correlation": "order against the look before",
}


def figures(table: pl.DataFrame) -> dict[str, Any]:
    """Figures of scored rows: planted corruption found, length measured, sources told apart.

    Args:
        table: `score`, `num_tokens`, and where known `source` and `planted` (a kind or null).
    """
    planted = "planted" in table.columns and table["planted"].is_not_null().any()
    clean = table.filter(pl.col("planted").is_null()) if planted else table
    found: dict[str, Any] = {
        "length_correlation": ranks.correlation(
            clean["score"].to_numpy(), clean["num_tokens"].to_numpy()
        )
    }
    if planted:
        found["planted_auc"] = _auc(table)
        found["planted_auc_by_kind"] = {
            kind: _auc(table.filter(pl.col("planted").is_null() | (pl.col("planted") == kind)))
            for kind in table["planted"].drop_nulls().unique().sort()
        }
    if "source" in table.columns:
        score = pl.col("score")
        standard = clean.with_columns((score - score.mean()) / (score.std(ddof=0) + 1e-30))
        means = standard.group_by("source").agg(score.mean(), num_rows=pl.len()).sort("source")
        found["by_source"] = {
            source: {"score": round(mean, 3), "num_rows": rows}
            for source, mean, rows in means.iter_rows()
        }
        # Share of the variance that lies between sources: a rater that knows only them has 1.
        found["source_share"] = standard.select(score.mean().over("source").var(ddof=0)).item()
    return found


def plots(folder: Path) -> dict[str, str]:
    """Curves of a training, and the scores of its probe rows by source and planted kind."""
    log, table = pl.read_parquet(folder / LOG), pl.read_parquet(folder / PROBE)
    figure, axes = markdown.new_figure(4.2 * len(CURVES), 3.0, len(CURVES))
    for axis, (name, title) in zip(axes, CURVES.items(), strict=True):
        points = log.filter(name=name).sort("step")
        axis.plot(points["step"], points["value"])
        axis.set_title(title, fontsize="small")
        axis.set_xlabel("meta-step")
        axis.spines[["top", "right"]].set_visible(False)
    kind = pl.col("planted") if "planted" in table.columns else pl.lit(None, pl.String)
    label = pl.coalesce("planted: " + kind, pl.col("source")).alias("group")
    groups = table.with_columns(label).group_by("group").agg("score", m=pl.col("score").median())
    groups = groups.sort("m")
    by_group, axis = markdown.new_figure(6.4, 0.32 * groups.height + 1.2)
    axis.boxplot(groups["score"].to_list(), orientation="horizontal", showfliers=False)
    axis.set_yticklabels(groups["group"].to_list())
    axis.set_xlabel("score")
    axis.spines[["top", "right"]].set_visible(False)
    return {
        "curves": markdown.image(figure, "meta-training"),
        "scores": markdown.image(by_group, "scores by source and planted corruption"),
    }


def _auc(table: pl.DataFrame) -> float:
    """Within each language, as percentiles are; mean over the planted rows."""
    langs = table["lang"] if "lang" in table.columns else pl.repeat("", table.height, eager=True)
    found, weights = [], []
    for lang in langs.unique():
        part = table.filter(langs == lang)
        clean = part["planted"].is_null()
        if clean.any() and not clean.all():
            found.append(ranks.auc(part["score"].to_numpy(), clean.to_numpy()))
            weights.append(int((~clean).sum()))
    return float(np.average(found, weights=weights)) if found else 0.5
