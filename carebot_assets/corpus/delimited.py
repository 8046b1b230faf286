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
CUT_OFF = "unexpected end of data"  # as the parser says it


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
        reader = csv.reader(lines, delimiter=_delimiter(recipe))
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

    A row whose quote was never closed costs its first line only: the others that it swallowed are
    read again. One whose quote closes beyond the limit is one record, as long as it may be.
    """
    rows: list[list[str]] = []
    errors: dict[int, str] = {}
    size, asked = 0, ROWS
    while len(rows) < BATCH_ROWS and size < BATCH_BYTES:
        lines.recent.clear()
        new: list[list[str]] = []
        overflow = None
        try:
            new.extend(islice(reader, asked))  # keeps what came before an error
        except csv.Error:
            overflow = UNCLOSED
        place, error = _swallower(new, lines.recent, width, recipe)
        error = error or overflow
        asked = min(2 * asked, ROWS)
        kept = new[:place]
        if error:
            read = sum(map(_num_lines, kept))
            first = lines.recent[read]
            if place == len(new) and _closes_later(lines, read, recipe):
                error = recipe.too_long
            else:
                lines.back(len(lines.recent) - read - 1)
                if len(first) >= recipe.max_bytes:
                    error = recipe.too_long
            kept.append([first.rstrip("\r\n")])
            asked = 1  # what follows may be as bad, and is read once more each time
        rows += filter(None, kept)
        if error:
            errors[len(rows) - 1] = error
        size += sum(map(len, lines.recent))
        if not new and not error:
            break
    return rows, errors


def _num_lines(row: list[str]) -> int:
    return 1 + sum(field.count("\n") for field in row)


def _swallower(
    rows: list[list[str]], lines: list[str], width: int, recipe: Recipe
) -> tuple[int, str | None]:
    """Place of the first row that holds lines which are none of its own, and what is wrong; the
    number of rows where there is none.

    Such a row has line breaks inside and quotes that a strict parser refuses (or closed by chance:
    then a wrong width or, where fields are parted by tabs, a field with tabs). The last row of a
    file may be cut off inside quotes.
    """
    every_line_is_a_row = len(lines) == len(rows) and (
        not rows or (_num_lines(rows[-1]) == 1 and lines[-1].endswith("\n"))
    )
    if every_line_is_a_row:
        return len(rows), None
    at = 0
    for place, row in enumerate(rows):
        count = _num_lines(row)
        own = lines[at : at + count]
        at += count
        if count == 1 and own[-1].endswith("\n"):
            continue
        fault = _fault(own, recipe)
        if fault == CUT_OFF or (fault and count > 1):
            return place, UNCLOSED
        is_tabbed = recipe.kind == "tsv" and "\t".join(row).count("\t") >= len(row)
        if count > 1 and (_is_wrong(row, width) or is_tabbed):
            return place, f"{own[0].count(_delimiter(recipe)) + 1} fields instead of {width}"
    return len(rows), None


def _fault(lines: Iterable[str], recipe: Recipe) -> str | None:
    """What a strict parser has against the first row of some lines."""
    try:
        next(csv.reader(lines, delimiter=_delimiter(recipe), strict=True), None)
    except csv.Error as error:
        return str(error)
    return None


def _closes_later(lines: _Lines, start: int, recipe: Recipe) -> bool:
    """Whether the row from line `start` on, too long to be held by the parser, ends after all
    within `LOOK_AHEAD` times its limit; if so it has been read to its end."""
    csv.field_size_limit(LOOK_AHEAD * recipe.max_bytes)
    try:
        return _fault(chain(lines.recent[start:], lines), recipe) is None
    finally:
        csv.field_size_limit(recipe.max_bytes)


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
