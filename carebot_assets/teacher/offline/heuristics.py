"""Answers to every role from the text of the item alone, and honest doubt between rounds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from carebot_assets.teacher.answer_models import LABEL_SEPARATOR
from carebot_assets.teacher.offline import compose, consultation, evidence, quality
from carebot_assets.teacher.offline.orders import without_orders

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Doubt:
    """Where one round differs from another: a hash of seed and item decides.

    `rate` is the share of items on which two rounds disagree. Both rounds may be the odd one, so
    each errs with probability e where 2 e (1 - e) = rate.
    """

    rate: float
    seed: int
    message: str

    def draw(self, purpose: str) -> float:
        """A number in [0, 1), the same for the same seed and message."""
        digest = hashlib.sha256(
            f"{self.seed}\0{purpose}\0{self.message}".encode("utf-8", "replace")
        )
        return int.from_bytes(digest.digest()[:8]) / 2**64

    @property
    def errs(self) -> bool:
        return self.draw("errs") < (1 - sqrt(1 - 2 * min(self.rate, 0.5))) / 2

    def sign(self, purpose: str) -> int:
        return 1 if self.draw(purpose) < 0.5 else -1


def _domain_label(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    labels = trusted["labels"].split(LABEL_SEPARATOR)
    ranked = evidence.rank_labels(untrusted["text"], labels)
    if doubt.errs:
        ranked = ranked[1:] or [label for label in labels if label != ranked[0]] or ranked
    return {"label": ranked[0]}


def _quality_score(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    """A quarter up or down in every round, and two points where the rounds disagree."""
    points = quality.rate(untrusted["text"], trusted["domain"].split(LABEL_SEPARATOR))
    shift = 0.25 * doubt.sign("noise")
    if doubt.errs:
        shift = -2.0 if points["score"] >= 2.5 else 2.0
    return quality.shifted(points, shift)


def _instruction_score(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    scores = consultation.rate_instruction(untrusted["question"], untrusted["answer"])
    shift = (1.0 if doubt.errs else 0.25) * doubt.sign("shift")
    return {name: min(6.0, max(1.0, value + shift)) for name, value in scores.items()}


def _write_document(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    return dict(compose.write(trusted["label"], trusted["language"], doubt.draw))


def _doctor_answer(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    return {"answer": consultation.reply(untrusted["dialogue"], doubt.draw)}


def _judge_pair(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    verdict = consultation.compare(
        untrusted["dialogue"], untrusted["answer_a"], untrusted["answer_b"]
    )
    if doubt.errs:
        verdict["winner"] = {"a": "b", "b": "a", "tie": "a"}[verdict["winner"]]
    return verdict


def _judge_consultation(trusted: Fields, untrusted: Fields, doubt: Doubt) -> dict[str, Any]:
    grades = consultation.grade(untrusted["dialogue"], untrusted["reference"], untrusted["answer"])
    shift = doubt.sign("shift") if doubt.errs else 0
    return {name: min(5, max(1, value + shift)) for name, value in grades.items()}


_ROLES: dict[str, Callable[[Fields, Fields, Doubt], dict[str, Any]]] = {
    "domain_label": _domain_label,
    "quality_score": _quality_score,
    "write_document": _write_document,
    "instruction_score": _instruction_score,
    "doctor_answer": _doctor_answer,
    "judge_pair": _judge_pair,
    "judge_consultation": _judge_consultation,
}


def answer(
    role: str, trusted: Fields, untrusted: Fields, disagreement_rate: float, seed: int
) -> dict[str, Any]:
    """The answer of the role's answer model.

    Raises:
        ValueError: a role without heuristics.
    """
    if role not in _ROLES:
        raise ValueError(f"the offline teacher has no role {role!r}")
    heard = {name: without_orders(text) for name, text in untrusted.items()}
    item = json.dumps([role, trusted, heard], sort_keys=True)
    return _ROLES[role](trusted, heard, Doubt(disagreement_rate, seed, item))
