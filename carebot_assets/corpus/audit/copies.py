"""No copies: the same text twice, or nearly, in one shard or over all of them.

Near copies are looked for without MinHash: documents that share a third of their sentences are
compared word by word. What has fewer in common is not found this way; it resembles little.
"""

from collections.abc import Sequence
from itertools import combinations, islice
from math import ceil

import polars as pl

from carebot_assets.corpus.audit.plain import units_of
from carebot_assets.expectations import MAX_OFFENDERS, Finding

# Texts held at once; of more, those whose hash falls on every second, third ... value.
MAX_TEXTS = 10_000_000
# Banding with 14 bands of 8 misses a pair of the first kind once in four million times, of the
# second once in thirteen.
MIN_SIMILARITY, LESS_SIMILAR = 0.95, 0.8
MIN_P_VALUE = 0.001
MIN_SHINGLES = 20
SHINGLE = 5
TEXT = pl.col("text")
MAX_SHARED = 20  # a sentence of more documents is a set phrase of pages
# Nearly the same texts differ in few sentences.
MIN_COMMON = 1 / 3
_SENTENCE = rf"[^.!?。！？\n]{{{2 * SHINGLE},}}"
_SPACE = r"[\s\p{Z}]+"


def no_duplicate_text(*shards: pl.LazyFrame) -> Finding:
    """No two documents of the shards have the same text but for white space.

    Only texts that begin and end alike are compared as a whole. One shard is read after the other:
    what is held of all of them is twelve bytes a document.
    """
    from carebot_assets.corpus.audit import ends as text_ends

    total = _num_documents(shards)
    part = max(1, ceil(total / MAX_TEXTS))
    hashed = TEXT.map_batches(text_ends.hashes, return_dtype=pl.UInt64, is_elementwise=True)
    ends = [
        shard.with_row_index("row")
        .select("row", ends=hashed)
        .filter(pl.col("ends") % part == 0)
        .collect(engine="streaming")
        for shard in shards
    ]
    found = pl.concat([pl.Series("ends", [], pl.UInt64), *(rows["ends"] for rows in ends)])
    shared = found.filter(found.is_duplicated()).unique().implode()
    plain = TEXT.str.replace_all(_SPACE, "")
    same = [rows.filter(pl.col("ends").is_in(shared))["row"] for rows in ends]
    texts = pl.concat(
        [
            pl.DataFrame(schema={"doc_id": pl.String, "text": pl.UInt64, "size": pl.UInt32}),
            *(
                shard.with_row_index("row")
                .filter(pl.col("row").is_in(rows.implode()))
                .select("doc_id", text=plain.hash(), size=plain.str.len_bytes())
                .collect(engine="streaming")
                for shard, rows in zip(shards, same, strict=True)
                if not rows.is_empty()
            ),
        ]
    )
    groups = texts.group_by("text", "size").agg(pl.col("doc_id"))
    repeated = groups.filter(pl.col("doc_id").list.len() > 1).select(pl.col("doc_id").list.sort())
    examples = repeated["doc_id"].sort().head(MAX_OFFENDERS)
    num_repeated = repeated.height
    text = (
        f"{num_repeated} texts occur more than once" if num_repeated else "every text occurs once"
    )
    return Finding(
        not num_repeated,
        text,
        {
            "num_repeated": num_repeated,
            "num_documents": total,
            "audited_ratio": 1 / part,
            "examples": examples.to_list(),
        },
    )


def _num_documents(shards: Sequence[pl.LazyFrame]) -> int:
    return sum(int(shard.select(pl.len()).collect().item()) for shard in shards)


def no_near_duplicate(
    shards: Sequence[pl.LazyFrame], max_pairs: int, num_removed: int, chance: float
) -> Finding:
    """No two texts of the shards are nearly the same, by Jaccard similarity over runs of five words
    or characters: none of `MIN_SIMILARITY`, and of `LESS_SIMILAR` no more than chance explains.

    Args:
        shards: `doc_id` and `text`, read one after the other.
        max_pairs: pairs that are compared at most; of more documents, the sentences looked at
            are chosen by hash, so that both of a pair are met or none.
        num_removed: documents removed for a similarity of `LESS_SIMILAR` or more.
        chance: that a pair of `LESS_SIMILAR` is removed; more similar ones are more likely to be.
    """
    from scipy.stats import binomtest

    total = _num_documents(shards)
    part = max(1, ceil(total / max_pairs))
    pairs = _sharing_a_sentence(shards, part, max_pairs)
    wanted = pl.Series(sorted({one for pair in pairs for one in pair}), dtype=pl.String).implode()
    texts = pl.concat(
        shard.filter(pl.col("doc_id").is_in(wanted)).select("doc_id", "text").collect()
        for shard in shards
    )
    alike = _mostly_the_same(pairs, texts)
    compared = {one for pair in alike for one in pair}
    shingles = {key: _shingles(text) for key, text in texts.iter_rows() if key in compared}
    similar = {pair: _similarity(*(shingles[one] for one in pair)) for pair in alike}
    same = [pair for pair, similarity in similar.items() if similarity >= MIN_SIMILARITY]
    left = {other for (_, other), similarity in similar.items() if similarity >= LESS_SIMILAR}
    num_met = max(1, len(left) + num_removed)
    by_chance = float(binomtest(len(left), num_met, 1 - chance, "greater").pvalue)
    examples = sorted(similar, key=lambda pair: (-similar[pair], pair))[:MAX_OFFENDERS]
    return Finding(
        not same and by_chance >= MIN_P_VALUE,
        f"of {len(pairs)} pairs that share a sentence {len(same)} are nearly the same; similar are "
        f"{len(left)} documents, {num_removed} such have been removed",
        {
            "num_found": len(same),
            "num_similar": len(left),
            "p_value_of_similar": by_chance,
            "num_pairs": len(pairs),
            "num_compared": len(alike),
            "num_documents": total,
            "audited_ratio": 1 / part,
            "examples": [list(pair) for pair in examples if similar[pair] >= LESS_SIMILAR],
        },
    )


def _sentences(corpus: pl.LazyFrame) -> pl.LazyFrame:
    """`doc_id` and the hash of each sentence, in lower case."""
    found = pl.col("text").str.to_lowercase().str.extract_all(_SENTENCE)
    rows = corpus.select("doc_id", sentence=found).explode("sentence").drop_nulls("sentence")
    return rows.select("doc_id", pl.col("sentence").hash(2))


def _sharing_a_sentence(
    shards: Sequence[pl.LazyFrame], part: int, max_pairs: int
) -> list[tuple[str, str]]:
    """Pairs of documents with a common sentence, those with most sentences in common first."""
    is_chosen = pl.col("sentence") % part == 0
    chosen = (_sentences(shard).filter(is_chosen).collect(engine="streaming") for shard in shards)
    sentences = pl.concat(chosen).unique()
    groups = (
        sentences.filter(pl.len().over("sentence").is_between(2, MAX_SHARED))
        .group_by("sentence")
        .agg(pl.col("doc_id").sort())
        .sort("sentence")["doc_id"]
    )
    common: dict[tuple[str, str], int] = {}
    for pair in islice((p for group in groups for p in combinations(group, 2)), 10 * max_pairs):
        common[pair] = common.get(pair, 0) + 1
    return sorted(common, key=lambda pair: (-common[pair], pair))[:max_pairs]


def _mostly_the_same(pairs: list[tuple[str, str]], texts: pl.DataFrame) -> list[tuple[str, str]]:
    """Pairs with `MIN_COMMON` of the sentences of the one that has fewer in common."""
    sentences = _sentences(texts.lazy()).unique().collect()
    sizes = sentences.group_by("doc_id").len("size")
    sides = pl.DataFrame(pairs, schema={"one": pl.String, "other": pl.String}, orient="row")
    counts = (
        sides.join(sentences, left_on="one", right_on="doc_id")
        .join(sentences, left_on=("other", "sentence"), right_on=("doc_id", "sentence"))
        .group_by("one", "other")
        .len("common")
        .join(sizes, left_on="one", right_on="doc_id")
        .join(sizes, left_on="other", right_on="doc_id")
    )
    least = pl.min_horizontal("size", "size_right") * MIN_COMMON
    return (
        counts.filter(pl.col("common") >= least).select("one", "other").sort("one", "other").rows()
    )


def _shingles(text: str) -> set[tuple[str, ...]]:
    found = units_of(text)
    return {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)}


def _similarity(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    if min(len(one), len(other)) < MIN_SHINGLES:
        return 0.0
    return len(one & other) / len(one | other)
