"""Mixes: which documents, how many tokens of each kind and language, packed to sequences.

A mix has four strata, primary and secondary text in Chinese and in English. Documents are taken in
an order given by a hash of their id, so the choice depends on the seed and not on shards or files.
Memory does not grow with the mix: texts of a range of hashes are read in batches and tokenised into
a pool file, what is known of each lies in DuckDB, which sorts on disk, and sequences are gathered
from the pool.

Source: CareBot 1.2 (stable stage medical : general = 19 : 1 and zh : en = 1 : 9 in tokens; boost
stage best medical : instruction text = 1 : 1 and zh : en = 4 : 6).
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import mix_plan, packing
from carebot_assets.corpus.mix_reading import Reading, documents_of
from carebot_assets.corpus.mix_receipts import write_receipts
from carebot_assets.corpus.overlap import HeldOut
from carebot_assets.settings import MixSettings

if TYPE_CHECKING:
    import duckdb

CHUNK_USES = 1 << 15


class Mix(NamedTuple):
    """A packed mix: its span table, its receipts (JSON), and the speed of the tokenizer.

    The folder holds `tokens.npy` [num_sequences, sequence_length], `document_starts.npy`,
    `receipts.json` and the file of the span table.
    """

    spans: pl.LazyFrame
    receipts: dict[str, Any]
    tokens_per_second: float


def build_mix(
    primary: pl.LazyFrame,
    secondary: pl.LazyFrame | None,
    settings: MixSettings,
    *,
    held_out: HeldOut | None,
    model_dir: Path,
    sequence_length: int,
    seed: int,
    folder: Path,
) -> Mix:
    """Choose documents, tokenise and pack them.

    Both ratios hold to the token. Text that is missing is dealt with as `settings.shortage` says.
    The document that crosses a stratum's budget is cut there; documents that overlap held-out text
    or have no token are left out; all of these are counted.

    Args:
        primary: documents with `doc_id`, `source`, `lang`, `text` and `n_tokens` (an estimate).
        secondary: likewise; may be None when nothing is asked of it.
        settings: tokens, ratios, shortage.
        held_out: texts that must not be in the mix.
        model_dir: checkpoint whose tokenizer is used.
        sequence_length: tokens of a packed sequence.
        seed: of the choice and the order.
        folder: receives the files.

    Raises:
        ValueError: a stratum is short of text (it is named, with the tokens it lacks), or the mix
            is below one sequence.
    """
    import duckdb

    asked = mix_plan.asked(settings, sequence_length)
    documents = documents_of(primary, secondary, seed)
    with TemporaryDirectory(dir=folder) as work:
        config: dict[str, Any] = {
            "memory_limit": f"{settings.memory_limit_mb}MB",
            "temp_directory": f"{work}/spill",
            # Each thread of a sort pins blocks of its own.
            "threads": max(1, min(os.cpu_count() or 1, settings.memory_limit_mb // 256)),
        }
        pool = packing.Pool(model_dir, Path(work) / "pool.u32")
        try:
            with duckdb.connect(Path(work) / "work.duckdb", config=config) as base:
                reading = Reading(base, documents, pool, held_out, asked)
                reading.read()
                available = reading.available()
                plan = mix_plan.solve(settings, sequence_length, available)
                _choose(base, plan, seed)
                files = packing.PackedFiles(folder, pool.path)
                spans = _pack(base, files, sequence_length, folder / "spans.parquet")
                receipts = write_receipts(
                    base, settings, sequence_length, seed, plan, files.largest_token, folder
                )
        finally:
            pool.close()
    return Mix(spans, receipts, round(pool.size / max(pool.seconds, 1e-9), 1))


def _choose(base: "duckdb.DuckDBPyConnection", plan: mix_plan.Plan, seed: int) -> None:
    """Fill `uses`: documents from the front of each stratum, repeated if need be, the last one cut
    at the stratum's tokens."""
    base.execute("CREATE TABLE strata (stratum VARCHAR, target BIGINT, total BIGINT)")
    base.executemany("INSERT INTO strata VALUES (?, ?, 0)", list(plan.tokens.items()))
    # Another hash than that of the choice, or the last documents chosen would come last.
    base.execute(
        """
        UPDATE strata SET total = (
            SELECT sum(length) FROM pool WHERE pool.stratum = strata.stratum AND left_out IS NULL
        );
        CREATE TABLE uses AS
        SELECT md5_number_upper(concat_ws('#', doc_id, epoch, $1)) AS place,
            doc_id, epoch, stratum, source, start, length,
            least(length, target - epoch * total - before) AS num_tokens
        FROM (
            SELECT *, sum(length) OVER (PARTITION BY stratum ORDER BY key, doc_id) - length
                AS before
            FROM pool WHERE left_out IS NULL
        ) JOIN strata USING (stratum), range((
            SELECT max(ceil(target / total)) FROM strata
        )::BIGINT) AS epochs (epoch)
        WHERE epoch * total + before < target
        """,
        [seed],
    )


def _pack(
    base: "duckdb.DuckDBPyConnection",
    files: packing.PackedFiles,
    sequence_length: int,
    path: Path,
) -> pl.LazyFrame:
    """Lay the uses end to end, in order, and cut them at the sequences' boundaries."""
    import pyarrow.parquet as pq

    schema = tables.BY_NAME["stable_mix"].schema
    done, writer = 0, None
    ordered = base.sql(
        "SELECT doc_id, epoch, stratum, source, start AS pool_start, num_tokens::BIGINT AS used"
        " FROM uses ORDER BY place, stratum, doc_id, epoch"
    )
    for batch in ordered.to_arrow_reader(CHUNK_USES):
        uses = pl.DataFrame(batch)
        cut = packing.spans(uses["used"].to_numpy(), sequence_length, done)
        done += int(uses["used"].sum())
        columns = {name: cut[name] for name in ("sequence", "position", "start", "num_tokens")}
        rows = uses[cut["use"]].with_columns(**{k: pl.Series(v) for k, v in columns.items()})
        files.append(cut, rows["pool_start"].to_numpy() + cut["start"], sequence_length)
        part = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).to_arrow()
        writer = writer or pq.ParquetWriter(path, part.schema, compression="zstd")
        writer.write_table(part)
    assert writer is not None, "a plan has at least one sequence"
    writer.close()
    files.close(sequence_length)
    return pl.scan_parquet(path)
