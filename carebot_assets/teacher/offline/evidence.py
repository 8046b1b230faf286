"""How much a text speaks for each industry label, by words of both languages."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from math import log
from pathlib import Path

import yaml

from carebot_assets.teacher.language import CJK_RUN, is_chinese

EVIDENCE_FILE = Path(__file__).with_name("evidence.yaml")
OTHERS = "Others"
# What stands first (a title, the opening sentence) says what a text is about.
HEAD_CHARS = {"zh": 40, "en": 110}
HEAD_WEIGHT = 2.0
NAME_WEIGHT = 3.0
MAX_PHRASE_WORDS = 3
MAX_CJK_TERM = 6
# Below this much evidence for every label the honest answer is "Others".
MIN_EVIDENCE = 1.5

_WORD = re.compile(r"[a-z][a-z0-9'\u2019-]*[a-z0-9]|[a-z]")
_DRUG_NAME = re.compile(
    r"\b[a-z]{2,}(?:pril|sartan|statin|mab|nib|azole|cillin|mycin|floxacin|cycline|olol|dipine|prazole"
    r"|gliptin|gliflozin|glutide|formin|vir|triptan|setron|parin|xaban|dronate|lukast|terol|caine"
    r"|oxetine|pram|azepam|zosin|thiazide|semide|sone|solone|tidine|profen)\b"
)
_DRUG_NAME_ZH = re.compile(
    r"[\u4e00-\u9fff]{1,4}(?:普利|沙坦|他汀|单抗|替尼|康唑|西林|霉素|沙星|环素|洛尔|地平|拉唑|列汀|列净"
    r"|鲁肽|双胍|韦|曲坦|司琼|肝素|沙班|膦酸|鲁司特|特罗|卡因|西汀|普兰|西泮|唑嗪|噻嗪|塞米|泼尼松|替丁|洛芬)"
)
BIOPHARMACEUTICALS = "Biopharmaceuticals"


def terms(text: str) -> Iterator[str]:
    """English words and phrases of up to three words, and Chinese substrings of up to six."""
    lowered = text.lower()
    words = [stem(word) for word in _WORD.findall(lowered)]
    yield from words
    for size in range(2, MAX_PHRASE_WORDS + 1):
        for start in range(len(words) - size + 1):
            yield " ".join(words[start : start + size])
    for run in CJK_RUN.findall(text):
        for size in range(1, MAX_CJK_TERM + 1):
            for start in range(len(run) - size + 1):
                yield run[start : start + size]


def stem(word: str) -> str:
    """An English word without its plural or possessive ending."""
    word = word.replace("\u2019", "'").removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@cache
def weights() -> dict[str, list[tuple[str, float]]]:
    """Labels a term speaks for; a term shared by labels counts less, a longer one more."""
    table: dict[str, list[str]] = {}
    names: set[str] = set()
    for label, languages in yaml.safe_load(EVIDENCE_FILE.read_text("utf-8")).items():
        for kind, listed in languages.items():
            for term in dict.fromkeys(map(_normal, listed.split(","))):
                table.setdefault(term, []).append(label)
                if kind == "names":
                    names.add(term)
    weighted = {}
    for term, labels in table.items():
        long = term.count(" ") if " " in term or term.isascii() else len(term) - 2
        weight = max(0.4, 1 + 0.5 * min(long, 2)) / len(labels)
        weight = NAME_WEIGHT if term in names else weight
        weighted[term] = [(label, weight) for label in labels]
    return weighted


def _normal(term: str) -> str:
    term = term.strip().lower()
    return " ".join(stem(word) for word in term.split()) if term.isascii() else term


def score_labels(text: str) -> dict[str, float]:
    """Evidence for every label that has any, strongest first."""
    known = weights()
    scores: dict[str, float] = defaultdict(float)
    head = text[: HEAD_CHARS["zh" if is_chinese(text) else "en"]]
    for part, weight in ((text, 1.0), (head, HEAD_WEIGHT)):
        counts = Counter(term for term in terms(part) if term in known)
        for term, count in counts.items():
            for label, share in known[term]:
                scores[label] += weight * share * (1 + log(count))
        # Names of active substances end alike in both languages.
        drugs = Counter(_DRUG_NAME.findall(part.lower()) + _DRUG_NAME_ZH.findall(part))
        for name, count in drugs.items():
            if name not in known:
                scores[BIOPHARMACEUTICALS] += weight * NAME_WEIGHT * (1 + log(count))
    return dict(sorted(((k, v) for k, v in scores.items() if v), key=lambda x: (-x[1], x[0])))


def rank_labels(text: str, labels: list[str]) -> list[str]:
    """The labels that come into question for a text, best first; never empty."""
    scores = {k: v for k, v in score_labels(text).items() if k in labels and v >= MIN_EVIDENCE}
    ranked = list(scores)
    if OTHERS in labels:
        ranked.append(OTHERS)
    return ranked or [labels[-1]]
