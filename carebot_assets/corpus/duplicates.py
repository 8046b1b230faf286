"""Exact and near duplicates over all shards, and who survives.

Survivor: longest text, then source name, then doc_id. A document is removed only in favour of a
kept one that it resembles itself (estimated Jaccard similarity of the shingles, or the same text
but for white space and case), so that A~B~C never removes C for the sake of A.
"""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets.corpus.chain import verdict, with_alive
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import DuplicateSettings
from carebot_assets.tables import BY_NAME

if TYPE_CHECKING:
    import duckdb
    import numpy as np

EXACT, NEAR = "exact_duplicate_v1", "near_duplicate_v1"
# Below this many documents a share says nothing about a source or a language.
MIN_JUDGED = 100

_BUCKETS = """
    SELECT dense_rank() OVER (ORDER BY value) AS bucket, rank, slot FROM (
        SELECT {value} AS value, rank, slot FROM documents
        WHERE {where} AND rank NOT IN (SELECT removed FROM removals)
        QUALIFY count(*) OVER (PARTITION BY {value}) > 1
    ) ORDER BY bucket, rank
"""
_CLUSTERS = """
    SELECT d.doc_id, k.doc_id AS kept_id, s.size AS cluster_size,
        CASE WHEN d.text_hash = k.text_hash THEN 1.0 ELSE r.similarity END AS similarity,
        d.text_hash = k.text_hash AS exact, d.source, d.lang, d.shard
    FROM removals r JOIN documents d ON d.rank = r.removed JOIN documents k ON k.rank = r.kept
    JOIN (SELECT kept, count(*) + 1 AS size FROM removals GROUP BY kept) s ON s.kept = r.kept
    ORDER BY d.doc_id
"""


def cluster(
    signatures: pl.LazyFrame, settings: DuplicateSettings, memory_limit_mb: int | None = None
) -> pl.DataFrame:
    """Every removed document with the one kept in its place, by doc_id.

    Candidates share their text hash or a band; they are joined band by band in DuckDB, which
    spills to disk, and verified on the signatures, which lie in a memory-mapped file. Repeated
    among the survivors until they give no new pair: then no two of them that share a band
    resemble each other.

    Args:
        signatures: rows of `minhash_signatures`, any number of shards.
        settings: bands, least similarity and memory.
        memory_limit_mb: overrides the setting.
    """
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="duplicates-") as folder,
        duckdb.connect(f"{folder}/work.duckdb") as base,
    ):
        base.execute(f"SET memory_limit = '{memory_limit_mb or settings.memory_limit_mb}MB'")
        base.execute(f"SET temp_directory = '{folder}/spill'")
        rows = _load(base, signatures, Path(folder) / "signatures.bin", settings)
        if rows is not None:
            _remove(base, rows, settings)
        found = base.sql(_CLUSTERS).pl()
    return found.cast(dict(BY_NAME["duplicate_clusters"].schema))


def verdicts(
    documents: pl.LazyFrame, clusters: pl.LazyFrame, earlier: pl.LazyFrame
) -> pl.LazyFrame:
    """Verdict on every document of a shard, in order, from the clusters over all shards."""
    removed = clusters.select("doc_id", "kept_id", "similarity", "exact")
    return (
        with_alive(documents, earlier)
        .join(removed, on="doc_id", how="left", maintain_order="left")
        .select(
            "doc_id",
            "shard",
            *verdict(pl.col("alive"), {EXACT: pl.col("exact"), NEAR: ~pl.col("exact")}),
            "kept_id",
            "similarity",
        )
    )


def removal_ceiling(
    signatures: pl.LazyFrame, clusters: pl.LazyFrame, settings: DuplicateSettings
) -> Finding:
    """No source or language loses more than its ceiling; no cluster is larger than its own.

    Groups of fewer than `MIN_JUDGED` documents are not judged.
    """
    rows = signatures.select("doc_id", "source", "lang").join(
        clusters.select("doc_id", removed=True), on="doc_id", how="left"
    )
    groups = pl.concat(
        rows.group_by(group=pl.lit(f"{column} ") + pl.col(column)).agg(
            num_documents=pl.len(), removed_ratio=pl.col("removed").is_not_null().mean()
        )
        for column in ("source", "lang")
    ).sort("group")
    judged = groups.filter(pl.col("num_documents") >= MIN_JUDGED).collect(engine="streaming")
    over = judged.filter(pl.col("removed_ratio") > settings.max_removed_ratio)
    total = signatures.select(pl.len()).collect(engine="streaming").item()
    largest = clusters.select(pl.col("cluster_size").max()).collect(engine="streaming").item() or 1
    cluster_ratio = largest / total if total else 0.0
    problems = [f"{group} loses {ratio:.1%}" for group, _, ratio in over.iter_rows()]
    if total >= MIN_JUDGED and cluster_ratio > settings.max_cluster_ratio:
        problems.append(f"one cluster holds {cluster_ratio:.1%} of all documents")
    limits = f"{settings.max_removed_ratio:.0%} a group, {settings.max_cluster_ratio:.0%} a cluster"
    text = f"{'; '.join(problems) or 'every removal'} {'over' if problems else 'within'} {limits}"
    ratios = dict(zip(judged["group"], judged["removed_ratio"], strict=True))
    return Finding(
        not problems,
        text,
        {"largest_cluster": largest, "largest_cluster_ratio": cluster_ratio, "removed": ratios},
    )


def kept_are_kept(signatures: pl.LazyFrame, clusters: pl.LazyFrame) -> Finding:
    """Every document named as kept exists and is itself removed by nobody."""
    kept = clusters.select(doc_id="kept_id").unique()
    removed = kept.join(clusters, on="doc_id", how="semi")
    unknown = kept.join(signatures, on="doc_id", how="anti")
    wrong = pl.concat([removed, unknown]).unique().sort("doc_id").collect(engine="streaming")
    text = (
        "every kept document exists and is kept"
        if wrong.is_empty()
        else f"{wrong.height} documents named as kept are removed or unknown"
    )
    examples = wrong["doc_id"].head(MAX_OFFENDERS).to_list()
    return Finding(wrong.is_empty(), text, {"num_wrong": wrong.height, "examples": examples})


def summarize(clusters: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI."""
    return (
        clusters.select(
            num_removed=pl.len(),
            num_exact=pl.col("exact").sum(),
            num_clusters=pl.col("kept_id").n_unique(),
            largest_cluster=pl.col("cluster_size").max().fill_null(0),
            median_similarity=pl.col("similarity").median(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )


def summarize_verdicts(table: pl.LazyFrame) -> dict[str, Any]:
    """Documents removed from a shard, for the UI."""
    counts = table.select(
        num_kept=(pl.col("verdict") == "keep").sum(),
        num_exact=pl.col("reasons").list.contains(EXACT).sum(),
        num_near=pl.col("reasons").list.contains(NEAR).sum(),
    )
    return counts.collect(engine="streaming").row(0, named=True)


def _load(
    base: "duckdb.DuckDBPyConnection",
    signatures: pl.LazyFrame,
    path: Path,
    settings: DuplicateSettings,
) -> "np.ndarray | None":
    """Rank the documents in DuckDB and lay their signatures out in a file, one row each."""
    width = settings.bands * settings.rows
    base.execute(
        "CREATE TABLE loaded (slot BIGINT, doc_id VARCHAR, shard VARCHAR, source VARCHAR,"
        " lang VARCHAR, n_chars BIGINT, text_hash VARCHAR, num_shingles BIGINT, bands UBIGINT[])"
    )
    base.execute("CREATE TABLE removals (removed BIGINT, kept BIGINT, similarity DOUBLE)")
    count = 0
    with path.open("wb") as handle:
        for batch in signatures.collect_batches(maintain_order=True):
            if batch["signature"].list.len().ne(width).any():
                raise ValueError(
                    f"minhash_signatures: signatures of other than duplicates.bands x rows ="
                    f" {width} hashes; materialize them again"
                )
            handle.write(batch["signature"].explode(empty_as_null=False).to_numpy().tobytes())
            part = batch.drop("signature").with_row_index("slot", offset=count)  # noqa: F841
            base.execute("INSERT INTO loaded BY NAME SELECT * FROM part")
            count += batch.height
    base.execute(
        "CREATE TABLE documents AS SELECT *, row_number() OVER"
        " (ORDER BY n_chars DESC, source, doc_id) - 1 AS rank FROM loaded"
    )
    base.execute("DROP TABLE loaded")
    import numpy as np

    return np.memmap(path, np.uint32, "r", shape=(count, width)) if count else None


def _remove(
    base: "duckdb.DuckDBPyConnection", signatures: "np.ndarray", settings: DuplicateSettings
) -> None:
    """Fill `removals`. All pairs of all rounds are settled together: who was removed for the sake
    of a document that a later round removes is back among the survivors of that round."""
    from carebot_assets.corpus import pairing

    pairs = pl.DataFrame(schema={"loser": pl.Int64, "winner": pl.Int64, "num_equal": pl.Int64})
    while True:
        new = pl.concat(_pairs(base, signatures, settings))
        if new.is_empty():
            return
        best = pl.concat([pairs, new]).group_by("loser", "winner").agg(pl.col("num_equal").max())
        pairs = best.sort("loser", "winner")
        columns = (pairs[name].to_numpy() for name in ("winner", "loser", "num_equal"))
        removed_by = pairing.settle(*columns, len(signatures))
        found = pairs[removed_by[removed_by >= 0]].select(  # noqa: F841
            removed="loser", kept="winner", similarity=pl.col("num_equal") / signatures.shape[1]
        )
        base.execute("CREATE OR REPLACE TABLE removals AS SELECT * FROM found")


def _pairs(
    base: "duckdb.DuckDBPyConnection", signatures: "np.ndarray", settings: DuplicateSettings
) -> Iterator[pl.DataFrame]:
    """Verified pairs among the survivors: same text first, then band by band."""
    from carebot_assets.corpus import pairing

    min_equal = math.ceil(settings.min_similarity * signatures.shape[1] - 1e-9)
    joins = [("text_hash", "true", 0)]
    joins += [(f"bands[{i + 1}]", "num_shingles > 0", min_equal) for i in range(settings.bands)]
    for value, where, needed in joins:
        entries = base.sql(_BUCKETS.format(value=value, where=where)).pl()
        columns = (entries[name].to_numpy() for name in ("bucket", "rank", "slot"))
        winner, loser, num_equal = pairing.pair_up(*columns, signatures, needed)
        yield pl.DataFrame({"loser": loser, "winner": winner, "num_equal": num_equal})
