"""Verdicts of deduplication, what a person may want to see of them, and what must hold.

A document is removed only in favour of a kept one that it resembles itself (estimated Jaccard
similarity of the shingles, or the same text but for white space and case), so that A~B~C never
removes C for the sake of A.

Source: MinHash deduplication as in FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4);
that chains remove nothing, who survives and earlier corpora are ours.
"""

from typing import Any

import polars as pl

from carebot_assets.corpus.chain import verdict, with_alive
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import DuplicateSettings

EXACT, NEAR = "exact_duplicate_v1", "near_duplicate_v1"
EARLIER = "earlier_corpus_duplicate_v1"
# Below this many documents a share says nothing about a source or a language.
MIN_JUDGED = 100
# Ids looked at together by a check.
BATCH_IDS = 2_000_000


def verdicts(
    documents: pl.LazyFrame, clusters: pl.LazyFrame, earlier: pl.LazyFrame
) -> pl.LazyFrame:
    """Verdict on every document of a shard, in order, from the clusters over all shards."""
    removed = clusters.select("doc_id", "kept_id", "kept_in", "similarity", "exact")
    is_ours = pl.col("kept_in").is_null()
    reasons = {
        EXACT: pl.col("exact") & is_ours,
        NEAR: ~pl.col("exact") & is_ours,
        EARLIER: ~is_ours,
    }
    return (
        with_alive(documents, earlier)
        .join(removed, on="doc_id", how="left", maintain_order="left")
        .select(
            *("doc_id", "shard"),
            *verdict(pl.col("alive"), reasons),
            *("kept_id", "kept_in", "similarity"),
        )
    )


def members(clusters: pl.LazyFrame) -> pl.LazyFrame:
    """All documents of each cluster, the kept one first: largest cluster first.

    `doc_id`, `kept_id`, `kept_in`, `cluster_size`, `similarity` (1 of the kept one), `kept`.
    """
    columns = ("kept_id", "kept_in", "cluster_size")
    kept = clusters.select("kept_id", *columns[1:]).unique()
    return pl.concat(
        [
            kept.select(pl.col("kept_id").alias("doc_id"), *columns, similarity=1.0, kept=True),
            clusters.select("doc_id", *columns, "similarity", kept=pl.lit(False)),
        ]
    ).sort(
        *("cluster_size", "kept_id", "kept", "similarity", "doc_id"),
        descending=[True, False, True, True, False],
    )


def removal_ceiling(
    signatures: pl.LazyFrame, clusters: pl.LazyFrame, settings: DuplicateSettings
) -> Finding:
    """No source or language loses more than its ceiling; no cluster is larger than its own.

    Groups of fewer than `MIN_JUDGED` documents are not judged; those that are gone are named.
    """
    keys = ("source", "lang")
    counts = pl.concat(
        [
            signatures.group_by(keys).agg(documents=pl.len(), removed=pl.lit(0, pl.UInt32)),
            clusters.group_by(keys).agg(documents=pl.lit(0, pl.UInt32), removed=pl.len()),
        ]
    ).collect(engine="streaming")
    groups = pl.concat(
        counts.group_by(group=pl.lit(f"{key} ") + pl.col(key)).agg(
            pl.col("documents", "removed").sum()
        )
        for key in keys
    ).sort("group")
    judged = groups.filter(pl.col("documents") >= MIN_JUDGED).select(
        "group", removed_ratio=pl.col("removed") / pl.col("documents")
    )
    over = judged.filter(pl.col("removed_ratio") > settings.max_removed_ratio)
    total = int(counts["documents"].sum())
    largest = clusters.select(pl.col("cluster_size").max()).collect(engine="streaming").item() or 1
    cluster_ratio = largest / total if total else 0.0
    problems = [f"{group} loses {ratio:.1%}" for group, ratio in over.iter_rows()]
    if total >= MIN_JUDGED and cluster_ratio > settings.max_cluster_ratio:
        problems.append(f"one cluster holds {cluster_ratio:.1%} of all documents")
    is_gone = (pl.col("removed") == pl.col("documents")) & (pl.col("documents") < MIN_JUDGED)
    gone = dict(groups.filter(is_gone).select("group", "documents").iter_rows())
    limits = f"{settings.max_removed_ratio:.0%} a group, {settings.max_cluster_ratio:.0%} a cluster"
    text = f"{'; '.join(problems) or 'every removal'} {'over' if problems else 'within'} {limits}"
    if gone:
        text += "; nothing is left of " + ", ".join(f"{name} ({n})" for name, n in gone.items())
    ratios = dict(zip(judged["group"], judged["removed_ratio"], strict=True))
    return Finding(
        not problems,
        text,
        {
            "largest_cluster": largest,
            "largest_cluster_ratio": cluster_ratio,
            "removed": ratios,
            "gone": gone,
        },
    )


def kept_are_kept(signatures: pl.LazyFrame, clusters: pl.LazyFrame) -> Finding:
    """Every document named as kept exists and is itself removed by nobody.

    Those kept in an earlier corpus are that corpus's affair.
    """
    total = clusters.select(pl.len()).collect(engine="streaming").item()
    parts = total // BATCH_IDS + 1
    num_wrong, examples = 0, []
    for part in range(parts):
        # Only a part of the ids lies in memory at a time.
        kept, removed, known = (
            table.select(doc_id=column).filter(pl.col("doc_id").hash() % parts == part)
            for table, column in (
                (clusters.filter(pl.col("kept_in").is_null()), "kept_id"),
                (clusters, "doc_id"),
                (signatures, "doc_id"),
            )
        )
        is_removed = kept.unique().join(removed, on="doc_id", how="semi")
        is_unknown = kept.unique().join(known, on="doc_id", how="anti")
        wrong = pl.concat([is_removed, is_unknown]).unique().collect(engine="streaming")["doc_id"]
        num_wrong += len(wrong)
        examples += wrong.sort().head(MAX_OFFENDERS).to_list()
    text = (
        f"{num_wrong} documents named as kept are removed or unknown"
        if num_wrong
        else "every kept document exists and is kept"
    )
    return Finding(
        not num_wrong, text, {"num_wrong": num_wrong, "examples": sorted(examples)[:MAX_OFFENDERS]}
    )


def summarize(clusters: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI."""
    counts = clusters.select(
        num_removed=pl.len(),
        num_exact=pl.col("exact").sum(),
        num_in_earlier_corpora=pl.col("kept_in").is_not_null().sum(),
        num_clusters=(1 / (pl.col("cluster_size") - 1)).sum().round().cast(pl.Int64),
        largest_cluster=pl.col("cluster_size").max().fill_null(0),
        mean_similarity=pl.col("similarity").mean(),
    )
    return counts.collect(engine="streaming").row(0, named=True)


def num_near(clusters: pl.LazyFrame, min_similarity: float) -> int:
    """Documents removed as near duplicates of at least that estimated similarity."""
    is_near = ~pl.col("exact") & (pl.col("similarity") >= min_similarity)
    return int(clusters.select(is_near.sum()).collect(engine="streaming").item())


def summarize_verdicts(table: pl.LazyFrame) -> dict[str, Any]:
    """Documents removed from a shard, for the UI."""
    counts = table.select(
        num_kept=(pl.col("verdict") == "keep").sum(),
        **{
            name: pl.col("reasons").list.contains(reason).sum()
            for name, reason in (
                ("num_exact", EXACT),
                ("num_near", NEAR),
                ("num_in_earlier_corpora", EARLIER),
            )
        },
    )
    return counts.collect(engine="streaming").row(0, named=True)
