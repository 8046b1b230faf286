"""Multiple-choice questions whose gold answer and wrong options follow from the knowledge base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from carebot_assets.sample.knowledge import SIGNATURE, Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import fill, listing, phrases, pick, sample

EXAM_ITEM_LENGTH: dict[Lang, int] = {"en": 10, "zh": 10}
"""Longest item (words; characters in Chinese) that a benchmark uses: with a longer one, most of a
question would stand in every clean document that states the same fact, and decontaminate it."""
LETTERS = "ABCDE"


@dataclass(frozen=True)
class Choice:
    """A question with options.

    Attributes:
        facet: the facet asked for; `name_condition`/`name_drug` ask for the entry itself.
        correct: indexes of the right options, ascending; one unless several may be chosen.
    """

    entry: Entry
    lang: Lang
    facet: str
    stem: str
    options: tuple[str, ...]
    correct: tuple[int, ...]

    @property
    def letters(self) -> str:
        """The answer key, such as "B" or "ACD"."""
        return "".join(LETTERS[index] for index in self.correct)

    @property
    def page(self) -> str:
        """Stem and lettered options, one a line."""
        lines = (f"{LETTERS[i]}. {option}" for i, option in enumerate(self.options))
        return "\n".join([self.stem, *lines])


def choice(
    kb: KnowledgeBase,
    entry: Entry,
    lang: Lang,
    rng: Random,
    wording: str = "training",
    position: int | None = None,
) -> Choice:
    """A single-answer question with four options about a medical entry.

    Args:
        wording: "training" or "exam"; the two share no template.
        position: where the right option stands (0..3); random when None.
    """
    book = phrases("dialogues", lang)[wording]["choice"]
    asked = [one for one in book if usable(entry.items(one, lang), lang, wording)]
    signs = usable(entry.items(SIGNATURE[entry.kind], lang), lang, wording)
    if len(signs) > 1:
        asked += [f"name_{entry.kind}"] * 2
    facet = pick(asked, rng)
    slots = {"name": entry.name[lang]}
    if facet.startswith("name_"):
        shown = sample(signs, rng, 3, 3)
        right = entry.name[lang]
        wrong = _names_without(kb, entry, shown, lang, rng)
        slots["items"] = _findings(shown, lang, rng, wording)
    else:
        right = pick(usable(entry.items(facet, lang), lang, wording), rng)
        wrong = foreign_items(kb, entry, facet, lang, rng, 3, wording)
    stem = fill(pick(book[facet], rng), rng, **slots)
    place = rng.randrange(4) if position is None else position
    return Choice(entry, lang, facet, stem, (*wrong[:place], right, *wrong[place:]), (place,))


def several(kb: KnowledgeBase, entry: Entry, rng: Random) -> Choice:
    """A Chinese question with five options of which two or three are right."""
    book = phrases("dialogues", "zh")
    facet = pick([one for one in book["facets"] if one in entry.facets], rng)
    right = sample(entry.items(facet, "zh"), rng, 2, 3)
    wrong = foreign_items(kb, entry, facet, "zh", rng, 5 - len(right), "training")
    options = tuple(rng.sample([*right, *wrong], 5))
    correct = tuple(index for index, option in enumerate(options) if option in right)
    slots = {"name": entry.name["zh"], "facet": book["facets"][facet][0]}
    stem = fill(pick(book["training"]["choice"]["several"], rng), rng, **slots)
    return Choice(entry, "zh", facet, stem, options, correct)


def foreign_items(
    kb: KnowledgeBase,
    entry: Entry,
    facet: str,
    lang: Lang,
    rng: Random,
    count: int,
    wording: str = "training",
) -> list[str]:
    """`count` items of the same facet that other entries hold and `entry` does not.

    Items that resemble one of the entry's own, or each other, are passed over, and other
    departments are preferred: near neighbours often share a fact under another name.

    Raises:
        ValueError: when the knowledge base is too small to offer so many.
    """
    others = [one for one in kb.by_kind[entry.kind] if one.id != entry.id]
    rng.shuffle(others)
    others.sort(key=lambda one: one.department == entry.department)
    found: list[str] = []
    for other in others:
        candidates = usable(other.items(facet, lang), lang, wording)
        if candidates:
            candidate = pick(candidates, rng)
            if not resembles(candidate, [*entry.items(facet, lang), *found], lang):
                found.append(candidate)
                if len(found) == count:
                    return found
    raise ValueError(f"{entry.id}: fewer than {count} foreign items for {facet}")


def usable(items: Sequence[str], lang: Lang, wording: str) -> list[str]:
    """The items short enough for a benchmark; all of them for any other wording."""
    if wording != "exam":
        return list(items)
    limit = EXAM_ITEM_LENGTH[lang]
    token = r"\w+" if lang == "en" else r"\w"
    return [item for item in items if len(re.findall(token, item)) <= limit]


def resembles(text: str, others: Iterable[str], lang: Lang) -> bool:
    """Whether half of the content words (en) or character pairs (zh) are shared with another."""
    mine = _content(text, lang)
    return any(
        2 * len(mine & theirs) >= min(len(mine), len(theirs))
        for theirs in (_content(other, lang) for other in others)
    )


def _names_without(
    kb: KnowledgeBase, entry: Entry, shown: Sequence[str], lang: Lang, rng: Random
) -> list[str]:
    """Three other names of the same kind whose signature facet holds none of `shown`."""
    facet = SIGNATURE[entry.kind]
    others = [one for one in kb.by_kind[entry.kind] if one.id != entry.id]
    found: list[str] = []
    for other in rng.sample(others, len(others)):
        items = other.items(facet, lang)
        if not any(resembles(item, items, lang) for item in shown):
            found.append(other.name[lang])
            if len(found) == 3:
                return found
    raise ValueError(f"{entry.id}: fewer than three other names of kind {entry.kind}")


def _findings(shown: Sequence[str], lang: Lang, rng: Random, wording: str) -> str:
    if wording != "exam":
        return listing(shown, lang, rng)
    # Linking words that no document uses keep n-grams across two items out of the clean corpus.
    first, *rest = shown
    links = ("，伴", "，兼") if lang == "zh" else (", along with ", ", coupled with ")
    return first + "".join(link + item for link, item in zip(links, rest, strict=False))


@lru_cache(maxsize=20_000)
def _content(text: str, lang: Lang) -> frozenset[str]:
    if lang == "en":
        words = re.findall(r"[a-z0-9]+", text.lower())
        return frozenset([word for word in words if len(word) > 3] or words)
    return frozenset(text[i : i + 2] for i in range(len(text) - 1)) or frozenset([text])
