"""What a teacher is asked to do: one role, one prompt file, one answer model.

A prompt file holds the instruction alone and never a document; its name gives version and language,
and an item is asked about in its own language. The fields of an item go into the user message,
untrusted ones inside a fence.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from carebot_assets.settings import current_settings
from carebot_assets.settings.base import Lang
from carebot_assets.teacher.answer_models import (
    LABEL_SEPARATOR,
    ConsultationGrades,
    DoctorAnswer,
    InstructionScore,
    PairVerdict,
    QualityScore,
    WrittenDocument,
    label_model,
)
from carebot_assets.teacher.fence import wrap
from carebot_assets.teacher.language import is_chinese
from carebot_assets.teacher.offline.process import offline_version

PROMPTS_DIR = Path(__file__).parent / "prompts"
LANGUAGES: tuple[Lang, ...] = ("zh", "en")


@dataclass(frozen=True)
class Role:
    """One task of the teacher.

    Attributes:
        untrusted: fields of an item that come from documents or models; fenced.
        answer_model: the pydantic model of an answer to an item.
        trusted: one-line fields that come from settings.
        cut: which end of an overlong field is given up.
        usual_output_tokens: of an answer, for estimates before there is any experience.
    """

    name: str
    version: int
    untrusted: tuple[str, ...]
    answer_model: Callable[[Mapping[str, str]], type[BaseModel]]
    trusted: tuple[str, ...] = ()
    cut: Literal["start", "end"] = "end"
    usual_output_tokens: int = 40

    def instruction(self, lang: Lang) -> str:
        return _read_prompt(f"{self.name}_v{self.version}.{lang}")


def _always(model: type[BaseModel]) -> Callable[[Mapping[str, str]], type[BaseModel]]:
    return lambda item: model


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "domain_label",
            2,
            ("text",),
            lambda item: label_model(item["labels"]),
            trusted=("labels",),
            usual_output_tokens=15,
        ),
        Role("quality_score", 2, ("text",), _always(QualityScore), trusted=("domain",)),
        Role("write_document", 1, (), _always(WrittenDocument),
             trusted=("label", "language", "form", "number"), usual_output_tokens=500),
        Role("instruction_score", 1, ("question", "answer"), _always(InstructionScore),
             usual_output_tokens=20),
        # The last turns of a conversation matter most.
        Role("doctor_answer", 1, ("dialogue",), _always(DoctorAnswer), cut="start",
             usual_output_tokens=300),
        Role("judge_pair", 1, ("dialogue", "answer_a", "answer_b"), _always(PairVerdict),
             cut="start"),
        Role("judge_consultation", 1, ("dialogue", "reference", "answer"),
             _always(ConsultationGrades), cut="start"),
    )
}  # fmt: skip


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


def language_of(role: Role, item: Mapping[str, str]) -> Lang:
    """The language to ask about an item in: the one it names, else that of its texts."""
    if "language" in role.trusted:
        return "zh" if item["language"] == "zh" else "en"
    return "zh" if is_chinese("\n".join(item[name] for name in role.untrusted)) else "en"


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
    lang = language_of(spec, item)
    return [
        {"role": "system", "content": spec.instruction(lang)},
        {"role": "user", "content": wrap(trusted, untrusted, lang)},
    ]


def response_format(role: str, item: Mapping[str, str]) -> dict[str, Any]:
    """The structured-output request of an item; its name is the role's."""
    schema = _schema(role_named(role).answer_model(item))
    return {
        "type": "json_schema",
        "json_schema": {"name": role, "strict": True, "schema": schema},
    }


def prompt_versions(*roles: str) -> dict[str, str]:
    """Version and content hash of the roles' prompts, for an artifact's code version.

    Where the profile's teacher is the offline one, what it goes by counts as well.
    """
    versions = {}
    for name in roles:
        role = role_named(name)
        texts = "\0".join(role.instruction(lang) for lang in LANGUAGES)
        versions[name] = f"v{role.version}:{hashlib.sha256(texts.encode()).hexdigest()[:12]}"
    if current_settings().teacher.is_offline:
        versions["offline"] = offline_version()
    return versions


def _cut(text: str, max_chars: int | None, cut: str) -> str:
    if max_chars is None or len(text) <= max_chars:
        return text
    return text[-max_chars:] if cut == "start" else text[:max_chars]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


@cache
def _read_prompt(stem: str) -> str:
    return (PROMPTS_DIR / f"{stem}.txt").read_text("utf-8").strip()
