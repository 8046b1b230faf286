"""One small world, written once, and readers for its formats."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
import zstandard

from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.sources import SOURCES
from carebot_assets.sample.world import write_world

WORLD: dict[str, int] = {"documents": 2_400, "dialogues": 1_200, "questions": 80, "seed": 7}


@pytest.fixture(scope="session")
def kb() -> KnowledgeBase:
    return KnowledgeBase(load_knowledge())


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    write_world(out, **WORLD)
    return out


@pytest.fixture(scope="session")
def truth(world: Path) -> list[dict[str, Any]]:
    return pl.read_parquet(world / "truth/corpus.parquet").to_dicts()


@pytest.fixture(scope="session")
def stored(world: Path) -> dict[str, Any]:
    """source/file#position -> (head, body), or the raw line where it cannot be parsed."""
    records: dict[str, Any] = {}
    for source in SOURCES:
        for path in sorted((world / "corpus" / source.name).iterdir()):
            for position, record in enumerate(read_records(path, source.encoding)):
                records[f"{source.name}/{path.name}#{position}"] = record
    return records


def read_records(path: Path, encoding: str) -> list[Any]:
    """All records of a file by position; a broken JSON line stays bytes."""
    if path.suffix == ".parquet":
        return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
    raw = path.read_bytes()
    if path.suffix in (".csv", ".tsv"):
        text = io.StringIO(raw.decode(encoding), newline="")
        rows = csv.reader(text, delimiter="\t" if path.suffix == ".tsv" else ",")
        return [tuple(row) for row in rows][1:]
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    elif path.suffix == ".zst":
        raw = zstandard.ZstdDecompressor().stream_reader(raw).read()
    return [_parsed(line) for line in raw.split(b"\n")[:-1]]


def _parsed(line: bytes) -> Any:
    try:
        return tuple(json.loads(line).values())
    except ValueError:  # also UnicodeDecodeError
        return line
