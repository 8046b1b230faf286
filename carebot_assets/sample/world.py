"""Writes a whole sample world: corpus, dialogues, benchmarks and the truth about them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from carebot_assets.sample.benchmarks import Benchmarks
from carebot_assets.sample.corpus import Corpus, Record, apportion
from carebot_assets.sample.files import write_file
from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.publishers import PUBLISHERS, Dialogues
from carebot_assets.sample.sources import RECORDS_PER_FILE, SOURCES, Source

CORPUS_TRUTH = pa.schema(
    {
        "source": pa.string(),
        "file": pa.string(),
        "position": pa.int64(),
        "entry_id": pa.string(),
        "domain": pa.string(),
        "medical": pa.bool_(),
        "lang": pa.string(),
        "form": pa.string(),
        "dirt": pa.list_(pa.string()),
        "private_kinds": pa.list_(pa.string()),
        "duplicate_of": pa.string(),
        "leaked_item": pa.string(),
        "quality": pa.int8(),
    }
)
DIALOGUE_TRUTH = pa.schema(
    {
        "source": pa.string(),
        "position": pa.int64(),
        "entry_id": pa.string(),
        "lang": pa.string(),
        "kind": pa.string(),
        "dirt": pa.list_(pa.string()),
    }
)
_TRUTH_ROWS = 2_000


def write_world(
    out: Path, *, documents: int, dialogues: int, questions: int, seed: int
) -> dict[str, int]:
    """Writes `corpus/`, `dialogues/`, `benchmarks/` and `truth/` under `out`.

    The same arguments give the same bytes. Records are made one by one and never collected, so
    memory does not grow with `documents`; the benchmarks (`questions`) are held.

    Args:
        documents: records of the corpus over all sources.
        dialogues: training dialogues over all publishers.
        questions: items of each of medqa, cmmlu_med and pubmedqa; cmtmedqa has a quarter.
        seed: of every random choice.

    Returns:
        Name -> number of records, for each source, publisher and benchmark, and the sums
        documents and dialogues.

    Raises:
        ValueError: for a negative number, or more questions than the knowledge base can give.
    """
    for name, number in (
        ("documents", documents),
        ("dialogues", dialogues),
        ("questions", questions),
    ):
        if number < 0:
            raise ValueError(f"{name} is {number}, allowed: 0 or more")
    kb = KnowledgeBase(load_knowledge())
    benchmarks = Benchmarks(kb, questions, seed)
    counts = {f"benchmarks/{k}": n for k, n in benchmarks.write(out / "benchmarks").items()}
    (out / "truth").mkdir(parents=True, exist_ok=True)
    corpus = Corpus(kb, benchmarks, documents, seed)
    _write_truth(out / "truth/corpus.parquet", CORPUS_TRUTH, _write_corpus(out / "corpus", corpus))
    talks = Dialogues(kb, benchmarks, seed)
    shares = apportion({one.name: one.share for one in PUBLISHERS}, dialogues)
    rows = _write_dialogues(out / "dialogues", talks, shares)
    _write_truth(out / "truth/dialogues.parquet", DIALOGUE_TRUTH, rows)
    counts |= {f"corpus/{name}": number for name, number in corpus.counts.items()}
    counts |= {f"dialogues/{name}": number for name, number in shares.items()}
    return counts | {"documents": documents, "dialogues": dialogues}


def _write_corpus(folder: Path, corpus: Corpus) -> Iterator[dict[str, Any]]:
    """Writes every source file by file, yielding the truth row of each record."""
    for source in SOURCES:
        count = corpus.counts[source.name]
        (folder / source.name).mkdir(parents=True, exist_ok=True)
        for first in range(0, count, RECORDS_PER_FILE):
            truth: list[dict[str, Any]] = []
            indexes = range(first, min(first + RECORDS_PER_FILE, count))
            path = folder / source.name / source.file(first)
            write_file(path, source, _noting(corpus, source, indexes, truth))
            yield from truth


def _noting(
    corpus: Corpus, source: Source, indexes: range, truth: list[dict[str, Any]]
) -> Iterator[Record]:
    """The records of one file; their truth rows go to `truth` as they pass."""
    for index in indexes:
        record = corpus.record(source, index)
        truth.append(
            {
                "source": source.name,
                "file": source.file(index),
                "position": index % RECORDS_PER_FILE,
                "entry_id": record.entry.id,
                "domain": record.entry.domain,
                "medical": record.entry.medical,
                "lang": source.lang,
                "form": record.form,
                "dirt": list(record.dirt),
                "private_kinds": list(record.private_kinds),
                "duplicate_of": record.duplicate_of,
                "leaked_item": record.leaked_item,
                "quality": record.quality,
            }
        )
        yield record


def _write_dialogues(
    folder: Path, talks: Dialogues, shares: dict[str, int]
) -> Iterator[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    for publisher in PUBLISHERS:
        for position, exchange in talks.write(folder, publisher, shares[publisher.name]):
            yield {
                "source": publisher.name,
                "position": position,
                "entry_id": exchange.entry.id,
                "lang": publisher.lang,
                "kind": exchange.kind,
                "dirt": list(exchange.dirt),
            }


def _write_truth(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := list(islice(rows, _TRUTH_ROWS)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
