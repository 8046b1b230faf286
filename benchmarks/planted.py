"""Documents of real sources beside corrupted twins of themselves.

Only running text takes part: records of several fields, lists and dialogues have an order that
nobody could miss, and of XML only body and answers are read, not the article's metadata. A clean
text consists of whole sentences and ends with the mark of one. The faults here are made apart from
those that the rater is trained on (`carebot_assets.raters.faults`): real adverts, passages cut in
without regard to sentences, letters exchanged for others as by bad OCR.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import polars as pl

from benchmarks import open_data
from benchmarks.domain_on_real_data import is_medical

PER_SOURCE, MIN_PER_SOURCE, MIN_SENTENCES, PIECE = 60, 15, 5, 1200
MIN_CHARS = {"zh": 120, "en": 400}
OCR_RATE = 0.04
ADVERT_SOURCES = {"zh": "spam_reviews_zh", "en": "sms_spam_en"}
LETTERS = {"en": "abcdefghijklmnopqrstuvwxyz0123456789|", "zh": "囗曰巳卩冂丨丿亅口工土士千干"}
SENTENCE = {
    "zh": r"[^。！？；\n]*[。！？；\n]+[”’」』）)]*",
    "en": r".*?(?:[.!?][\"')\]]*(?=\s)|\n)\s*",
}


ENDED = re.compile(r"[。！？…!?.][”’」』）)\"']*\s*$")
RUNNING = re.compile(r"<(body|Answer)\b[^>]*>(.*?)</\1>", re.DOTALL)


def split(text: str, lang: str) -> list[str]:
    """Sentences of a text with their marks; a rest without an end is left out."""
    return re.findall(SENTENCE[lang], text + " ", re.DOTALL)


def running(entry: dict[str, Any]) -> list[Any]:
    """Records of a file; of XML its running parts, each a record."""
    if not entry["path"].endswith(".xml"):
        return open_data.records(entry)
    raw = (open_data.OPEN.parent / entry["path"]).read_text("utf-8")
    parts = (open_data.plain(part) for _, part in RUNNING.findall(raw))
    return [re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", part)).strip() for part in parts]


def shuffled(text: str, lang: str, rng: Random, other: str) -> str:
    """The sentences in another order; what separates them stays where it is."""
    parts = split(text, lang)
    order = list(range(len(parts)))
    while sum(i != k for i, k in enumerate(order)) < 0.6 * len(parts):
        rng.shuffle(order)
    gaps = [part[len(part.rstrip()) :] for part in parts]
    return "".join(parts[k].rstrip() + gap for k, gap in zip(order, gaps, strict=True)).strip()


def spliced(text: str, lang: str, rng: Random, other: str) -> str:
    third = len(text) // 3
    return text[:third] + other[len(other) // 3 : 2 * len(other) // 3] + text[2 * third :]


def with_advert(text: str, lang: str, rng: Random, other: str) -> str:
    half = len(text) // 2
    return f"{text[:half]}\n{rng.choice(_adverts[lang])}\n{text[half:]}"


def noisy(text: str, lang: str, rng: Random, other: str) -> str:
    letters = LETTERS[lang]
    return "".join(
        rng.choice(letters) if rng.random() < OCR_RATE and c.strip() else c for c in text
    )


def truncated(text: str, lang: str, rng: Random, other: str) -> str:
    return text[: int(len(text) * rng.uniform(0.3, 0.6))]


CORRUPTIONS: dict[str, Callable[[str, str, Random, str], str]] = {
    "shuffled": shuffled, "spliced": spliced, "advert": with_advert, "ocr": noisy,
    "truncated": truncated,
}  # fmt: skip
# Medical sources with running text.
PROSE = ("csl", "drug_monographs_zh", "disease_kb_zh", "huatuo26m_test", "bentsao",
         "tcm_ancient_books", "cmtmedqa_test", "toyhom_internal_medicine", "chatmed_consult_test",
         "huatuogpt2_eval", "medical_abstracts", "gutenberg_medicine", "medalpaca_wikidoc_small",
         "pubmedqa", "chatdoctor5k", "medquad", "forum_qa_en", "covid_dialogue", "plos_articles",
         "how_to_live_longer", "mts_dialog")  # fmt: skip
_adverts: dict[str, list[str]] = {}


def adverts(lang: str) -> list[str]:
    """Real adverts of a language."""
    texts = []
    for entry in open_data.manifest("noise"):
        if entry["dataset"] != ADVERT_SOURCES[lang] or "ham" in entry["path"]:
            continue
        for record in open_data.records(entry):
            if lang == "zh":
                # The publisher put a blank between all characters.
                texts.append(record.replace(" ", ""))
            elif record[0] == "spam":
                texts.append(record[1])
    return [text for text in texts if len(text) > 15]


def prose(per_source: int = PER_SOURCE) -> pl.DataFrame:
    """`source`, `lang` and `text`: the longest text of medical records, cut to whole sentences."""
    rows = []
    for role in ("corpus", "sft_sources", "benchmarks"):
        for entry in open_data.manifest(role):
            name = entry["dataset"]
            if name not in PROSE or "labels" in entry["path"]:
                continue
            for record in running(entry):
                if name == "csl" and not is_medical(name, entry["path"], record):
                    continue
                text = max(open_data.leaves(record), key=len, default="")
                # Books and papers: a piece of the middle of every long stretch.
                for start in range(0, max(1, len(text) - PIECE), 8 * PIECE):
                    piece = text[start : start + PIECE]
                    lang = "zh" if len(re.findall("[一-鿿]", piece)) > len(piece) / 5 else "en"
                    parts = split(piece, lang)[1 if start else 0 :]
                    while parts and not ENDED.search(parts[-1]):
                        parts.pop()
                    text_ = "".join(parts).strip()
                    if len(parts) >= MIN_SENTENCES and len(text_) >= MIN_CHARS[lang]:
                        rows.append((f"{name} {lang}", lang, text_))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("source", "lang", "text"), pl.String),
                         orient="row").unique("text", maintain_order=True)  # fmt: skip
    order = pl.col("text").hash(7).rank("ordinal").over("source")
    return frame.filter(order <= per_source, pl.len().over("source") >= MIN_PER_SOURCE)


def pairs() -> pl.DataFrame:
    """`source`, `lang`, `corruption`, `clean`, `corrupted`: every document in every corruption."""
    rng, frame, rows = Random(11), prose(), []
    for lang in ("zh", "en"):
        _adverts[lang] = adverts(lang)
        part = frame.filter(pl.col("lang") == lang)
        texts = part["text"].to_list()
        for source, text in part.select("source", "text").iter_rows():
            for name, corrupt in CORRUPTIONS.items():
                twin = corrupt(text, lang, rng, rng.choice(texts))
                if twin != text:
                    rows.append((source, lang, name, text, twin))
    columns = ("source", "lang", "corruption", "clean", "corrupted")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
