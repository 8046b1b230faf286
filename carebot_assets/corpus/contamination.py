"""Overlap of documents with benchmark items, by hashed n-grams of words and CJK characters.

Source: CareBot names decontamination as part of data processing and gives no method. N-grams of 8
and a share of the item are those of Tulu 3 (arXiv 2411.15124, section 3.2), counted within items
as GPT-3 does (arXiv 2005.14165, appendix C). What GPT-3 and Tulu 3 leave to a single long n-gram is
decided here by specific n-grams: set phrases of exams ("pulse is 90/min, respirations are 18/min")
are long and say nothing, and differ in their numbers only.
"""

from typing import Any

import polars as pl

from carebot_assets.corpus.chain import verdict, with_alive
from carebot_assets.settings import ContaminationSettings
from carebot_assets.tables import BY_NAME

RULE = "benchmark_contamination_v2"
# Their context is published literature (PubMed abstracts), which a corpus may well contain; the
# question and its answer are not.
PUBLIC_CONTEXT = ("pubmedqa",)

_MATCH = pl.Struct(
    {
        "suite": pl.String,
        "item_id": pl.String,
        "evidence": pl.String,
        "num_hits": pl.Int64,
        "item_share": pl.Float64,
    }
)


def item_parts() -> list[pl.Expr]:
    """What is protected of a row of `benchmark_items`: `stem`, `options` and `others`.

    The stem is the question or, of a consultation without one, its first turn; the others are
    context (but for `PUBLIC_CONTEXT`) and further turns.
    """
    is_public = pl.any_horizontal(pl.col("suite").str.starts_with(name) for name in PUBLIC_CONTEXT)
    turns = pl.col("turns").list.eval(pl.element().struct.field("text")).fill_null([])
    has_question = pl.col("question").is_not_null()
    context = pl.concat_list(pl.when(~is_public).then("context"))
    others = context.list.concat(turns.list.slice(pl.when(has_question).then(0).otherwise(1)))
    stem = pl.coalesce("question", turns.list.first()).fill_null("")
    options = pl.col("options").fill_null([]).list.drop_nulls().list.join("\n")
    return [
        stem.str.normalize("NFC").alias("stem"),
        options.str.normalize("NFC").alias("options"),
        others.list.drop_nulls().list.eval(pl.element().str.normalize("NFC")).alias("others"),
    ]


def ngrams(items: pl.LazyFrame, settings: ContaminationSettings) -> pl.DataFrame:
    """N-grams of every item by their place in it.

    The stem stands first and the options follow it; where the stem is shorter than
    `min_item_units` or made of set phrases only, the options count as part of it. An n-gram is a
    set phrase where every run of `phrase_units` in it occurs, numbers aside, in more than
    `max_items_per_phrase` items. Items that nothing could be dropped for are left out.
    """
    from carebot_assets.corpus import matching

    parts = []
    is_zh = pl.col("lang") == "zh"
    for chosen, n in ((is_zh, settings.ngram_zh), (~is_zh, settings.ngram_en)):
        texts = _texts(items.filter(chosen))
        found = matching.ngrams(texts["text"], n)
        grams = texts.drop("text")[found.text].with_columns(
            pl.Series("position", found.position) + pl.col("start"),
            ngram=found.ngram,
            num_units=pl.lit(n, pl.Int64),
            is_phrase=_are_phrases(texts, n, settings),
        )
        parts.append(grams)
    return _protected(pl.concat(parts), settings)


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


def summarize_ngrams(table: pl.LazyFrame, items: pl.LazyFrame) -> dict[str, Any]:
    """Counts for the UI; items left out cannot be told from ordinary text."""
    by_suite = items.group_by("suite").len("num_items").collect()
    counts = table.group_by("suite").agg(
        num_protected=pl.col("item_id").n_unique(), num_phrases=pl.col("is_phrase").sum()
    )
    rows = by_suite.join(counts.collect(engine="streaming"), on="suite", how="left").sort("suite")
    rows = rows.fill_null(0)
    protected = int(rows["num_protected"].sum())
    lines = [f"| {s} | {n} | {p} | {n - p} |" for s, n, p, _ in rows.rows()]
    head = ["| suite | items | protected | left out |", "|---|---:|---:|---:|"]
    return {
        "num_ngrams": table.select(pl.len()).collect().item(),
        "num_phrases": int(rows["num_phrases"].sum()),
        "num_protected_items": protected,
        "num_items_left_out": int(rows["num_items"].sum()) - protected,
        "suites": "\n".join([*head, *lines]),
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


def _texts(items: pl.LazyFrame) -> pl.DataFrame:
    """Texts of the items: stem and options, then each other part, and where each begins."""
    from carebot_assets.corpus import matching

    kept = ("suite", "item_id", "lang")
    parts = items.select(*kept, *item_parts()).collect()
    first = parts.select(
        *kept,
        part=pl.lit(0, pl.Int64),
        text=pl.concat_str("stem", "options", separator="\n"),
        question_units=matching.num_units(parts["stem"]),
    )
    others = parts.select(*kept, text="others").explode("text").drop_nulls("text")
    numbered = others.with_columns(part=pl.int_range(1, pl.len() + 1).over("item_id"))
    texts = pl.concat([first, numbered], how="diagonal").sort("item_id", "part")
    size = pl.col("size")
    return (
        texts.with_columns(size=matching.num_units(texts["text"]))
        .with_columns(
            pl.col("question_units").max().over("item_id"),
            main_units=size.first().over("item_id"),
            start=(size.cum_sum() - size).over("item_id"),
        )
        .drop("part", "size")
    )


def _are_phrases(texts: pl.DataFrame, n: int, settings: ContaminationSettings) -> pl.Series:
    """Whether each n-gram of the texts, in order, is made of runs that many items have."""
    from carebot_assets.corpus import matching

    k = min(settings.phrase_units, n)
    found = matching.ngrams(texts["text"], k, same_numbers=True)
    runs = pl.DataFrame(
        {"text": found.text, "run": found.ngram, "item": texts["item_id"][found.text]}
    )
    rarest = pl.col("num_items").rolling_min(n - k + 1).over("text")
    return (
        runs.with_columns(num_items=pl.col("item").n_unique().over("run"))
        .select(rarest=rarest)
        .drop_nulls()
        .select(is_phrase=pl.col("rarest") > settings.max_items_per_phrase)
        .to_series()
    )


def _protected(grams: pl.DataFrame, settings: ContaminationSettings) -> pl.DataFrame:
    """Rows of `benchmark_ngrams`: those of the items that a document may be dropped for."""
    end, is_specific = pl.col("position") + pl.col("num_units"), ~pl.col("is_phrase")

    def told(units: str) -> pl.Expr:
        holds = (is_specific & (end <= pl.col(units))).any().over("item_id")
        return holds & (pl.col(units) >= settings.min_item_units)

    least = pl.when(pl.col("lang") == "zh").then(settings.min_hits_zh)
    has_many = is_specific.sum().over("item_id") >= least.otherwise(settings.min_hits_en)
    stem_units = pl.when(told("question_units")).then("question_units")
    return (
        grams.with_columns(
            stem_units=stem_units.when(told("main_units")).then("main_units").otherwise(0)
        )
        .filter(has_many | (pl.col("stem_units") > 0))
        .select(BY_NAME["benchmark_ngrams"].schema.names())
        .sort("item_id", "position")
    )
