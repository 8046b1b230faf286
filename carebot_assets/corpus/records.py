"""Records of one file, in batches (see `recipes`).

Memory is bounded by the batch, whatever the file's size, but for `json`, which is parsed whole.
"""

from collections.abc import Callable, Iterator
from typing import Any, TextIO

import polars as pl

from carebot_assets.corpus import delimited, encodings, jsonpaths
from carebot_assets.corpus.recipes import (
    BAD_BYTES,
    BATCH_ROWS,
    Recipe,
    batch,
    chosen,
    column_index,
    joined,
    sample,
    undecodable,
)

BATCH_CHARS = 1 << 22


def read(recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Records of a file in its order.

    Raises:
        ValueError: the file cannot be read as its format, or lacks a configured column.
    """
    import pyarrow as pa

    kind = recipe.format.partition(".")[0]
    try:
        if kind == "parquet":
            yield from _parquet(recipe)
            return
        with encodings.open_text(recipe.file, recipe.format, recipe.encoding) as stream:
            yield from _READERS[kind](stream, recipe)
    except (OSError, EOFError, pa.ArrowException) as error:
        raise ValueError(
            f"{recipe.file} cannot be read as {recipe.format} ({recipe.encoding}): {error}"
        ) from None


def _lines(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Frames of whole lines that are not blank: `position` (number of the line), `line`."""
    limit, number = 8 * recipe.max_chars, 0
    while chunk := stream.read(BATCH_CHARS):
        chunk += stream.readline(limit)
        while not chunk.endswith("\n") and (rest := stream.readline(limit)):
            # The line is far over any limit: its tail is read and dropped, piece by piece.
            chunk += "\n" if rest.endswith("\n") else ""
        lines = pl.Series("line", [chunk.removesuffix("\n")]).str.split("\n").explode()
        frame = pl.DataFrame(
            {"position": pl.int_range(number, number + len(lines), eager=True), "line": lines}
        )
        number += len(lines)
        yield frame.with_columns(pl.col("line").str.strip_suffix("\r")).filter(
            pl.col("line").str.contains(r"\S")
        )


def _plain_lines(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    for frame in _lines(stream, recipe):
        yield batch(
            frame.select("position", text="line", error=pl.lit(None), sample=sample(pl.col("line")))
        )


def _json_lines(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    for frame in _lines(stream, recipe):
        yield _json_records(frame, recipe)


def _json(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    text = stream.read().strip()
    if not text:
        return
    if not jsonpaths.is_valid(text):
        raise ValueError(f"{recipe.file} cannot be read as json: malformed")
    frame = pl.DataFrame({"position": [""], "line": [text]})
    yield _json_records(frame, recipe, root_list=text.startswith("["))


def _json_records(frame: pl.DataFrame, recipe: Recipe, root_list: bool = False) -> pl.DataFrame:
    found = jsonpaths.extract(frame, recipe.text, tuple(recipe.where), root_list)
    parts = [pl.col(f"text_{i}") for i in range(len(recipe.text))]
    return batch(
        chosen(found, recipe).select(
            "position",
            text=pl.when(pl.col("error").is_null()).then(joined(parts)),
            error=pl.when(undecodable("line")).then(pl.lit(BAD_BYTES)).otherwise("error"),
            sample=sample(pl.col("line")),
        )
    )


def _text_file(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    text = stream.read(recipe.max_chars + 1)
    if text:
        yield batch(
            pl.DataFrame({"position": ["0"], "text": [text]}).with_columns(
                error=pl.lit(None), sample=sample(pl.col("text"))
            )
        )


def _parquet(recipe: Recipe) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(recipe.file) as file:
        names = tuple(file.schema_arrow.names)
        wanted = (*recipe.text, *recipe.where)
        roots = [name.split(".")[0] if name not in names else name for name in wanted]
        for root in roots:
            column_index(recipe, names, root)
        number = 0
        for group in file.iter_batches(BATCH_ROWS, columns=sorted(set(roots))):
            frame = pl.DataFrame(pl.from_arrow(group))
            values = [_field(recipe, frame.schema, name) for name in wanted]
            text = joined(values[: len(recipe.text)])
            rows = frame.select(
                pl.int_range(number, number + pl.len()).alias("position"),
                text.alias("text"),
                pl.lit(None, pl.String).alias("error"),
                sample(text).alias("sample"),
                *(v.alias(f"where_{i}") for i, v in enumerate(values[len(recipe.text) :])),
            )
            number += len(frame)
            yield batch(chosen(rows, recipe))


def _field(recipe: Recipe, schema: pl.Schema, name: str) -> pl.Expr:
    """A text column, or a field of a struct column as `column.field`."""
    root, *fields = [name] if name in schema else name.split(".")
    dtype: Any = schema[root]
    value = pl.col(root)
    for field in fields:
        if not isinstance(dtype, pl.Struct) or field not in dtype.to_schema():
            raise ValueError(f"{recipe.file} has no column {name!r}; {root} is {dtype}")
        dtype, value = dtype.to_schema()[field], value.struct.field(field)
    if name in recipe.text and dtype not in (pl.String, pl.Categorical, pl.Null):
        raise ValueError(f"{recipe.file}: column {name!r} is {dtype}, not text")
    return value.cast(pl.String)


_READERS: dict[str, Callable[[TextIO, Recipe], Iterator[pl.DataFrame]]] = {
    "jsonl": _json_lines,
    "json": _json,
    "csv": delimited.read,
    "tsv": delimited.read,
    "txt": _text_file,
    "lines": _plain_lines,
}
