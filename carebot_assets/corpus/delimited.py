"""Records of csv and tsv files, whose quirks cost single records only."""

import csv
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

import polars as pl

from carebot_assets.corpus.recipes import (
    BATCH_ROWS,
    Recipe,
    batch,
    chosen,
    column_index,
    joined,
    sample,
)


def read(stream: TextIO, recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Batches of a csv or tsv file; without `columns` its first line is the header."""
    delimiter = "\t" if recipe.format.startswith("tsv") else ","
    csv.field_size_limit(max(recipe.max_chars, 1 << 17))
    reader = csv.reader(stream, delimiter=delimiter)
    try:
        header = recipe.columns or [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ValueError(f"{recipe.file} has no readable header: {error}") from None
    if not header:
        return
    indices = [column_index(recipe, tuple(header), name) for name in (*recipe.text, *recipe.where)]
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
        yield batch(chosen(frame.with_columns(positions), recipe))


def _csv_records(
    rows: list[list[str]], width: int, indices: list[int], recipe: Recipe
) -> pl.DataFrame:
    """One row a record, blank lines left out; records of a wrong width carry an error."""
    fields = pl.col("fields").list
    frame = pl.DataFrame({"fields": rows}, schema={"fields": pl.List(pl.String)})
    wrong = _is_wrong(width)
    column = [fields.get(i, null_on_oob=True) for i in indices]
    return frame.filter(fields.len() > 0).select(
        text=pl.when(~wrong).then(joined(column[: len(recipe.text)])),
        error=pl.when(wrong).then(
            pl.format("{} fields instead of {}", fields.len(), pl.lit(width))
        ),
        sample=sample(fields.join(",")),
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
