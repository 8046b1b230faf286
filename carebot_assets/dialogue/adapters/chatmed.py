"""ChatMed_Consult: query and response, in lines whatever the suffix, maybe already wrapped."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, clean, missing, one_round
from carebot_assets.dialogue.adapters.records import extract


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(records, {"query": "$.query", "response": "$.response"}).lazy()
    # The wrapper is "<s>问：\n...\n答：\n".
    query = clean(pl.col("query").str.replace(r"\s*答[：:]\s*$", ""))
    return frame.select(
        "position",
        turns=one_round(query, clean(pl.col("response"))),
        error=missing(query=pl.col("query"), response=pl.col("response")),
    )


ADAPTER = Adapter("chatmed", "JSON lines: query, response; wrapped in 问：/答： or not", build)
