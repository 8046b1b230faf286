"""Clusters of exact and near duplicates over any number of shards, out of core.

Band hashes that may be of two documents are joined in DuckDB, which spills to disk. Only documents
that share a bucket with another are ranked, and only their signatures are laid out in a file, which
is mapped piece by piece. In memory are DuckDB's share, for a while an eighth of it for counters of
hashes, one chunk of entries, and one bit a candidate.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from carebot_assets.corpus import candidates
from carebot_assets.corpus.candidates import Candidates
from carebot_assets.corpus.summaries import markdown
from carebot_assets.settings import DuplicateSettings
from carebot_assets.tables import BY_NAME

if TYPE_CHECKING:
    import duckdb

# Entries of buckets, or pairs, handled at once.
CHUNK = 1 << 14
MB_PER_THREAD = 128

_BUCKETS = """
    WITH members AS (SELECT bucket, rank, place FROM entries JOIN documents USING (slot)
        WHERE rank NOT IN (SELECT removed FROM removals))
    SELECT * FROM members {chosen} ORDER BY bucket, rank
"""
_RESTORED = """
    WHERE bucket IN (SELECT bucket FROM members WHERE rank IN (SELECT loser FROM restored))
"""
# The same text where the white space makes other words of it, or where there are no words.
_SAME_TEXT = """
    INSERT INTO pairs
    WITH members AS (SELECT text_hash AS bucket, rank FROM documents
        WHERE rank NOT IN (SELECT removed FROM removals)),
    chosen AS (SELECT * FROM members {chosen})
    SELECT rank, first, {width} FROM chosen
    JOIN (SELECT bucket, min(rank) AS first FROM chosen GROUP BY bucket) USING (bucket)
    WHERE rank > first AND rank >= {num_earlier}
"""
_CLUSTERS = """
    COPY (
        WITH everyone AS (
            SELECT rank, doc_id, shard, source, lang, corpus, text_hash FROM documents UNION ALL
            SELECT rank, doc_id, shard, source, lang, corpus, text_hash FROM copies
        ), followers AS (
            SELECT removed, kept, similarity FROM removals UNION ALL
            SELECT rank, coalesce(kept, original), coalesce(similarity, 1.0)
            FROM copies LEFT JOIN removals ON removed = original WHERE corpus IS NULL
        ), sizes AS (SELECT kept, count(*) + 1 AS size FROM followers GROUP BY kept)
        SELECT d.doc_id, k.doc_id AS kept_id, k.corpus AS kept_in, size AS cluster_size,
            CASE WHEN d.text_hash = k.text_hash THEN 1.0 ELSE similarity END AS similarity,
            d.text_hash = k.text_hash AS exact, d.source, d.lang, d.shard
        FROM followers JOIN everyone d ON d.rank = removed JOIN documents k ON k.rank = kept
        JOIN sizes USING (kept) ORDER BY d.doc_id
    ) TO '{path}' (FORMAT parquet)
"""
_LARGEST = """
    SELECT cluster_size AS documents, any_value(kept_id) AS kept, min(doc_id) AS removed,
        round(min(similarity), 2) AS "least similarity", count(DISTINCT source) AS sources,
        min(source) AS source
    FROM '{path}' GROUP BY kept_id, kept_in, cluster_size ORDER BY documents DESC, kept LIMIT 20
"""


class Clusters(NamedTuple):
    """Rows of `duplicate_clusters`, in a file of the folder given, and what finding them took."""

    table: pl.LazyFrame
    report: dict[str, Any]


def cluster(
    signatures: pl.LazyFrame,
    settings: DuplicateSettings,
    folder: Path,
    earlier: dict[str, pl.LazyFrame] | None = None,
) -> Clusters:
    """Every removed document with the one kept in its place, by doc_id.

    Candidates share their text hash or a band; they are joined by these and verified on the
    signatures. All pairs found are settled together, best document first. A document that lost to
    one that was removed itself is then compared again with the survivors in its buckets, until
    there is none left: then no two survivors that share a bucket resemble each other.

    Args:
        signatures: rows of `minhash_signatures`, any number of shards.
        settings: bands, least similarity, who survives, and memory.
        folder: empty folder for work and result; the caller deletes it.
        earlier: signatures of earlier corpora by name; their documents are kept whatever comes.

    Raises:
        ValueError: signatures of other settings, an earlier corpus that cannot be read, or too
            little memory.
    """
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": f"{settings.memory_limit_mb}MB",
        "temp_directory": str(folder / "spill"),
        # Each thread of a sort or join pins blocks of its own.
        "threads": max(1, min(os.cpu_count() or 1, settings.memory_limit_mb // MB_PER_THREAD)),
    }
    path = folder / "clusters.parquet"
    quoted = str(path).replace("'", "''")
    try:
        with duckdb.connect(":memory:", config=config) as base:
            found = candidates.gather(base, {**(earlier or {}), "": signatures}, folder, settings)
            report = _Desk(base, found).remove(settings)
            base.execute(_CLUSTERS.format(path=quoted))
            largest = base.sql(_LARGEST.format(path=quoted)).pl()
    except (duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
        if "allocate" not in str(error):
            raise
        raise ValueError(
            f"duplicates.memory_limit_mb = {settings.memory_limit_mb} is too little for so many"
            f" documents: {str(error).splitlines()[0]}"
        ) from error
    table = pl.scan_parquet(path).cast(BY_NAME["duplicate_clusters"].schema)
    # Ids of an earlier corpus are whatever its files say.
    shown = largest.with_columns(pl.col(pl.String).str.replace_all(r"[|<\s]", " "))
    return Clusters(table, report | {"largest_clusters": markdown(shown)})


@dataclass
class _Desk:
    """The work on one set of documents.

    Tables: those of the candidates; `pairs` found; `removals` settled from them.
    """

    base: "duckdb.DuckDBPyConnection"
    candidates: Candidates

    def remove(self, settings: DuplicateSettings) -> dict[str, Any]:
        """Fill `removals`."""
        from carebot_assets.corpus import pairing

        self.base.execute(
            "CREATE TABLE pairs (loser BIGINT, winner BIGINT, equal BIGINT);"
            "CREATE TABLE removals (removed BIGINT, kept BIGINT, similarity DOUBLE)"
        )
        signatures, num_earlier = self.candidates.signatures, self.candidates.num_earlier
        leaders = pairing.Leaders.none(signatures.width)
        min_equal = math.ceil(settings.min_similarity * signatures.width - 1e-9)
        rounds, num_pairs, chosen = 0, -1, ""
        while self._count("pairs") > num_pairs:
            rounds, num_pairs = rounds + 1, self._count("pairs")
            same_text = _SAME_TEXT.format(
                chosen=chosen, width=signatures.width, num_earlier=num_earlier
            )
            self.base.execute(same_text)
            for part in self._chunks(_BUCKETS.format(chosen=chosen)):
                found = pairing.pair_up(
                    part["bucket"].to_numpy(),
                    part["rank"].to_numpy(),
                    signatures.rows(part["place"].to_numpy()),
                    min_equal,
                    num_earlier,
                    leaders,
                )
                self._append("pairs", dict(zip(("winner", "loser", "equal"), found, strict=True)))
            leaders.counts[0] = 0
            self._settle()
            self.base.execute(
                "CREATE OR REPLACE TABLE restored AS SELECT DISTINCT loser FROM pairs"
                " WHERE loser NOT IN (SELECT removed FROM removals)"
            )
            if not self._count("restored"):
                break
            chosen = _RESTORED
        return {
            "num_pairs_compared": leaders.num_compared,
            "num_pairs_similar": self._count("(SELECT DISTINCT winner, loser FROM pairs)"),
            "num_not_compared": leaders.num_unled,
            "rounds": rounds,
        }

    def _settle(self) -> None:
        import numpy as np

        from carebot_assets.corpus import pairing

        removed = np.zeros(self.candidates.num_documents // 8 + 1, np.uint8)
        self.base.execute("DELETE FROM removals")
        for part in self._chunks(
            "SELECT loser, winner, max(equal) AS equal FROM pairs GROUP BY loser, winner"
            " ORDER BY loser, max(equal) DESC, winner"
        ):
            chosen = pairing.settle(part["loser"].to_numpy(), part["winner"].to_numpy(), removed)
            kept = part.filter(pl.Series(chosen))
            similarity = kept["equal"] / self.candidates.signatures.width
            self._append(
                "removals",
                {"removed": kept["loser"], "kept": kept["winner"], "similarity": similarity},
            )

    def _chunks(self, query: str) -> Iterator[pl.DataFrame]:
        # Read from a table: a sort under way would hold its memory while pairs are inserted.
        self.base.execute(f"CREATE OR REPLACE TABLE staged AS {query}")
        for batch in self.base.sql("FROM staged").to_arrow_reader(CHUNK):
            yield pl.DataFrame(batch)

    def _append(self, table: str, columns: dict[str, Any]) -> None:
        rows = pl.DataFrame(columns)
        if rows.height:
            with self.base.cursor() as cursor:
                cursor.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")

    def _count(self, table: str) -> int:
        return int(self.base.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])
