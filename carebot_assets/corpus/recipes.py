"""What the readers of all formats share: the recipe of a source and the form of a batch.

A batch has the columns `position`, `text`, `error` and `sample`. A record without `error` may still
have no text: that is for the caller to see.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import encodings
from carebot_assets.settings import CorpusSource

BATCH_ROWS = 2000
SAMPLE_CHARS = 300
BAD_BYTES = "undecodable bytes"
SCHEMA = pl.Schema({name: pl.String for name in ("position", "text", "error", "sample")})


@dataclass(frozen=True)
class Recipe:
    """How a record of a file becomes text."""

    file: Path
    format: str
    encoding: str
    text: tuple[str, ...]
    columns: tuple[str, ...] | None
    where: dict[str, str]
    max_chars: int

    @classmethod
    def of(cls, row: dict[str, Any], max_chars: int) -> "Recipe":
        """Recipe of a row of `corpus_manifest`."""
        source = CorpusSource.model_validate({"path": "", **json.loads(row["recipe"])})
        text = (source.text,) if isinstance(source.text, str) else tuple(source.text)
        columns = tuple(source.columns) if source.columns else None
        return cls(
            Path(row["file"]),
            row["format"],
            row["encoding"],
            text,
            columns,
            source.where or {},
            max_chars,
        )


def batch(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of a batch."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def joined(parts: list[pl.Expr]) -> pl.Expr:
    """Text columns joined by a blank line, empty parts left out."""
    filled = [pl.when(part.str.contains(r"\S")).then(part) for part in parts]
    return pl.concat_str(filled, separator="\n\n", ignore_nulls=True)


def undecodable(column: str) -> pl.Expr:
    """Whether bytes of a column could not be decoded."""
    return pl.col(column).str.contains(encodings.UNDECODABLE, literal=True)


def sample(text: pl.Expr) -> pl.Expr:
    """Start of a record, kept in case that it is bad."""
    return text.str.head(SAMPLE_CHARS)


def chosen(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The records that `where` asks for; one too broken to tell stays."""
    for i, value in enumerate(recipe.where.values()):
        found = pl.col(f"where_{i}")
        unknown = found.is_null() & pl.col("error").is_not_null()
        frame = frame.filter(found.eq(value).fill_null(False) | unknown)
    return frame


def column_index(recipe: Recipe, header: tuple[str, ...], name: str) -> int:
    """Place of a column in a header; a ValueError names the columns when it is not there."""
    if name not in header:
        known = ", ".join(filter(None, header))
        raise ValueError(f"{recipe.file} has no column {name!r}; its columns are {known}")
    return header.index(name)
