"""Readers: documents per CPU second of every format, datatrove's beside them, and peak memory.

    python -m benchmarks.corpus_readers [--documents 20000] [--rounds 3]

The sample world's English and Chinese texts (about 1 kB) as one file a format, read by a process
of its own each time. `read` is from bytes to records; `documents` adds all that a document has:
checked bytes, normalised text, language, counts, id. Peak memory is that of reading a file four
times the size over that of reading it. Prints one JSON line.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from benchmarks import peers
from benchmarks.corpus_group import write_world

FORMATS = ("parquet", "jsonl", "jsonl.gz", "jsonl.zst", "csv", "txt", "json")
PEER_FORMATS = ("parquet", "jsonl", "csv")


def write_files(folder: Path, documents: int, times: int) -> int:
    """One file a format; the number of documents in each."""
    write_world(folder / "world", documents, 1000)
    text = pl.concat(map(pl.read_parquet, sorted(folder.glob("world/corpus/*/*.parquet"))))
    frame = pl.concat([text] * times).select("text").sample(fraction=1.0, shuffle=True, seed=1)
    frame.write_parquet(folder / "a.parquet", row_group_size=5000)
    for suffix, codec in (("", "uncompressed"), (".gz", "gzip"), (".zst", "zstd")):
        path = folder / f"a.jsonl{suffix}"
        frame.lazy().sink_ndjson(path, compression=codec, check_extension=False)
    frame.write_csv(folder / "a.csv")
    lines = frame["text"].str.replace_all("\n", " ", literal=True)
    (folder / "a.txt").write_text("\n".join(lines), "utf-8")
    (folder / "a.json").write_text(json.dumps(frame.to_dicts(), ensure_ascii=False), "utf-8")
    return frame.height


def measure(path: str) -> dict[str, float]:
    """CPU seconds of reading a file, in this process, and its peak memory."""
    import resource

    from carebot_assets.corpus import manifest, recipes, records
    from carebot_assets.corpus.readers import ShardReader
    from carebot_assets.settings import CorpusSettings, CorpusSource, load_settings

    def reader(file: str) -> ShardReader:
        form = "lines" if file.endswith(".txt") else "auto"
        corpus = CorpusSettings(
            sources={"s": CorpusSource.model_validate({"path": file, "format": form})}
        )
        return ShardReader(
            manifest.scan(load_settings("demo", {}).model_copy(update={"corpus": corpus})), corpus
        )

    warm = Path(path).with_name("warm.jsonl")
    warm.write_text('{"text": "warm"}\n')
    list(reader(str(warm))._batches())
    shard = reader(path)
    recipe = recipes.Recipe.of(shard.plan.row(0, named=True), shard.settings)
    start = time.process_time()
    for _ in records.read(recipe):
        pass
    middle = time.process_time()
    for _ in shard._batches():
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"read": middle - start, "documents": time.process_time() - middle, "peak_mb": peak}


def in_process(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.corpus_readers", "--measure", str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(out.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory() as name:
        one, four = Path(name) / "one", Path(name) / "four"
        count = write_files(one, options.documents, 1)
        write_files(four, options.documents, 4)
        rounds: list[dict[str, Any]] = []
        for _ in range(options.rounds):
            own = {kind: in_process(one / f"a.{kind}") for kind in FORMATS}
            files = [str(one / f"a.{kind}") for kind in PEER_FORMATS]
            peer = peers.run("datatrove", {"job": "readers", "files": files, "documents": count})
            rounds.append({"own": own, "peer": peer["seconds"]})
        growth = {
            kind: round(
                in_process(four / f"a.{kind}")["peak_mb"] / rounds[0]["own"][kind]["peak_mb"], 2
            )
            for kind in FORMATS
        }

    def rate(*keys: str) -> int:
        values = []
        for found in rounds:
            for key in keys:
                found = found[key]
            values.append(found)
        return round(count / median(values))

    result = {
        "documents": count,
        "per_cpu_second": {
            kind: {step: rate("own", kind, step) for step in ("read", "documents")}
            for kind in FORMATS
        },
        "datatrove_read_per_cpu_second": {kind: rate("peer", kind) for kind in PEER_FORMATS},
        "peak_memory_of_4x": growth,
        "versions": {p: version(p) for p in ("polars", "duckdb", "pyarrow")} | peer["versions"],
    }
    result["read_ratio"] = {
        kind: round(result["per_cpu_second"][kind]["read"] / rate("peer", kind), 1)
        for kind in PEER_FORMATS
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
