"""datatrove's rule filters over a Parquet file of texts (see `benchmarks.corpus_measures`)."""

import time
from collections import Counter
from importlib.metadata import version
from typing import Any

import pyarrow.parquet as pq
import regex
from datatrove.data import Document
from datatrove.pipeline.filters import gopher_repetition_filter as repetition
from datatrove.pipeline.filters.c4_filters import C4QualityFilter
from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
from datatrove.utils import text as text_utils
from datatrove.utils import word_tokenizers

CJK = (
    r"[[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF]"
    r"||[\p{L}&&[\u3041-\u30FF]]]"
)
UNIT = regex.compile(rf"{CJK}|[[\p{{L}}\p{{M}}\p{{N}}]--{CJK}]+", regex.V1)
SENTENCE = regex.compile(r"\S.*?(?:[。！；？]|[.!?](?=\s|$)|$)", regex.S)
LANGUAGES = {"en": "eng", "zh": "cmn"}


class LightTokenizer(word_tokenizers.WordTokenizer):
    """The units and sentences of our own measures, found by regular expressions."""

    def word_tokenize(self, text: str) -> list[str]:
        return UNIT.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return SENTENCE.findall(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in SENTENCE.finditer(text)]


def _filters(lang: str, stop_words: list[str]) -> dict[str, Any]:
    language, is_zh = LANGUAGES[lang], lang == "zh"
    quality = GopherQualityFilter(
        language=language,
        stop_words=stop_words,
        # Words of one character, and stop words: nothing that Chinese has.
        **({"min_avg_word_length": None, "min_stop_words": None} if is_zh else {}),
    )
    fineweb = FineWebQualityFilter(language=language, short_line_length=15 if is_zh else 30)
    filters = {
        "gopher_repetition": repetition.GopherRepetitionFilter(language=language),
        "gopher_quality": quality,
        "c4": C4QualityFilter(language=language),
        "fineweb": fineweb,
    }
    # C4 counts words between spaces and ASCII stops: without meaning for Chinese.
    return {name: f for name, f in filters.items() if not (is_zh and name == "c4")}


def _joined(words: list[str], n: int) -> list[str]:
    """n-grams as text, without spaces between CJK characters (datatrove puts them there)."""
    is_cjk = [bool(regex.fullmatch(CJK, word, regex.V1)) for word in words]
    return [
        "".join(
            word if i == j or (is_cjk[j - 1] and is_cjk[j]) else " " + word
            for j, word in enumerate(words[i : i + n], i)
        )
        for i in range(len(words) - n + 1)
    ]


def _values(text: str, language: str) -> dict[str, float]:
    """What the repetition filter compares, by its own functions."""
    words = text_utils.split_into_words(text, language)
    paragraphs = repetition.GopherRepetitionFilter().paragraph_exp.split(text.strip())
    lines = regex.split("\n+", text)
    repeated_paragraphs = repetition.find_duplicates(paragraphs)
    repeated_lines = repetition.find_duplicates(lines)
    values = {
        "dup_paragraph_ratio": repeated_paragraphs[0] / len(paragraphs),
        "dup_paragraph_char_ratio": repeated_paragraphs[1] / len(text),
        "dup_line_ratio": repeated_lines[0] / len(lines),
        "dup_line_char_ratio": repeated_lines[1] / len(text),
    }
    for n in (2, 3, 4):
        grams = repetition.get_n_grams(words, n)
        # An n-gram seen once is no repetition.
        repeats = bool(grams) and Counter(grams).most_common(1)[0][1] > 1
        top = repetition.find_top_duplicate(grams) if repeats else 0
        values[f"top_{n}gram_ratio"] = min(1.0, top / len(text))
    for n in range(5, 11):
        values[f"dup_{n}gram_ratio"] = repetition.find_all_duplicate(words, n) / len(text)
    return values


def _reason(outcome: bool | tuple[bool, str]) -> str:
    return outcome[1] if isinstance(outcome, tuple) else ""


def run(request: dict[str, Any]) -> dict[str, Any]:
    texts = pq.read_table(request["file"])["text"].to_pylist()
    lang, is_light = request["lang"], request["tokenizer"] == "light"
    if is_light:
        light = LightTokenizer()
        word_tokenizers.load_word_tokenizer = lambda _: light
    filters = _filters(lang, request["stop_words"])

    def chain(some: list[str]) -> float:
        started = time.process_time()
        for text in some:
            document = Document(text=text, id="")
            for judge in filters.values():
                if judge.filter(document) is not True:
                    break
        return time.process_time() - started

    chain(texts[:5])
    text_utils.split_into_parts.cache_clear()
    answer: dict[str, Any] = {
        "seconds": chain(texts[: request["timed"]]),
        "versions": {name: version(name) for name in ("datatrove", "spacy", "jieba")},
    }
    if is_light:
        repetition.get_n_grams = _joined
    if request.get("decide"):
        answer["reasons"] = {
            name: [_reason(judge.filter(Document(text=text, id=""))) for text in texts]
            for name, judge in filters.items()
        }
    if request.get("values"):
        language = LANGUAGES[lang]
        rows = [_values(text, language) for text in texts]
        answer["values"] = {name: [row[name] for row in rows] for name in rows[0]}
    return answer
