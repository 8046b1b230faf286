"""Overlap of documents with benchmark items, by the hashed n-grams that are protected of them.

Source: CareBot names decontamination as part of data processing and gives no method. What is
shared is counted within items as GPT-3 does (arXiv 2005.14165, appendix C). What GPT-3 and Tulu 3
(arXiv 2411.15124) leave to a single long n-gram is decided here by the specific n-grams of
`benchmark_ngrams`.
"""

from typing import Any

import polars as pl

from carebot_assets.corpus.chain import verdict, with_alive
from carebot_assets.settings import ContaminationSettings

RULE = "benchmark_contamination_v2"

_MATCH = pl.Struct(
    {
        "suite": pl.String,
        "item_id": pl.String,
        "evidence": pl.String,
        "num_hits": pl.Int64,
        "item_share": pl.Float64,
    }
)


def verdicts(
    documents: pl.LazyFrame,
    earlier: pl.LazyFrame,
    ngrams: pl.LazyFrame,
    settings: ContaminationSettings,
) -> pl.LazyFrame:
    """Verdict on every document, in order, with the benchmark item it overlaps most.

    Dropped is a document that holds an item's stem (`evidence` is whole) or, of any of its parts,
    many specific n-grams (window); see `Index`. Other overlaps are recorded without evidence.
    """
    index = Index(ngrams.collect(), settings)
    text = pl.when("alive").then("text")
    match = text.map_batches(index.matches, return_dtype=_MATCH, is_elementwise=True)
    return (
        with_alive(documents, earlier)
        .select("doc_id", "shard", "alive", match.alias("match"))
        .unnest("match")
        .with_columns(verdict(pl.col("alive"), {RULE: pl.col("evidence").is_not_null()}))
        .drop("alive")
    )


def summarize(table: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI, and the suites and evidence that documents were dropped for."""
    dropped = table.filter(pl.col("verdict") == "drop").select("suite", "evidence")
    counts = dropped.group_by("suite", "evidence").len().collect(engine="streaming")
    by = {
        name: dict(counts.group_by(name).agg(pl.col("len").sum()).sort(name).iter_rows())
        for name in ("suite", "evidence")
    }
    return {
        "num_dropped": int(counts["len"].sum()),
        "num_dropped_by_suite": by["suite"],
        "num_dropped_by_evidence": by["evidence"],
    }


class Index:
    """N-grams of all items, ready to be looked up in batches of texts.

    A text holds an item *whole* where runs of n-grams cover all of the stem's units, or
    `min_item_share` of a longer one, and one of them is specific; it shares a *window* with it
    where a passage of the item has `min_hits_zh` or `min_hits_en` (by the item's language) distinct
    specific n-grams that the text has too. A passage may differ in single words.

    Args:
        table: rows of `benchmark_ngrams`.
        settings: limits of hits and share.
    """

    def __init__(self, table: pl.DataFrame, settings: ContaminationSettings) -> None:
        import numpy as np

        from carebot_assets.corpus import matching

        least = {"zh": settings.min_hits_zh, "en": settings.min_hits_en}
        if not table["item_id"].is_sorted():
            table = table.sort("item_id")
        table = table.with_columns(item=pl.col("item_id").rle_id())
        self.items = (
            table.group_by("item", maintain_order=True)
            .agg(pl.col("item_id", "suite", "lang", "num_units", "stem_units").first())
            .with_columns(min_hits=pl.col("lang").replace_strict(least, default=least["en"]))
        )
        self.places = table.select("ngram", "item", "position", "is_phrase").sort("ngram")
        is_first = self.places["ngram"].is_first_distinct()
        self.starts = np.append(is_first.arg_true().to_numpy(), table.height)
        distinct = self.places["ngram"].filter(is_first).to_numpy()
        lengths = self.items["num_units"].unique().sort().to_numpy()
        self.wanted = matching.lookup(distinct, lengths)
        self.min_item_share = settings.min_item_share

    def matches(self, texts: pl.Series) -> pl.Series:
        """The item that each text overlaps most, nulls where none, as a struct a text."""
        best = (
            self.overlaps(texts)
            .sort(
                pl.col("evidence").is_null(),
                "item_share",
                "num_hits",
                "item",
                descending=[False, True, True, False],
            )
            .unique("text", keep="first", maintain_order=True)
            .select("text", *_MATCH.to_schema())
        )
        rows = pl.DataFrame({"text": range(len(texts))}, schema={"text": pl.Int64})
        joined = rows.join(best, on="text", how="left", maintain_order="left").drop("text")
        return joined.to_struct(texts.name)

    def repeats(self, texts: pl.Series) -> pl.Series:
        """Whether each text repeats an item."""
        return self.matches(texts).struct.field("evidence").is_not_null()

    def overlaps(self, texts: pl.Series) -> pl.DataFrame:
        """Every pair of a text and an item that share a specific n-gram."""
        import numpy as np

        from carebot_assets.corpus import matching

        found, index = matching.find(texts, self.wanted)
        pairs = np.unique(found * len(self.starts) + index)
        found, index = np.divmod(pairs, len(self.starts))
        counts = self.starts[index + 1] - self.starts[index]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        hits = self.places[np.repeat(self.starts[index], counts) + offsets]
        n, is_specific = pl.col("num_units"), ~pl.col("is_phrase")
        in_stem = pl.col("position") + n <= pl.col("stem_units")
        is_first = (pl.col("text").diff() != 0) | (pl.col("item").diff() != 0)
        step = pl.when(~is_first).then(pl.col("position").diff())
        return (
            hits.with_columns(self.items["num_units", "stem_units"][hits["item"]])
            .with_columns(text=np.repeat(found, counts))
            .sort("text", "item", "position")
            .with_columns(step=step)
            # One word changed is `n` n-grams lost.
            .with_columns(
                passage=(pl.col("step") <= n + 1).not_().fill_null(True).cum_sum(),
                # Neighbours overlap: each n-gram adds what the one before it does not cover.
                covered=pl.when(in_stem).then(pl.min_horizontal("step", n).fill_null(n)),
                has_stem=in_stem & is_specific,
            )
            .group_by("passage")
            .agg(
                pl.col("text", "item").first(),
                num_hits=pl.col("ngram").filter(is_specific).n_unique().cast(pl.Int64),
                has_stem=pl.col("has_stem").any(),
                covered=pl.col("covered").sum(),
            )
            .group_by("text", "item")
            .agg(pl.col("num_hits").max(), pl.col("has_stem").any(), pl.col("covered").sum())
            .join(self.items, on="item")
            .filter(pl.col("num_hits") > 0)
            .with_columns(item_share=(pl.col("covered") / pl.col("stem_units")).fill_nan(0.0))
            .with_columns(
                evidence=pl.when(_is_whole(self.min_item_share))
                .then(pl.lit("whole"))
                .when(pl.col("num_hits") >= pl.col("min_hits"))
                .then(pl.lit("window"))
            )
        )


def _is_whole(min_share: float) -> pl.Expr:
    """The stem is all there; or nearly, and it is not so short that nearly is another phrase."""
    is_long = pl.col("num_hits") >= pl.col("min_hits") / 2
    return pl.col("has_stem") & (
        (pl.col("item_share") == 1.0) | (is_long & (pl.col("item_share") >= min_share))
    )
