"""A slow and obvious version of `counting.measures`, straight from its definitions."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from carebot_assets.corpus import alphabet, lexicons, unigrams, variants
from carebot_assets.corpus.line_phrases import PHRASES

TRADITIONAL_STOPS = dict(zip("與為對將這", "与为对将这", strict=True))
MOJIBAKE = re.compile(
    "[\u00c2-\u00c5\u00d0\u00d1\u00d8\u00d9][{0}]|[\u00e0-\u00ef][{0}][{0}]".format(
        re.escape("".join(sorted(set(alphabet._TAILS) - {"\ufffd"})))
    )
)


@cache
def class_of(char: str) -> str:
    code, plain = ord(char), alphabet.fold(char)
    category = unicodedata.category(plain)
    for name, members in variants.han_variants().items():
        if char in members:
            return name
    if char == "\ufffd":
        return "replacement"
    han = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
    if any(low <= code <= high for low, high in han):
        return "han"
    if code >= 0x20000:
        return "symbol"
    if plain.isspace():
        return "space"
    if category[0] == "L":
        if 0x3041 <= code <= 0x30FF:
            return "kana"
        if "\u0370" <= plain < "\u0400" or "\u1f00" <= plain < "\u2000":
            return "greek"
        is_latin = plain < "\u0250" or "\u1e00" <= plain < "\u1f00"
        return "latin" if is_latin else "other_letter"
    if category == "Nd":
        return "digit"
    return {"N": "number", "M": "mark", "P": "punctuation"}.get(category[0], "symbol")


def is_cjk(char: str) -> bool:
    return class_of(char) in ("han", "simplified", "traditional", "kana")


def is_letter(char: str) -> bool:
    return class_of(char) in ("latin", "greek", "other_letter") or is_cjk(char)


def is_space(char: str) -> bool:
    return class_of(char) == "space"


def units_of(text: str) -> list[str]:
    spaced = ""
    for char in text:
        if is_cjk(char):
            spaced += f" {char} "
        else:
            in_word = is_letter(char) or class_of(char) in ("mark", "digit", "number")
            spaced += char if in_word else " "
    return [unit for unit in spaced.split(" ") if unit]


def joined(units: list[str]) -> str:
    text = units[0]
    for before, unit in pairwise(units):
        text += unit if is_cjk(before[0]) and is_cjk(unit[0]) else " " + unit
    return text


def measures_of(text: str, lang: str) -> dict[str, float]:
    return {**characters(text), **words(text), **ngrams(text), **lines(text, lang == "zh")}


def characters(text: str) -> dict[str, float]:
    plain = [alphabet.fold(char) for char in text if not is_space(char)][:200]
    return {
        "num_chars": len(text),
        **{f"num_{name}": sum(class_of(c) == name for c in text) for name in alphabet.CLASSES},
        "num_mojibake": 2 * len(MOJIBAKE.findall(text))
        + sum(c in alphabet._AS_GBK and c not in alphabet._TAILS for c in text),
        "num_hashes": text.count("#"),
        "num_ellipses": text.count("...") + text.count("…"),
        "unique_char_ratio": len(set(plain)) / max(len(plain), 1),
    }


probabilities = cache(unigrams.log_probabilities)


def words(text: str) -> dict[str, float]:
    english, chinese = probabilities("en"), probabilities("zh")
    units = units_of(text)
    folded = ["".join(map(alphabet.fold, unit)) for unit in units]
    scored = []
    for unit, plain in zip(units, folded, strict=True):
        if is_cjk(unit[0]):
            if class_of(unit) != "kana" and ord(unit) < 0x10000:
                scored.append(chinese.get(unit, unigrams.UNKNOWN))
        elif all(is_letter(char) or class_of(char) == "mark" for char in unit):
            scored.append(english.get(plain, unigrams.UNKNOWN))
    total = 0.0
    for value in scored:
        total += value
    stops = [plain for plain in folded if plain in lexicons.STOP_WORDS_EN]
    simplified = {TRADITIONAL_STOPS.get(unit, unit) for unit in units}
    return {
        "num_tokens": len(units),
        "num_words": sum(not is_cjk(unit[0]) for unit in units),
        "num_alpha": sum(any(map(is_letter, unit)) for unit in units),
        "num_unit_chars": sum(map(len, units)),
        "num_scored": len(scored),
        "log_probability": total,
        "stop_words_en": len(set(stops)),
        "stop_words_zh": len(simplified & set(lexicons.STOP_WORDS_ZH)),
    }


def num_stop_hits(text: str) -> int:
    plain = ["".join(map(alphabet.fold, unit)) for unit in units_of(text)]
    return sum(unit in lexicons.STOP_WORDS_EN for unit in plain)


def ngrams(text: str) -> dict[str, float]:
    units, found = units_of(text), {}
    for n in (2, 3, 4):
        grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
        # Of equally frequent ones `most_common` gives the one that it met first.
        top, count = Counter(grams).most_common(1)[0] if grams else ((), 0)
        size = len(joined(list(top))) if count > 1 else 0
        found[f"top_{n}gram_ratio"] = min(1.0, count * size / len(text)) if text else 0.0
    for n in range(5, 11):
        seen, repeated, i = set(), 0, 0
        while i + n <= len(units):
            gram = tuple(units[i : i + n])
            repeated += sum(map(len, gram)) if gram in seen else 0
            i += n if gram in seen else 1
            seen.add(gram)
        found[f"dup_{n}gram_ratio"] = repeated / max(len(text), 1)
    return found


def repeats(parts: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [part for part in parts if part in seen or seen.add(part)]  # type: ignore[func-returns-value]


def strip(line: str) -> str:
    while line and is_space(line[0]):
        line = line[1:]
    while line and is_space(line[-1]):
        line = line[:-1]
    return line


def lines(text: str, is_zh: bool) -> dict[str, float]:
    every = text.removesuffix("\n").split("\n") if text else []
    full = [line for line in every if strip(line)]
    bare = [strip(line) for line in full]
    paragraphs = [part.strip("\n") for part in re.split(r"\n{2,}", text)]
    paragraphs = [part for part in paragraphs if strip(part)]
    num, chars = max(len(full), 1), max(len(text), 1)
    bullets = alphabet._BULLETS if is_zh else "-•"
    repeated = sum(map(len, repeats(full)))
    open_lines = sum(line[-1] not in alphabet._CLOSINGS for line in bare)
    has_phrase = any(phrase in ascii_folded(text) for phrase in PHRASES)
    plain = ["".join(map(alphabet.fold, line)) if has_phrase else "" for line in full]
    urls = [len(line) <= 120 and any(p in line for p in PHRASES[:3]) for line in plain]
    c4 = [c4_line(line, is_zh, has_phrase) for line in bare]
    return {
        "dup_line_ratio": len(repeats(full)) / num,
        "dup_line_char_ratio": repeated / chars,
        "char_dup_ratio": repeated / max(len(text) - text.count("\n"), 1),
        "dup_paragraph_ratio": len(repeats(paragraphs)) / max(len(paragraphs), 1),
        "dup_paragraph_char_ratio": sum(map(len, repeats(paragraphs))) / chars,
        "dup_sentence_ratio": sentences(text),
        "bullet_line_ratio": sum(line[0] in bullets for line in bare) / max(len(every), 1),
        "ellipsis_line_ratio": sum(line.endswith(("...", "…")) for line in bare)
        / max(len(every), 1),
        "unterminated_ratio": open_lines / num if len(full) >= 4 else 0.0,
        "line_punctuation_ratio": sum(line[-1] in alphabet._TERMINALS for line in full) / num,
        "short_line_ratio": sum(len(line) <= (15 if is_zh else 30) for line in full) / num,
        "url_line_ratio": sum(urls) / num,
        "javascript_line_ratio": sum("javascript" in line for line in plain) / num,
        "num_newlines": text.count("\n"),
        "c4_line_ratio": sum(line[0] for line in c4) / num,
        "num_c4_sentences": sum(line[1] for line in c4),
        "num_lorem_ipsum_lines": sum(line[2] for line in c4),
        "num_curly_lines": sum(line[3] for line in c4),
    }


def ascii_folded(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def split_sentences(text: str) -> list[str]:
    parts, part = [], ""
    for i, char in enumerate(text):
        part += char
        is_open = i + 1 < len(text) and not is_space(text[i + 1])
        if char in "。！；？\n" or (char in ".!?" and not is_open):
            parts.append(part)
            part = ""
    return [*parts, part]


def sentences(text: str) -> float:
    parts = ["".join(c for c in part if not is_space(c)) for part in split_sentences(text)]
    long = [p for p in parts if len(p) + sum(map(is_cjk, p)) >= 14]
    same = repeats("".join(map(alphabet.fold, part)) for part in long)
    return sum(map(len, same)) / max(sum(map(len, parts)), 1)


def c4_line(line: str, is_zh: bool, has_phrase: bool) -> tuple[bool, int, bool, bool]:
    """(kept, sentences, lorem ipsum, curly bracket) of a stripped line."""
    dropped = (False, 0, False, False)
    spaced = "".join(" " if is_space(char) else char for char in line)
    parts = spaced.split()
    if not is_zh and any(len(part) > 1000 for part in parts):
        return dropped
    plain = "".join(map(alphabet.fold, line)) if has_phrase else ""
    # ASCII folding of the brackets' words only: a full-width [edit] counts as well.
    rest = re.sub(r"\[[0-9]*]|\[(?:edit|citation needed)]", "", line)
    ends = alphabet._C4_ENDS + (alphabet._CLOSINGS + alphabet._TERMINALS if is_zh else "")
    if not rest or rest[-1] not in ends or rest.endswith("..."):
        return dropped
    if len(parts) < 3 and not (is_zh and sum(map(is_cjk, line)) >= 6):
        return dropped
    if "lorem ipsum" in plain:
        return False, 0, True, False
    if "javascript" in plain:
        return dropped
    if "{" in rest:
        return False, 0, False, True
    if any(phrase in plain for phrase in PHRASES[5:]):
        return dropped
    return True, sum(bool(strip(part)) for part in split_sentences(rest)), False, False
