"""How tables are written as parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl

Compression = Literal["zstd", "lz4", "uncompressed"]

# Half the time of the codec's own level, files a quarter larger: writing text costs a stage most.
ZSTD_LEVEL = 1
# Readers decode whole row groups: their memory is a multiple of a group's text. What they do for
# each group (regexes are compiled anew) costs as much as some thousand documents.
ROW_GROUP = 16_384
GROUP_BYTES = 16_000_000
TEXT = "text"
# Strings that hardly repeat: a dictionary of them is no use.
_DISTINCT = (TEXT, "doc_id", "origin")


def write(lazy: pl.LazyFrame, path: Path, compression: Compression) -> None:
    """Write the frame, streaming; of a table with a column `text` no row group holds more than
    about `GROUP_BYTES` of it."""
    level = ZSTD_LEVEL if compression == "zstd" else None
    if TEXT in lazy.collect_schema():
        _write_text(lazy, path, compression, level)
        return
    lazy.sink_parquet(
        path,
        compression=compression,
        compression_level=level,
        row_group_size=ROW_GROUP,
        maintain_order=True,
    )


def _write_text(
    lazy: pl.LazyFrame, path: Path, compression: Compression, level: int | None
) -> None:
    # Polars sizes row groups by rows only.
    import pyarrow.parquet as pq

    empty = pl.DataFrame(schema=lazy.collect_schema())
    strings = [name for name, dtype in empty.schema.items() if dtype == pl.String]
    with pq.ParquetWriter(
        path,
        _arrow(empty).schema,
        compression="none" if compression == "uncompressed" else compression,
        compression_level=level,
        use_dictionary=[name for name in strings if name not in _DISTINCT],
        # Least and greatest text would be written out whole, and nobody asks for them.
        write_statistics=[name for name in empty.columns if name != TEXT],
    ) as writer:
        for group in groups(lazy):
            writer.write_table(_arrow(group), len(group))


def groups(lazy: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The rows in order, in pieces of at most `ROW_GROUP` rows and about `GROUP_BYTES`."""
    parts: list[pl.DataFrame] = []
    rows = size = 0
    for batch in lazy.collect_batches(chunk_size=ROW_GROUP // 8, maintain_order=True):
        num_bytes = int(batch[TEXT].str.len_bytes().sum())
        if parts and (size + num_bytes > GROUP_BYTES or rows + len(batch) > ROW_GROUP):
            yield pl.concat(parts)
            parts, rows, size = [], 0, 0
        parts.append(batch)
        rows, size = rows + len(batch), size + num_bytes
    if parts:
        yield pl.concat(parts)


def _arrow(frame: pl.DataFrame) -> Any:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
