"""MinHash from text to clusters against datatrove and rensa; recall against theory; memory.

    python -m benchmarks.corpus_duplicates [documents a language]

Documents of 1.35 kB of random words or characters, a tenth of them copies of others, half of the
copies with a word less. Speed is documents per CPU second of the process, medians of interleaved
rounds, compilation left out. `stock` is datatrove as it comes (spaCy, jieba through "cmn"), `tuned`
has words found by a regular expression put in. Recall is measured on pairs of exactly known
Jaccard similarity, memory on made-up signatures, each size in a process of its own.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

for _variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_variable, "1")

import duckdb  # noqa: E402
import numba  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks import made_signatures, peers  # noqa: E402
from benchmarks.corpus_kernels import make_documents  # noqa: E402
from carebot_assets.corpus import clustering, minhash  # noqa: E402
from carebot_assets.settings import DuplicateSettings  # noqa: E402

SETTINGS = DuplicateSettings()
ROUNDS = 3
STOCK_TIMED, TUNED_TIMED, RENSA_TIMED = 150, 600, 5000
PAIRS = 100_000
JACCARDS = {0.5: 100, 0.6: 75, 0.7: 600 / 14, 0.8: 25, 0.9: 100 / 9}
MEMORY_MB, UNIT, FILES = 128, 60_000, 4


def corpus(count: int) -> dict[str, pl.DataFrame]:
    """`count` documents of each language."""
    frame = make_documents(2 * count)
    texts = frame["text"].to_list()
    for i in range(18, 2 * count, 20):
        for copy, original in ((i, i - 10), (i + 1, i - 9)):
            text = texts[original]
            texts[copy] = text if i % 40 == 18 else text[:200] + text[206:]
    frame = frame.with_columns(text=pl.Series(texts))
    return {"zh": frame.gather_every(2), "en": frame.gather_every(2, 1)}


def cluster(table: pl.LazyFrame, settings: DuplicateSettings = SETTINGS) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        found = clustering.cluster(table, settings, Path(folder))
        return found.report | {"num_removed": found.table.select(pl.len()).collect().item()}


def ours(frame: pl.DataFrame) -> dict[str, float]:
    started = time.process_time()
    table = minhash.signatures(frame.lazy(), SETTINGS).collect()
    signed = time.process_time()
    report = cluster(table.lazy())
    ended = time.process_time()
    return {
        "signatures": frame.height / (signed - started),
        "clusters": frame.height / (ended - signed),
        "both": frame.height / (ended - started),
        "ours_removed_ratio": report["num_removed"] / frame.height,
    }


def speed(count: int, folder: Path) -> dict[str, Any]:
    """Documents per CPU second of each, and ratios."""
    found: dict[str, Any] = {}
    for lang, frame in corpus(count).items():
        file = str(folder / f"{lang}.parquet")
        frame.select("text").write_parquet(file)
        ours(frame.head(1000))
        rates: dict[str, list[float]] = {}
        versions: dict[str, str] = {}
        for _ in range(ROUNDS):
            for name, value in ours(frame).items():
                rates.setdefault(name, []).append(value)
            for name, job, tokenizer, timed in (
                ("datatrove_stock", "minhash", "stock", STOCK_TIMED),
                ("datatrove_tuned", "minhash", "light", TUNED_TIMED),
                ("rensa", "rensa", "", RENSA_TIMED),
            ):
                request = {"file": file, "lang": lang, "tokenizer": tokenizer, "timed": timed}
                answer = peers.run("datatrove", {"job": job, **request})
                rates.setdefault(name, []).append(answer["num_documents"] / answer["seconds"])
                removed = answer.get("num_removed", answer.get("num_flagged"))
                rates[f"{name}_removed_ratio"] = [removed / answer["num_documents"]]
                versions |= answer["versions"]
        middle = {name: median(values) for name, values in rates.items()}
        ratios = {
            f"ratio_{name}": round(middle["both"] / middle[name], 1)
            for name in ("datatrove_stock", "datatrove_tuned", "rensa")
        }
        found[lang] = {name: round(value, 3) for name, value in middle.items()} | ratios
        found["versions"] = versions
    return found


def recall() -> list[dict[str, float]]:
    """Share of pairs that share a band, and that are removed, beside theory."""
    rows = []
    batch = 10_000
    for apart in JACCARDS.values():
        matched, removed = 0, 0
        true = 200 / (200 + 2 * round(apart))
        for seed in range(PAIRS // batch):
            one, two = (
                minhash.signatures(half, SETTINGS).select("signature", "bands").collect()
                for half in made_signatures.pairs(round(apart), batch, seed)
            )
            bands = [t["bands"].list.to_array(SETTINGS.bands).to_numpy() for t in (one, two)]
            hashes = [t["signature"].list.to_array(112).to_numpy() for t in (one, two)]
            is_match = (bands[0] == bands[1]).any(axis=1)
            is_alike = (hashes[0] == hashes[1]).mean(axis=1) >= SETTINGS.min_similarity - 1e-9
            matched += int(is_match.sum())
            removed += int((is_match & is_alike).sum())
        share = matched / PAIRS
        rows.append(
            {
                "jaccard": round(true, 4),
                "matched": round(share, 4),
                "interval_95": round(1.96 * (share * (1 - share) / PAIRS) ** 0.5, 4),
                "theory": round(minhash.match_probability(true, SETTINGS.bands, SETTINGS.rows), 4),
                "removed": round(removed / PAIRS, 4),
                "removed_theory": round(minhash.removal_probability(true, SETTINGS), 4),
            }
        )
    return rows


def in_a_process_of_its_own(folder: str) -> None:
    """Cluster the signatures in a folder; print peak memory and time."""
    settings = SETTINGS.model_copy(update={"memory_limit_mb": MEMORY_MB})
    started = time.process_time()
    report = cluster(pl.scan_parquet(f"{folder}/*.parquet"), settings)
    seconds = time.process_time() - started
    status = Path("/proc/self/status").read_text("utf-8")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(json.dumps({"peak_rss_mb": peak, "cpu_seconds": round(seconds, 1), **report}))


def memory() -> list[dict[str, Any]]:
    """Peak memory of clustering at 1, 4 and 16 times a corpus, with a fixed limit."""
    rows = []
    for times in (1, 4, 16):
        num_files = times * FILES
        with tempfile.TemporaryDirectory() as folder:
            made_signatures.write(Path(folder), num_files, UNIT, SETTINGS)
            command = [sys.executable, "-m", "benchmarks.corpus_duplicates", "--cluster", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            found.pop("largest_clusters")
            size = num_files * UNIT * 4 * 112 / 1e6
            rows.append({"documents": num_files * UNIT, "signatures_mb": round(size), **found})
    return rows


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        found = speed(count, Path(folder))
    found["versions"] |= {
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in (pl, duckdb, numba, np)},
    }
    found |= {"documents": count, "recall": recall(), "memory_limit_mb": MEMORY_MB}
    found["memory"] = memory()
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cluster"]:
        in_a_process_of_its_own(sys.argv[2])
    else:
        main()
