"""What goes into a mix: documents that are not held out, and dialogues as documents."""

import polars as pl

KINDS = ("primary", "secondary")
LANGS = ("zh", "en")


def dialogue_documents(dialogues: pl.LazyFrame, verdicts: pl.LazyFrame) -> pl.LazyFrame:
    """The text of instruction records that are fit for training, as documents of a mix: the turns
    one after the other, a blank line between them."""
    fit = verdicts.filter(pl.col("verdict") == "keep").select("record_id")
    text = pl.col("turns").list.eval(pl.element().struct.field("text")).list.join("\n\n")
    return dialogues.join(fit, on="record_id", how="semi").select(
        pl.col("record_id").alias("doc_id"),
        "source",
        "lang",
        text.alias("text"),
        text.str.len_chars().cast(pl.Int64).alias("n_tokens"),
    )


def without(documents: pl.LazyFrame, held_out: pl.LazyFrame) -> pl.LazyFrame:
    """The documents that are not held out."""
    return documents.join(held_out, on="doc_id", how="anti")


def sample_texts(documents: pl.LazyFrame, limit: int, seed: int) -> list[str]:
    """Texts of at most `limit` documents, chosen and ordered by a hash of their id."""
    chosen = documents.select("doc_id").sort(pl.col("doc_id").hash(seed), "doc_id").head(limit)
    order = chosen.with_row_index("row")
    return documents.join(order, on="doc_id").sort("row").select("text").collect()["text"].to_list()


def zh_share(documents: pl.LazyFrame) -> float:
    """Share of Chinese in the (estimated) tokens of documents in Chinese and English."""
    tokens = pl.col("n_tokens")
    found = documents.filter(pl.col("lang").is_in(LANGS)).select(
        tokens.filter(pl.col("lang") == "zh").sum().alias("zh"), tokens.sum().alias("all")
    )
    zh, both = found.collect().row(0)
    return zh / both if both else 0.0
