"""No copies: the same text twice, or nearly, in one shard or over all of them.

Near copies are looked for without MinHash: documents that share a sentence are compared word by
word. What has no sentence in common is not found this way; it resembles little.
"""

from itertools import combinations, islice
from math import ceil

import polars as pl

from carebot_assets.corpus.audit.plain import units_of
from carebot_assets.expectations import MAX_OFFENDERS, Finding

# Texts held at once; of more, those whose hash falls on every second, third ... value.
MAX_TEXTS = 10_000_000
# Banding with 14 bands of 8 misses such a pair once in four million times.
MIN_SIMILARITY = 0.95
MIN_SHINGLES = 20
SHINGLE = 5
MAX_SHARED = 20  # a sentence of more documents is a set phrase of pages
_SENTENCE_END = r"[.!?。！？\n]+"


def no_duplicate_text(corpus: pl.LazyFrame) -> Finding:
    """No two documents have the same text but for white space."""
    plain = pl.col("text").str.replace_all(r"[\s\p{Z}]+", "")
    total = corpus.select(pl.len()).collect(engine="streaming").item()
    part = ceil(total / MAX_TEXTS)
    texts = corpus.select("doc_id", text=plain.hash(), size=plain.str.len_bytes())
    texts = texts.filter(pl.col("text") % max(part, 1) == 0)
    repeated = texts.group_by("text", "size").len().filter(pl.col("len") > 1)
    hashes = repeated.select("text", "size").collect(engine="streaming")
    found = texts.join(hashes.lazy(), on=["text", "size"]).group_by("text", "size")
    groups = found.agg(pl.col("doc_id").sort()).sort(pl.col("doc_id").list.first())
    examples = groups.select("doc_id").collect(engine="streaming")["doc_id"].head(MAX_OFFENDERS)
    text = f"{len(hashes)} texts occur more than once" if len(hashes) else "every text occurs once"
    return Finding(
        hashes.is_empty(),
        text,
        {
            "num_repeated": len(hashes),
            "num_documents": total,
            "audited_ratio": 1 / max(part, 1),
            "examples": examples.to_list(),
        },
    )


def no_near_duplicate(corpus: pl.LazyFrame, max_documents: int) -> Finding:
    """No two documents have nearly the same text: Jaccard similarity of `MIN_SIMILARITY` over runs
    of five words or characters.

    Args:
        corpus: `doc_id` and `text` of all shards.
        max_documents: pairs that are compared at most; of more documents, the sentences looked at
            are chosen by hash, so that both of a pair are met or none.
    """
    total = corpus.select(pl.len()).collect(engine="streaming").item()
    part = max(1, ceil(total / max_documents))
    pairs = _sharing_a_sentence(corpus, part, max_documents)
    wanted = pl.DataFrame({"doc_id": sorted({one for pair in pairs for one in pair})})
    wanted = wanted.cast(pl.String)
    texts = dict(
        corpus.select("doc_id", "text")
        .join(wanted.lazy(), on="doc_id", how="semi")
        .collect(engine="streaming")
        .iter_rows()
    )
    shingles = {key: _shingles(text) for key, text in texts.items()}
    found = [
        pair for pair in pairs if _similarity(*(shingles[one] for one in pair)) >= MIN_SIMILARITY
    ]
    return Finding(
        not found,
        f"{len(found)} of {len(pairs)} pairs that share a sentence are nearly the same",
        {
            "num_found": len(found),
            "num_pairs": len(pairs),
            "num_documents": total,
            "audited_ratio": 1 / part,
            "examples": [list(pair) for pair in found[:MAX_OFFENDERS]],
        },
    )


def _sharing_a_sentence(corpus: pl.LazyFrame, part: int, max_pairs: int) -> list[tuple[str, str]]:
    """Pairs of documents with a common sentence, those with most sentences in common first."""
    letters = pl.col("text").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}.!?。！？\n]+", "")
    lines = letters.str.replace_all(_SENTENCE_END, "\n").str.split("\n")
    sentences = (
        corpus.select("doc_id", sentence=lines)
        .explode("sentence")
        .filter(pl.col("sentence").str.len_chars() >= 2 * SHINGLE)
        .select("doc_id", sentence=pl.col("sentence").hash(2))
        .filter(pl.col("sentence") % part == 0)
    )
    counts = sentences.unique().group_by("sentence").len()
    shared = counts.filter(pl.col("len").is_between(2, MAX_SHARED)).select("sentence")
    groups = (
        sentences.unique()
        .join(shared, on="sentence", how="semi")
        .group_by("sentence")
        .agg(pl.col("doc_id").sort())
        .sort("sentence")
        .collect(engine="streaming")["doc_id"]
    )
    common: dict[tuple[str, str], int] = {}
    for pair in islice((p for group in groups for p in combinations(group, 2)), 10 * max_pairs):
        common[pair] = common.get(pair, 0) + 1
    return sorted(common, key=lambda pair: (-common[pair], pair))[:max_pairs]


def _shingles(text: str) -> set[tuple[str, ...]]:
    found = units_of(text)
    return {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)}


def _similarity(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    if min(len(one), len(other)) < MIN_SHINGLES:
        return 0.0
    return len(one & other) / len(one | other)
