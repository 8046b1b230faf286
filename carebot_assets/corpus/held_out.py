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
    both = [medical, general.with_columns(stratum=pl.lit("general"))]
    candidates = pl.concat(frame.select("doc_id", "stratum") for frame in both)
    sizes = candidates.group_by("stratum").len().collect(engine="streaming")
    wanted = (pl.col("len") * share).ceil().clip(1, max_documents)
    chosen = (
        pl.concat(
            _lowest(candidates.filter(pl.col("stratum") == stratum), size, int(number))
            for stratum, size, number in sizes.with_columns(number=wanted).iter_rows()
        )
        if len(sizes)
        else sizes.select(doc_id=pl.lit(""))
    )
    # Not a join: it would hold the texts of all documents.
    is_chosen = pl.col("doc_id").is_in(chosen["doc_id"].implode())
    return pl.concat(
        frame.filter(is_chosen).select("doc_id", "shard", "stratum", "lang", "text")
        for frame in both
    ).sort(pl.col("stratum").cast(pl.Enum(STRATA)), "doc_id")


def _lowest(candidates: pl.LazyFrame, size: int, number: int) -> pl.DataFrame:
    """The `number` of `size` documents whose doc_id ends lowest.

    Ends are evenly spread, so that a few times the wanted share of them holds all that are wanted:
    memory does not grow with the corpus.
    """
    end = pl.col("doc_id").str.tail(8)
    share = (4 * number + 64) / size
    enough = candidates.filter(end < f"{int(2**32 * share):08x}") if share < 1 else candidates
    found = enough.sort(end, "doc_id").head(number).collect(engine="streaming")
    return found if len(found) == number else _lowest(candidates, 1, number)


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
