"""Sentences about one entry: a facet stated in some voice, contrasts, asides, openings.

A narrator tells one document. It never uses a template twice before all templates of that facet
have been used, so even a long document does not repeat itself word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from carebot_assets.sample.knowledge import FACETS, SIGNATURE, Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import clauses, fill, listing, phrases, pick, sample, say


@dataclass(frozen=True)
class Document:
    """A rendered text. `form` is encyclopaedia, abstract, patient, news or forum."""

    entry: Entry
    lang: Lang
    form: str
    title: str
    body: str

    @property
    def text(self) -> str:
        """Title and body, as a page shows them."""
        return f"{self.title}\n{self.body}"


class Narrator:
    """Speaks about one entry in one language, drawing every choice from `rng`."""

    def __init__(self, kb: KnowledgeBase, entry: Entry, lang: Lang, rng: Random) -> None:
        """Takes the facts of `entry`; `kb` supplies the neighbours to contrast it with."""
        self.kb, self.entry, self.lang, self.rng = kb, entry, lang, rng
        self.book = phrases("documents", lang)
        self.slots = {"name": entry.name[lang], "definition": entry.definition[lang]}
        self.slots["department"] = entry.department[lang] if entry.department else ""
        self.audience = "medical" if entry.medical else "general"
        self._unused: dict[int, list[str]] = {}

    def line(self, templates: Sequence[str], **slots: str) -> str:
        """One sentence from `templates`, avoiding those this document already used."""
        fresh = self._unused.get(id(templates))
        if not fresh:
            fresh = self._unused[id(templates)] = list(templates)
        template = fresh.pop(int(self.rng.random() * len(fresh)))
        return fill(template, self.rng, **self.slots, **slots)

    def facet(self, facet: str, voice: str) -> str:
        """States a random subset of a facet's items; voice is neutral or personal."""
        templates = self.book[voice][facet]
        if facet == "definition":
            return self.line(templates)
        items = self.entry.items(facet, self.lang)
        if facet == "background":
            return self.line(templates, sentence=pick(items, self.rng))
        if facet in ("cautions", "practice"):
            chosen = sample(items, self.rng, 1 if facet == "cautions" else 2, 3)
            return self.line(templates, clauses=clauses(chosen, self.lang))
        return self.line(templates, items=listing(sample(items, self.rng), self.lang, self.rng))

    def contrast(self) -> list[str]:
        """How a neighbour of the same department or domain differs; [] when there is none."""
        other = self.kb.neighbour(self.entry, self.rng)
        if other is None:
            return []
        signature = SIGNATURE[self.entry.kind]
        own, others = (one.items(signature, self.lang) for one in (self.entry, other))
        foreign = [item for item in others if item not in own]
        return [
            self.line(
                self.book["contrast"][self.entry.kind],
                other=other.name[self.lang],
                items=listing(sample(own, self.rng, 2, 3), self.lang, self.rng),
                other_items=listing(sample(foreign, self.rng, 2, 3), self.lang, self.rng),
            )
        ]

    def quoted(self, sentence: str) -> str:
        """Puts a sentence into the mouth of an unnamed expert."""
        speaker = say(self.book["speakers"][self.audience], self.rng, **self.slots)
        if self.lang == "en":
            speaker = speaker[0].lower() + speaker[1:]
        return self.line(self.book["quote"], sentence=sentence, speaker=speaker)

    def told(self, voice: str, size: int) -> list[str]:
        """Sentences of at least `size` words (en) or characters (zh) in total."""
        sentences: list[str] = []
        written = 0
        while written < size:
            for sentence in self._round(voice, define=not sentences):
                sentences.append(sentence)
                written += length(sentence, self.lang)
                if written >= size:
                    break
        return sentences

    def _round(self, voice: str, define: bool) -> list[str]:
        """Nearly every facet once, in varying order, with asides in between."""
        rng = self.rng
        facets = list(FACETS[self.entry.kind])
        if rng.random() < 0.6:
            rng.shuffle(facets)
        if rng.random() < 0.3:
            facets.pop(rng.randrange(1, len(facets)))
        sentences = [self.facet(facet, voice) for facet in facets]
        extras = self.contrast() if rng.random() < 0.4 else []
        extras += [self.line(self.book["asides"][self.audience]) for _ in range(rng.randint(0, 2))]
        if self.entry.medical and rng.random() < 0.5:
            extras.append(self.line(self.book["department"]))
        for extra in extras:
            sentences.insert(rng.randint(1, len(sentences)), extra)
        if define and rng.random() < 0.85:
            place = 0 if rng.random() < 0.7 else rng.randint(1, 3)
            sentences.insert(place, self.facet("definition", voice))
        return sentences


def length(text: str, lang: Lang) -> int:
    """Words of an English text, characters of a Chinese one."""
    return len(text.split()) if lang == "en" else len(text)


def paragraphs(sentences: Sequence[str], lang: Lang, rng: Random) -> str:
    """Joins sentences to paragraphs of two to five, one paragraph a line."""
    space = " " if lang == "en" else ""
    lines, start = [], 0
    while start < len(sentences):
        stop = start + rng.randint(2, 5)
        lines.append(space.join(sentences[start:stop]))
        start = stop
    return "\n".join(lines)
