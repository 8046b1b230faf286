"""Documents about an entry in five forms and two languages, varied from seed to seed."""

from __future__ import annotations

from random import Random

from carebot_assets.sample.knowledge import Entry, KnowledgeBase, Lang
from carebot_assets.sample.phrasing import say
from carebot_assets.sample.sentences import Document, Narrator, paragraphs
from carebot_assets.sample.studies import abstract

FORMS = ("encyclopaedia", "abstract", "patient", "news", "forum")
SIZES: dict[Lang, tuple[int, int, int]] = {"en": (90, 235, 140), "zh": (160, 460, 280)}
"""Lowest, highest and commonest size aimed at: words in English, characters in Chinese."""
LONG_SHARE = 0.04


def render(kb: KnowledgeBase, entry: Entry, lang: Lang, form: str, rng: Random) -> Document:
    """Writes one document about `entry`.

    Args:
        form: one of FORMS; patient pages exist for medical entries only.

    Raises:
        ValueError: for an unknown form, or a patient page about a general topic.
    """
    if form not in FORMS or (form == "patient" and not entry.medical):
        raise ValueError(f"form is {form!r} for {entry.id}, allowed: {', '.join(FORMS)}")
    size = int(rng.triangular(*SIZES[lang])) * (3 if rng.random() < LONG_SHARE else 1)
    if form == "abstract":
        return abstract(kb, entry, lang, rng, size)
    narrator = Narrator(kb, entry, lang, rng)
    body = {"encyclopaedia": _article, "patient": _patient, "news": _news, "forum": _forum}[form]
    title = say(narrator.book["titles"][form], rng, **narrator.slots)
    return Document(entry, lang, form, title, body(narrator, size))


def _article(narrator: Narrator, size: int) -> str:
    return paragraphs(narrator.told("neutral", size), narrator.lang, narrator.rng)


def _patient(narrator: Narrator, size: int) -> str:
    rng, book = narrator.rng, narrator.book
    sentences = narrator.told("personal", size)
    if rng.random() < 0.75:
        sentences.insert(0, narrator.line(book["openings"]["patient"]))
    if rng.random() < 0.75:
        sentences.append(narrator.line(book["closings"]["patient"]))
    return paragraphs(sentences, narrator.lang, rng)


def _news(narrator: Narrator, size: int) -> str:
    rng, book = narrator.rng, narrator.book
    sentences = [
        narrator.quoted(sentence) if rng.random() < 0.3 else sentence
        for sentence in narrator.told("neutral", size)
    ]
    sentences.insert(0, narrator.line(book["openings"][f"news_{narrator.audience}"]))
    if rng.random() < 0.7:
        sentences.append(narrator.line(book["closings"]["news"]))
    return paragraphs(sentences, narrator.lang, rng)


def _forum(narrator: Narrator, size: int) -> str:
    rng, book = narrator.rng, narrator.book
    space = " " if narrator.lang == "en" else ""
    posts = [narrator.line(book["openings"][f"forum_{narrator.audience}"])]
    sentences = narrator.told("personal", size)
    replies = rng.randint(1, 3)
    for number in range(replies):
        share = sentences[number::replies]
        if share:
            posts.append(space.join([narrator.line(book["openings"]["reply"]), *share]))
    if rng.random() < 0.6:
        posts.append(narrator.line(book["closings"]["forum"]))
    return "\n".join(posts)
