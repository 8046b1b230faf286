"""Planted faults: good texts spoilt on purpose, from which a quality rater learns what is worse.

CareBot's DataRater is there for adverts, spliced passages, texts that break off and wrong
characters (4.1); a sample of clean documents holds few of them, and no bag of words shows them.
So each seed gets twins with one fault, rated lower by what the rubric gives for the dimension that
the fault breaks. Twins are for training alone: no label, no corpus, no measure of agreement.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import polars as pl
import yaml

ADVERTS_FILE = Path(__file__).with_name("adverts.yaml")
# The rubric's points for grammar, coherence or a text without adverts.
PENALTY = 1.0
MIN_PARTS, MAX_CHARS = 4, 6000
NOISE = (0.02, 0.08)
_PART = re.compile(r"[^。！？；.!?;\n]*(?:[。！？；!?;]+|\.(?=\s|$)|\n+|$)[\"'”’）)】」]*\s*")


def parts_of(text: str) -> list[str]:
    """Sentences with their marks and what separates them."""
    return [part for part in _PART.findall(text) if part]


def disordered(text: str, rng: Random, other: str, adverts: Sequence[str]) -> str:
    """Sentences in another order."""
    parts = parts_of(text)
    order = rng.sample(range(len(parts)), len(parts))
    gaps = [part[len(part.rstrip()) :] for part in parts]
    return "".join(parts[k].rstrip() + gap for k, gap in zip(order, gaps, strict=True))


def patched(text: str, rng: Random, other: str, adverts: Sequence[str]) -> str:
    """A stretch of another document in place of a stretch in the middle, seams at any character."""
    length = max(10, int(len(text) * rng.uniform(0.2, 0.45)))
    start = int((len(text) - length) * rng.uniform(0.2, 0.8))
    begin = int(max(0, len(other) - length) * rng.random())
    return text[:start] + other[begin : begin + length] + text[start + length :]


def advertised(text: str, rng: Random, other: str, adverts: Sequence[str]) -> str:
    """An advert between two sentences, or at any character as a page's layout puts it there."""
    advert = rng.choice(("\n", " ", "")) + rng.choice(adverts) + rng.choice(("\n", " "))
    if rng.random() < 0.5:
        at = rng.randint(1, len(text))
        return text[:at] + advert + text[at:]
    parts = parts_of(text)
    parts.insert(rng.randint(1, len(parts)), advert)
    return "".join(parts)


def misread(text: str, rng: Random, other: str, adverts: Sequence[str]) -> str:
    """Characters exchanged for others, doubled or lost, as by bad recognition."""
    rate, pool = rng.uniform(*NOISE), (other + text).replace(" ", "").replace("\n", "") or "x"
    found = []
    for char in text:
        if char.isspace() or rng.random() >= rate:
            found.append(char)
        else:
            found.append(rng.choice((rng.choice(pool), rng.choice("01|lI!·、_~囗"), "", char * 2)))
    return "".join(found)


def broken_off(text: str, rng: Random, other: str, adverts: Sequence[str]) -> str:
    """The end cut off at any character."""
    return text[: max(1, int(len(text) * rng.uniform(0.3, 0.9)))]


FAULTS: dict[str, Callable[[str, Random, str, Sequence[str]], str]] = {
    "disordered": disordered, "patched": patched, "advertised": advertised, "misread": misread,
    "broken_off": broken_off,
}  # fmt: skip


def plant(seeds: pl.DataFrame, num_each: int, seed: int) -> pl.DataFrame:
    """Twins of texts: `origin` (row of the text), `fault`, `text`.

    Which faults a seed gets is by turns; texts with fewer than four sentences get none.

    Args:
        seeds: `text`, `lang`.
        num_each: twins of every seed; of more than there are faults, some have the same fault.
        seed: of the choices.
    """
    adverts = yaml.safe_load(ADVERTS_FILE.read_text("utf-8"))
    names, rows = list(FAULTS), list[tuple[int, str, str]]()
    cut = seeds.select("lang", pl.col("text").str.head(MAX_CHARS))
    same = {
        lang: part["text"].to_list() for (lang,), part in cut.group_by("lang", maintain_order=True)
    }
    for number, (lang, text) in enumerate(cut.iter_rows()):
        if len(parts_of(text)) < MIN_PARTS:
            continue
        rng = Random(f"{seed}:{text}")
        first = rng.randrange(len(names))
        for turn in range(num_each):
            name = names[(first + turn) % len(names)]
            wanted = adverts["zh" if lang == "zh" else "en"]
            twin = FAULTS[name](text, rng, rng.choice(same[lang]), wanted)
            if twin != text:
                rows.append((number, name, twin))
    schema = {"origin": pl.Int64, "fault": pl.String, "text": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
