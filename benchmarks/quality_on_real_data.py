"""Does the quality rater put clean text above its own corruption? On real data.

    python -m benchmarks.quality_on_real_data [backbone ...]

Medical documents of real sources, each with a corrupted twin: sentences shuffled, a passage spliced
in from another document, an advert put in, noise as of bad OCR, the end cut off. The teacher of the
profile scores documents and twins of half of the sources (two rounds, mean); the rater learns from
that and rates pairs of the other half, which it has not seen, and the other way round. Prints a
table and one JSON line: share of pairs in which clean is rated above corrupted, a tie counting
half, by language and corruption, for the teacher itself too.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl

from benchmarks import open_data
from benchmarks.domain_on_real_data import BACKBONES, load
from carebot_assets.raters import regressor, rubric
from carebot_assets.settings import load_settings
from carebot_assets.teacher import roles
from carebot_assets.teacher.client import open_teacher

PER_SOURCE, MIN_CHARS = {"zh": 60, "en": 60}, {"zh": 120, "en": 400}
OCR_RATE = 0.04
ADVERT_SOURCES = {"zh": "spam_reviews_zh", "en": "sms_spam_en"}


def adverts(lang: str) -> list[str]:
    """Real adverts of a language."""
    entries = [e for e in open_data.manifest("noise") if e["dataset"] == ADVERT_SOURCES[lang]]
    texts = []
    for entry in entries:
        for record in open_data.records(entry):
            if lang == "en" and record[0] == "spam":
                texts.append(record[1])
            elif lang == "zh":
                texts.append("".join(open_data.leaves(record)).split("\t")[-1])
    return [text for text in texts if len(text) > 15]


def sentences(text: str, lang: str) -> list[str]:
    """Sentences of a text, with their marks."""
    return [
        s
        for s in re.split(
            r"(?<=[。！？；])|(?<=[.!?])\s+" if lang == "zh" else r"(?<=[.!?])\s+", text
        )
        if s
    ]


def shuffled(text: str, lang: str, rng: Random, other: str) -> str:
    parts = sentences(text, lang)
    rng.shuffle(parts)
    return ("" if lang == "zh" else " ").join(parts)


def spliced(text: str, lang: str, rng: Random, other: str) -> str:
    third = len(text) // 3
    return text[:third] + other[len(other) // 3 : 2 * len(other) // 3] + text[2 * third :]


def with_advert(text: str, lang: str, rng: Random, other: str) -> str:
    half = len(text) // 2
    return f"{text[:half]}\n{rng.choice(adverts_of[lang])}\n{text[half:]}"


def noisy(text: str, lang: str, rng: Random, other: str) -> str:
    letters = (
        "abcdefghijklmnopqrstuvwxyz0123456789|" if lang == "en" else "囗曰巳卩冂丨丿亅口工土士千干"
    )
    return "".join(
        rng.choice(letters) if rng.random() < OCR_RATE and c.strip() else c for c in text
    )


def truncated(text: str, lang: str, rng: Random, other: str) -> str:
    return text[: int(len(text) * rng.uniform(0.3, 0.6))]


CORRUPTIONS: dict[str, Callable[[str, str, Random, str], str]] = {
    "shuffled": shuffled, "spliced": spliced, "advert": with_advert, "ocr": noisy,
    "truncated": truncated,
}  # fmt: skip
adverts_of: dict[str, list[str]] = {}


def pairs() -> pl.DataFrame:
    """`source`, `lang`, `corruption`, `clean`, `corrupted`: every document in every corruption."""
    rng = Random(11)
    frame = load().filter("medical")
    rows = []
    for lang in ("zh", "en"):
        adverts_of[lang] = adverts(lang)
        part = frame.filter(
            (pl.col("lang") == lang) & (pl.col("text").str.len_chars() >= MIN_CHARS[lang])
        )
        part = part.filter(pl.int_range(pl.len()).over("source") < PER_SOURCE[lang])
        texts = part["text"].to_list()
        for source, text in part.select("source", "text").iter_rows():
            if len(sentences(text, lang)) < 4:
                continue
            for name, corrupt in CORRUPTIONS.items():
                twin = corrupt(text, lang, rng, rng.choice(texts))
                if twin != text:
                    rows.append((source, lang, name, text, twin))
    columns = ("source", "lang", "corruption", "clean", "corrupted")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def scores_of_teacher(texts: list[str]) -> dict[str, float]:
    """Mean of two rounds of the profile's teacher."""
    settings = load_settings(os.environ.get("CAREBOT_PROFILE", "demo"))
    domain = roles.join_labels(settings.domain.medical_labels)
    items = [{"text": text, "domain": domain} for text in texts]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_teacher(settings.teacher, Path(folder) / "calls.sqlite", 1) as teacher,
    ):
        rounds = [teacher.ask("quality_score", items, round=n) for n in (1, 2)]
    both = zip(texts, *rounds, strict=True)
    return {t: (a.value["score"] + b.value["score"]) / 2 for t, a, b in both if a.value and b.value}


def wins(frame: pl.DataFrame, scores: dict[str, float]) -> dict[str, float]:
    """Share of pairs in which clean is above corrupted, a tie half, by language and corruption."""
    clean, corrupted = (
        frame[c].replace_strict(scores, default=None, return_dtype=pl.Float64)
        for c in ("clean", "corrupted")
    )
    won = (clean > corrupted).cast(pl.Float64) + 0.5 * (clean == corrupted).cast(pl.Float64)
    table = (
        frame.with_columns(won.alias("won"))
        .group_by("lang", "corruption")
        .agg(pl.col("won").mean())
    )
    return {
        f"{lang} {name}": round(value, 3)
        for lang, name, value in table.sort("lang", "corruption").iter_rows()
    }


def main() -> None:
    frame = pairs()
    texts = pl.concat([frame["clean"], frame["corrupted"]]).unique(maintain_order=True).to_list()
    taught = scores_of_teacher(texts)
    result: dict[str, Any] = {"pairs": frame.height, "sources": frame["source"].n_unique(),
                              "teacher": wins(frame, taught)}  # fmt: skip
    print("teacher", result["teacher"])
    halves = {
        s: i % 2
        for i, s in enumerate(frame.sort("lang", "source")["source"].unique(maintain_order=True))
    }
    half = frame["source"].replace_strict(halves)
    for name in sys.argv[1:] or ["word_ngram", "hybrid"]:
        rated: dict[str, float] = {}
        for side in (0, 1):
            learn, see = frame.filter(half == side), frame.filter(half != side)
            rows = pl.concat([
                learn.select("source", "lang", text="clean").unique(maintain_order=True),
                learn.select("source", "lang", text="corrupted"),
            ])  # fmt: skip
            score = rows["text"].replace_strict(taught, default=None, return_dtype=pl.Float64)
            rows = rows.with_columns(score=score).drop_nulls("score")
            trained = regressor.train(rows, rubric.QUALITY, BACKBONES[name], 1)
            with tempfile.TemporaryDirectory() as folder:
                trained.head.save(Path(folder))
                asked = pl.concat([see["clean"], see["corrupted"]]).unique(maintain_order=True)
                found = regressor.predict(
                    Path(folder), rubric.QUALITY, pl.LazyFrame({"doc_id": asked, "text": asked})
                )
            rated |= dict(found.iter_rows())
            print(
                name,
                "spearman",
                trained.metrics["spearman"],
                "length",
                trained.metrics["length_correlation"],
            )
        result[name] = wins(frame, rated)
        print(name, result[name], flush=True)
    result["mean"] = {
        k: round(float(np.mean(list(v.values()))), 3)
        for k, v in result.items()
        if isinstance(v, dict)
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
