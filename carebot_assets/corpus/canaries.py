"""Canaries: benchmark items planted into documents, to measure what decontamination finds."""

import polars as pl

from carebot_assets.corpus import contamination
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import ContaminationSettings

NUM_CANARIES = 200


def plant(documents: pl.LazyFrame, items: pl.LazyFrame) -> pl.DataFrame:
    """Documents with one item in the middle of each; `doc_id` is the item's id.

    The item stands there as leaks do: a field a line, numbered.
    """
    numbered = pl.format("{}. {}", pl.int_range(1, pl.len() + 1), pl.element())
    planted = (
        items.sort("item_id")
        .select(
            doc_id="item_id", item=contamination.item_fields().list.eval(numbered).list.join("\n")
        )
        .collect()
    )
    step = max(1, planted.height // NUM_CANARIES)
    planted = planted.gather_every(step).head(NUM_CANARIES)
    carriers = documents.head(NUM_CANARIES).select("text").collect()["text"].to_list() or [""]
    carrier = pl.Series("carrier", carriers).gather(
        [i % len(carriers) for i in range(len(planted))]
    )
    half = pl.col("carrier").str.len_chars() // 2
    text = pl.concat_str(
        pl.col("carrier").str.head(half), "item", pl.col("carrier").str.slice(half), separator="\n"
    )
    return planted.with_columns(carrier).select(
        "doc_id", text.alias("text"), shard=pl.lit("canary")
    )


def recall(
    documents: pl.LazyFrame,
    items: pl.LazyFrame,
    ngrams: pl.LazyFrame,
    settings: ContaminationSettings,
) -> Finding:
    """Every canary is dropped; items left out for shortness are not planted.

    Fails where there are items and none of them is protected; passes where there are none at all.
    """
    if items.select(pl.len()).collect().item() == 0:
        return Finding(True, "no benchmark item to protect", {"num_canaries": 0})
    canaries = plant(documents, items.join(ngrams, on="item_id", how="semi"))
    alive = canaries.lazy().select("doc_id", verdict=pl.lit("keep"))
    found = contamination.verdicts(canaries.lazy(), alive, ngrams, settings).collect()
    missed = found.filter(pl.col("verdict") != "drop")["doc_id"]
    recall = 1 - len(missed) / len(found) if len(found) else 0.0
    return Finding(
        recall == 1.0,
        f"{len(found) - len(missed)} of {len(found)} planted benchmark items found",
        {
            "recall": recall,
            "num_canaries": len(found),
            "missed": missed.head(MAX_OFFENDERS).to_list(),
        },
    )
