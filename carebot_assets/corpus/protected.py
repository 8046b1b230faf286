"""What is protected of benchmark items: hashed n-grams of words and CJK characters.

Source: CareBot names decontamination as part of data processing and gives no method. N-grams of 8
and a share of the item are those of Tulu 3 (arXiv 2411.15124, section 3.2). Set phrases of exams
("pulse is 90/min, respirations are 18/min") are long and say nothing, and differ in their numbers
only: they are told by how many items have them, and are no evidence by themselves.
"""

from typing import Any

import polars as pl

from carebot_assets.settings import ContaminationSettings
from carebot_assets.tables import BY_NAME

# Their context is published literature (PubMed abstracts), which a corpus may well contain; the
# question and its answer are not.
PUBLIC_CONTEXT = ("pubmedqa",)


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


def summarize(table: pl.LazyFrame, items: pl.LazyFrame) -> dict[str, Any]:
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
