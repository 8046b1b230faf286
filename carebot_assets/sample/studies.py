"""Research abstracts with made-up numbers, and the yes/no/maybe questions they answer.

A study asks whether one item belongs to one entry. Its outcome is yes for an item that the
knowledge base gives to the entry, no for an item of another entry, maybe for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from carebot_assets.sample.knowledge import Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import fill, phrases, pick, say
from carebot_assets.sample.questions import foreign_items, usable
from carebot_assets.sample.sentences import Document, Narrator, length

OUTCOMES = ("yes", "no", "maybe")


@dataclass(frozen=True)
class Study:
    """A study in PubMedQA's parts.

    Attributes:
        facet, item: the claim examined, e.g. symptoms and "blurred vision".
        outcome: yes, no or maybe.
        question: in English; empty in Chinese, which has no such benchmark.
    """

    entry: Entry
    lang: Lang
    facet: str
    item: str
    outcome: str
    question: str
    background: str
    methods: str
    results: str
    conclusion: str


def study(
    kb: KnowledgeBase,
    entry: Entry,
    lang: Lang,
    rng: Random,
    weights: tuple[float, float, float],
    wording: str = "article",
) -> Study:
    """Designs a study of `entry`.

    Args:
        weights: chances of the outcomes yes, no, maybe.
        wording: "article" (corpus, training) or "exam" (benchmark; English, medical entries).
    """
    book = phrases("studies", lang)[wording]
    facet = pick([one for one in book["finding_yes"] if one in entry.facets], rng)
    outcome = rng.choices(OUTCOMES, weights)[0]
    held = usable(entry.items(facet, lang), lang, wording)
    foreign = outcome == "no" or (outcome == "maybe" and rng.random() < 0.5)
    found = foreign_items(kb, entry, facet, lang, rng, 1, wording) if foreign else []
    if not found and outcome == "no":
        outcome = "yes"
    item = found[0] if found else pick(held, rng)
    slots = {"name": entry.name[lang], "item": item}
    finding = book[f"finding_{outcome}"]
    questions = book["question"].get(facet, ())
    return Study(
        entry=entry,
        lang=lang,
        facet=facet,
        item=item,
        outcome=outcome,
        question=say(questions, rng, **slots) if questions else "",
        background=say(book["background"], rng, **slots),
        methods=say(book["methods_medical" if entry.medical else "methods_general"], rng, **slots),
        results=say(finding[facet] if outcome == "yes" else finding, rng, **slots),
        conclusion=say(book[f"conclusion_{outcome}"], rng, **slots),
    )


def abstract(kb: KnowledgeBase, entry: Entry, lang: Lang, rng: Random, size: int) -> Document:
    """An abstract of about `size` words (en) or characters (zh), mostly confirming known facts."""
    book = phrases("studies", lang)["article"]
    done = study(kb, entry, lang, rng, (0.85, 0.1, 0.05))
    narrator = Narrator(kb, entry, lang, rng)
    space = " " if lang == "en" else ""
    findings = [done.results]
    seen = {done.item}
    opening = [done.background]
    if rng.random() < 0.7:
        opening.insert(rng.randint(0, 1), narrator.facet("definition", "neutral"))
    if rng.random() < 0.4:
        opening += narrator.contrast()
    facets = [facet for facet in book["finding_yes"] if facet in entry.facets]
    others = [facet for facet in entry.facets if facet not in ("cautions",)]
    written = length(space.join([*opening, done.methods, done.results, done.conclusion]), lang)
    while written < size:
        if rng.random() < 0.5:
            facet = pick(facets, rng)
            item = pick(entry.items(facet, lang), rng)
            if item in seen:
                facet, sentence = "", narrator.facet(pick(others, rng), "neutral")
            else:
                sentence = narrator.line(book["finding_yes"][facet], item=item)
            seen.add(item)
        else:
            sentence = narrator.facet(pick(others, rng), "neutral")
        findings.insert(rng.randint(0, len(findings)), sentence)
        written += length(sentence, lang)
    parts = {
        "background": space.join(opening),
        "methods": done.methods,
        "results": space.join(findings),
        "conclusion": done.conclusion,
    }
    labels = {part: pick(book["labels"][part], rng) for part in parts}
    colon = ": " if lang == "en" else "："
    labelled = rng.random() < 0.8
    body = space.join(
        f"{labels[part]}{colon}{text}" if labelled else text for part, text in parts.items()
    )
    title = fill(pick(book["titles"], rng), rng, name=entry.name[lang], item=done.item)
    return Document(entry, lang, "abstract", title, body)
