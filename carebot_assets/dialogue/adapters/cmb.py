"""CMB-train: exam questions with one or several right answers and options that may be blank."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, choice, clean, option_fields, something
from carebot_assets.dialogue.adapters.records import extract


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "question": "$.question",
            "answer": "$.answer",
            "question_type": "$.question_type",
            "department": "$.exam_subject",
            **option_fields("$.option", "$.options"),
        },
    ).lazy()
    # Without exam and subject, so that a question listed under several subjects is seen as one.
    prompt = pl.format(
        "以下是一道{}，请直接给出正确答案的选项。\n题目：{}",
        something(pl.col("question_type")).fill_null("选择题"),
        clean(pl.col("question")),
    )
    return choice(frame, prompt, "答案是：")


ADAPTER = Adapter("cmb", "JSON: question, question_type, option mapping, answer letters", build)
