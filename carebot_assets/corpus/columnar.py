"""Records of parquet files, row group by row group."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from carebot_assets.corpus import locations
from carebot_assets.corpus.recipes import (
    BATCH_BYTES,
    BATCH_ROWS,
    Recipe,
    column_index,
    composed,
    joined,
    sample,
)


def row_groups(metadata: Any) -> list[tuple[int, int]]:
    """Where each row group begins in the file, and the number of its first row."""
    places, row = [], 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        columns = [group.column(c) for c in range(group.num_columns)]
        pages = [c.dictionary_page_offset or c.data_page_offset for c in columns]
        places.append((min(pages, default=0), row))
        row += group.num_rows
    return places


def read(recipe: Recipe) -> Iterator[pl.DataFrame]:
    """Batches of the row groups that begin inside the recipe's bytes."""
    import pyarrow.parquet as pq

    # A stream of pages: without the buffer size, a whole column of a row group would be held.
    with (
        locations.open_binary(recipe.file) as raw,
        pq.ParquetFile(raw, buffer_size=locations.CHUNK) as file,
    ):
        names = tuple(file.schema_arrow.names)
        roots = [name.split(".")[0] if name not in names else name for name in recipe.wanted]
        for root in roots:
            column_index(recipe, names, root)
        places = row_groups(file.metadata)
        groups = [i for i, (at, _) in enumerate(places) if recipe.start <= at < recipe.stop]
        number = places[groups[0]][1] if groups else 0
        rows = _batch_rows(file.metadata, groups, set(roots))
        for group in file.iter_batches(rows, row_groups=groups, columns=sorted(set(roots))):
            frame = pl.DataFrame(pl.from_arrow(group))
            values = [_field(recipe, frame.schema, name) for name in recipe.wanted]
            columns = [pl.col(f"value_{i}") for i in range(len(values))]
            found = frame.select(
                pl.int_range(number, number + pl.len()).alias("position"),
                pl.lit(None, pl.String).alias("error"),
                *(value.alias(f"value_{i}") for i, value in enumerate(values)),
            ).with_columns(sample=sample(joined(columns[: len(recipe.text)])))
            number += len(frame)
            yield composed(found, recipe, columns)


def _batch_rows(metadata: Any, groups: list[int], roots: set[str]) -> int:
    """Rows that together are about a batch, by the mean size of a row; one at least."""
    size = rows = 0
    for group in map(metadata.row_group, groups):
        columns = map(group.column, range(group.num_columns))
        size += sum(
            c.total_uncompressed_size for c in columns if c.path_in_schema.split(".")[0] in roots
        )
        rows += group.num_rows
    return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


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
