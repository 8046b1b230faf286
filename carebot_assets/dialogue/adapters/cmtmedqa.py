"""CMtMedQA: history of rounds plus a last round; safety items have keys of their own."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, alternating, missing, something
from carebot_assets.dialogue.adapters.records import extract


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "question": "$.instruction|$.instruct",
            "details": "$.input",
            "answer": "$.output",
            "department": "$.cate1",
        },
        lists={"history": "$.history VARCHAR[][]", "any_history": "$.history JSON"},
    ).lazy()
    history = pl.col("history").fill_null([])
    is_lost = pl.col("history").is_null() & (pl.col("any_history").fill_null("null") != "null")
    is_pairs = history.list.eval(pl.element().list.len() == 2).list.all()
    question = pl.concat_str(
        something(pl.col("question")),
        something(pl.col("details")),
        separator="\n",
        ignore_nulls=True,
    )
    texts = pl.concat_list(
        history.list.eval(pl.element().explode()), question, pl.col("answer").fill_null("")
    )
    return frame.select(
        "position",
        "department",
        turns=alternating(texts.list.eval(pl.element().fill_null(""))),
        error=pl.coalesce(
            missing(instruction=pl.col("question"), output=pl.col("answer")),
            pl.when(is_lost | ~is_pairs).then(pl.lit("history is no list of pairs")),
        ),
    )


ADAPTER = Adapter(
    "cmtmedqa", "JSON: instruction (or instruct), output, history of [question, answer]", build
)
