"""Planted dirt: what is wrong with about a quarter of the corpus, each kind with its name.

Every function takes a clean text and returns the dirty one. Kinds that need another record
(duplicates) or the benchmark (leaks) get it from their caller.
"""

from __future__ import annotations

import re
from random import Random

from carebot_assets.sample.knowledge import Lang
from carebot_assets.sample.phrasing import phrases, pick, say
from carebot_assets.sample.private import PRIVATE_KINDS, draw_kinds

TEXT_KINDS = (
    "advert",
    "boilerplate",
    "mojibake",
    "spliced",
    "repetition",
    "private_information",
    "abuse",
    "too_short",
    "symbol_noise",
)
COPY_KINDS = ("exact_duplicate", "near_duplicate")
BROKEN_KINDS = ("malformed_json", "undecodable_bytes")
DIRT_KINDS = (*TEXT_KINDS, *COPY_KINDS, "benchmark_leak", *BROKEN_KINDS)
"""All kinds. The broken ones damage the stored line, not the text."""
QUALITY = {
    "advert": 0,
    "boilerplate": 1,
    "mojibake": 0,
    "spliced": 1,
    "repetition": 1,
    "private_information": 2,
    "abuse": 0,
    "too_short": 0,
    "symbol_noise": 0,
    "benchmark_leak": 1,
    "malformed_json": 0,
    "undecodable_bytes": 0,
}
"""What an honest rater gives (0..5). A duplicate keeps the score of its original."""
_STOP = re.compile(r"(?<=[.!?。！？])\s*")


def sentences(text: str) -> list[str]:
    """The text cut after its final stops, blanks kept out."""
    return [part for part in _STOP.split(text) if part.strip()]


def advert(text: str, lang: Lang, rng: Random) -> str:
    """Sales talk: alone, or between every two sentences."""
    book = phrases("dirt", lang)["advert"]
    kept = sentences(text)[: rng.randint(2, 4)] if rng.random() < 0.5 else []
    lines = [say(book, rng) for _ in range(rng.randint(5, 8))]
    for sentence in kept:
        lines.insert(rng.randint(1, len(lines)), sentence)
    return "\n".join(lines)


def boilerplate(text: str, lang: Lang, rng: Random) -> str:
    """Navigation, cookie and copyright lines around what little text is left."""
    lines = [say([line], rng) for line in rng.sample(phrases("dirt", lang)["boilerplate"], 7)]
    cut = rng.randint(2, 5)
    return "\n".join([*lines[:cut], *sentences(text)[: rng.randint(1, 3)], *lines[cut:]])


def mojibake(text: str, lang: Lang, rng: Random) -> str:
    """Text decoded by the wrong table, or with characters lost to U+FFFD."""
    way = rng.random()
    if way < 0.3:
        rate = rng.uniform(0.06, 0.2)
        return "".join("\ufffd" if rng.random() < rate and c != "\n" else c for c in text)
    if lang == "en":
        # Plain ASCII survives any table: typographic marks, as word processors set them, do not.
        marks = ("\u2019s ", " \u2013 ", "\u201d ", " \u201c", " \u2026 ", "\u00e9 ", "\u00a0")
        text = re.sub(" ", lambda _: pick(marks, rng) if rng.random() < 0.25 else " ", text)
        return text.encode("utf-8").decode("cp1252" if way < 0.65 else "latin-1", "replace")
    if way < 0.65:
        return text.encode("utf-8").decode("latin-1")
    return text.encode("utf-8").decode("gbk", "replace")


def spliced(text: str, other: str, lang: Lang, rng: Random) -> str:
    """The first part of one text, cut in mid-sentence, run on by the last part of another."""
    head = text[: int(len(text) * rng.uniform(0.35, 0.65))]
    tail = other[int(len(other) * rng.uniform(0.35, 0.65)) :]
    return head + tail


def repetition(text: str, lang: Lang, rng: Random) -> str:
    """One sentence many times, as lines or as a running phrase."""
    parts = sentences(text)
    stuck = pick(parts, rng)
    kept = parts[: rng.randint(1, 3)]
    if rng.random() < 0.5:
        return "\n".join([*kept, *[stuck] * rng.randint(6, 15)])
    space = " " if lang == "en" else ""
    words = stuck.split() if lang == "en" else list(stuck)
    phrase = space.join(words[: rng.randint(3, 8)])
    return space.join([*kept, *[phrase] * rng.randint(15, 30)])


def near_duplicate(text: str, lang: Lang, rng: Random) -> str:
    """1 to 4 % of the words (en) or characters (zh) dropped, doubled or swapped."""
    units = text.split(" ") if lang == "en" else list(text)
    edits = max(1, round(len(units) * rng.uniform(0.01, 0.04)))
    for place in sorted(rng.sample(range(len(units) - 1), edits), reverse=True):
        way = rng.random()
        if way < 0.4:
            del units[place]
        elif way < 0.7:
            units.insert(place, pick(units, rng))
        else:
            units[place], units[place + 1] = units[place + 1], units[place]
    return (" " if lang == "en" else "").join(units)


def private_information(text: str, lang: Lang, rng: Random) -> tuple[str, list[str]]:
    """The text with one to three personal details put in; also their kinds."""
    parts = sentences(text)
    kinds = draw_kinds(rng, lang)
    for kind in kinds:
        value = PRIVATE_KINDS[kind](rng, lang)
        detail = say(phrases("dirt", lang)[kind], rng, value=value)
        parts.insert(rng.randint(0, len(parts)), detail)
    return (" " if lang == "en" else "").join(parts), kinds


def abuse(text: str, lang: Lang, rng: Random) -> str:
    """Invented insults among a few sentences."""
    lines = sentences(text)[: rng.randint(1, 3)]
    for _ in range(rng.randint(3, 6)):
        lines.insert(rng.randint(0, len(lines)), say(phrases("dirt", lang)["abuse"], rng))
    return (" " if lang == "en" else "").join(lines)


def too_short(name: str, lang: Lang, rng: Random) -> str:
    """A fragment of a few words."""
    return say(phrases("dirt", lang)["fragments"], rng, name=name)


def symbol_noise(text: str, lang: Lang, rng: Random) -> str:
    """Runs of symbols between the pieces of a text."""
    marks = phrases("dirt", lang)["noise"]
    pieces = sentences(text)[: rng.randint(2, 4)]
    noise = ["".join(rng.choices(marks, k=rng.randint(8, 25))) for _ in range(len(pieces) + 2)]
    mixed = [piece for pair in zip(noise, pieces, strict=False) for piece in pair]
    return "\n".join([*mixed, *noise[len(pieces) :]])


def leak_page(question: str, answer: str, lang: Lang, rng: Random) -> str:
    """A web page that carries a benchmark question with options and answer, word for word."""
    book = phrases("dirt", lang)
    parts = (say(book["leak_intro"], rng), question, say(book["leak_outro"], rng, answer=answer))
    return "\n".join(parts)
