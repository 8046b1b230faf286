"""Documents kept out of every mix, on which losses are measured during training."""

import polars as pl

from carebot_assets.expectations import Finding

STRATA = ("medical_zh", "medical_en", "general")


def choose(
    filtered: pl.LazyFrame, general: pl.LazyFrame, share: float, max_documents: int
) -> pl.LazyFrame:
    """Rows of `held_out_text`, by stratum and doc_id.

    Of each stratum the `share` (at least one document, at most `max_documents`) whose doc_id,
    itself a hash, ends lowest: a choice that hardly moves when documents are added.
    """
    medical = filtered.filter(pl.col("lang").is_in(["zh", "en"])).with_columns(
        stratum=pl.lit("medical_") + pl.col("lang")
    )
    columns = ("doc_id", "shard", "stratum", "lang")
    both = [medical, general.with_columns(stratum=pl.lit("general"))]
    candidates = pl.concat(frame.select(columns) for frame in both)
    # The end of the id, since other samples may go by its start.
    by_hash = candidates.sort(pl.col("doc_id").str.tail(8), "doc_id")
    wanted = (pl.len() * share).ceil().clip(1, max_documents)
    chosen = by_hash.filter(pl.int_range(pl.len()).over("stratum") < wanted.over("stratum"))
    texts = pl.concat(frame.select("doc_id", "text") for frame in both)
    return (
        texts.join(chosen, on="doc_id")
        .select(*columns, "text")
        .sort(pl.col("stratum").cast(pl.Enum(STRATA)), "doc_id")
    )


def counts(table: pl.LazyFrame) -> dict[str, int]:
    """Documents of each stratum."""
    found = dict(table.group_by("stratum").len().collect(engine="streaming").iter_rows())
    return {f"num_{stratum}": found.get(stratum, 0) for stratum in STRATA}


def every_stratum(table: pl.LazyFrame) -> Finding:
    """Every stratum holds a document."""
    found = counts(table)
    empty = [name.removeprefix("num_") for name, count in found.items() if not count]
    text = f"no document in {', '.join(empty)}" if empty else "every stratum has documents"
    return Finding(not empty, text, dict(found))
