"""Toyhom Chinese-medical-dialogue-data: GB18030 CSV of department, title, ask|question, answer."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, clean, missing, one_round, something
from carebot_assets.dialogue.adapters.records import extract


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "department": "$.department",
            "title": "$.title",
            "ask": "$.ask|$.question",
            "answer": "$.answer",
        },
    ).lazy()
    title, ask = something(clean(pl.col("title"))), something(clean(pl.col("ask")))
    # The title is often the beginning of the question, word by word.
    both = pl.when(ask.str.contains(title, literal=True)).then(ask)
    question = pl.coalesce(both, pl.format("{}\n{}", title, ask), ask, title)
    return frame.select(
        "position",
        "department",
        turns=one_round(question.fill_null(""), clean(pl.col("answer"))),
        error=missing(ask=pl.coalesce("ask", "title"), answer=pl.col("answer")),
    )


ADAPTER = Adapter("toyhom", "CSV: department, title, ask or question, answer", build)
