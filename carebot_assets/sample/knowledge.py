"""The knowledge base behind the sample world: what is true about every condition, drug and topic.

One YAML file holds a list of entries; the same fact stands in both languages at the same place of
parallel lists. Documents, consultations, questions and wrong options are all drawn from here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import yaml

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, Lang] = ("en", "zh")
FACETS: Mapping[str, tuple[str, ...]] = {
    "condition": ("symptoms", "causes", "tests", "treatment", "cautions"),
    "drug": ("indications", "mechanism", "side_effects", "monitoring", "cautions"),
    "topic": ("features", "background", "practice", "cautions"),
}
SIGNATURE = {"condition": "symptoms", "drug": "indications", "topic": "features"}
"""The facet of each kind by which an entry is told apart from its neighbours."""
KNOWLEDGE_DIR = Path(__file__).parent / "knowledge"


@dataclass(frozen=True)
class Entry:
    """One condition, drug or general topic in both languages.

    Attributes:
        facets: facet -> language -> items; item i says the same in both languages.
        department: language -> department that deals with it; None for topics.
    """

    id: str
    domain: str
    kind: str
    name: Mapping[Lang, str]
    definition: Mapping[Lang, str]
    facets: Mapping[str, Mapping[Lang, tuple[str, ...]]]
    department: Mapping[Lang, str] | None = None

    @property
    def medical(self) -> bool:
        """Whether the entry is a condition or a drug."""
        return self.kind != "topic"

    def items(self, facet: str, lang: Lang) -> tuple[str, ...]:
        """Items of a facet, or () when this kind of entry has no such facet."""
        return self.facets[facet][lang] if facet in self.facets else ()


class KnowledgeBase:
    """The entries with the look-ups that renderers and question writers need."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Indexes `entries`, keeping their order."""
        self.entries = list(entries)
        self.medical = [entry for entry in self.entries if entry.medical]
        self.general = [entry for entry in self.entries if not entry.medical]
        self.by_kind: dict[str, list[Entry]] = defaultdict(list)
        self._neighbours: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self.by_kind[entry.kind].append(entry)
            self._neighbours[_group(entry)].append(entry)
        self.by_id = {entry.id: entry for entry in self.entries}

    def neighbour(self, entry: Entry, rng: Random) -> Entry | None:
        """Another entry of the same department (or domain), else of the same kind, else None."""
        for pool in (self._neighbours[_group(entry)], self.by_kind[entry.kind]):
            if len(pool) > 1:
                other = rng.choice(pool)
                while other is entry:
                    other = rng.choice(pool)
                return other
        return None


def load_knowledge(folder: Path = KNOWLEDGE_DIR) -> list[Entry]:
    """Reads every `*.yaml` of `folder`, in the order of file names.

    Raises:
        ValueError: naming file and entry, when an id repeats, a field is missing, a kind is
            unknown or the two languages of a facet differ in length.
    """
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        for record in yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader) or []:
            where = f"{path.name}: entry {record.get('id', '(without id)')}"
            try:
                entry = _parse(record)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{where}: {error}") from error
            if entry.id in seen:
                raise ValueError(f"{where}: id already used in {seen[entry.id]}")
            seen[entry.id] = path.name
            entries.append(entry)
    if not entries:
        raise ValueError(f"no entries found in {folder}/*.yaml")
    return entries


def _parse(record: Mapping[str, Any]) -> Entry:
    kind = record["kind"]
    if kind not in FACETS:
        raise ValueError(f"kind is {kind!r}, allowed: {', '.join(FACETS)}")
    return Entry(
        id=record["id"],
        domain=record["domain"],
        kind=kind,
        name=_pair(record, "name"),
        definition=_pair(record, "definition"),
        facets={facet: _lists(record, facet) for facet in FACETS[kind]},
        department=None if kind == "topic" else _pair(record, "department"),
    )


def _pair(record: Mapping[str, Any], field: str) -> dict[Lang, str]:
    pair: dict[Lang, str] = {lang: record[field][lang] for lang in LANGS}
    if not all(isinstance(text, str) and text.strip() for text in pair.values()):
        raise ValueError(f"{field} needs a text in each of {', '.join(LANGS)}")
    return pair


def _lists(record: Mapping[str, Any], facet: str) -> dict[Lang, tuple[str, ...]]:
    lists: dict[Lang, tuple[str, ...]] = {lang: tuple(record[facet][lang]) for lang in LANGS}
    if len(lists["en"]) != len(lists["zh"]) or len(lists["en"]) < 2:
        raise ValueError(
            f"{facet} needs parallel lists of two or more,"
            f" got en {len(lists['en'])}, zh {len(lists['zh'])}"
        )
    for text in (*lists["en"], *lists["zh"]):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{facet} holds {text!r} where a text is needed")
    return lists


def _group(entry: Entry) -> tuple[str, str]:
    return entry.kind, entry.department["en"] if entry.department else entry.domain
