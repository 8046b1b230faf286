"""Overlap of documents with benchmark items, by hashed n-grams.

Source: CareBot names decontamination as part of data processing and gives no method; n-grams of 13
are those of GPT-3 (arXiv 2005.14165, appendix C), here of words in English and of characters in
Chinese, with a least number of shared n-grams, because 13 Chinese characters can be one name.
"""

from typing import Any

import polars as pl

from carebot_assets.corpus.chain import verdict, with_alive
from carebot_assets.settings import ContaminationSettings
from carebot_assets.tables import BY_NAME

RULE = "benchmark_contamination_v1"
# Their context is published literature (PubMed abstracts), which a corpus may well contain; the
# question and its answer are not.
PUBLIC_CONTEXT = ("pubmedqa",)

_BEST = pl.Struct(
    {
        "suite": pl.String,
        "item_id": pl.String,
        "num_hits": pl.Int64,
        "item_share": pl.Float64,
        "over_limit": pl.Boolean,
    }
)


def item_fields() -> pl.Expr:
    """What is protected of a row of `benchmark_items`, as a list of texts: context (but for
    `PUBLIC_CONTEXT`), question, options and the turns of a reference dialogue.

    N-grams are taken inside each text: a leak may letter, reorder or leave out the options, so
    n-grams across their borders would miss it.
    """
    is_public = pl.any_horizontal(pl.col("suite").str.starts_with(name) for name in PUBLIC_CONTEXT)
    turns = pl.col("turns").list.eval(pl.element().struct.field("text"))
    alone = pl.concat_list(pl.when(~is_public).then("context"), "question")
    lists = [x.fill_null([]) for x in (alone, pl.col("options"), turns)]
    return pl.concat_list(*lists).list.drop_nulls().list.eval(pl.element().str.normalize("NFC"))


def ngrams(items: pl.LazyFrame, settings: ContaminationSettings) -> pl.DataFrame:
    """Distinct n-grams of every item, by n-gram and item.

    A field shorter than n has one n-gram, all of it; one shorter than `min_item_units` has none,
    since it cannot be told from ordinary text. N-grams shared by more than `max_items_per_ngram`
    items (the set phrases of exam questions) are left out where the item has others.
    """
    from carebot_assets.corpus import kernels

    parts = []
    is_zh = pl.col("lang") == "zh"
    for chosen, n in ((is_zh, settings.ngram_zh), (~is_zh, settings.ngram_en)):
        fields = items.filter(chosen).select("suite", "item_id", "lang", text=item_fields())
        some = fields.explode("text").drop_nulls("text").collect()
        found = kernels.ngrams(some["text"], n)
        columns = {"ngram": found.ngram, "num_units": found.num_units}
        parts.append(some[found.text].drop("text").with_columns(**columns))
    is_phrase = pl.len().over("ngram") > settings.max_items_per_ngram
    return (
        pl.concat(parts)
        .filter(pl.col("num_units") >= settings.min_item_units)
        .unique(["ngram", "item_id"])
        .filter(~is_phrase | is_phrase.all().over("item_id"))
        .with_columns(num_item_ngrams=pl.len().over("item_id").cast(pl.Int64))
        .select(BY_NAME["benchmark_ngrams"].schema.names())
        .sort("ngram", "item_id")
    )


def verdicts(
    documents: pl.LazyFrame,
    earlier: pl.LazyFrame,
    ngrams: pl.LazyFrame,
    settings: ContaminationSettings,
) -> pl.LazyFrame:
    """Verdict on every document, in order, with the benchmark item it overlaps most.

    Dropped: at least `min_hits_zh` or `min_hits_en` (by the item's language) distinct n-grams of
    one item, or a share of its n-grams of at least `min_item_share`.
    """
    index = Index(ngrams.collect(), settings)
    text = pl.when("alive").then("text")
    best = text.map_batches(index.best_items, return_dtype=_BEST, is_elementwise=True)
    return (
        with_alive(documents, earlier)
        .select("doc_id", "shard", "alive", best.alias("best"))
        .unnest("best")
        .with_columns(verdict(pl.col("alive"), {RULE: pl.col("over_limit")}))
        .drop("alive", "over_limit")
    )


def summarize(table: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI, and the suites that documents were dropped for."""
    dropped = table.filter(pl.col("verdict") == "drop")
    suites = dropped.group_by("suite").len().sort("suite").collect(engine="streaming")
    return {
        "num_dropped": int(suites["len"].sum()),
        "num_dropped_by_suite": dict(suites.iter_rows()),
    }


def summarize_ngrams(table: pl.LazyFrame, items: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI; items left out are too short to be told from ordinary text."""
    num_items = items.select(pl.len()).collect().item()
    counts = table.select(
        num_ngrams=pl.col("ngram").n_unique(), num_protected_items=pl.col("item_id").n_unique()
    )
    found = counts.collect(engine="streaming").row(0, named=True)
    return found | {"num_items_left_out": num_items - found["num_protected_items"]}


class Index:
    """N-grams of all items, ready to be looked up in batches of texts.

    Args:
        table: rows of `benchmark_ngrams`.
        settings: limits of hits and share.
    """

    def __init__(self, table: pl.DataFrame, settings: ContaminationSettings) -> None:
        from carebot_assets.corpus import kernels

        items = ("item_id", "suite", "num_item_ngrams", "lang")
        least = {"zh": settings.min_hits_zh, "en": settings.min_hits_en}
        self.items = (
            table.select(items)
            .unique()
            .sort("item_id")
            .with_columns(min_hits=pl.col("lang").replace_strict(least, default=least["en"]))
            .with_row_index("item")
        )
        postings = table.select("ngram", "item_id").join(self.items, on="item_id")
        by_gram = postings.sort("ngram").group_by("ngram", maintain_order=True).agg("item")
        self.items_of = by_gram["item"]
        lengths = table["num_units"].unique().sort()
        self.wanted = kernels.lookup(by_gram["ngram"].to_numpy(), lengths.to_numpy())
        self.min_item_share = settings.min_item_share

    def best_items(self, texts: pl.Series) -> pl.Series:
        """The item that each text overlaps most, nulls where none, as a struct a text."""
        from carebot_assets.corpus import kernels

        text, gram = kernels.find(texts, self.wanted)
        hits = pl.DataFrame({"text": text, "gram": gram}).unique()
        best = (
            hits.select("text", item=self.items_of.gather(hits["gram"]))
            .explode("item")
            .group_by("text", "item")
            .agg(num_hits=pl.len().cast(pl.Int64))
            .join(self.items, on="item")
            .with_columns(item_share=pl.col("num_hits") / pl.col("num_item_ngrams"))
            .with_columns(
                over_limit=(pl.col("num_hits") >= pl.col("min_hits"))
                | (pl.col("item_share") >= self.min_item_share)
            )
            .sort("over_limit", "item_share", "item", descending=[True, True, False])
            .unique("text", keep="first", maintain_order=True)
            .select("text", *_BEST.to_schema())
        )
        rows = pl.DataFrame({"text": range(len(texts))}, schema={"text": pl.Int64})
        joined = rows.join(best, on="text", how="left", maintain_order="left").drop("text")
        return joined.to_struct(texts.name)
