"""Throughput of MinHash signatures and decontamination on made-up text, as one JSON line.

    python -m benchmarks.corpus_kernels [documents]

Half of the documents are English, half Chinese, about 1.35 kB each; one in a hundred repeats a
benchmark item. Figures are medians of five rounds per second of CPU time of the whole process.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import polars as pl

from carebot_assets.corpus import contamination, minhash, protected
from carebot_assets.settings import ContaminationSettings, DuplicateSettings

ROUNDS = 5
NUM_ITEMS = 20_000


def make_documents(count: int) -> pl.DataFrame:
    """Random words and characters; the last hundredth holds a benchmark item each."""
    rng = np.random.default_rng(7)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, size)) for size in rng.integers(2, 11, 20_000)]
    chars = [chr(0x4E00 + i) for i in range(5000)]
    texts = [
        " ".join(rng.choice(words, 194)) if i % 2 else "".join(rng.choice(chars, 450))
        for i in range(count)
    ]
    return pl.DataFrame({"text": texts}).select(
        doc_id=pl.int_range(pl.len()).cast(pl.String).str.zfill(32),
        shard=pl.lit("bench"),
        source=pl.lit("bench"),
        lang=pl.lit("zh"),
        n_chars=pl.col("text").str.len_chars().cast(pl.Int64),
        text="text",
    )


def make_items(texts: pl.Series) -> pl.LazyFrame:
    """Items of 60 words or characters: a hundredth of the documents, the rest of other text."""
    heads = [text[:60] if "一" <= text[0] <= "鿿" else text[:400] for text in texts]
    return pl.LazyFrame(
        {"item_id": [str(i) for i in range(len(heads))], "question": heads}
    ).with_columns(
        suite=pl.lit("bench"),
        lang=pl.when(pl.col("question").str.contains(r"^\p{Han}"))
        .then(pl.lit("zh"))
        .otherwise(pl.lit("en")),
        context=pl.lit(None, pl.String),
        options=pl.lit(None, pl.List(pl.String)),
        turns=pl.lit(None, pl.List(pl.Struct({"role": pl.String, "text": pl.String}))),
    )


def rate(documents: pl.DataFrame, work: Callable[[pl.LazyFrame], object]) -> float:
    """Documents per CPU second; a first call compiles and is not counted."""
    work(documents.head(10).lazy())
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work(documents.lazy())
        seconds.append(time.process_time() - started)
    return documents.height / median(seconds)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    documents = make_documents(count)
    others = make_documents(NUM_ITEMS + count)[count:]
    held = documents["text"].tail(count // 100)
    items = make_items(pl.concat([held, others["text"]]))
    ngrams = protected.ngrams(items, ContaminationSettings())
    earlier = documents.lazy().select("doc_id", verdict=pl.lit("keep"))

    def sign(frame: pl.LazyFrame) -> object:
        return minhash.signatures(frame, DuplicateSettings()).collect()

    def decontaminate(frame: pl.LazyFrame) -> pl.DataFrame:
        settings = ContaminationSettings()
        return contamination.verdicts(frame, earlier, ngrams.lazy(), settings).collect()

    print(
        json.dumps(
            {
                "documents": count,
                "mean_bytes": round(documents["text"].str.len_bytes().mean()),  # type: ignore[arg-type]
                "signatures_per_cpu_second": round(rate(documents, sign)),
                "decontaminated_per_cpu_second": round(rate(documents, decontaminate)),
                "benchmark_ngrams": ngrams.height,
                "dropped": int((decontaminate(documents.lazy())["verdict"] == "drop").sum()),
            }
        )
    )


if __name__ == "__main__":
    main()
