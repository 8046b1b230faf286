"""Which documents a meta-learned rater keeps: of a batch the best, or each by its own chance.

Source: DataRater (arXiv 2505.17895), section on using the rater: ranks decide, weights are for
training it only.
"""

from typing import Any, Literal

import numpy as np
import polars as pl

Rule = Literal["pointwise", "top_k"]
CHANCE_SEED = 11


def top_k(scores: np.ndarray, batch: int, discard: float) -> np.ndarray:
    """Keep the best of every batch of consecutive scores, a share `1 - discard`, at least one.

    Of equal scores the earlier ones. What is left over at the end goes with the batch before it.
    """
    keep = np.zeros(len(scores), bool)
    starts = range(0, max(1, len(scores) - batch + 1), batch)
    for start in starts:
        part = scores[start:] if start == starts[-1] else scores[start : start + batch]
        best = np.argsort(-part, kind="stable")[: num_kept(len(part), discard)]
        keep[start + best] = True
    return keep


def num_kept(batch: int, discard: float) -> int:
    """How many of a batch stay."""
    return max(1, round((1 - discard) * batch))


def chance(percentile: np.ndarray, batch: int, discard: float) -> np.ndarray:
    """Probability to be kept of a document, whoever else is in its batch.

    The chance to be among the K best of B with B - 1 others drawn at random:
    P[Binomial(B - 1, 1 - p) <= K - 1], where p is the share of scores below the document's.
    Averaged over p it is K / B; with large batches it becomes the step p > discard.
    """
    from scipy.stats import binom

    return binom.cdf(num_kept(batch, discard) - 1, batch - 1, 1 - np.asarray(percentile))


def percentile(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Share of the sorted reference scores below each score; ties count half."""
    below = np.searchsorted(reference, scores, "left")
    upto = np.searchsorted(reference, scores, "right")
    return (below + upto) / (2 * len(reference))


def judge(
    scores: pl.DataFrame, reference: pl.DataFrame, rule: Rule, batch: int, discard: float
) -> pl.DataFrame:
    """Percentile, chance and verdict of scored documents.

    A document is compared with those of its language: how much of each there shall be is for the
    mix to say, and one rater's scores of two languages are hardly one scale.

    Args:
        scores: `doc_id`, `lang` and `value_score`, null where there is none; in the order of
            batches.
        reference: `lang` and `value_score` that percentiles refer to; a language that is not among
            them is compared with all.

    Returns:
        `doc_id`, `value`, `percentile`, `keep_chance`, `keep`; what has no score is not kept.
    """
    known = scores.filter(pl.col("value_score").is_not_null())
    values, langs = known["value_score"].to_numpy(), known["lang"].to_numpy()
    rank = np.empty(len(values))
    for lang in np.unique(langs):
        mine = reference.filter(lang=lang)["value_score"]
        of = (mine if mine.len() else reference["value_score"]).sort().to_numpy()
        rank[langs == lang] = percentile(values[langs == lang], of)
    kept_by = chance(rank, batch, discard)
    if rule == "pointwise":
        # A hash and no generator: a document's fate does not depend on its shard.
        drawn = known["doc_id"].hash(CHANCE_SEED).to_numpy() / 2.0**64
        kept = drawn < kept_by
    else:
        kept = top_k(rank, batch, discard)
    found = known.select("doc_id", value="value_score").with_columns(
        percentile=pl.Series(rank, dtype=pl.Float64),
        keep_chance=pl.Series(kept_by, dtype=pl.Float64),
        keep=pl.Series(kept, dtype=pl.Boolean),
    )
    joined = scores.select("doc_id").join(found, on="doc_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("keep").fill_null(False))


def summarize(table: pl.LazyFrame) -> dict[str, Any]:
    """Share kept, and means by source: which sources a rater prefers is the first thing to ask."""
    by_source = (
        table.group_by("source")
        .agg(
            num_documents=pl.len(),
            percentile=pl.col("percentile").mean(),
            kept=pl.col("keep").mean(),
            no_score=pl.col("value").is_null().sum(),
        )
        .sort("source")
        .collect()
    )
    total = max(1, int(by_source["num_documents"].sum()))
    lines = ["| source | documents | mean percentile | kept |", "|---|---:|---:|---:|"]
    for source, count, rank, kept, _ in by_source.iter_rows():
        lines.append(f"| {source} | {count} | {rank or 0:.3f} | {kept:.1%} |")
    return {
        "num_documents": int(by_source["num_documents"].sum()),
        "num_without_score": int(by_source["no_score"].sum()),
        "keep_ratio": float((by_source["kept"] * by_source["num_documents"]).sum() / total),
        "by_source": "\n".join(lines),
    }
