"""Records of csv and tsv files, whose quirks cost single records only.

The standard library's parser alone goes on after a bad record; it takes a quarter of the reading.
"""

import csv
from collections.abc import Iterator
from io import BufferedReader
from itertools import chain, islice, zip_longest
from typing import TextIO

import polars as pl

from carebot_assets.corpus import encodings
from carebot_assets.corpus.recipes import (
    BATCH_BYTES,
    BATCH_ROWS,
    Recipe,
    column_index,
    composed,
    sample,
)

ROWS = 200  # asked of the parser at once


class _Lines:
    """Lines of a text with their length bounded; `recent` keeps those since it was cleared."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self.recent: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        self.recent.append(line)
        return line

    def back(self, count: int) -> None:
        """The last `count` lines will be read again."""
        again = self.recent[len(self.recent) - count :]
        self._stream = chain(again, self._stream)


def read(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Batches of a csv or tsv file; without `columns` its first line is the header."""
    delimiter = "\t" if recipe.kind == "tsv" else ","
    csv.field_size_limit(recipe.max_bytes)
    with encodings.as_text(raw, recipe.encoding) as stream:
        lines = _Lines(_bounded(stream, recipe.max_bytes))
        reader = csv.reader(lines, delimiter=delimiter)
        try:
            header = recipe.columns or tuple(name.strip() for name in next(reader, []))
        except csv.Error as error:
            raise ValueError(f"{recipe.file} has no readable header: {error}") from None
        if not header:
            return
        indices = [column_index(recipe, header, name) for name in recipe.wanted]
        number = 0
        while rows := _rows(reader, lines):
            rows = _repaired(rows, len(header), delimiter)
            frame = _frame([row for row in rows if row], len(header), indices, recipe)
            positions = pl.int_range(number, number + len(frame), eager=True).alias("position")
            number += len(frame)
            values = [pl.col(f"value_{i}") for i in range(len(indices))]
            yield composed(frame.with_columns(positions), recipe, values)


def _bounded(stream: TextIO, limit: int) -> Iterator[str]:
    """Lines; what is beyond the limit of one is read and dropped, piece by piece."""
    while line := stream.readline(limit):
        yield line
        while not line.endswith("\n") and (line := stream.readline(limit)):
            pass


def _rows(reader: Iterator[list[str]], lines: _Lines) -> list[list[str]]:
    """The next rows, a batch of them at most; none at the end.

    A row that the parser refuses (a quote that was never closed runs into its limit) costs its
    first line only: the others that it swallowed are read again.
    """
    rows: list[list[str]] = []
    size = 0
    while len(rows) < BATCH_ROWS and size < BATCH_BYTES:
        lines.recent.clear()
        before = len(rows)
        try:
            rows.extend(islice(reader, ROWS))  # keeps what came before an error
        except csv.Error:
            read = sum(1 + sum(f.count("\n") for f in row) for row in rows[before:])
            rows.append([lines.recent[read].rstrip("\r\n")])
            lines.back(len(lines.recent) - read - 1)
            continue
        size += sum(map(len, lines.recent))
        if len(rows) == before:
            break
    return rows


def _frame(rows: list[list[str]], width: int, indices: list[int], recipe: Recipe) -> pl.DataFrame:
    """One row a record: value_i, error (records of a wrong width), sample."""
    lengths = list(map(len, rows))
    errors: list[str | None] = [None] * len(rows)
    for i, length in enumerate(lengths):
        if length != width and _is_wrong(rows[i], width):
            is_long = sum(map(len, rows[i])) > recipe.max_chars
            errors[i] = recipe.too_long if is_long else f"{length} fields instead of {width}"
        if length > width:
            rows[i] = rows[i][:width]
    columns = list(zip_longest(*rows)) if rows else []
    empty: tuple[str | None, ...] = (None,) * len(rows)
    # The sample is wanted of bad records only: most have an error, others are seen to be bad later.
    starts = [
        ",".join(row)[:400] if error else None for row, error in zip(rows, errors, strict=True)
    ]
    values = {
        f"value_{i}": pl.Series(columns[at] if at < len(columns) else empty, dtype=pl.String)
        for i, at in enumerate(indices)
    }
    frame = pl.DataFrame(
        {**values, "error": errors, "start": starts},
        schema_overrides={"error": pl.String, "start": pl.String},
    )
    return frame.with_columns(sample=sample(pl.coalesce("start", *values)))


def _is_wrong(row: list[str], width: int) -> bool:
    """Too few fields or too many; surplus empty ones (trailing delimiters) do no harm."""
    return len(row) < width or any(row[width:])


def _repaired(rows: list[list[str]], width: int, delimiter: str) -> list[list[str]]:
    """Rows with the lines that a quote left open had swallowed read again.

    Such a record has line breaks inside and a wrong width or, where fields are parted by tabs, a
    field with tabs. Its first line stays a broken record, the other lines become records of their
    own. Rare, so only these rows are looked at one by one.
    """
    suspects = [
        i
        for i, row in enumerate(rows)
        if len(row) != width or (delimiter == "\t" and "\t".join(row).count("\t") >= width)
    ]
    for place in reversed(suspects):
        row = rows[place]
        whole = delimiter.join(row)
        swallowed = _is_wrong(row, width) or (delimiter == "\t" and whole.count("\t") >= len(row))
        if not swallowed or "\n" not in whole:
            continue
        first, *rest = whole.splitlines()
        broken = first.split(delimiter)
        # The right number of fields does not help: the quote was never closed.
        rows[place : place + 1] = [
            broken[: width - 1] if len(broken) >= width else broken,
            *csv.reader(rest, delimiter=delimiter, quoting=csv.QUOTE_NONE),
        ]
    return rows
