"""ChatDoctor (HealthCareMagic, iCliniq, GenMedGPT): instruction, input, output."""

import polars as pl

from carebot_assets.dialogue.adapters.base import Adapter, clean, missing, one_round, something
from carebot_assets.dialogue.adapters.records import extract

SITE = r"(?:chat ?doctor|health ?care ?magic)(?:\.com)?"
# The same sentence in every record; it says nothing about the question.
STOCK_INSTRUCTION = r"(?i)^if you are a doctor, please answer"
# Doctors' names were replaced by the site's: what is left is a salutation and a signature.
OPENING = (
    r"(?i)^(?:(?:hi|hello|dear)\b[^.!?\n]{0,40}[,.!]\s*)?"
    rf"(?:thank|welcome)[^.!?\n]{{0,60}}\b{SITE}[.!,]*\s*"
)
CLOSING = (
    r"(?i)[\s,.\-]*(?:(?:(?:with |best |warm |kind )*(?:regards|wishes)|sincerely|take care|"
    rf"thank(?:s| you))[\s,.\-]*)*(?:dr\.? *)?\b{SITE}\W*$"
)


def build(records: pl.DataFrame) -> pl.LazyFrame:
    frame = extract(
        records,
        {
            "instruction": "$.instruction",
            "question": "$.input",
            "answer": "$.output|$.answer_icliniq|$.answer_chatdoctor|$.answer_chatgpt",
        },
    ).lazy()
    instruction = something(pl.col("instruction"))
    task = pl.when(~instruction.str.contains(STOCK_INSTRUCTION)).then(instruction)
    question = pl.concat_str(task, something(pl.col("question")), separator="\n", ignore_nulls=True)
    answer = clean(pl.col("answer")).str.replace(OPENING, "")
    ending = pl.when(answer.str.contains(CLOSING)).then(pl.lit(".")).otherwise(pl.lit(""))
    signed_off = answer.str.replace(CLOSING, "")
    return frame.select(
        "position",
        turns=one_round(
            clean(question),
            pl.when(signed_off == "").then(signed_off).otherwise(signed_off + ending),
        ),
        error=missing(input=pl.coalesce("question", "instruction"), output=pl.col("answer")),
    )


ADAPTER = Adapter("chatdoctor", "JSON: instruction, input, output (or answer_icliniq, ...)", build)
