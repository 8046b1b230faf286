"""Recall and precision of decontamination on real public records, beside the truth that lies there.

    python -m benchmarks.contamination_on_real_data [--show]

Every item of every benchmark folder is protected; every record of the training sources and corpora
is a document. `_truth/benchmark_overlap.jsonl` lists records that share windows of 50 letters (18
Chinese characters) with a question. It counts a window once for each column of a record that
repeats it, so that a stock phrase in three columns has three windows: pairs are therefore told
apart by the longest passage of letters and digits that both hold, found here by plain search. A
dropped record is confirmed when plain search finds the whole question or such a passage in it.
`--show` prints what was dropped and is not in the truth, to be looked at.
"""

import json
import sys
import unicodedata
from hashlib import sha1
from typing import Any

import polars as pl

from benchmarks import open_data
from carebot_assets.corpus import audit, contamination, protected
from carebot_assets.settings import ContaminationSettings

SETTINGS = ContaminationSettings()
# Letters of a passage that is no stock phrase: about 30 English words, or 40 Chinese characters.
REAL_PASSAGE = {"en": 160, "zh": 40}
KEYS = ["dataset", "file", "index"]


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).lower()))


def keys_of(questions: pl.Series) -> pl.Series:
    """The keys that the truth gives to questions."""
    return pl.Series([sha1(letters(text).encode()).hexdigest()[:12] for text in questions])


def longest_passage(question: str, text: str) -> int:
    """Length of the longest run of letters and digits of the question that the text holds."""
    question, text = letters(question), letters(text)
    best = 0
    for start in range(len(question)):
        while start + best < len(question) and question[start : start + best + 1] in text:
            best += 1
    return best


def known(documents: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Pairs of the truth whose question is among the items, with their longest passage."""
    file = open_data.require() / "_truth" / "benchmark_overlap.jsonl"
    truth = (
        pl.read_ndjson(file, infer_schema_length=None)
        .filter(pl.col("question_tree") == "open")
        .explode("benchmark")
        .rename({"index_here": "index", "benchmark": "suite"})
    )
    asked = items.select("suite", "question", "lang", question_key=keys_of(items["question"]))
    asked = asked.unique(["suite", "question_key"], maintain_order=True)
    pairs = truth.join(asked, on=["suite", "question_key"]).join(documents, on=KEYS)
    lengths = [longest_passage(q, t) for q, t in pairs.select("question", "text").iter_rows()]
    pairs = pairs.with_columns(pl.Series("passage", lengths))
    least = pl.col("lang").replace_strict(REAL_PASSAGE)
    kind = (
        pl.when(pl.col("passage") >= least)
        .then(pl.lit("passage"))
        .when("question_contained_whole")
        .then(pl.lit("short whole question"))
        .otherwise(pl.lit("stock phrase"))
    )
    return pairs.with_columns(kind=kind)


def measured(*roles: str, shown: bool = False) -> dict[str, Any]:
    """The figures, on every data set of a role (of MANIFEST); with `shown` what was dropped and is
    not listed is printed."""
    items = open_data.benchmark_items()
    documents = open_data.documents(*roles).with_columns(
        doc_id=pl.int_range(pl.len()).cast(pl.String), shard=pl.lit("open")
    )
    earlier = documents.lazy().select("doc_id", verdict=pl.lit("keep"))
    ngrams = protected.ngrams(items.lazy(), SETTINGS)
    verdicts = contamination.verdicts(documents.lazy(), earlier, ngrams.lazy(), SETTINGS)
    judged = documents.join(verdicts.drop("shard").collect(), on="doc_id")
    dropped = judged.filter(pl.col("verdict") == "drop")
    pairs = known(documents, items).join(judged.select(*KEYS, "verdict"), on=KEYS)
    is_found = (pl.col("verdict") == "drop").sum().alias("found")
    recall = pairs.group_by("kind", "suite", "dataset").agg(pl.len().alias("pairs"), is_found)
    hit = pl.col("windows_hit")
    windows = (
        pl.when("question_contained_whole")
        .then(pl.lit("whole"))
        .when(hit >= 5)
        .then(pl.lit("5+"))
        .when(hit >= 2)
        .then(pl.lit("2-4"))
        .otherwise(pl.lit("1"))
    )
    by_windows = pairs.group_by(windows=windows).agg(pl.len().alias("pairs"), is_found)
    overall = pairs.group_by("kind").agg(pl.len().alias("pairs"), is_found)
    missed = pairs.filter(pl.col("verdict") == "keep").group_by("lang").agg(pl.col("passage").max())
    listed = dropped.join(pairs, on=KEYS, how="anti")
    kept = judged.filter(pl.col("verdict") == "keep").lazy()
    audited = audit.no_benchmark_text(kept, items.lazy(), SETTINGS)
    if shown:
        show(dropped.join(pairs.filter(pl.col("kind") == "passage"), on=KEYS, how="anti"), items)
    return {
        "num_items": items.height,
        "num_protected": ngrams["item_id"].n_unique(),
        "num_documents": documents.height,
        "num_dropped": dropped.height,
        "num_confirmed": confirmed(dropped, items),
        "num_pairs": pairs.height,
        "num_pairs_found": (pairs["verdict"] == "drop").sum(),
        "by_kind": rows(overall.sort("kind")),
        "longest_passage_missed": dict(missed.sort("lang").iter_rows()),
        "recall": rows(recall.sort("kind", "suite", "dataset")),
        "by_listed_windows": rows(by_windows.sort("windows")),
        "dropped_not_listed": rows(
            listed.group_by("dataset", "suite", "evidence").len().sort("dataset", "suite")
        ),
        "num_left_by_audit": audited.metadata["num_contaminated"],
        "versions": {"polars": pl.__version__},
    }


def confirmed(dropped: pl.DataFrame, items: pl.DataFrame) -> int:
    """How many dropped records hold the whole question or a real passage of case or question."""
    item = items.select("item_id", "lang", "question", "context")
    columns = ("text", "lang", "question", "context")
    num = 0
    for text, lang, question, context in dropped.join(item, on="item_id").select(columns).rows():
        longest = max(longest_passage(part, text) for part in (question, context or ""))
        num += longest >= REAL_PASSAGE[lang] or letters(question) in letters(text)
    return num


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dicts()


def show(dropped: pl.DataFrame, items: pl.DataFrame) -> None:
    """A sample of documents by data set and suite, each with the question it was dropped for."""
    asked = items.select("item_id", "question")
    sample = dropped.filter(pl.int_range(pl.len()).over("dataset", "suite") < 5)
    for row in sample.join(asked, on="item_id").sort("dataset", "suite").iter_rows(named=True):
        about = f"{row['dataset']}#{row['index']} {row['evidence']} hits {row['num_hits']}"
        print(
            f"{about} share {row['item_share']:.2f}\n  {row['question'][:160]!r}", file=sys.stderr
        )


if __name__ == "__main__":
    figures = measured("corpus", "sft_sources", shown="--show" in sys.argv)
    print(json.dumps(figures, ensure_ascii=False))
