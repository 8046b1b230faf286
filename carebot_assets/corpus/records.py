"""Records of one file, in batches: frames with `position`, `text`, `error` and `sample`.

Exactly one of `text` and `error` is set. Memory is bounded by the batch, whatever the file's size,
but for `json`, which is parsed whole.
"""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from carebot_assets.corpus import encodings, jsonpaths
from carebot_assets.settings import CorpusSource

BATCH_CHARS = 1 << 22
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


def _batch(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def joined(parts: list[pl.Expr]) -> pl.Expr:
    """Text columns joined by a blank line, empty parts left out."""
    filled = [pl.when(part.str.contains(r"\S")).then(part) for part in parts]
    return pl.concat_str(filled, separator="\n\n", ignore_nulls=True)


def undecodable(column: str) -> pl.Expr:
    return pl.col(column).str.contains(encodings.UNDECODABLE, literal=True)


def _sample(text: pl.Expr) -> pl.Expr:
    return text.str.head(SAMPLE_CHARS)


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
        yield _batch(
            frame.select(
                "position", text="line", error=pl.lit(None), sample=_sample(pl.col("line"))
            )
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
    return _batch(
        _chosen(found, recipe).select(
            "position",
            text=pl.when(pl.col("error").is_null()).then(joined(parts)),
            error=pl.when(undecodable("line")).then(pl.lit(BAD_BYTES)).otherwise("error"),
            sample=_sample(pl.col("line")),
        )
    )


def _chosen(frame: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The records that `where` asks for; one too broken to tell stays."""
    for i, value in enumerate(recipe.where.values()):
        found = pl.col(f"where_{i}")
        unknown = found.is_null() & pl.col("error").is_not_null()
        frame = frame.filter(found.eq(value).fill_null(False) | unknown)
    return frame


def _csv(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    delimiter = "\t" if recipe.format.startswith("tsv") else ","
    csv.field_size_limit(max(recipe.max_chars, 1 << 17))
    reader = csv.reader(stream, delimiter=delimiter)
    try:
        header = recipe.columns or [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ValueError(f"{recipe.file} has no readable header: {error}") from None
    if not header:
        return
    indices = {name: _index(recipe, tuple(header), name) for name in (*recipe.text, *recipe.where)}
    number, more = 0, True
    while more:
        rows: list[list[str]] = []
        problem = None
        try:
            rows.extend(islice(reader, BATCH_ROWS))  # keeps what came before an error
            more = len(rows) == BATCH_ROWS
        except csv.Error as error:
            problem = str(error)
        frame = _csv_records(_repaired(rows, len(header), delimiter), len(header), indices, recipe)
        if problem:
            frame = pl.concat([frame, pl.DataFrame({"error": [problem]})], how="diagonal")
        positions = pl.int_range(number, number + len(frame), eager=True).alias("position")
        number += len(frame)
        yield _batch(_chosen(frame.with_columns(positions), recipe))


def _csv_records(
    rows: list[list[str]], width: int, indices: dict[str, int], recipe: Recipe
) -> pl.DataFrame:
    """One row a record, blank lines left out; records of a wrong width carry an error."""
    fields = pl.col("fields").list
    frame = pl.DataFrame({"fields": rows}, schema={"fields": pl.List(pl.String)})
    wrong = _is_wrong(width)
    column = [fields.get(i, null_on_oob=True) for i in indices.values()]
    return frame.filter(fields.len() > 0).select(
        text=pl.when(~wrong).then(joined(column[: len(recipe.text)])),
        error=pl.when(wrong).then(
            pl.format("{} fields instead of {}", fields.len(), pl.lit(width))
        ),
        sample=_sample(fields.join(",")),
        **{f"where_{i}": column[len(recipe.text) + i] for i in range(len(recipe.where))},
    )


def _is_wrong(width: int) -> pl.Expr:
    """Too few fields or too many; surplus empty ones (trailing delimiters) do no harm."""
    fields = pl.col("fields").list
    return (fields.len() < width) | fields.slice(width).list.join("").ne("")


def _repaired(rows: list[list[str]], width: int, delimiter: str) -> list[list[str]]:
    """Rows with the lines that a quote left open had swallowed read again.

    Such a record has line breaks inside and a wrong width or, where fields are parted by tabs, a
    field with tabs. Its first line stays a broken record, the other lines become records of their
    own. Rare, so only these rows are looked at one by one.
    """
    frame = pl.DataFrame({"fields": rows}, schema={"fields": pl.List(pl.String)})
    content = pl.col("fields").list.join("")
    has_tab = content.str.contains("\t") if delimiter == "\t" else pl.lit(False)
    swallowed = (_is_wrong(width) | has_tab) & content.str.contains("\n")
    for place in reversed(frame.select(swallowed.arg_true()).to_series().to_list()):
        first, *rest = delimiter.join(rows[place]).splitlines()
        lines = list(csv.reader(rest, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        broken = first.split(delimiter)
        # The right number of fields does not help: the quote was never closed.
        rows[place : place + 1] = [broken[: width - 1] if len(broken) >= width else broken, *lines]
    return rows


def _index(recipe: Recipe, header: tuple[str, ...], name: str) -> int:
    if name not in header:
        known = ", ".join(filter(None, header))
        raise ValueError(f"{recipe.file} has no column {name!r}; its columns are {known}")
    return header.index(name)


def _text_file(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    text = stream.read(recipe.max_chars + 1)
    if text:
        yield _batch(
            pl.DataFrame({"position": ["0"], "text": [text]}).with_columns(
                error=pl.lit(None), sample=_sample(pl.col("text"))
            )
        )


def _parquet(recipe: Recipe) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(recipe.file) as file:
        names = tuple(file.schema_arrow.names)
        wanted = (*recipe.text, *recipe.where)
        roots = [name.split(".")[0] if name not in names else name for name in wanted]
        for root in roots:
            _index(recipe, names, root)
        number = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=sorted(set(roots))):
            frame = pl.DataFrame(pl.from_arrow(batch))
            values = [_field(recipe, frame.schema, name) for name in wanted]
            text = joined(values[: len(recipe.text)])
            rows = frame.select(
                pl.int_range(number, number + pl.len()).alias("position"),
                text.alias("text"),
                pl.lit(None, pl.String).alias("error"),
                _sample(text).alias("sample"),
                *(v.alias(f"where_{i}") for i, v in enumerate(values[len(recipe.text) :])),
            )
            number += len(frame)
            yield _batch(_chosen(rows, recipe))


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
    "csv": _csv,
    "tsv": _csv,
    "txt": _text_file,
    "lines": _plain_lines,
}
