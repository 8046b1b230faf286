"""A small template language: `[a|b]` picks one, `<20-90>` is a number, `{slot}` is filled.

Templates live in `phrases/*.yaml`, one a line. Facts enter through slots after the choices are
made, so a fact may contain any character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import yaml

from carebot_assets.sample.knowledge import Lang

PHRASES_DIR = Path(__file__).parent / "phrases"
T = TypeVar("T")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"<(\d+)-(\d+)>")


@cache
def phrases(name: str, lang: Lang) -> dict[str, Any]:
    """The tree of `phrases/{name}_{lang}.yaml` with every text block split into its lines."""
    return _split(
        yaml.load((PHRASES_DIR / f"{name}_{lang}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    )


def fill(template: str, rng: Random, **slots: str) -> str:
    """Expands one template; the first letter of the result is made a capital."""
    while "[" in template:  # innermost choices first
        template = _CHOICE.sub(lambda match: pick(match[1].split("|"), rng), template)
    if "<" in template:
        template = _NUMBER.sub(
            lambda match: f"{rng.randint(int(match[1]), int(match[2]))}", template
        )
    text = template.format_map(slots)
    return text[:1].upper() + text[1:]


def say(templates: Sequence[str], rng: Random, **slots: str) -> str:
    """Expands one template drawn at random."""
    return fill(pick(templates, rng), rng, **slots)


def pick(options: Sequence[T], rng: Random) -> T:
    """`rng.choice` at a third of its price: a document takes about a hundred of these."""
    return options[int(rng.random() * len(options))]


def listing(items: Sequence[str], lang: Lang, rng: Random) -> str:
    """Joins noun phrases to one enumeration, with varying last joiner."""
    if len(items) == 1:
        return items[0]
    comma = "、" if lang == "zh" else "; " if any("," in item for item in items) else ", "
    return comma.join(items[:-1]) + pick(phrases("documents", lang)["joiners"], rng) + items[-1]


def clauses(items: Sequence[str], lang: Lang) -> str:
    """Joins whole clauses to one sentence body without final stop."""
    return ("；" if lang == "zh" else "; ").join(items)


def sample(items: Sequence[str], rng: Random, low: int = 2, high: int = 99) -> list[str]:
    """A random subset in random order, of `low` to `high` items as far as there are so many."""
    high = min(high, len(items))
    return rng.sample(items, rng.randint(min(low, high), high))


def _split(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _split(value) for key, value in node.items()}
    return tuple(node.splitlines()) if isinstance(node, str) else node
