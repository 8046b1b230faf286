"""Consultations of one or several rounds about a medical entry."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from carebot_assets.sample.knowledge import FACETS, SIGNATURE, Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import clauses, listing, phrases, pick, sample, say
from carebot_assets.sample.questions import usable

_AFTER_VERDICT = ("tests", "treatment", "side_effects", "cautions")
"""What a doctor goes on with after naming the condition or drug that fits a complaint."""


@dataclass(frozen=True)
class Consultation:
    """Rounds of (patient, doctor) about `entry`."""

    entry: Entry
    lang: Lang
    rounds: tuple[tuple[str, str], ...]


def consultation(
    kb: KnowledgeBase, lang: Lang, rng: Random, rounds: int, wording: str = "training"
) -> Consultation:
    """Lets a patient ask and a doctor answer.

    Args:
        rounds: number of (patient, doctor) rounds, 1 to 5; a benchmark dialogue about an entry
            with few short items may have fewer, two at least.
        wording: "training", or "exam" (Chinese only) for benchmark dialogues.
    """
    entry = pick(kb.medical, rng)
    desk = _Desk(entry, lang, rng, wording)
    facets = desk.facets()
    polite = rounds > 1 and (rounds > len(facets) or rng.random() < 0.4)
    talk: list[tuple[str, str]] = []
    for number, facet in enumerate(facets[: rounds - polite]):
        if number > 0:
            question = say(desk.book["follow"], rng, question=desk.ask(facet))
            talk.append((question, desk.answer(facet, extra=False)))
        elif facet in _AFTER_VERDICT and len(desk.signs) > 1:
            talk.append(desk.complaint(facet, extra=rounds == 1))
        else:
            talk.append((desk.ask(facet), desk.answer(facet, extra=rounds == 1)))
    if polite:
        talk.append((say(desk.book["thanks"], rng), say(desk.book["welcome"], rng)))
    return Consultation(entry, lang, tuple(talk))


class _Desk:
    """Both voices of one consultation."""

    def __init__(self, entry: Entry, lang: Lang, rng: Random, wording: str) -> None:
        self.entry, self.lang, self.rng, self.wording = entry, lang, rng, wording
        self.book = phrases("dialogues", lang)[wording]
        self.signs = usable(entry.items(SIGNATURE[entry.kind], lang), lang, wording)
        assert entry.department is not None  # medical entries have one, as load_knowledge checked
        self.slots = {
            "name": entry.name[lang],
            "definition": entry.definition[lang],
            "department": entry.department[lang],
        }

    def facets(self) -> list[str]:
        """What can be talked about, in random order."""
        known = [
            facet
            for facet in FACETS[self.entry.kind]
            if len(usable(self.entry.items(facet, self.lang), self.lang, self.wording)) > 1
        ]
        return self.rng.sample(["definition", *known], len(known) + 1)

    def ask(self, facet: str) -> str:
        return say(self.book["ask"][facet], self.rng, **self.slots)

    def answer(self, facet: str, extra: bool) -> str:
        """The facet, with a second one and a word of care when the consultation is short."""
        parts = [self._state(facet)]
        if extra and self.rng.random() < 0.7:
            other = pick([one for one in self.facets() if one != facet], self.rng)
            parts.append(self._state(other))
        if "hedge" in self.book and self.rng.random() < (0.8 if extra else 0.3):
            parts.append(say(self.book["hedge"], self.rng, **self.slots))
        return (" " if self.lang == "en" else "").join(parts)

    def complaint(self, facet: str, extra: bool) -> tuple[str, str]:
        """The patient tells the signs without the name; the doctor finds it and goes on."""
        kind = self.entry.kind
        shown = sample(self.signs, self.rng, 2, 4 if kind == "condition" else 2)
        items = self._items(shown)
        told = say(self.book["complaint"][kind], self.rng, items=items)
        again = self._items(self.rng.sample(shown, len(shown)))
        verdict = say(self.book["verdict"][kind], self.rng, items=again, **self.slots)
        space = " " if self.lang == "en" else ""
        return told, verdict + space + self.answer(facet, extra)

    def _state(self, facet: str) -> str:
        templates = self.book["answer"][facet]
        items = usable(self.entry.items(facet, self.lang), self.lang, self.wording)
        if facet == "definition":
            return say(templates, self.rng, **self.slots)
        if facet == "cautions" and self.wording != "exam":
            chosen = clauses(sample(items, self.rng, 1, 3), self.lang)
            return say(templates, self.rng, clauses=chosen, **self.slots)
        return say(templates, self.rng, items=self._items(sample(items, self.rng)), **self.slots)

    def _items(self, items: list[str]) -> str:
        if self.wording != "exam":
            return listing(items, self.lang, self.rng)
        return " ".join(f"（{place}）{item}" for place, item in enumerate(items, 1))
