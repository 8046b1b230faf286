"""What a teacher is asked to do: one role, one prompt file, one answer model.

A prompt file holds the instruction alone and never a document; the number in its name is its
version. The fields of an item go into the user message, untrusted ones inside a fence.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from carebot_assets.settings import current_settings
from carebot_assets.teacher.answer_models import (
    LABEL_SEPARATOR,
    ConsultationGrades,
    DoctorAnswer,
    InstructionScore,
    PairVerdict,
    QualityScore,
    label_model,
)
from carebot_assets.teacher.fence import wrap
from carebot_assets.teacher.offline.process import offline_version

PROMPTS_DIR = Path(__file__).parent / "prompts"


@dataclass(frozen=True)
class Role:
    """One task of the teacher.

    Attributes:
        untrusted: fields of an item that come from documents or models; fenced.
        trusted: one-line fields that come from settings.
        cut: which end of an overlong field is given up.
        answer_model: the pydantic model of an answer to an item.
    """

    name: str
    version: int
    untrusted: tuple[str, ...]
    answer_model: Callable[[Mapping[str, str]], type[BaseModel]]
    trusted: tuple[str, ...] = ()
    cut: Literal["start", "end"] = "end"

    @property
    def instruction(self) -> str:
        return _read_prompt(f"{self.name}_v{self.version}")


def _always(model: type[BaseModel]) -> Callable[[Mapping[str, str]], type[BaseModel]]:
    return lambda item: model


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "domain_label",
            1,
            ("text",),
            lambda item: label_model(item["labels"]),
            trusted=("labels",),
        ),
        Role("quality_score", 1, ("text",), _always(QualityScore), trusted=("domain",)),
        Role("instruction_score", 1, ("question", "answer"), _always(InstructionScore)),
        # The last turns of a conversation matter most.
        Role("doctor_answer", 1, ("dialogue",), _always(DoctorAnswer), cut="start"),
        Role(
            "judge_pair",
            1,
            ("dialogue", "answer_a", "answer_b"),
            _always(PairVerdict),
            cut="start",
        ),
        Role(
            "judge_consultation",
            1,
            ("dialogue", "reference", "answer"),
            _always(ConsultationGrades),
            cut="start",
        ),
    )
}


def role_named(name: str) -> Role:
    """A role by its name.

    Raises:
        ValueError: there is no such role.
    """
    if name not in ROLES:
        raise ValueError(f"no teacher role {name!r}; there are {', '.join(ROLES)}")
    return ROLES[name]


def join_labels(labels: Sequence[str]) -> str:
    """The `labels` field of a `domain_label` item."""
    return LABEL_SEPARATOR.join(labels)


def render(
    role: str, item: Mapping[str, str], *, max_chars: int | None = None
) -> list[dict[str, str]]:
    """The messages that put an item before the teacher.

    Args:
        role: name of the role.
        item: exactly the role's fields.
        max_chars: overlong untrusted fields are cut to this length.

    Raises:
        ValueError: unknown role, or the item's fields are not the role's.
    """
    spec = role_named(role)
    wanted = {*spec.untrusted, *spec.trusted}
    if set(item) != wanted:
        raise ValueError(f"role {role!r}: item has fields {sorted(item)}, needs {sorted(wanted)}")
    untrusted = {name: _cut(item[name], max_chars, spec.cut) for name in spec.untrusted}
    trusted = {name: item[name] for name in spec.trusted}
    return [
        {"role": "system", "content": spec.instruction},
        {"role": "user", "content": wrap(trusted, untrusted)},
    ]


def response_format(role: str, item: Mapping[str, str]) -> dict[str, Any]:
    """The structured-output request of an item; its name is the role's."""
    schema = role_named(role).answer_model(item).model_json_schema()
    return {
        "type": "json_schema",
        "json_schema": {"name": role, "strict": True, "schema": schema},
    }


def prompt_versions(*roles: str) -> dict[str, str]:
    """Version and content hash of the roles' prompts, for an artifact's code version.

    Where the profile's teacher is the offline one, what it goes by counts as well.
    """
    versions = {
        name: f"v{role_named(name).version}:"
        + hashlib.sha256(role_named(name).instruction.encode()).hexdigest()[:12]
        for name in roles
    }
    if current_settings().teacher.is_offline:
        versions["offline"] = offline_version()
    return versions


def _cut(text: str, max_chars: int | None, cut: str) -> str:
    if max_chars is None or len(text) <= max_chars:
        return text
    return text[-max_chars:] if cut == "start" else text[:max_chars]


@cache
def _read_prompt(stem: str) -> str:
    return (PROMPTS_DIR / f"{stem}.txt").read_text("utf-8").strip()
