"""stub"""

import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass
class Doubt:
    rate: float
    seed: int
    message: str


def answer(role: str, trusted: dict[str, str], untrusted: dict[str, str], doubt: Doubt) -> Any:
    return {
        "domain_label": {"label": "Others"},
        "doctor_answer": {"answer": "Please see a doctor."},
        "quality_score": dict(grammar=1, information=1, coherence=1, relevance=0.5, score=3.5),
        "instruction_score": dict(complexity=3, quality=3),
        "judge_pair": dict(
            fluency="a", relevance="a", completeness="a", proficiency="a", winner="a"
        ),
        "judge_consultation": dict(fluency=3, relevance=3, completeness=3, proficiency=3),
    }[role]
