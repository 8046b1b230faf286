"""Which documents a teacher labels: a stratified sample that does not depend on shards or order.

Of every shard no more is kept than could still be drawn, so the memory needed is that of one
shard's ids and of about `num` more, whatever the size of the corpus.
"""

from collections.abc import Collection, Sequence

import polars as pl

STRATA = ("source", "lang")
_IDS = ("doc_id", *STRATA, "part", "order")
# A stratum's documents are drawn in the order of their hashes, one a turn.
_TURN = pl.struct("order", "doc_id").rank("ordinal").over(*STRATA).alias("turn")


def choose(
    parts: Sequence[pl.LazyFrame], num: int, seed: int, wanted: Collection[str] = ()
) -> pl.DataFrame:
    """`num` documents, the same number from every source and language as far as there are enough.

    Documents are drawn by the hash of their id, one from every stratum in turn: a stratum that
    runs out leaves its share to the others.

    Args:
        parts: shards with `doc_id`, `source`, `lang`.
        num: rows wanted; fewer documents are all taken.
        seed: of the hash.
        wanted: documents that are taken in any case, beside the `num` drawn.

    Returns:
        `doc_id`, `part` (number of the shard), `is_wanted`, and `stands_for`: how many documents
        of its source and language one drawn stands for; one that is wanted stands for itself.
    """
    strings = {"doc_id": pl.String, **dict.fromkeys(STRATA, pl.String)}
    drawn = pl.DataFrame(schema=strings | {"part": pl.Int64, "order": pl.UInt64})
    found = drawn.select("doc_id", "part")
    sizes = [drawn.group_by(STRATA).agg(size=pl.len())]
    ids = pl.DataFrame({"doc_id": sorted(wanted)}, schema={"doc_id": pl.String})
    for number, part in enumerate(parts):
        rows = (
            part.select("doc_id", *STRATA, part=pl.lit(number, pl.Int64))
            .with_columns(order=pl.col("doc_id").hash(seed))
            .collect(engine="streaming")
        )
        if ids.height:
            hits = rows.join(ids, on="doc_id", how="semi")
            found = found.vstack(hits.select("doc_id", "part"))
            rows = rows.join(ids, on="doc_id", how="anti")
        sizes.append(rows.group_by(STRATA).agg(size=pl.len()))
        drawn = _first(drawn.vstack(rows.select(_IDS)), num)
    taken = drawn.with_columns(turn=_TURN).sort("turn", "order", "doc_id").head(num)
    taken = taken.join(pl.concat(sizes).group_by(STRATA).agg(pl.col("size").sum()), on=STRATA)
    stands_for = (pl.col("size") / pl.len().over(STRATA)).alias("stands_for")
    return pl.concat(
        [
            taken.select("doc_id", "part", stands_for, is_wanted=pl.lit(False)),
            found.select("doc_id", "part", stands_for=pl.lit(1.0), is_wanted=pl.lit(True)),
        ]
    ).sort("doc_id")


def _first(rows: pl.DataFrame, num: int) -> pl.DataFrame:
    """The rows that could still be drawn: more of them only bring the last turn forward."""
    if rows.height <= num or not num:
        return rows.head(num)
    turns = rows.select(_TURN).to_series()
    return rows.filter(turns <= turns.sort()[num - 1])


def taken(part: pl.LazyFrame, chosen: pl.DataFrame, number: int) -> pl.LazyFrame:
    """The chosen documents of a shard."""
    ids = chosen.filter(pl.col("part") == number)["doc_id"]
    return part.filter(pl.col("doc_id").is_in(ids.implode()))


def stratified(documents: pl.LazyFrame, num: int, seed: int, max_chars: int) -> pl.DataFrame:
    """The choice from one table, with texts cut to `max_chars`, ordered by `doc_id`."""
    chosen = choose([documents], num, seed)
    return (
        taken(documents, chosen, 0)
        .select("doc_id", "shard", *STRATA, pl.col("text").str.head(max_chars))
        .sort("doc_id")
        .collect(engine="streaming")
    )


def strata_counts(sample: pl.LazyFrame) -> str:
    """Markdown table of how many documents each source and language gave."""
    counts = sample.group_by(STRATA).len("documents").sort(STRATA).collect()
    lines = ["| source | language | documents |", "|---|---|---|"]
    lines += [f"| {source} | {lang} | {num} |" for source, lang, num in counts.iter_rows()]
    return "\n".join(lines)
