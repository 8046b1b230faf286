"""Canaries: benchmark items planted into documents, to measure what decontamination finds.

Each is planted in the forms that leaks take: as published; its options lettered and its lines
broken anew; its question alone; in other case, width and punctuation; in Traditional characters.
"""

import re
from collections.abc import Iterator
from string import ascii_uppercase
from textwrap import fill

import polars as pl

from carebot_assets.corpus import contamination
from carebot_assets.corpus.protected import item_parts
from carebot_assets.corpus.variants import converter
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import ContaminationSettings

NUM_ITEMS = 50
MIN_RECALL = 0.98
CARRIER_CHARS = 2000
# Breaks a line between Chinese characters; no word is cut.
_LINE = re.compile(r"([\u4e00-\u9fff，、。]{20})(?=[\u4e00-\u9fff])")
_MARKS = str.maketrans(dict.fromkeys(",.;:!?，。；：！？、", " …"))
_WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


def plant(documents: pl.LazyFrame, items: pl.LazyFrame, ngrams: pl.LazyFrame) -> pl.DataFrame:
    """Documents with one protected item in the middle of each: `NUM_ITEMS` items in every form.

    `doc_id` is the item's id and the form. A question that is protected only together with its
    options is not planted alone.
    """
    from carebot_assets.corpus import matching

    protected = ngrams.select("item_id", "stem_units").unique()
    found = (
        items.select("item_id", "lang", *item_parts())
        .join(protected, on="item_id")
        .sort("item_id")
        .collect()
    )
    found = found.gather_every(max(1, found.height // NUM_ITEMS)).head(NUM_ITEMS)
    alone = found.select(pl.col("stem_units") == matching.num_units(found["stem"])).to_series()
    planted = [
        (item_id, form, text)
        for (item_id, lang, stem, options, others, _), is_alone in zip(
            found.rows(), alone, strict=True
        )
        for form, text in _forms(lang, stem, options.split("\n"), others, is_alone)
    ]
    heads = documents.head(len(planted)).select(pl.col("text").str.head(CARRIER_CHARS))
    carriers = heads.collect()["text"].to_list() or [""]
    columns = {"item_id": pl.String, "form": pl.String, "item": pl.String}
    carrier = pl.Series("carrier", [carriers[i % len(carriers)] for i in range(len(planted))])
    half = pl.col("carrier").str.len_chars() // 2
    before, after = pl.col("carrier").str.head(half), pl.col("carrier").str.slice(half)
    return (
        pl.DataFrame(planted, schema=columns, orient="row")
        .with_columns(carrier.cast(pl.String))
        .select(
            doc_id=pl.concat_str("item_id", "form", separator=" "),
            shard=pl.lit("canary"),
            text=pl.concat_str(before, "item", after, separator="\n"),
            form="form",
        )
    )


def recall(
    documents: pl.LazyFrame,
    items: pl.LazyFrame,
    ngrams: pl.LazyFrame,
    settings: ContaminationSettings,
) -> Finding:
    """Canaries are dropped, `MIN_RECALL` of them or more; the missed ones are named.

    Items that cannot be told from ordinary text are not planted. All are not asked for: a
    conversion may change characters of a short question for good.
    Fails where there are items and none of them is protected; passes where there are none at all.
    """
    if items.select(pl.len()).collect().item() == 0:
        return Finding(True, "no benchmark item to protect", {"num_canaries": 0})
    canaries = plant(documents, items, ngrams)
    alive = canaries.lazy().select("doc_id", verdict=pl.lit("keep"))
    found = contamination.verdicts(canaries.lazy(), alive, ngrams, settings).collect()
    found = found.with_columns(canaries["form"], is_found=pl.col("verdict") == "drop")
    missed = found.filter(~pl.col("is_found"))["doc_id"]
    recall = 1 - len(missed) / len(found) if len(found) else 0.0
    by_form = found.group_by("form").agg(pl.col("is_found").mean()).sort("form")
    return Finding(
        recall >= MIN_RECALL,
        f"{len(found) - len(missed)} of {len(found)} planted benchmark items found",
        {
            "recall": recall,
            "recall_by_form": dict(by_form.iter_rows()),
            "num_canaries": len(found),
            "missed": missed.head(MAX_OFFENDERS).to_list(),
        },
    )


def _forms(
    lang: str, stem: str, options: list[str], others: list[str], is_alone: bool
) -> Iterator[tuple[str, str]]:
    published = "\n".join([stem, *options, *others])
    lettered = [f"{letter}. {x}" for letter, x in zip(ascii_uppercase, options, strict=False)]
    yield "published", published
    flat = " ".join([stem, *lettered, *others])
    yield "reflowed", _LINE.sub(r"\1\n", flat) if lang == "zh" else fill(flat, 60)
    yield "converted", published.translate(_MARKS).upper().translate(_WIDE)
    if is_alone:
        yield "question", stem
    if lang == "zh":
        yield "traditional", converter("s2t").convert(published)
