"""The form of an answer in every role: what is asked for, and all that is accepted."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

LABEL_SEPARATOR = " | "
# What the four sub-scores of the quality rubric may add up to beyond or below the stated score.
RUBRIC_TOLERANCE = 1.0

Winner = Literal["a", "b", "tie"]
Grade = Annotated[int, Field(ge=1, le=5)]
DeitaScore = Annotated[float, Field(ge=1, le=6)]
Point = Annotated[float, Field(ge=0, le=1)]


class AnswerModel(BaseModel):
    """An answer has exactly the declared fields, all of them required, finite and strict."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class QualityScore(AnswerModel):
    """Additive rubric: what the sub-scores earn is the score.

    Source: CareBot 4.1 (DataRater's four dimensions, 0..5), IndustryCorpus2's additive prompt.
    """

    grammar: Point
    information: Annotated[float, Field(ge=0, le=2)]
    coherence: Point
    relevance: Point
    score: Annotated[float, Field(ge=0, le=5)]

    @model_validator(mode="after")
    def _adds_up(self) -> "QualityScore":
        total = self.grammar + self.information + self.coherence + self.relevance
        if abs(total - self.score) > RUBRIC_TOLERANCE:
            raise ValueError(f"score {self.score:g} is not the sum {total:g} of the sub-scores")
        return self


class WrittenDocument(AnswerModel):
    """A document that a teacher writes for a label with too few of them."""

    title: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=80)]


class InstructionScore(AnswerModel):
    """Complexity of a question and quality of its answer. Source: Deita (arXiv 2312.15685)."""

    complexity: DeitaScore
    quality: DeitaScore


class DoctorAnswer(AnswerModel):
    answer: Annotated[str, Field(min_length=1)]


class PairVerdict(AnswerModel):
    """The better answer on each dimension and altogether. Source: CareBot, direct preference."""

    fluency: Winner
    relevance: Winner
    completeness: Winner
    proficiency: Winner
    winner: Winner


class ConsultationGrades(AnswerModel):
    """Absolute grades against a reference answer. Source: CMB-Clin (arXiv 2308.08833)."""

    fluency: Grade
    relevance: Grade
    completeness: Grade
    proficiency: Grade


@cache
def label_model(labels: str) -> type[BaseModel]:
    """The answer to a `domain_label` item: one of its labels, which `LABEL_SEPARATOR` joins."""
    allowed: Any = Literal[tuple(labels.split(LABEL_SEPARATOR))]
    return create_model("DomainLabel", __base__=AnswerModel, label=(allowed, ...))
