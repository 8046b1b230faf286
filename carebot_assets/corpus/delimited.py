"""Records of csv and tsv files, whose quirks cost single records only.

The standard library's parser alone goes on after a bad record; it takes a quarter of the reading.
"""

import csv
from collections.abc import Iterable, Iterator
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
LOOK_AHEAD = 4
UNCLOSED = "a quote is never closed"
# As the parser says it.
CUT_OFF = "unexpected end of data"
LIMIT, STRAY = "field larger than field limit", "new-line character seen in unquoted field"


class _Lines:
    """Lines of a text with their length bounded; `recent` keeps those since it was cleared."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._again: list[str] = []
        self.recent: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._stream)
        self.recent.append(line)
        return line

    def back(self, count: int) -> None:
        """The last `count` lines will be read again."""
        self._again += reversed(self.recent[len(self.recent) - count :])


def read(raw: BufferedReader, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Batches of a csv or tsv file; without `columns` its first line is the header."""
    csv.field_size_limit(recipe.max_bytes)
    with encodings.as_text(raw, recipe.encoding) as stream:
        lines = _Lines(_bounded(stream, recipe.max_bytes))
        reader = _parser(lines, recipe)
        try:
            header = recipe.columns or tuple(name.strip() for name in next(reader, []))
        except csv.Error as error:
            raise ValueError(f"{recipe.file} has no readable header: {error}") from None
        if not header:
            return
        indices = [column_index(recipe, header, name) for name in recipe.wanted]
        number = 0
        while True:
            rows, errors = _rows(reader, lines, len(header), recipe)
            if not rows:
                return
            frame = _frame(rows, errors, len(header), indices, recipe)
            positions = pl.int_range(number, number + len(frame), eager=True).alias("position")
            number += len(frame)
            values = [pl.col(f"value_{i}") for i in range(len(indices))]
            yield composed(frame.with_columns(positions), recipe, values)


def _delimiter(recipe: Recipe) -> str:
    return "\t" if recipe.kind == "tsv" else ","


def _parser(lines: Iterable[str], recipe: Recipe) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=_delimiter(recipe), strict=True)


def _bounded(stream: TextIO, limit: int) -> Iterator[str]:
    """Lines; what is beyond the limit of one is read and dropped, piece by piece."""
    while line := stream.readline(limit):
        yield line
        while not line.endswith("\n") and (line := stream.readline(limit)):
            pass


def _rows(
    reader: Iterator[list[str]], lines: _Lines, width: int, recipe: Recipe
) -> tuple[list[list[str]], dict[int, str]]:
    """The next rows, a batch of them at most (none at the end), and what is wrong with some.

    The parser is strict, so that it stops where a quote that was left open meets another. Such a
    row costs its first line only: the others that it swallowed are read again. One whose quote
    closes beyond the limit is one record, as long as it may be.
    """
    rows: list[list[str]] = []
    errors: dict[int, str] = {}
    size, asked = 0, ROWS
    while not rows or (len(rows) < BATCH_ROWS and size < BATCH_BYTES):
        lines.recent.clear()
        new: list[list[str]] = []
        fault = error = None
        try:
            new.extend(islice(reader, asked))  # keeps what came before an error
        except csv.Error as stopped:
            fault = str(stopped)
        swallower = _swallower(new, lines.recent, width, recipe)
        kept = new[:swallower]
        start = sum(map(_num_lines, kept)) if fault or swallower is not None else 0
        if swallower is not None:
            num_fields = len(new[swallower])
            error = f"{num_fields} fields instead of {width}" if num_fields != width else UNCLOSED
            kept.append(_first_line(lines, start))
        elif fault:
            row, error = _refused(lines, start, fault, recipe)
            kept.append(row)
        elif not new:
            break
        rows += filter(None, kept)
        size += sum(map(len, lines.recent))
        if error:
            errors[len(rows) - 1] = error
        # What follows a bad row may be as bad, and is read once more each time.
        asked = 1 if error else min(2 * asked, ROWS)
    return rows, errors


def _refused(lines: _Lines, start: int, fault: str, recipe: Recipe) -> tuple[list[str], str | None]:
    """The row from line `start` on, which the parser refuses, and what is wrong with it."""
    first = lines.recent[start]
    if fault.startswith(LIMIT) and _closes_later(lines, start, recipe):
        return [first], recipe.too_long
    is_line = len(lines.recent) == start + 1
    if is_line and fault != CUT_OFF and (row := _loosely(first, recipe)):
        return row, None
    error = "a carriage return inside a field" if fault.startswith(STRAY) else UNCLOSED
    is_long = len(first) >= recipe.max_bytes
    return _first_line(lines, start), recipe.too_long if is_long else error


def _first_line(lines: _Lines, start: int) -> list[str]:
    """A row of line `start` alone; the lines behind it will be read again."""
    lines.back(len(lines.recent) - start - 1)
    return [lines.recent[start].rstrip("\r\n")]


def _num_lines(row: list[str]) -> int:
    return 1 + sum(field.count("\n") for field in row)


def _swallower(rows: list[list[str]], lines: list[str], width: int, recipe: Recipe) -> int | None:
    """Place of the first row with lines that are none of its own, though its quotes close: by
    chance. Then it has a wrong width or, where fields are parted by tabs, a field with tabs."""
    if len(lines) == len(rows):
        return None
    for place, row in enumerate(rows):
        is_wrong = len(row) != width and _is_wrong(row, width)
        is_tabbed = recipe.kind == "tsv" and "\t".join(row).count("\t") >= len(row)
        if (is_wrong or is_tabbed) and _num_lines(row) > 1:
            return place
    return None


def _loosely(line: str, recipe: Recipe) -> list[str] | None:
    """The row of a line with a quote out of place; None where it is not a row by itself."""
    try:
        row = next(csv.reader([line], delimiter=_delimiter(recipe)))
    except csv.Error:
        return None
    return row if _num_lines(row) == 1 else None


def _closes_later(lines: _Lines, start: int, recipe: Recipe) -> bool:
    """Whether the row from line `start` on, too long to be held by the parser, ends as it should
    within `LOOK_AHEAD` times its limit; if so it has been read to its end."""
    csv.field_size_limit(LOOK_AHEAD * recipe.max_bytes)
    try:
        next(_parser(chain(lines.recent[start:], lines), recipe))
    except csv.Error:
        return False
    finally:
        csv.field_size_limit(recipe.max_bytes)
    return True


def _frame(
    rows: list[list[str]],
    known: dict[int, str],
    width: int,
    indices: list[int],
    recipe: Recipe,
) -> pl.DataFrame:
    """One row a record: value_i, error (a known one, or a wrong width), sample."""
    lengths = list(map(len, rows))
    errors: list[str | None] = [known.get(i) for i in range(len(rows))]
    for i, length in enumerate(lengths):
        if length != width and errors[i] is None and _is_wrong(rows[i], width):
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
