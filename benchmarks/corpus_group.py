"""The corpus group from raw parquet to filtered corpus: throughput, growth and memory.

    python -m benchmarks.corpus_group [--documents 10000 100000] [--shard-mb 64] [--rounds 3]
                                      [--min-bytes 0] [--to filtered_corpus] [--one-cpu]

The sample world at scale (text of both languages, about 1 kB a document) is written as parquet
files of `--shard-mb` of text each, a file a shard. Every asset of the group and all its checks then
run as `carebot run` runs them: one Dagster run a shard on a persistent instance, in a process of
its own; with `--to`, only an asset and what it needs, as `carebot run ASSET` does. The two judges
that are models are replaced by stand-ins that decide by the document's id.

Seconds are CPU seconds of the whole process, start and imports included; the Dagster home has been
initialised before (`carebot init`). With `--one-cpu` the process has one processor, as a worker of
a cluster that runs a shard on each of its own: threads cost nothing there. Prints one JSON line.
"""

import argparse
import heapq
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

SEED = 11
QUESTIONS = 400
ROW_GROUP = 2_000
PACKAGES = ("dagster", "polars", "duckdb", "numba", "pyarrow")


def write_world(
    folder: Path, documents: int, shard_mb: float, min_bytes: int = 0
) -> dict[str, int]:
    """Parquet files `corpus/{lang}/*.parquet` of so much text each, and the benchmarks' files; of
    the documents, those of `min_bytes` or more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from carebot_assets.sample.benchmarks import Benchmarks
    from carebot_assets.sample.corpus import Corpus
    from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge

    kb = KnowledgeBase(load_knowledge())
    benchmarks = Benchmarks(kb, QUESTIONS, SEED)
    benchmarks.write(folder / "benchmarks")
    corpus = Corpus(kb, benchmarks, documents, SEED)
    schema = pa.schema({"text": pa.string()})
    num_bytes = num_documents = 0
    for lang in ("en", "zh"):
        (folder / "corpus" / lang).mkdir(parents=True)
        texts = (text for text in _texts(corpus, lang) if len(text.encode()) >= min_bytes)
        number = 0
        while group := list(islice(texts, ROW_GROUP)):
            path = folder / "corpus" / lang / f"part-{number:05d}.parquet"
            written = 0
            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                while group:
                    writer.write_table(pa.table({"text": group}))
                    written += sum(len(text.encode()) for text in group)
                    num_documents += len(group)
                    group = list(islice(texts, ROW_GROUP)) if written < shard_mb * 1e6 else []
            num_bytes, number = num_bytes + written, number + 1
    return {"documents": num_documents, "bytes": num_bytes}


def _texts(corpus: Any, lang: str) -> Iterator[str]:
    """Texts of all sources of a language, mixed evenly, so that the files resemble each other."""
    from carebot_assets.sample.sources import SOURCES

    def of(source: Any) -> Iterator[tuple[float, str, str]]:
        count = corpus.counts[source.name]
        for index in range(count):
            record = corpus.record(source, index)
            head = f"{record.head}\n\n" if source.titled else ""
            yield (index + 0.5) / count, source.name, head + record.body

    for _, _, text in heapq.merge(*(of(source) for source in SOURCES if source.lang == lang)):
        yield text


def write_profile(folder: Path, memory_limit_mb: int = 1024) -> Path:
    """A profile over the world in `folder`: one file a shard; deduplication has so much memory."""
    files = sorted((folder / "corpus").rglob("*.parquet"))
    suites = {"medqa": ("medqa/test.jsonl", "en"), "pubmedqa": ("pubmedqa/ori_pqal.json", "en")}
    suites["cmmlu_med"] = ("cmmlu_med/*.csv", "zh")
    adapters = {"cmmlu_med": "cmmlu"}
    profile = {
        "extends": "demo",
        "sample_world": None,
        "store": {"root": str(folder / "store")},
        "corpus": {
            "shard_bytes": max(file.stat().st_size for file in files),
            "sources": {
                lang: {"path": f"{folder}/corpus/{lang}/*.parquet"}
                for lang in sorted({file.parent.name for file in files})
            },
        },
        "instruction": {"sources": {}},
        "evaluation": {
            "benchmarks": {
                name: {
                    "path": f"{folder}/benchmarks/{path}",
                    "adapter": adapters.get(name, name),
                    "lang": lang,
                }
                for name, (path, lang) in suites.items()
            },
            "consultations": {},
        },
        # Published text repeats itself in the sample world: it has few hundred subjects.
        "duplicates": {
            "max_removed_ratio": 1.0,
            "max_cluster_ratio": 1.0,
            "memory_limit_mb": memory_limit_mb,
        },
    }
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
    return path


def child(*arguments: str, **environ: str) -> dict[str, Any]:
    """Answer of this module's own command in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CAREBOT_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.corpus_group", *arguments],
        env=env | {"DAGSTER_DISABLE_TELEMETRY": "yes"} | environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def measure(world: Path, wanted: list[str]) -> dict[str, Any]:
    """One run of the group over a world in a fresh store and a fresh, initialised Dagster home."""
    with tempfile.TemporaryDirectory(dir=world, prefix="run-") as folder:
        environ = {
            "CAREBOT_PROFILE": str(world / "bench.yaml"),
            "CAREBOT_SET__store__root": f"{folder}/store",
            "DAGSTER_HOME": f"{folder}/dagster",
        }
        init = [sys.executable, "-c", "from carebot_assets.cli import main; main()", "init"]
        subprocess.run(init, env=os.environ | environ, check=True)
        return child("--run", *wanted, **environ)


def shares(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round of median CPU time: throughput, and where its seconds went."""
    one = sorted(rounds, key=lambda r: r["cpu_seconds"])[len(rounds) // 2]
    parts = Counter(one["parts"])
    return {
        "documents": one["documents"],
        "shards": one["shards"],
        "per_cpu_second": round(one["documents"] / one["cpu_seconds"]),
        "cpu_seconds": [round(r["cpu_seconds"], 1) for r in rounds],
        "microseconds_per_document": round(1e6 * one["cpu_seconds"] / one["documents"], 1),
        "share": {
            name: round(seconds / one["cpu_seconds"], 3) for name, seconds in parts.most_common()
        },
        "peak_rss_mb": one["peak_rss_mb"],
        "warnings": one["warnings"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--shard-mb", type=int, default=64, help="text in a shard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-cpu", action="store_true")
    parser.add_argument("--min-bytes", type=int, default=0, help="leave shorter documents out")
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--watched", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--to", nargs="+", default=[], help="assets to stop at")
    parser.add_argument("--run", nargs="*", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        folder, *numbers = asked.write
        documents, shard_mb, min_bytes = map(int, numbers)
        print(json.dumps(write_world(Path(folder), documents, shard_mb, min_bytes)))
        return
    if asked.watched:
        from benchmarks import corpus_group_run

        small, large, cap_mb = asked.watched
        answer = corpus_group_run.run_watched(Path(small), Path(large), float(cap_mb))
        print(json.dumps(answer))
        return
    if asked.run is not None:
        from benchmarks import corpus_group_run

        print(json.dumps(corpus_group_run.run(asked.run)))
        return
    if asked.one_cpu:  # for the processes that are started from here, too
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="corpus-group-") as folder:
        worlds = {}
        for documents in asked.documents:
            world = Path(folder) / str(documents)
            size = (documents, asked.shard_mb, asked.min_bytes)
            worlds[world] = child("--write", str(world), *map(str, size))
            write_profile(world)
        rounds: dict[Path, list[dict[str, Any]]] = {world: [] for world in worlds}
        for _ in range(asked.rounds):
            for world, done in rounds.items():
                done.append(measure(world, asked.to))
        rows = [
            shares(done) | {"mean_bytes": round(worlds[w]["bytes"] / worlds[w]["documents"])}
            for w, done in rounds.items()
        ]
    growth = [row["microseconds_per_document"] for row in rows]
    print(
        json.dumps(
            {
                "shard_mb": asked.shard_mb,
                "cpus": len(os.sched_getaffinity(0)),
                "sizes": rows,
                "per_cpu_second": rows[-1]["per_cpu_second"],
                "growth_last_to_first": round(growth[-1] / growth[0], 2),
                "median_of": asked.rounds,
                "versions": {name: version(name) for name in PACKAGES},
            }
        )
    )


if __name__ == "__main__":
    main()
