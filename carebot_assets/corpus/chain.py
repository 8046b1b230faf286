"""The chain of judges: each sees only the documents that every earlier one kept."""

import polars as pl


def with_alive(documents: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    """The documents, in their order, with `alive`: the judge before this one kept them."""
    kept = earlier.select("doc_id", alive=pl.col("verdict") == "keep")
    return documents.join(kept, on="doc_id", how="left", maintain_order="left").with_columns(
        pl.col("alive").fill_null(False)
    )


def survivors(documents: pl.LazyFrame, *judges: pl.LazyFrame) -> pl.LazyFrame:
    """The documents, in their order, that every one of the judges kept."""
    for judge in judges:
        documents = with_alive(documents, judge).filter("alive").drop("alive")
    return documents


def not_dropped(documents: pl.LazyFrame, *judges: pl.LazyFrame) -> pl.LazyFrame:
    """The documents that none of the judges dropped, those they did not look at among them."""
    for judge in judges:
        dropped = judge.filter(pl.col("verdict") == "drop").select("doc_id")
        documents = documents.join(dropped, on="doc_id", how="anti", maintain_order="left")
    return documents


def drawn(documents: pl.LazyFrame, number: int, seed: int) -> pl.LazyFrame:
    """At most so many documents, chosen by a hash of their id; no order."""
    return documents.bottom_k(number, by=pl.col("doc_id").hash(seed))


def verdict(alive: pl.Expr, reasons: dict[str, pl.Expr]) -> list[pl.Expr]:
    """The columns `verdict` and `reasons` from one condition a named reason."""
    fired = pl.concat_list(
        pl.when(condition.fill_null(False)).then(pl.lit(name))
        for name, condition in reasons.items()
    ).list.drop_nulls()
    fired = pl.when(alive).then(fired).otherwise(pl.lit([], pl.List(pl.String)))
    value = pl.when(~alive).then(pl.lit("skip")).when(fired.list.len() > 0).then(pl.lit("drop"))
    return [value.otherwise(pl.lit("keep")).alias("verdict"), fired.alias("reasons")]
