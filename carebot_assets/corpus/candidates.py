"""Documents that share a bucket with another: found, ranked, and their signatures laid out.

Three passes over the signatures: the first counts band hashes, up to two, in a table of bounded
size; the second joins those in DuckDB that may be of two documents, part by part; the third takes
what else is needed of the candidates only.
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
# Of the memory, one part is for the counters of hashes; keys of buckets joined at once.
COUNTERS_SHARE, KEYS_AT_ONCE = 8, 1 << 22
_ENTRIES = """
    INSERT INTO entries
    WITH part AS (FROM keys WHERE bucket % {parts} = {part})
    SELECT bucket, slot FROM part WHERE bucket IN (
        SELECT bucket FROM part GROUP BY ALL HAVING count(*) > 1)
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
    base.execute(
        "CREATE TABLE keys (bucket UBIGINT, slot BIGINT);"
        "CREATE TABLE texts (text UBIGINT, slot BIGINT);"
        "CREATE TABLE entries (bucket UBIGINT, slot BIGINT)"
    )
    _gather_keys(base, corpora, settings)
    parts = 1 + base.sql("SELECT count(*) FROM keys").fetchall()[0][0] // KEYS_AT_ONCE
    for part in range(parts):
        base.execute(_ENTRIES.format(part=part, parts=parts))
    base.execute(
        "CREATE TABLE candidates AS SELECT slot FROM entries UNION SELECT slot FROM texts"
        " WHERE text IN (SELECT text FROM texts GROUP BY text HAVING count(*) > 1) ORDER BY slot;"
        "DROP TABLE keys; DROP TABLE texts"
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
    base: "duckdb.DuckDBPyConnection", corpora: dict[str, pl.LazyFrame], settings: DuplicateSettings
) -> None:
    """Fill `keys` and `texts` with what may be of two documents, and by whom.

    What one document alone has needs no join, and nearly all is: it is told apart by counting
    hashes up to two in a table of a bounded size. Where several share a place there, the join sees
    to the rest.
    """
    import numpy as np

    from carebot_assets.corpus import pairing

    num_rows = sum(_height(name, frame) for name, frame in corpora.items())
    counts = pairing.counters(
        num_rows * (settings.bands + 1), settings.memory_limit_mb * 2**20 // COUNTERS_SHARE
    )
    for batch in _keys(corpora, settings):
        pairing.count(batch.texts, counts)
        pairing.count(batch.bands.ravel(), counts)
    for batch in _keys(corpora, settings):
        again = pairing.counted_twice(batch.texts, counts)
        part = pl.DataFrame({"text": batch.texts[again], "slot": batch.slots[again]})
        base.execute("INSERT INTO texts FROM part")
        again = pairing.counted_twice(batch.bands.ravel(), counts)
        whose = np.repeat(batch.with_bands, settings.bands)[again]
        part = pl.DataFrame({"bucket": batch.bands.ravel()[again], "slot": whose})  # noqa: F841
        base.execute("INSERT INTO keys FROM part")


class _Keys(NamedTuple):
    """Slots of documents with their texts' hashes; of those with units, a row of band hashes."""

    slots: "np.ndarray"
    texts: "np.ndarray"
    with_bands: "np.ndarray"
    bands: "np.ndarray"


def _keys(corpora: dict[str, pl.LazyFrame], settings: DuplicateSettings) -> Iterator[_Keys]:
    """What documents may have in common, batch by batch."""
    import numpy as np

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
            slots = np.arange(start, start + batch.height)
            start += batch.height
            has_bands = (batch["num_shingles"] > 0).to_numpy()
            bands = batch["bands"].list.to_array(settings.bands).to_numpy()
            yield _Keys(
                slots, batch["text_hash"].hash().to_numpy(), slots[has_bands], bands[has_bands]
            )


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


def _height(name: str, frame: pl.LazyFrame) -> int:
    return sum(batch.item() for batch in _batches(name, frame.select(pl.len())))


def _batches(name: str, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    try:
        yield from frame.collect_batches(maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{_called(name)}: {error}") from error


def _called(name: str) -> str:
    return f"duplicates.against: {name}" if name else "minhash_signatures"
