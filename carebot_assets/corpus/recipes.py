"""What the readers of all formats share: the recipe of a source and the form of a batch.

A batch has the columns `position`, `text`, `error`, `sample` and `source_id`. A record without
`error` may still have no text: that is for the caller to see.
"""

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from carebot_assets.corpus import encodings, private
from carebot_assets.settings import CorpusSettings, CorpusSource

BATCH_ROWS = 8000
BATCH_BYTES = 1 << 23
SAMPLE_CHARS = 300
BAD_BYTES = "undecodable bytes"
SCHEMA = pl.Schema({n: pl.String for n in ("position", "text", "error", "sample", "source_id")})


@dataclass(frozen=True)
class Recipe:
    """Which bytes of a file are read, and how a record of it becomes text.

    `first` is the number of its first record among the records of the whole file.
    """

    file: str
    format: str
    encoding: str
    start: int
    stop: int
    first: int
    text: tuple[str, ...]
    columns: tuple[str, ...] | None
    where: dict[str, str]
    id: str | None
    max_chars: int
    max_expansion: int

    @classmethod
    def of(cls, row: dict[str, Any], settings: CorpusSettings) -> "Recipe":
        """Recipe of a row of `corpus_manifest`."""
        source = CorpusSource.model_validate({"path": "", **json.loads(row["recipe"])})
        return cls(
            **{name: row[name] for name in ("file", "format", "encoding", "start", "stop")},
            first=row["first"],
            text=(source.text,) if isinstance(source.text, str) else tuple(source.text),
            columns=tuple(source.columns) if source.columns else None,
            where=source.where or {},
            id=source.id,
            max_chars=settings.max_record_chars,
            max_expansion=settings.max_expansion,
        )

    @property
    def kind(self) -> str:
        """The format without its compression."""
        return self.format.partition(".")[0]

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is read: text, where, id."""
        return (*self.text, *self.where, *([self.id] if self.id is not None else []))

    @property
    def max_bytes(self) -> int:
        """More than a record within `max_chars` needs; what is longer is never held as a whole."""
        return 8 * self.max_chars

    @property
    def too_long(self) -> str:
        """The error of a record over the limit."""
        return f"record above {self.max_chars} characters"

    @property
    def max_page_bytes(self) -> int:
        """Of a page or an article, markup included: the time to read one grows with its square."""
        return 2 * self.max_chars

    @property
    def page_too_long(self) -> str:
        return f"page above {self.max_page_bytes} bytes"


def batch(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a batch; those that a format does not have are null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in SCHEMA.items()
    )


def composed(frame: pl.DataFrame, recipe: Recipe, values: list[pl.Expr]) -> pl.DataFrame:
    """A batch of the records that `where` asks for; one too broken to tell stays.

    Args:
        frame: columns `position`, `error`, `sample` and what `values` read.
        recipe: of the file.
        values: one expression for each of `recipe.wanted`.
    """
    num_text, num_where = len(recipe.text), len(recipe.where)
    for found, value in zip(values[num_text:], recipe.where.values(), strict=False):
        unknown = found.is_null() & pl.col("error").is_not_null()
        frame = frame.filter(found.eq(value).fill_null(False) | unknown)
    text = pl.when(pl.col("error").is_null()).then(joined(values[:num_text]))
    ids = values[num_text + num_where :]
    return batch(frame.with_columns(text=text, source_id=ids[0] if ids else pl.lit(None)))


def joined(parts: list[pl.Expr]) -> pl.Expr:
    """Text columns joined by a blank line, empty parts left out."""
    if len(parts) == 1:
        return parts[0]
    filled = [pl.when(part.str.contains(r"\S")).then(part) for part in parts]
    return pl.concat_str(filled, separator="\n\n", ignore_nulls=True)


def undecodable(column: str) -> pl.Expr:
    """Whether bytes of a column could not be decoded."""
    return pl.col(column).str.contains(encodings.UNDECODABLE, literal=True)


def sample(text: pl.Expr) -> pl.Expr:
    """Start of a record, kept in case that it is bad."""
    return text.str.head(SAMPLE_CHARS)


def failed(recipe: Recipe, error: str, start: bytes = b"", position: int = 0) -> pl.DataFrame:
    """A batch of one bad record, of whose bytes the start is kept."""
    text = start[: 4 * SAMPLE_CHARS].decode("utf-8", "backslashreplace")
    row = {"position": str(position), "error": error, "sample": text[:SAMPLE_CHARS]}
    return batch(pl.DataFrame([row]))


def column_index(recipe: Recipe, header: tuple[str, ...], name: str) -> int:
    """Place of a column in a header; a ValueError names the columns when it is not there."""
    if name not in header:
        # Where there is no header these are the values of the first record.
        known = private.redact(pl.Series([", ".join(filter(None, header))])).item()
        raise ValueError(
            f"{recipe.file} has no column {name!r}; its columns are {known[:SAMPLE_CHARS]}"
        )
    return header.index(name)
