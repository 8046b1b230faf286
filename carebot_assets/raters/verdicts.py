"""From predictions to verdicts: thresholds only, no text."""

import polars as pl

from carebot_assets.settings import DomainSettings, QualitySettings

NOT_MEDICAL = "domain_not_medical_v1"
PREFILTERED = "domain_prefilter_v1"
LOW_QUALITY = "quality_below_threshold_v1"


def domain(
    documents: pl.LazyFrame, predicted: pl.DataFrame, settings: DomainSettings, model: str
) -> pl.LazyFrame:
    """Rows of `domain_verdicts`.

    Args:
        documents: `doc_id`, `shard` and `alive`, one row a document of the shard, in order.
        predicted: `doc_id`, `label`, `p_medical` and `prefiltered` of the documents that are alive;
            one that the prefilter stopped has no label and no probability.
        model: content hash of the classifier.
    """
    decided = _decide(documents, predicted, "p_medical", settings.threshold, NOT_MEDICAL, model)
    stopped = pl.col("alive") & pl.col("prefiltered").fill_null(False)
    return decided.with_columns(
        verdict=pl.when(stopped).then(pl.lit("drop")).otherwise("verdict"),
        reasons=pl.when(stopped)
        .then(pl.lit([PREFILTERED], dtype=pl.List(pl.String)))
        .otherwise("reasons"),
    ).select("doc_id", "shard", "verdict", "reasons", "label", "p_medical", "threshold", "model")


def quality(
    documents: pl.LazyFrame, predicted: pl.DataFrame, settings: QualitySettings, model: str
) -> pl.LazyFrame:
    """Rows of `quality_scores`; arguments as of `domain`."""
    score = pl.col("score")
    return (
        _decide(documents, predicted, "score", settings.keep_score, LOW_QUALITY, model)
        .with_columns(
            tier=pl.when(score >= settings.very_high_score)
            .then(pl.lit("very_high"))
            .when(score >= settings.keep_score)
            .then(pl.lit("high"))
            .when(score.is_not_null())
            .then(pl.lit("low"))
        )
        .select("doc_id", "shard", "verdict", "reasons", "score", "threshold", "tier", "model")
    )


def _decide(
    documents: pl.LazyFrame,
    predicted: pl.DataFrame,
    column: str,
    threshold: float,
    reason: str,
    model: str,
) -> pl.LazyFrame:
    """Keep at or above the threshold; an alive document without a score is failed, not kept."""
    value, alive = pl.col(column), pl.col("alive")
    dropped = alive & (value < threshold).fill_null(False)
    return documents.join(
        predicted.lazy(), on="doc_id", how="left", maintain_order="left"
    ).with_columns(
        verdict=pl.when(~alive)
        .then(pl.lit("skip"))
        .when(value.is_null())
        .then(pl.lit("failed"))
        .when(dropped)
        .then(pl.lit("drop"))
        .otherwise(pl.lit("keep")),
        reasons=pl.when(dropped)
        .then(pl.lit([reason], dtype=pl.List(pl.String)))
        .otherwise(pl.lit([], dtype=pl.List(pl.String))),
        threshold=pl.lit(threshold, dtype=pl.Float64),
        model=pl.lit(model),
    )


def summarize(table: pl.LazyFrame, value: str) -> dict[str, float | None]:
    """Counts of verdicts and the spread of a score, for metadata."""
    verdict = pl.col("verdict")
    row = table.select(
        pl.len().alias("num_documents"),
        *(verdict.eq(v).sum().alias(f"num_{v}") for v in ("keep", "drop", "skip", "failed")),
        pl.col(value).mean().round(4).alias(f"mean_{value}"),
        *(
            pl.col(value).quantile(q).round(4).alias(f"{value}_q{int(q * 100)}")
            for q in (0.1, 0.5, 0.9)
        ),
    )
    counts = row.collect(engine="streaming").row(0, named=True)
    judged = counts["num_keep"] + counts["num_drop"]
    return counts | {"keep_ratio": counts["num_keep"] / judged if judged else None}
