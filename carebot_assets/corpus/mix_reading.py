"""The texts of a mix: read in order of a hash, kept apart from held-out text, and tokenised."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from carebot_assets.corpus import packing
from carebot_assets.corpus.mix_sources import KINDS
from carebot_assets.corpus.overlap import HeldOut

if TYPE_CHECKING:
    import duckdb

FIRST_ROUND = 256
BATCH_DOCUMENTS = 512
_HASHES = 1 << 64


def documents_of(
    primary: pl.LazyFrame, secondary: pl.LazyFrame | None, seed: int
) -> list[pl.LazyFrame]:
    """The documents of each kind, with their stratum and the hash that orders them."""
    given = zip(KINDS, (primary, secondary), strict=True)
    return [
        frame.select(
            "doc_id",
            "source",
            "text",
            pl.col("n_tokens").cast(pl.Int64).clip(1).alias("estimate"),
            pl.concat_str(pl.lit(kind), "lang", separator="_").alias("stratum"),
            pl.col("doc_id").hash(seed).alias("key"),
        )
        for kind, frame in given
        if frame is not None
    ]


@dataclass
class _Stratum:
    """How much of a stratum has been read: documents whose hash is below `end`."""

    asked: int
    num_documents: int = 0
    estimate: int = 0
    end: int = 0
    num_tokens: int = 0

    @property
    def finished(self) -> bool:
        return self.num_tokens >= self.asked or self.end >= _HASHES or not self.num_documents

    def next_end(self) -> int:
        """Where to read on to, so that the budget is probably covered."""
        first = FIRST_ROUND * _HASHES // self.num_documents
        if not self.num_tokens:
            return min(_HASHES, max(first, 4 * self.end))
        missing = self.asked - self.num_tokens
        ahead = missing * self.end * 102 // (100 * self.num_tokens)
        return min(_HASHES, self.end + ahead + first // 32)


class Reading:
    """Texts tokenised in order of their hash, range by range, until every budget is covered."""

    def __init__(
        self,
        base: "duckdb.DuckDBPyConnection",
        documents: list[pl.LazyFrame],
        pool: packing.Pool,
        held_out: HeldOut | None,
        asked: dict[str, int],
    ) -> None:
        self.base, self.documents, self.pool, self.held_out = base, documents, pool, held_out
        self.strata = {name: _Stratum(tokens) for name, tokens in asked.items()}
        counts = (
            pl.concat(documents)
            .group_by("stratum", "source")
            .agg(pl.len().alias("num_documents"), pl.col("estimate").sum())
            .collect(engine="streaming")
            .sort("stratum", "source")
        )
        for name, _, num_documents, estimate in counts.iter_rows():
            if name in self.strata:
                self.strata[name].num_documents += num_documents
                self.strata[name].estimate += estimate
        base.execute(
            "CREATE TABLE census AS SELECT * FROM counts;"
            "CREATE TABLE pool (stratum VARCHAR, key UBIGINT, doc_id VARCHAR, source VARCHAR,"
            " estimate BIGINT, start BIGINT, length BIGINT, left_out VARCHAR)"
        )

    def read(self) -> None:
        """Fill the pool."""
        while ranges := {
            name: (stratum.end, stratum.next_end())
            for name, stratum in self.strata.items()
            if not stratum.finished
        }:
            self._read_ranges(ranges)
            for name, (_, end) in ranges.items():
                self.strata[name].end = end

    def available(self) -> dict[str, int]:
        """Tokens of each stratum that were read; all there are, where those asked are not there."""
        return {name: stratum.num_tokens for name, stratum in self.strata.items()}

    def _read_ranges(self, ranges: dict[str, tuple[int, int]]) -> None:
        key = pl.col("key")
        wanted = pl.any_horizontal(
            (pl.col("stratum") == name)
            & (key >= pl.lit(begin, pl.UInt64))
            & (key < pl.lit(end, pl.UInt64) if end < _HASHES else True)
            for name, (begin, end) in ranges.items()
        )
        # One after the other: each scan has its own buffers.
        for documents in self.documents:
            # A copy of the text: as it is, few rows would hold the text of all that were read.
            copied = pl.concat_str("text", pl.lit(""), ignore_nulls=True).alias("text")
            texts = documents.filter(wanted).with_columns(copied)
            for batch in texts.collect_batches(chunk_size=BATCH_DOCUMENTS, maintain_order=True):
                self._append(batch)

    def _append(self, batch: pl.DataFrame) -> None:
        is_held_out = (
            self.held_out.in_texts(batch["text"])
            if self.held_out
            else pl.repeat(False, batch.height, eager=True)
        )
        left_out = pl.when(pl.Series(is_held_out)).then(pl.lit("held_out"))
        batch = batch.with_columns(
            left_out=left_out.when(pl.col("text").str.len_bytes() == 0).then(pl.lit("empty"))
        )
        taken = batch.filter(pl.col("left_out").is_null())
        starts, lengths = self.pool.append(taken["text"].to_list())
        found = taken.drop("text").with_columns(start=starts, length=lengths)
        rows = pl.concat(  # noqa: F841
            [found, batch.filter(pl.col("left_out").is_not_null()).drop("text")], how="diagonal"
        )
        self.base.execute("INSERT INTO pool BY NAME SELECT * FROM rows")
        counted = found.group_by("stratum").agg(pl.col("length").sum())
        for name, num_tokens in counted.iter_rows():
            self.strata[name].num_tokens += num_tokens
