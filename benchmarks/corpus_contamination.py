"""Decontamination against datatrove and plain Python sets, on made-up text.

    python -m benchmarks.corpus_contamination [documents a language]

Documents of 1.35 kB of random words or characters; 20,000 items a language, of which every
hundredth stands in a document. Speed is documents per CPU second of the process, medians of
interleaved rounds, compilation left out; `judge` is all of `contamination_verdicts` but for reading
and writing, the index of n-grams included. `stock` is datatrove as it comes (spaCy, jieba through
"cmn"), `tuned` has words found by a regular expression put in. The sets find n-grams of words and
characters as tuples: the same n-grams in the same documents, or the run fails.
"""

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

for _variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_variable, "1")

import numba  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks import peers  # noqa: E402
from carebot_assets.corpus import contamination, matching, protected  # noqa: E402
from carebot_assets.corpus.audit.plain import units_of  # noqa: E402
from carebot_assets.settings import ContaminationSettings  # noqa: E402
from carebot_assets.tables import BY_NAME  # noqa: E402

SETTINGS = ContaminationSettings()
ROUNDS = 3
NUM_ITEMS = 20_000
STOCK_TIMED, TUNED_TIMED, SETS_TIMED = 150, 600, 3000
PEER_ITEMS = 500  # its index takes long to build and its size does not matter to its speed


def corpus(count: int) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """Documents and items of each language; every hundredth item stands in a document."""
    rng = np.random.default_rng(7)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 11, 20_000)])
    chars = np.array([chr(0x4E00 + i) for i in range(5000)])
    found = {}
    for lang, units, joint, long, short in (
        ("zh", chars, "", 450, 60),
        ("en", words, " ", 194, 60),
    ):
        texts = [joint.join(row) for row in rng.choice(units, (count, long))]
        items = [joint.join(row) for row in rng.choice(units, (NUM_ITEMS, short))]
        for place, item in enumerate(items[::100]):
            text = texts[place * (count // (NUM_ITEMS // 100))]
            texts[place * (count // (NUM_ITEMS // 100))] = f"{text[:400]} {item} {text[400:]}"
        documents = pl.DataFrame({"text": texts}).select(
            doc_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(32),
            shard=pl.lit("bench"),
            text="text",
        )
        about = {"suite": pl.lit("bench"), "lang": pl.lit(lang), "question": "question"}
        questions = pl.DataFrame({"question": items}).with_row_index("item_id")
        schema = BY_NAME["benchmark_items"].schema
        empty = pl.DataFrame(schema=schema)
        rows = questions.select(pl.col("item_id").cast(pl.String), **about)
        found[lang] = (documents, pl.concat([empty, rows], how="diagonal"))
    return found


def judge(documents: pl.DataFrame, ngrams: pl.DataFrame) -> tuple[float, pl.DataFrame]:
    earlier = documents.lazy().select("doc_id", verdict=pl.lit("keep"))
    started = time.process_time()
    found = contamination.verdicts(documents.lazy(), earlier, ngrams.lazy(), SETTINGS).collect()
    return time.process_time() - started, found


def search(texts: pl.Series, wanted: matching.Lookup) -> tuple[float, set[tuple[int, int]]]:
    started = time.process_time()
    rows, places = matching.find(texts, wanted)
    seconds = time.process_time() - started
    return seconds, set(zip(rows.tolist(), places.tolist(), strict=True))


def sets(texts: list[str], items: list[str], n: int) -> tuple[float, set[tuple[int, str]]]:
    """The n-grams of items in each text, by tuples of words in a set."""

    def grams(text: str) -> list[tuple[str, ...]]:
        units = [unit for unit in units_of(text) if len(unit) > 1 or not unit.isascii()]
        return [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]

    wanted = {gram for item in items for gram in grams(item)}
    started = time.process_time()
    found = {
        (row, " ".join(g)) for row, text in enumerate(texts) for g in grams(text) if g in wanted
    }
    return time.process_time() - started, found


def measure(
    lang: str, documents: pl.DataFrame, items: pl.DataFrame, folder: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    n = SETTINGS.ngram_zh if lang == "zh" else SETTINGS.ngram_en
    ngrams = protected.ngrams(items.lazy(), SETTINGS)
    started = time.process_time()
    index = contamination.Index(ngrams, SETTINGS)
    index_seconds = time.process_time() - started
    questions = items["question"]
    files = {
        "file": str(folder / f"{lang}.parquet"),
        "items": str(folder / f"{lang}_items.parquet"),
    }
    documents.select("text").write_parquet(files["file"])
    questions.head(PEER_ITEMS).to_frame("text").write_parquet(files["items"])
    rates: dict[str, list[float]] = {}
    judge(documents.head(1000), ngrams)
    few = documents["text"].head(SETS_TIMED)
    for _ in range(ROUNDS):
        seconds, verdicts = judge(documents, ngrams)
        rates.setdefault("judge", []).append(documents.height / seconds)
        seconds, _ = search(documents["text"], index.wanted)
        rates.setdefault("search", []).append(documents.height / seconds)
        seconds, tuples = sets(few.to_list(), questions.to_list(), n)
        rates.setdefault("sets", []).append(len(few) / seconds)
        for name, tokenizer, timed in (
            ("datatrove_stock", "stock", STOCK_TIMED),
            ("datatrove_tuned", "light", TUNED_TIMED),
        ):
            request = {**files, "lang": lang, "tokenizer": tokenizer, "timed": timed}
            answer = peers.run("datatrove", {"job": "contamination", **request})
            rates.setdefault(name, []).append(answer["num_documents"] / answer["seconds"])
    _, hits = search(few, index.wanted)
    if (len(hits), {row for row, _ in hits}) != (len(tuples), {row for row, _ in tuples}):
        raise SystemExit(f"{lang}: {len(hits)} n-grams found, {len(tuples)} by sets")
    dropped = set((verdicts["verdict"] == "drop").arg_true().to_list())
    middle = {name: median(values) for name, values in rates.items()}
    compared = ("sets", "datatrove_stock", "datatrove_tuned")
    ratios = {f"ratio_{name}": round(middle["judge"] / middle[name], 1) for name in compared}
    counts = {
        "mean_bytes": round(float(documents["text"].str.len_bytes().mean())),  # type: ignore[arg-type]
        "num_ngrams": ngrams.height,
        "index_seconds": round(index_seconds, 2),
        "num_planted": questions.gather_every(100).len(),
        "num_dropped": len(dropped),
        "num_hits_as_by_sets": len(hits),
        "datatrove_drops": len(answer["dropped"]),
        "we_drop_of_these": len(dropped & set(range(answer["num_documents"]))),
    }
    return {name: round(value) for name, value in middle.items()} | ratios | counts, answer[
        "versions"
    ]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for lang, (documents, items) in corpus(count).items():
            found[lang], versions = measure(lang, documents, items, Path(folder))
    found["versions"] = versions | {
        "python": platform.python_version(),
        **{module.__name__: module.__version__ for module in (pl, numba, np)},
    }
    found["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
