"""From the files of a shard to its documents and its quarantine, streaming."""

from collections.abc import Iterator

import polars as pl
from polars.io.plugins import register_io_source

from carebot_assets import tables
from carebot_assets.corpus import encodings, private, recipes, records
from carebot_assets.corpus.language import language
from carebot_assets.corpus.normalize import normalize
from carebot_assets.corpus.sql import query
from carebot_assets.settings import CorpusSettings

QUARANTINE_SAMPLE_CHARS = 200
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
            ValueError: (when read) a file that cannot be read, or more bad records than
                `corpus.max_bad_ratio` allows.
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
        for row in self.plan.sort("name").iter_rows(named=True):
            recipe = recipes.Recipe.of(row, self.settings.max_record_chars)
            for batch in records.read(recipe):
                self.num_records += batch.height
                good, bad = sort_out(batch, row, self.settings.max_record_chars)
                self._quarantine.append(bad)
                yield good
        self._refuse_bad_shard()

    def _refuse_bad_shard(self) -> None:
        bad = self.quarantine()
        if bad.height <= self.settings.max_bad_ratio * self.num_records:
            return
        shard, first = self.plan["shard"][0], bad.row(0, named=True)
        raise ValueError(
            f"shard {shard}: {bad.height} of {self.num_records} records are bad, more than "
            f"corpus.max_bad_ratio = {self.settings.max_bad_ratio:g} allows; the first is "
            f"{first['origin']}: {first['error']}"
        )


def sort_out(
    batch: pl.DataFrame, row: dict[str, str], max_chars: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split records of a file into documents and quarantined records."""
    from carebot_assets.corpus import counting

    text = pl.col("text")
    origin = pl.format("{}/{}#{}", pl.lit(row["source"]), pl.lit(row["name"]), "position")
    judged = batch.with_columns(
        origin=origin,
        error=pl.coalesce(
            "error",
            pl.when(recipes.undecodable("text")).then(pl.lit(recipes.BAD_BYTES)),
            pl.when(text.str.len_chars() > max_chars).then(
                pl.lit(f"record above {max_chars} characters")
            ),
        ),
    )
    kept = judged.filter(pl.col("error").is_null()).with_columns(normalize(text.fill_null("")))
    judged = pl.concat([
        judged.filter(pl.col("error").is_not_null()),
        kept.filter(text.eq("")).with_columns(error=pl.lit("empty text")),
    ])  # fmt: skip
    kept = kept.filter(text.ne(""))
    counts = counting.characters(kept["text"])
    good = pl.concat([kept, counts], how="horizontal").select(
        doc_id=pl.lit(doc_ids(kept["origin"])),
        shard=pl.lit(row["shard"]),
        source=pl.lit(row["source"]),
        license=pl.lit(row["license"]),
        lang=language(text),
        text=text,
        n_chars="num_chars",
        n_tokens="num_tokens",
        origin="origin",
    )
    return good.cast(DOCUMENTS), _quarantined(judged, row["shard"])


def _quarantined(bad: pl.DataFrame, shard: str) -> pl.DataFrame:
    """Quarantine rows; samples are masked like any text that is shown."""
    sample = private.mask_all(
        bad["sample"].fill_null("").str.replace_all(encodings.UNDECODABLE, "")
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
