"""What a value rater's training says about it: figures, a table, plots."""

from collections.abc import Callable
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
        table: `score`, `num_tokens`, and where known `lang`, `source`, `planted` (a kind or null)
            and `is_target`: the row is of what the held-out text is of. Planted rows are told among
            those only: a spoilt text of the right kind may well be worth more than a clean one of
            another.
    """
    planted = "planted" in table.columns and table["planted"].is_not_null().any()
    clean = table.filter(pl.col("planted").is_null()) if planted else table
    found: dict[str, Any] = {
        "length_correlation": _within_languages(clean, _length_correlation, pl.len())
    }
    like = table.filter("is_target") if "is_target" in table.columns else table
    if planted:
        found["planted_auc"] = _auc(like, pl.col("planted").is_null())
        found["planted_auc_by_kind"] = {
            kind: _auc(like.filter(pl.col("planted").is_null() | (pl.col("planted") == kind)),
                       pl.col("planted").is_null())
            for kind in table["planted"].drop_nulls().unique().sort()
        }  # fmt: skip
    if "is_target" in table.columns:
        found["target_auc"] = _auc(clean, pl.col("is_target"))
    if "source" in table.columns:
        score = pl.col("score")
        lang = [pl.col("lang")] if "lang" in clean.columns else [pl.lit("")]
        spread = score.std(ddof=0).over(lang) + 1e-30
        standard = clean.with_columns((score - score.mean().over(lang)) / spread)
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


def _auc(table: pl.DataFrame, is_good: pl.Expr) -> float:
    def of(part: pl.DataFrame) -> float | None:
        good = part.select(is_good).to_series()
        if good.all() or not good.any():
            return None
        return ranks.auc(part["score"].to_numpy(), good.to_numpy())

    return _within_languages(table, of, (~is_good).sum(), 0.5)


def _length_correlation(table: pl.DataFrame) -> float:
    return ranks.correlation(table["score"].to_numpy(), table["num_tokens"].to_numpy())


def _within_languages(
    table: pl.DataFrame,
    figure: Callable[[pl.DataFrame], float | None],
    weight: pl.Expr,
    nothing: float = 0.0,
) -> float:
    """A figure within each language, as percentiles are, and its weighted mean."""
    parts = table.partition_by("lang") if "lang" in table.columns else [table]
    found = [(value, part.select(weight).item()) for part in parts
             if part.height and (value := figure(part)) is not None]  # fmt: skip
    if not found:
        return nothing
    values, weights = zip(*found, strict=True)
    return float(np.average(values, weights=weights))
