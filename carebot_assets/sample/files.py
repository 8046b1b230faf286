"""Writes the records of one corpus source in its own format, one file at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from carebot_assets.sample.corpus import Record
from carebot_assets.sample.sources import Source

_ROWS_PER_GROUP = 500
_NOT_UTF8 = b"\xff\xfe\x80"


def write_file(path: Path, source: Source, records: Iterable[Record]) -> None:
    """Writes `records` to `path` in the layout of `source`; nothing but the file is held."""
    if source.layout == "parquet":
        _write_parquet(path, source, records)
        return
    with _opened(path) as file:
        if source.layout.startswith("jsonl"):
            for record in records:
                file.write(_line(source, record))
            return
        text = io.TextIOWrapper(file, encoding=source.encoding, newline="")
        delimiter = "\t" if source.layout == "tsv" else ","
        rows = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        rows.writerow(source.fields)
        rows.writerows((record.head, record.body) for record in records)
        text.flush()
        text.detach()


def _line(source: Source, record: Record) -> bytes:
    """One JSON line, damaged where the record says so."""
    content = dict(zip(source.fields, (record.head, record.body), strict=True))
    line = json.dumps(content, ensure_ascii=False)
    if "malformed_json" in record.dirt:
        return line[: len(line) // 2].encode() + b"\n"
    if "undecodable_bytes" in record.dirt:
        raw = line.encode()
        return raw[: len(raw) // 2] + _NOT_UTF8 + raw[len(raw) // 2 :] + b"\n"
    return line.encode() + b"\n"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, compressed by its suffix; no time stamp or name goes into the bytes."""
    with open(path, "wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        elif path.suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(raw) as packed_zst:
                yield cast(BinaryIO, packed_zst)
        else:
            yield raw


def _write_parquet(path: Path, source: Source, records: Iterable[Record]) -> None:
    schema = pa.schema([(name, pa.string()) for name in source.fields])
    left = iter(records)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while rows := list(islice(left, _ROWS_PER_GROUP)):
            columns = [[row.head for row in rows], [row.body for row in rows]]
            writer.write_table(pa.table(columns, schema=schema))
