"""Random documents that are like chosen ones in source, language and length: a fair control."""

import polars as pl

LIKE = ("source", "lang", "length")


def matched(documents: pl.LazyFrame, chosen: pl.LazyFrame, seed: int) -> pl.LazyFrame:
    """As many random documents of each source, language and length (to a power of two) as chosen.

    Raters tell sources and lengths apart before anything else: what remains against this control is
    what they know beyond that.

    Args:
        documents: all there are to choose from, `doc_id`, `source`, `lang` and `n_tokens`.
        chosen: `doc_id` of some of these.
        seed: of the choice.
    """
    length = pl.col("n_tokens").log(2).floor().alias("length")
    known = documents.select("doc_id", "source", "lang", length)
    asked = known.join(chosen, on="doc_id", how="semi").group_by(LIKE).agg(asked=pl.len())
    order = pl.col("doc_id").hash(seed).rank("ordinal").over(LIKE)
    ordered = known.with_columns(order=order).join(asked, on=LIKE)
    taken = ordered.filter(pl.col("order") <= pl.col("asked"))
    return documents.join(taken.select("doc_id"), on="doc_id", how="semi")
