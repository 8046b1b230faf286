"""Documents that share a bucket with another: found, ranked, and their signatures laid out.

Two passes over the signatures: the first joins band hashes in DuckDB, band by band; the second
takes what else is needed of the candidates only.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from carebot_assets.corpus.minhash import method
from carebot_assets.settings import DuplicateSettings

if TYPE_CHECKING:
    import duckdb
    import numpy as np

# The system maps 16 pages around every one that is read.
_MAPPED_BYTES_PER_ROW = 1 << 16
_ENTRIES = """
    INSERT INTO entries SELECT {band}, slot FROM keys WHERE {band} IN (
        SELECT {band} FROM keys WHERE {band} IS NOT NULL GROUP BY ALL HAVING count(*) > 1)
"""


class Candidates(NamedTuple):
    """What is known of the candidates beside their tables.

    `num_documents` with copies; the `num_earlier` first ranks are of earlier corpora.
    """

    signatures: "Signatures"
    num_documents: int
    num_earlier: int


class Signatures:
    """Signatures in a file, of which only a bounded part is mapped at any time."""

    def __init__(self, path: Path, count: int, width: int, budget: int) -> None:
        import numpy as np

        self.width = width
        shape = (count, width)
        self._map: Any = np.memmap(path, np.uint32, "r", shape=shape) if count else np.empty(shape)
        small = self._map.nbytes <= budget
        self._step = max(1, count) if small else max(1, budget // _MAPPED_BYTES_PER_ROW)
        self._release = not small

    def rows(self, places: "np.ndarray") -> "np.ndarray":
        """Signatures by their places in the file."""
        import numpy as np

        found = np.empty((len(places), self.width), np.uint32)
        order = np.argsort(places)
        for start in range(0, len(places), self._step):
            part = order[start : start + self._step]
            found[part] = self._map[places[part]]
            if self._release:
                self._map._mmap.madvise(mmap.MADV_DONTNEED)
        return found


def gather(
    base: "duckdb.DuckDBPyConnection",
    corpora: dict[str, pl.LazyFrame],
    folder: Path,
    settings: DuplicateSettings,
) -> Candidates:
    """Find the candidates, rank them, and set copies apart.

    Tables made: `documents` by rank, less the `copies`, which have text and signature of an
    `original`; `entries` of the candidates in buckets.

    Args:
        base: where the tables are made.
        corpora: signatures by corpus; the earlier ones first, last and without a name this one.
        folder: where the signatures of the candidates are laid down.
        settings: bands, who survives, and memory.

    Raises:
        ValueError: signatures of other settings, or an earlier corpus that cannot be read.
    """
    bands = [f"band_{i}" for i in range(settings.bands)]
    base.execute(
        f"CREATE TABLE keys (slot BIGINT, text UBIGINT, {' UBIGINT, '.join(bands)} UBIGINT);"
        "CREATE TABLE entries (bucket UBIGINT, slot BIGINT)"
    )
    _gather_keys(base, corpora, bands, settings)
    for band in bands:
        base.execute(_ENTRIES.format(band=band))
    base.execute(
        "CREATE TABLE candidates AS SELECT slot FROM entries UNION SELECT slot FROM keys"
        " WHERE text IN (SELECT text FROM keys GROUP BY text HAVING count(*) > 1) ORDER BY slot;"
        "DROP TABLE keys"
    )
    path = folder / "signatures.bin"
    count = _gather_candidates(base, corpora, path, settings)
    base.execute(
        "CREATE TABLE documents AS SELECT row_number() OVER () - 1 AS rank, * FROM"
        " (SELECT * FROM loaded ORDER BY corpus_index,"
        "  list_position($1, if(corpus IS NULL, source, NULL)) NULLS LAST,"
        "  score DESC NULLS LAST, source, doc_id, slot)",
        [list(settings.prefer_sources)],
    )
    base.execute(
        """
        DROP TABLE loaded;
        CREATE TABLE copies AS SELECT d.*, original FROM documents d JOIN (
            SELECT text_hash, sketch, min(rank) AS original FROM documents
            GROUP BY text_hash, sketch HAVING count(*) > 1
        ) USING (text_hash, sketch) WHERE d.rank > original;
        """
    )
    num_earlier = base.sql("SELECT count(*) FROM documents WHERE corpus IS NOT NULL").fetchall()
    base.execute("DELETE FROM documents WHERE rank IN (SELECT rank FROM copies)")
    width, budget = settings.bands * settings.rows, settings.memory_limit_mb * 2**18
    return Candidates(Signatures(path, count, width, budget), count, num_earlier[0][0])


def _gather_keys(
    base: "duckdb.DuckDBPyConnection",
    corpora: dict[str, pl.LazyFrame],
    bands: list[str],
    settings: DuplicateSettings,
) -> None:
    """Fill `keys`: what is compared of every document to find its buckets."""
    start, expected = 0, method(settings)
    for name, frame in corpora.items():
        columns = ("method", "text_hash", "num_shingles", "bands")
        for batch in _batches(name, frame.select(columns)):
            wrong = batch.filter(pl.col("method").ne_missing(expected))
            if wrong.height:
                raise ValueError(
                    f"{_called(name)}: signatures of method {wrong['method'][0]!r}, the profile's"
                    f" section `duplicates` asks for {expected!r}; make them again"
                )
            has_bands = pl.when(pl.col("num_shingles") > 0)
            part = batch.select(  # noqa: F841
                "text_hash",
                *(
                    has_bands.then(pl.col("bands").list.get(i)).alias(b)
                    for i, b in enumerate(bands)
                ),
                slot=pl.int_range(start, start + batch.height),
            )
            base.execute(
                "INSERT INTO keys BY NAME SELECT * EXCLUDE (text_hash), hash(text_hash) AS text"
                " FROM part"
            )
            start += batch.height


def _gather_candidates(
    base: "duckdb.DuckDBPyConnection",
    corpora: dict[str, pl.LazyFrame],
    path: Path,
    settings: DuplicateSettings,
) -> int:
    """Fill `loaded` with the candidates and a file with their signatures; their number."""
    base.execute(
        "CREATE TABLE loaded (slot BIGINT, place BIGINT, corpus VARCHAR, corpus_index INTEGER,"
        " doc_id VARCHAR, shard VARCHAR, source VARCHAR, lang VARCHAR, score DOUBLE,"
        " text_hash UUID, sketch UBIGINT)"
    )
    start, place = 0, 0
    columns = ("doc_id", "shard", "source", "lang", "score", "text_hash", "signature")
    with path.open("wb") as handle:
        for index, (name, frame) in enumerate(corpora.items()):
            for batch in _batches(name, frame.select(columns)):
                slots = base.sql(
                    f"SELECT slot FROM candidates WHERE slot >= {start}"
                    f" AND slot < {start + batch.height} ORDER BY slot"
                ).pl()["slot"]
                found = batch[slots - start]
                start += batch.height
                hashes = found["signature"].list.to_array(settings.bands * settings.rows)
                handle.write(hashes.to_numpy().data)
                part = found.select(  # noqa: F841
                    *("doc_id", "shard", "source", "lang", "text_hash"),
                    score=pl.col("score").fill_nan(None),
                    sketch=pl.col("signature").hash(),
                    slot=slots,
                    place=pl.int_range(place, place + found.height),
                    corpus=pl.lit(name or None, pl.String),
                    corpus_index=pl.lit(index),
                )
                base.execute("INSERT INTO loaded BY NAME SELECT * FROM part")
                place += found.height
    return place


def _batches(name: str, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    try:
        yield from frame.collect_batches(maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{_called(name)}: {error}") from error


def _called(name: str) -> str:
    return f"duplicates.against: {name}" if name else "minhash_signatures"
