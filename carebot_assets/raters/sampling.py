"""Which documents a teacher labels: a stratified sample that does not depend on shards or order."""

import polars as pl

STRATA = ("source", "lang")


def stratified(documents: pl.LazyFrame, num: int, seed: int, max_chars: int) -> pl.DataFrame:
    """`num` documents, the same number from every source and language as far as there are enough.

    Documents are drawn by the hash of their id, one from every stratum in turn: a stratum that
    runs out leaves its share to the others.

    Args:
        documents: `doc_id`, `shard`, `source`, `lang`, `text`.
        num: rows wanted; fewer documents are all taken.
        seed: of the hash.
        max_chars: length to which texts are cut.

    Returns:
        `doc_id`, `shard`, `source`, `lang`, `text` ordered by `doc_id`.
    """
    drawn = (
        documents.select("doc_id", *STRATA, order=pl.col("doc_id").hash(seed))
        .with_columns(
            turn=pl.struct("order", "doc_id").rank("ordinal").over(*STRATA),
        )
        .sort("turn", "order", "doc_id")
        .head(num)
        .select("doc_id")
    )
    return (
        documents.select("doc_id", "shard", *STRATA, "text")
        .join(drawn, on="doc_id", how="semi")
        .with_columns(pl.col("text").str.head(max_chars))
        .sort("doc_id")
        .collect(engine="streaming")
    )


def strata_counts(sample: pl.LazyFrame) -> str:
    """Markdown table of how many documents each source and language gave."""
    counts = sample.group_by(STRATA).len("documents").sort(STRATA).collect()
    lines = ["| source | language | documents |", "|---|---|---|"]
    lines += [f"| {source} | {lang} | {num} |" for source, lang, num in counts.iter_rows()]
    return "\n".join(lines)
