"""How well a text is written and how much it says, by its surface alone.

The four dimensions are those of CareBot's DataRater (4.1): grammar, information, coherence and
relevance to the domain.
"""

import re
from collections import Counter
from functools import cache
from itertools import chain
from math import exp, log
from pathlib import Path

import yaml

from carebot_assets.teacher.language import is_chinese
from carebot_assets.teacher.offline.evidence import score_labels, terms

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_ENDED = re.compile(r"[.!?。！？；;:：…”\"')）】」]$")
_LETTER = re.compile(r"[^\W\d_]")
MARKS_FILE = Path(__file__).with_name("marks.yaml")
HARM = ("advert", "abuse", "debris")
MIN_WORDS = 8
PASSAGE_WORDS = 150
PRIVATE_FACTOR = 0.35


@cache
def _marks() -> dict[str, re.Pattern[str]]:
    return {
        kind: re.compile("|".join(chain.from_iterable(languages.values())), re.IGNORECASE)
        for kind, languages in yaml.safe_load(MARKS_FILE.read_text("utf-8")).items()
    }


def count_marks(text: str, *kinds: str) -> int:
    """How often the marks of some kinds (see marks.yaml) occur."""
    return sum(len(_marks()[kind].findall(text)) for kind in kinds)


def sentences(text: str) -> list[str]:
    """The non-empty sentences and lines of a text."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def size(text: str) -> float:
    """Length in English words; a Chinese character counts for six tenths."""
    return 0.6 * len(text) if is_chinese(text) else float(len(text.split()))


def rate(text: str, domain: list[str]) -> dict[str, float]:
    """The four sub-scores and their sum.

    Faults multiply: harm (adverts, abuse, page debris), breakage (wrong characters), repetition
    and patchwork take from every point that text could otherwise earn.
    """
    parts, words, evidence = sentences(text), size(text), score_labels(text)
    if not parts or words < MIN_WORDS:
        return dict.fromkeys(("grammar", "information", "coherence", "relevance", "score"), 0.0)
    per_100 = 100 / max(words, 40.0)
    clean = exp(-0.5 * count_marks(text, *HARM) * per_100)
    clean *= max(0.0, 1 - 25 * count_marks(text, "broken") / len(text))
    fresh, whole = 1 - _repeated(parts, text), 1 - _patchwork(parts)
    serious = exp(-0.6 * count_marks(text, "talk") * per_100)
    brief = exp(-0.2 * count_marks(text, "report") * per_100)
    kept = clean * fresh * (PRIVATE_FACTOR if count_marks(text, "private") else 1.0)
    told = (0.2 + 0.8 * whole) * (0.25 + 0.75 * serious * brief)
    points = {
        "grammar": _grammar(text, parts) * (0.3 + 0.7 * clean),
        "information": _information(text, evidence, words) * kept * told,
        "coherence": _ended(parts) * kept * whole * (0.3 + 0.7 * serious),
        "relevance": _relevance(evidence, domain)
        * clean
        * (0.3 + 0.7 * fresh)
        * (0.4 + 0.6 * whole),
    }
    points = {name: round(value * 4) / 4 for name, value in points.items()}
    return points | {"score": sum(points.values())}


def shifted(points: dict[str, float], shift: float) -> dict[str, float]:
    """The same text rated more mildly or strictly: the sub-scores take up the shift in turn."""
    moved = dict(points)
    for name, top in (
        ("information", 2.0),
        ("coherence", 1.0),
        ("grammar", 1.0),
        ("relevance", 1.0),
    ):
        value = min(top, max(0.0, moved[name] + shift))
        shift -= value - moved[name]
        moved[name] = value
    return moved | {"score": sum(moved[name] for name in moved if name != "score")}


def _grammar(text: str, parts: list[str]) -> float:
    letters = len(_LETTER.findall(text)) / len(text)
    wanted = 0.75 if not is_chinese(text) else 0.8
    broken = 20 * count_marks(text, "broken") / len(text)
    shouting = 10 * len(re.findall(r"[!！]{2,}|[>|★※～~#]{2,}", text)) / max(len(parts), 1)
    ended = sum(1 for part in parts if _ENDED.search(part)) / len(parts)
    return max(
        0.0, min(1.0, letters / wanted) - broken - 0.1 * shouting - 0.4 * max(0, 0.7 - ended)
    )


def _repeated(parts: list[str], text: str) -> float:
    """Share of sentences, or of short stretches, that occur again."""
    again = 1 - len(set(parts)) / len(parts)
    units = text.split() if not is_chinese(text) else list(text)
    grams = [tuple(units[i : i + 8]) for i in range(len(units) - 7)]
    stretch = 1 - len(set(grams)) / len(grams) if grams else 0.0
    return min(1.0, 1.5 * max(again - 0.05, stretch - 0.05, 0.0))


def _information(text: str, evidence: dict[str, float], words: float) -> float:
    """Words that speak for any field, relative to the length, and the length itself.

    A long text is judged by its passages: what is said again in a later one counts there again, as
    it does where each is a text of its own.
    """
    num = max(1, round(words / PASSAGE_WORDS))
    if num == 1:
        density = _density(evidence, words)
    else:
        size = -(-len(text) // num)
        passages = [text[start : start + size] for start in range(0, len(text), size)]
        density = sum(_density(score_labels(p), words / num) for p in passages) / len(passages)
    return 2 * density * (1 - exp(-words / 30))


def _density(evidence: dict[str, float], words: float) -> float:
    return min(1.0, sum(evidence.values()) / (0.2 * words + 4))


def _patchwork(parts: list[str]) -> float:
    """How far the second half is about something else than the first, 0..1."""
    if len(parts) < 4:
        return 0.0
    half = len(parts) // 2
    overlap = _overlap(" ".join(parts[:half]), " ".join(parts[half:]))
    return max(0.0, min(1.0, (0.6 - overlap) / 0.3))


def _ended(parts: list[str]) -> float:
    return 1.0 if _ENDED.search(parts[-1]) else 0.75


def _overlap(first: str, second: str) -> float:
    """Likeness of the fields two passages speak for, and of their repeated terms."""
    one, two = score_labels(first), score_labels(second)
    fields = _cosine(one, two)
    common = _cosine(_topics(first), _topics(second))
    return 0.5 * fields + 0.5 * min(1.0, 2.2 * common)


def _topics(text: str) -> dict[str, float]:
    counts = Counter(t for t in terms(text) if (len(t) > 3 if t.isascii() else len(t) in (2, 3, 4)))
    return {term: log(1 + count) for term, count in counts.items() if count > 1}


def _cosine(one: dict[str, float], two: dict[str, float]) -> float:
    product = sum(value * two.get(key, 0.0) for key, value in one.items())
    norm = sum(v * v for v in one.values()) * sum(v * v for v in two.values())
    return product / norm**0.5 if norm else 0.0


def _relevance(evidence: dict[str, float], domain: list[str]) -> float:
    total = sum(evidence.values())
    return min(1.0, 1.6 * sum(evidence.get(k, 0.0) for k in domain) / total) if total else 0.0
