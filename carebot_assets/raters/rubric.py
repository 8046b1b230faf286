"""What is rated: one rater is a rubric, its scale, a teacher's role and an encoder.

CareBot's DataRater and Deita's two scorers differ in nothing else.
"""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Rubric:
    """One score.

    Attributes:
        name: kind of the saved head.
        role: the teacher's role that gives the score.
        answer: field of the teacher's answer.
        fields: fields of an item that the score is of, joined for the encoder.
        low, high: ends of the scale.
        source: where the rubric comes from.
    """

    name: str
    role: str
    answer: str
    fields: tuple[str, ...]
    low: float
    high: float
    source: str


QUALITY = Rubric(
    "quality rater", "quality_score", "score", ("text",), 0.0, 5.0,
    "CareBot (arXiv 2412.15236) 4.1, DataRater: additive rubric, trained on bge-m3",
)  # fmt: skip
COMPLEXITY = Rubric(
    "complexity rater", "instruction_score", "complexity", ("question",), 1.0, 6.0,
    "Deita (arXiv 2312.15685), Evol complexity",
)  # fmt: skip
ANSWER_QUALITY = Rubric(
    "answer quality rater", "instruction_score", "quality", ("question", "answer"), 1.0, 6.0,
    "Deita (arXiv 2312.15685), Evol quality",
)  # fmt: skip


def text_of(rubric: Rubric) -> pl.Expr:
    """What an encoder reads of an item: its fields, joined by a blank line."""
    return pl.concat_str(rubric.fields, separator="\n\n", ignore_nulls=True)
