"""Huatuo-26M: one question and answer, each maybe inside one or two lists of paraphrases."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, clean, missing, one_round
from carebot_assets.dialogue.adapters.records import extract


def _first(*names: str) -> str:
    return "|".join(f"$.{name}{step}" for name in names for step in ("[0][0]", "[0]", ""))


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "question": _first("instruction", "questions", "question"),
            "answer": _first("output", "answers", "answer"),
            "department": "$.label",
        },
    ).lazy()
    question, answer = clean(pl.col("question")), clean(pl.col("answer"))
    # The consultation set links to its answers instead of giving them.
    is_link = answer.str.contains(r"^https?://\S+$")
    return frame.select(
        "position",
        "department",
        turns=one_round(question, answer),
        error=pl.coalesce(
            missing(question=pl.col("question"), answer=pl.col("answer")),
            pl.when(is_link).then(pl.lit("the answer is a link, not a text")),
        ),
    )


ADAPTER = Adapter(
    "huatuo26m", "JSON: instruction/output or questions/answers, text or (nested) lists", build
)
