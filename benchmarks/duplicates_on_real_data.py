"""What deduplication finds among real public records that are known to come twice.

    python -m benchmarks.duplicates_on_real_data

The truth (`_truth/same_key_groups.jsonl`) names records with the same question; the rest of such
records may differ, so found pairs are shown by the exact Jaccard similarity of their shingles. A
pair is found when not both of it stay. Precision is the share of removed near duplicates whose
exact similarity to the document they were removed for reaches a limit.
Prints Markdown tables, then one JSON line. Nothing of the texts is printed.
"""

import json
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import open_data
from benchmarks.shingles import jaccard
from carebot_assets.corpus import clustering, minhash
from carebot_assets.corpus.summaries import markdown
from carebot_assets.settings import DuplicateSettings

TWINS = ("caregpt_test_duplicate", "huatuo26m_test")
PROFILES = {
    "14 x 8, 0.7": DuplicateSettings(),
    "28 x 4, 0.6": DuplicateSettings(bands=28, rows=4, min_similarity=0.6),
}
MAX_PAIRS_JUDGED = 20_000


def documents(*roles: str) -> pl.DataFrame:
    """All records of the roles, as rows that signatures can be made of."""
    frame = open_data.documents(*roles)
    return frame.with_row_index("row").select(
        "dataset",
        "file",
        "index",
        "text",
        doc_id=pl.col("row").cast(pl.String).str.zfill(32),
        shard=pl.lit("open"),
        source="dataset",
        lang=pl.lit("zh"),
        n_chars=pl.col("text").str.len_chars().cast(pl.Int64),
    )


def pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """Pairs of records with the same key, and their similarity."""
    places = {
        (dataset, file.removeprefix(f"{dataset}/"), index): (doc_id, text)
        for dataset, file, index, doc_id, text in frame.select(
            "dataset", "file", "index", "doc_id", "text"
        ).iter_rows()
    }
    rows = []
    lines = (open_data.require() / "_truth" / "same_key_groups.jsonl").read_text("utf-8")
    for group in map(json.loads, lines.splitlines()):
        members = [
            (member["dataset"], place)
            for member in group["members"]
            if (place := places.get((member["dataset"], member["file"], member["index_here"])))
        ]
        if group["relation"] != "same_key":
            continue
        for (set_1, one), (set_2, two) in combinations(members, 2):
            kind = "twins" if {set_1, set_2} == set(TWINS) else "other"
            rows.append((kind, one[0], two[0], jaccard(one[1], two[1])))
    return pl.DataFrame(rows, schema=["kind", "one", "two", "jaccard"], orient="row")


def clusters(frame: pl.DataFrame, settings: DuplicateSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `duplicate_clusters`, and of `minhash_signatures`."""
    table = minhash.signatures(frame.lazy(), settings).collect()
    with tempfile.TemporaryDirectory() as folder:
        return clustering.cluster(table.lazy(), settings, Path(folder)).table.collect(), table


def by_similarity(judged: pl.DataFrame) -> pl.DataFrame:
    """Share of the pairs found; those under 0.5 are one group."""
    tenth = (pl.col("jaccard") * 10 + 1e-9).floor()
    least = (pl.when(tenth >= 5).then(tenth).otherwise(0) / 10).round(1)
    return (
        judged.group_by("kind", least.alias("Jaccard from"))
        .agg(pairs=pl.len(), found=pl.col("found").sum(), recall=pl.col("found").mean().round(4))
        .sort("kind", "Jaccard from")
    )


def candidates(table: pl.DataFrame, texts: dict[str, str]) -> dict[str, Any]:
    """Share of pairs in a common bucket whose similarity is under a half, with their texts told
    apart (copies of one text are no news)."""
    first = table.filter(pl.col("num_shingles") > 0).unique("text_hash", maintain_order=True)
    entries = first.select("doc_id", "bands").explode("bands")
    shared = (
        entries.join(entries, on="bands")
        .filter(pl.col("doc_id") < pl.col("doc_id_right"))
        .select("doc_id", "doc_id_right")
        .unique()
        .sort("doc_id", "doc_id_right")
    )
    chosen = shared.sample(min(shared.height, MAX_PAIRS_JUDGED), seed=1)
    low = sum(jaccard(texts[a], texts[b]) < 0.5 for a, b in chosen.iter_rows())
    return {"num_candidates": shared.height, "below_half": round(low / max(1, chosen.height), 4)}


def main() -> None:
    frame = documents("sft_sources", "corpus", "noise", "benchmarks")
    texts = dict(zip(frame["doc_id"], frame["text"], strict=True))
    truth = pairs(frame)
    answer: dict[str, Any] = {"documents": frame.height, "pairs": truth.height}
    for name, settings in PROFILES.items():
        found, table = clusters(frame, settings)
        gone = found["doc_id"].implode()
        judged = truth.with_columns(found=pl.col("one").is_in(gone) | pl.col("two").is_in(gone))
        table_of_pairs = by_similarity(judged)
        print(f"\n{name}\n\n{markdown(table_of_pairs)}")
        near = found.filter(~pl.col("exact"))
        true = pl.Series([jaccard(texts[a], texts[b]) for a, b in near["doc_id", "kept_id"].rows()])
        recalls = {
            f"{kind}_recall{suffix}": judged.filter(
                (pl.col("kind") == kind) & (pl.col("jaccard") >= least)
            )["found"].mean()
            for kind in ("twins", "other")
            for suffix, least in (("", 0.0), ("_at_0.7", 0.7), ("_at_0.8", 0.8))
        }
        answer[name] = {
            **{key: round(value, 4) for key, value in recalls.items() if value is not None},
            "removed": found.height,
            "removed_near": near.height,
            "near_precision": {
                str(least): round(float((true >= least).mean() or 0.0), 4)
                for least in (0.5, 0.6, 0.7)
            },
            "by_similarity": table_of_pairs.to_dicts(),
            **candidates(table, texts),
        }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
