"""Does the quality rater put clean text above its own corruption? On real data.

    python -m benchmarks.quality_on_real_data [backbone ...]

Running medical text of 19 real sources, each document with a twin of every corruption: sentences
shuffled, a passage cut in from another document, an advert put in, noise as of bad OCR, the end cut
off (`benchmarks.planted`). The rater learns as the asset does: from the teacher's scores (two
rounds, mean) of at most 250 clean documents of each of half of the sources, and from faults planted
into those by `carebot_assets.raters.faults`, which are made otherwise than the corruptions here. It
rates the pairs of the other half, which it has not seen, and the other way round; sources are dealt
into halves six times, otherwise than when the rater's settings were chosen. Prints one JSON line:
share of pairs in which clean is above corrupted, a tie counting half, by language and corruption,
the mean of the deals and what they spread; for the teacher itself too, and for a rater without
planted faults. The encoder reads as much of a text as the settings say by default.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl

from benchmarks.domain_on_real_data import BACKBONES
from benchmarks.planted import pairs, prose
from carebot_assets.raters import regressor, rubric
from carebot_assets.settings import EncoderSettings, QualitySettings, load_settings
from carebot_assets.teacher import roles
from carebot_assets.teacher.client import open_teacher

# Documents of a source to learn from, deals of the sources, and the settings as they come.
LEARNED, DEALS = 250, range(12, 18)
PLAN = QualitySettings(seed_documents=1)


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
    rows = frame.with_columns(won.alias("won"))
    one = rows.group_by("lang", "corruption").agg(pl.col("won").mean()).sort("lang", "corruption")
    every = rows.group_by("lang").agg(pl.col("won").mean()).sort("lang")
    return {
        **{f"{lang} {name}": round(value, 3) for lang, name, value in one.iter_rows()},
        **{f"{lang} all": round(value, 3) for lang, value in every.iter_rows()},
    }


def rated(
    frame: pl.DataFrame, clean: pl.DataFrame, backbone: str, planted: int, deal: int
) -> tuple[dict[str, float], list[Any]]:
    """Scores of all texts by raters that had not seen their sources; what each says of itself.

    Args:
        frame: pairs.
        clean: what raters learn from: `source`, `lang`, `text`, `score`.
        backbone: name of an encoder.
        planted: twins of every text.
        deal: seed of the halves.
    """
    names = frame.select("lang", "source").unique().sort("lang", "source")
    halves = dict[str, int]()
    for _, part in names.group_by("lang", maintain_order=True):
        sources = part["source"].to_list()
        Random(deal).shuffle(sources)
        halves |= {source: number % 2 for number, source in enumerate(sources)}
    encoder = BACKBONES[backbone].model_copy(update={"max_chars": EncoderSettings().max_chars})
    found: dict[str, float] = {}
    said = []
    for side in (0, 1):
        half = pl.col("source").replace_strict(halves)
        seeds, see = clean.filter(half == side), frame.filter(half != side)
        trained = regressor.train(
            seeds, rubric.QUALITY, encoder, 1,
            planted_faults=planted, planted_weight=PLAN.planted_weight,
        )  # fmt: skip
        said.append([trained.metrics["spearman"], trained.metrics["length_correlation"]])
        asked = pl.concat([see["clean"], see["corrupted"]]).unique(maintain_order=True)
        with tempfile.TemporaryDirectory() as folder:
            trained.head.save(Path(folder))
            table = pl.LazyFrame({"doc_id": asked, "text": asked})
            found |= dict(regressor.predict(Path(folder), rubric.QUALITY, table).iter_rows())
    return found, said


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 3)


def main() -> None:
    frame, clean = pairs(), prose(LEARNED)
    texts = pl.concat([frame["clean"], frame["corrupted"], clean["text"]])
    taught = scores_of_teacher(texts.unique(maintain_order=True).to_list())
    score = clean["text"].replace_strict(taught, default=None, return_dtype=pl.Float64)
    clean = clean.with_columns(score=score).drop_nulls("score")
    result: dict[str, Any] = {
        "pairs": frame.height, "documents": frame["clean"].n_unique(),
        "sources": frame["source"].n_unique(), "teacher": wins(frame, taught),
    }  # fmt: skip
    print("teacher", result["teacher"])
    for name in sys.argv[1:] or ["char_ngram", "word_ngram"]:
        for planted in (0, PLAN.planted_faults):
            deals = [rated(frame, clean, name, planted, deal) for deal in DEALS]
            won = [wins(frame, scores) for scores, _ in deals]
            key = f"{name} with {planted} planted faults"
            result[key] = {part: _mean([one[part] for one in won]) for part in won[0]} | {
                "spread": {part: [min(all_), max(all_)] for part in won[0]
                           if part.endswith(" all") and (all_ := [one[part] for one in won])},
                "spearman_and_length": [
                    _mean(column) for column in zip(*(h for _, s in deals for h in s), strict=True)
                ],
            }  # fmt: skip
            print(key, result[key], flush=True)
    means = {
        name: _mean(v for k, v in part.items() if k.endswith(" all"))
        for name, part in result.items()
        if isinstance(part, dict)
    }
    print(json.dumps(result | {"mean": means}))


if __name__ == "__main__":
    main()
