"""From the files of a shard to its documents and its quarantine, streaming."""

from collections.abc import Iterator
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from carebot_assets import tables
from carebot_assets.corpus import encodings, locations, private, recipes, records
from carebot_assets.corpus.language import identify
from carebot_assets.corpus.normalize import normalize
from carebot_assets.corpus.sql import query
from carebot_assets.settings import CorpusSettings

QUARANTINE_SAMPLE_CHARS = 200
MAX_ID_CHARS = 500
MAX_KINDS_NAMED = 5
DOCUMENTS = tables.BY_NAME["documents"].schema
QUARANTINE = tables.BY_NAME["quarantine"].schema


class ShardReader:
    """Reads the files of one shard once; `quarantine` is complete when `documents` has been read.

    Args:
        plan: the shard's rows of `corpus_manifest`.
        settings: limits on records and on the share of bad ones.
    """

    def __init__(self, plan: pl.DataFrame, settings: CorpusSettings) -> None:
        self.plan = plan
        self.settings = settings
        self.num_records = 0
        self._quarantine: list[pl.DataFrame] = []

    def documents(self) -> pl.LazyFrame:
        """The documents, read when the frame is collected or written, batch by batch.

        Raises:
            ValueError: (when read) a file that cannot be read, more bad records than
                `corpus.max_bad_ratio` and `max_bad_records` allow, or nothing but bad ones.
        """

        def source(
            columns: list[str] | None,
            predicate: pl.Expr | None,
            num_rows: int | None,
            _: int | None,
        ) -> Iterator[pl.DataFrame]:
            for batch in self._batches():
                frame = batch if predicate is None else batch.filter(predicate)
                yield frame if columns is None else frame.select(columns)

        return register_io_source(source, schema=DOCUMENTS)

    def quarantine(self) -> pl.DataFrame:
        """Records that could not become documents."""
        return pl.concat([pl.DataFrame(schema=QUARANTINE), *self._quarantine])

    def _batches(self) -> Iterator[pl.DataFrame]:
        self.num_records = 0
        self._quarantine.clear()
        for row in self.plan.sort("name", "start").iter_rows(named=True):
            refuse_changed(row)
            recipe = recipes.Recipe.of(row, self.settings)
            for batch in records.read(recipe):
                self.num_records += batch.height
                good, bad = sort_out(batch, row, self.settings.max_record_chars)
                self._quarantine.append(bad)
                yield good
        self._refuse_bad_shard()

    def _refuse_bad_shard(self) -> None:
        bad, settings = self.quarantine(), self.settings
        allowed = max(settings.max_bad_ratio * self.num_records, settings.max_bad_records)
        none_good = bad.height == self.num_records and settings.max_bad_ratio < 1.0
        if bad.height <= allowed and not (bad.height and none_good):
            return
        kinds = bad.group_by("error").agg(pl.len(), pl.col("origin").first())
        listed = "; ".join(
            f"{error} ({count}, the first is {origin})"
            for error, count, origin in kinds.sort("len", "error", descending=[True, False])
            .head(MAX_KINDS_NAMED)
            .iter_rows()
        )
        raise ValueError(
            f"shard {self.plan['shard'][0]}: {bad.height} of {self.num_records} records are bad, "
            + ("which leaves none" if none_good else "more than corpus.max_bad_ratio = "
            f"{settings.max_bad_ratio:g} and corpus.max_bad_records = {settings.max_bad_records} "
            f"allow") + f": {listed}"
        )  # fmt: skip


def refuse_changed(row: dict[str, Any]) -> None:
    """Refuse a file whose planned bytes are not those of the plan any more.

    Raises:
        ValueError: it is gone or has changed.
    """
    file, size = row["file"], locations.size(row["file"])
    if size < row["stop"]:
        what = "is gone" if size < 0 else f"has shrunk to {size} bytes"
        raise ValueError(f"{file} {what} since it was planned: run corpus_manifest again")
    if locations.digest(file, row["start"], row["stop"])[0] != row["sha256"]:
        raise ValueError(f"{file} has changed since it was planned: run corpus_manifest again")


def sort_out(
    batch: pl.DataFrame, row: dict[str, str], max_chars: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split records of a file into documents and quarantined records."""
    from carebot_assets.corpus.outline import outline

    text = pl.col("text")
    origin = pl.format("{}/{}#{}", pl.lit(row["source"]), pl.lit(row["name"]), "position")
    judged = batch.with_columns(
        origin=origin,
        error=pl.coalesce(
            "error",
            pl.when(text.str.len_chars() > max_chars).then(
                pl.lit(f"record above {max_chars} characters")
            ),
            pl.when(recipes.undecodable("text")).then(pl.lit(recipes.BAD_BYTES)),
        ),
    )
    kept = judged.filter(pl.col("error").is_null()).with_columns(normalize(text.fill_null("")))
    judged = pl.concat([
        judged.filter(pl.col("error").is_not_null()),
        kept.filter(text.eq("")).with_columns(error=pl.lit("empty text")),
    ])  # fmt: skip
    kept = kept.filter(text.ne(""))
    counts = outline(kept["text"])
    good = pl.concat([kept, counts], how="horizontal").select(
        doc_id=pl.lit(doc_ids(kept["origin"])),
        shard=pl.lit(row["shard"]),
        source=pl.lit(row["source"]),
        license=pl.lit(row["license"]),
        lang=identify(kept["text"], counts),
        text=text,
        n_chars="num_chars",
        n_tokens="num_tokens",
        origin="origin",
        source_id=pl.col("source_id").str.head(MAX_ID_CHARS),
    )
    return good.cast(DOCUMENTS), _quarantined(judged, row["shard"])


def _quarantined(bad: pl.DataFrame, shard: str) -> pl.DataFrame:
    """Quarantine rows; samples are masked like any text that is shown."""
    sample = private.redact(
        bad["sample"].fill_null("").str.replace_all(encodings.UNDECODABLE, r"\x", literal=True)
    )
    return (
        bad.with_columns(sample=sample.str.head(QUARANTINE_SAMPLE_CHARS))
        .select("origin", pl.lit(shard).alias("shard"), "error", "sample")
        .cast(QUARANTINE)
    )


def doc_ids(origins: pl.Series) -> pl.Series:
    """128-bit hash of every origin, in hex."""
    frame = pl.DataFrame({"origin": origins})
    return query("SELECT md5(origin) AS doc_id FROM frame", frame=frame)["doc_id"]
