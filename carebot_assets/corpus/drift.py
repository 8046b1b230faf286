"""Shards that deviate from the other shards of their source and language.

Every measure of a shard is compared with the median over the shards of the same source and
language. Its robust z-score is the distance in units of the shards' own spread (median absolute
deviation) and of what chance does to a shard of its size, so that neither small shards nor very
uniform sources raise false alarms. A deviation is reported when its score and the shift itself
are large.
"""

from typing import Any

import polars as pl

from carebot_assets.corpus.funnel import READING, UNKNOWN
from carebot_assets.corpus.summaries import markdown
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import DriftSettings
from carebot_assets.tables import BY_NAME

MEAN_TOKENS, MEAN_QUALITY = "mean_tokens", "mean_quality"
LANG_RATIO, UNREADABLE = "lang_ratio", "unreadable_ratio"
DROPPED = "dropped by "
MAD_TO_SIGMA = 1.4826

_TABLE = BY_NAME["shard_drift"]
_ROW = ("shard", "source", "lang")
_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(_ROW, pl.String),
        "measure": pl.String,
        "stage": pl.String,
        "reason": pl.String,
        "value": pl.Float64,
        "num": pl.Int64,
        "noise": pl.Float64,
    }
)


def measures(tallies: pl.LazyFrame) -> pl.DataFrame:
    """Every measure of every shard and language: `value` over `num` documents; `noise` is the
    standard error of a mean, null for a ratio."""
    rows = tallies.collect(engine="streaming")
    count, out = pl.col("num_documents"), pl.col("verdict").is_in(["drop", "failed"])
    sums = rows.filter(pl.col("reason") == "")
    judged = (
        sums.filter(pl.col("verdict") != "skip")
        .group_by(*_ROW, "stage")
        .agg(
            num=count.sum(),
            dropped=count.filter(pl.col("verdict") == "drop").sum(),
            tokens=pl.col("num_tokens").sum(),
            tokens_squared=pl.col("tokens_squared").sum(),
            points=pl.col("millipoints").sum() / 1000,
            points_squared=pl.col("millipoints_squared").sum() / 1e6,
        )
    )
    read = judged.filter(pl.col("stage") == READING, pl.col("lang") != UNKNOWN)
    # A language that a shard does not have, though its source does, is a ratio of zero there.
    absent = (
        read.select("source", "lang")
        .unique()
        .join(read.select("source", "shard").unique(), on="source")
        .join(read, on=_ROW, how="anti")
        .with_columns(num=pl.lit(0, pl.Int64), stage=pl.lit(READING))
    )
    in_shard = pl.col("num").sum().over("shard")
    unread = (
        judged.filter(pl.col("stage") == READING)
        .group_by("shard")
        .agg(records=pl.col("num").sum(), unread=pl.col("dropped").sum())
    )
    by_judge = judged.filter(pl.col("stage") != READING)
    scored = by_judge.filter(pl.col("points_squared") > 0)
    of_reasons = rows.filter(out, pl.col("reason") != "", pl.col("stage") != READING)
    reasons = of_reasons.group_by("source", "lang", "stage", "reason").agg()
    # A reason that a shard does not have is a ratio of zero there.
    named = by_judge.join(reasons, on=["source", "lang", "stage"]).join(
        of_reasons.group_by(*_ROW, "stage", "reason").agg(found=count.sum()),
        on=[*_ROW, "stage", "reason"],
        how="left",
    )
    parts = [
        pl.concat([read, absent], how="diagonal").with_columns(
            value=pl.col("num") / in_shard, num=in_shard, measure=pl.lit(LANG_RATIO)
        ),
        read.join(unread, on="shard").with_columns(
            value=pl.col("unread") / pl.col("records"),
            num="records",
            measure=pl.lit(UNREADABLE),
        ),
        _mean(read, MEAN_TOKENS, "tokens"),
        _mean(scored, MEAN_QUALITY, "points"),
        by_judge.with_columns(
            value=pl.col("dropped") / pl.col("num"), measure=DROPPED + pl.col("stage")
        ),
        named.with_columns(
            value=pl.col("found").fill_null(0) / pl.col("num"), measure=pl.col("reason")
        ),
    ]
    long = pl.concat([pl.DataFrame(schema=_SCHEMA), *parts], how="diagonal")
    return long.select(_SCHEMA.names()).filter(pl.col("num") > 0).sort(*_ROW, "measure", "stage")


def _mean(rows: pl.DataFrame, name: str, column: str) -> pl.DataFrame:
    num = pl.col("num")
    mean = pl.col(column) / num
    variance = (pl.col(f"{column}_squared") / num - mean**2).clip(0)
    noise = (variance / num).sqrt()
    return rows.with_columns(value=mean, noise=noise, measure=pl.lit(name))


def score(measured: pl.DataFrame, settings: DriftSettings) -> pl.DataFrame:
    """The measures that can be compared, with `usual`, `score`, `num_peers` and `deviates`."""
    peers = ("source", "lang", "measure", "stage")
    value, usual = pl.col("value"), pl.col("usual")
    is_ratio = pl.col("noise").is_null()
    # The chance of a ratio is that of the usual one, never quite zero or one.
    chance = (usual * pl.col("num") + 1) / (pl.col("num") + 2)
    noise = pl.col("noise").fill_null((chance * (1 - chance) / pl.col("num")).sqrt())
    shift = (value - usual).abs()
    is_large = (
        pl.when(is_ratio)
        .then(shift >= settings.min_ratio_shift)
        .otherwise(shift >= settings.min_mean_shift * usual.abs())
    )
    return (
        measured.filter(pl.col("num") >= settings.min_documents)
        .with_columns(
            usual=value.median().over(peers, mapping_strategy="group_to_rows"),
            num_peers=pl.len().over(peers).cast(pl.Int64),
        )
        .filter(pl.col("num_peers") >= settings.min_shards)
        .with_columns(spread=MAD_TO_SIGMA * shift.median().over(peers))
        .with_columns(
            score=((value - usual) / (pl.col("spread") ** 2 + noise**2).sqrt()).fill_nan(0.0)
        )
        .with_columns(deviates=(pl.col("score").abs() >= settings.max_score) & is_large)
    )


def table(measured: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Rows of `shard_drift`."""
    name, keys = pl.col("measure"), ["shard", "source", "lang"]

    def only(measure: str) -> pl.Expr:
        return pl.col("value").filter(name == measure).first()

    is_drop, is_reason = name.str.starts_with(DROPPED), pl.col("reason").is_not_null()
    read = measured.filter(name == LANG_RATIO)
    num = read.select(*keys, num_documents=(pl.col("value") * pl.col("num")).round().cast(pl.Int64))
    main = measured.group_by(keys).agg(
        lang_ratio=only(LANG_RATIO),
        unreadable_ratio=only(UNREADABLE),
        mean_tokens=only(MEAN_TOKENS),
        mean_quality=only(MEAN_QUALITY),
        drop_ratios=pl.struct("stage", ratio="value").filter(is_drop),
        reason_ratios=pl.struct("stage", "reason", ratio="value").filter(is_reason),
    )
    compared = scored.group_by(keys).agg(num_peers=pl.col("num_peers").max())
    found = (
        scored.filter("deviates")
        .sort(pl.col("score").abs(), "measure", descending=[True, False])
        .group_by(keys, maintain_order=True)
        .agg(deviations=pl.struct("measure", "value", "usual", "score"))
    )
    return (
        num.join(main, on=keys)
        .join(compared, on=keys, how="left")
        .join(found, on=keys, how="left")
        .with_columns(pl.col("num_peers").fill_null(0), pl.col("deviations").fill_null([]))
        .select(*_TABLE.columns)
        .sort("source", "lang", "shard")
    )


def none_deviates(drifted: pl.LazyFrame) -> Finding:
    """No shard deviates; those that do are named with their worst measures."""
    rows = drifted.with_columns(pl.col("deviations").list.head(3)).collect()
    bad = rows.filter(pl.col("deviations").list.len() > 0)
    lines = [
        f"{row['shard']} ({row['lang']}): "
        + ", ".join(
            f"{one['measure']} {one['value']:.3g} where {one['usual']:.3g} is usual"
            for one in row["deviations"]
        )
        for row in bad.head(MAX_OFFENDERS).iter_rows(named=True)
    ]
    compared = rows.filter(pl.col("num_peers") > 0)["shard"].n_unique()
    num_shards = bad["shard"].n_unique()
    text = (
        f"{num_shards} of {compared} shards deviate: " + "; ".join(lines)
        if lines
        else f"{compared} of {rows['shard'].n_unique()} shards compared, none deviates"
    )
    return Finding(
        not lines,
        text,
        {
            "num_deviating": num_shards,
            "num_compared": compared,
            "shards": bad["shard"].unique().sort().to_list(),
        },
    )


def summarize(drifted: pl.LazyFrame) -> dict[str, Any]:
    """Counts and the deviations, worst first, for the UI."""
    rows = drifted.collect()
    worst = (
        rows.select("shard", "lang", "deviations")
        .explode("deviations", empty_as_null=False)
        .unnest("deviations")
        .sort(pl.col("score").abs(), "shard", descending=[True, False])
    )
    return {
        "num_shards": rows["shard"].n_unique(),
        "num_compared": rows.filter(pl.col("num_peers") > 0)["shard"].n_unique(),
        "num_deviating": worst["shard"].n_unique(),
        "deviations": markdown(worst.head(MAX_OFFENDERS).with_columns(pl.col(pl.Float64).round(3))),
    }
