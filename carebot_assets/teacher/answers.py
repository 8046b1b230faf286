"""What comes back from a teacher: answers, what they cost, and why there may be none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


class TeacherError(ValueError):
    """The teacher cannot be asked at all: no key, no access, nobody answers."""


class BudgetExceeded(TeacherError):
    """The budget would not cover another call; what was answered so far is in the ledger."""


@dataclass(frozen=True)
class Answer:
    """The teacher's answer to one item; `usd` and tokens are what it cost when it was asked."""

    status: Literal["ok", "failed"]
    value: dict[str, Any] | None
    error: str | None
    cached: bool
    input_tokens: int
    output_tokens: int
    usd: float


def summarize(answers: Sequence[Answer]) -> dict[str, float]:
    """Counts, tokens and cost of answers, for an artifact's metadata; cached ones cost nothing."""
    asked = [answer for answer in answers if not answer.cached]
    return {
        "num_answers": len(answers),
        "num_calls": len(asked),
        "num_cached": len(answers) - len(asked),
        "num_failed": sum(answer.status == "failed" for answer in answers),
        "num_input_tokens": sum(answer.input_tokens for answer in asked),
        "num_output_tokens": sum(answer.output_tokens for answer in asked),
        "cost_usd": round(sum(answer.usd for answer in asked), 6),
    }
