"""MedQA: question, options (mapping or list), answer_idx, else the answer's text."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, choice, clean, option_fields
from carebot_assets.dialogue.adapters.records import extract

CJK = r"[\u4e00-\u9fff]"


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "question": "$.question|$.sent1",
            "answer": "$.answer_idx|$.answer",
            **option_fields("$.options"),
        },
    ).lazy()
    question = clean(pl.col("question"))
    # Mainland China's part of MedQA is Chinese.
    is_zh = question.str.contains(CJK)
    english = choice(
        frame.filter(~is_zh | is_zh.is_null()), pl.format("Question: {}", question), "Answer:"
    )
    chinese = choice(frame.filter(is_zh), pl.format("题目：{}", question), "答案是：")
    return pl.concat([english, chinese]).sort("position")


ADAPTER = Adapter("medqa", "JSON lines: question, options, answer_idx or answer", build)
