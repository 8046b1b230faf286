"""How fast a rater encodes: against plain `SentenceTransformer.encode`, with and without prefilter.

    python -m benchmarks.rater_speed [documents]

Real documents of 31 sources in both languages, dealt by hash. Seeds, as many of every source as the
graph would draw, with the data sets' own labels train the classifier (`hybrid`: words beside the
packaged all-MiniLM-L6-v2 at 256 tokens). The rest is a corpus with a medical share of one tenth: on
60 % of it the prefilter is distilled from the classifier's verdicts, on the other 40 %, which
nothing had seen, pass share and recall against the classifier are counted, and its precision and
recall against the data sets. Times are CPU seconds of the whole process on a sample of that part,
medians of three interleaved rounds; the prefilter's own cost, and loading both models, is in its
ratio. One JSON line.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks.domain_on_real_data import load
from benchmarks.encoded import encoded
from carebot_assets.raters import classifier, prefilter
from carebot_assets.raters.encoder import open_encoder, packaged_model
from carebot_assets.raters.head import Head
from carebot_assets.settings import DomainSettings, EncoderSettings, PrefilterSettings

ROUNDS = 3
ENCODER = EncoderSettings(backend="hybrid")
SENTENCES = EncoderSettings(backend="sentence_transformers")
DOMAIN = DomainSettings(
    labels=["Health & Medicine", "Others"], medical_labels=["Health & Medicine"], seed_documents=1
)
SEEDS, PER_SOURCE, DISTILLED_RATIO = 3000, 4000, 0.6


def main() -> None:
    from sentence_transformers import SentenceTransformer

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seeds, corpus = _seeds_and_corpus()
    head = classifier.train(seeds, DOMAIN, ENCODER, seed=1).head
    plain_head = classifier.train(seeds.drop("stands_for"), DOMAIN, ENCODER, seed=1).head
    correction = {
        name: _precision_and_recall(_p_medical(one, corpus), corpus["medical"].to_numpy())
        for name, one in (("corrected", head), ("uncorrected", plain_head))
    }
    judged = corpus.with_columns(p_medical=_p_medical(head, corpus))
    known, fresh = (judged.filter(pl.col("is_known") == value) for value in (True, False))
    found = prefilter.distil(known, known["p_medical"].to_numpy(), DOMAIN.threshold,
                             PrefilterSettings(documents=known.height))  # fmt: skip
    folder = Path(tempfile.mkdtemp())
    for name, part in (("classifier", head), ("prefilter", found)):
        (folder / name).mkdir()
        part.save(folder / name)

    sample = _one_in_ten(fresh, count)
    texts = sample["text"].to_list()
    plain, ours = SentenceTransformer(str(packaged_model())), open_encoder(SENTENCES)
    jobs: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain.encode(texts, normalize_embeddings=True, show_progress_bar=False),
        "encoder": lambda: ours.encode(texts),
        "classifier": lambda: classifier.predict(
            folder / "classifier", sample.lazy(), DOMAIN.medical_labels
        ),
        "prefilter": lambda: prefilter.passes(folder / "prefilter", sample.lazy()),
        "prefilter_and_classifier": lambda: prefilter.predict(
            folder / "classifier", folder / "prefilter", sample.lazy(), DOMAIN.medical_labels, 0
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    results: dict[str, Any] = {}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            started = time.process_time()
            results[name] = job()
            seconds[name].append(time.process_time() - started)
    rates = {name: count / median(values) for name, values in seconds.items()}
    cosine = (results["plain"] * results["encoder"]).sum(axis=1)
    shown = {
        "timed_documents": count,
        "documents_per_cpu_second": {name: round(rate, 1) for name, rate in rates.items()},
        "encoder_over_plain": round(rates["encoder"] / rates["plain"], 2),
        "prefilter_over_plain": round(rates["prefilter_and_classifier"] / rates["plain"], 2),
        "lowest_cosine": round(float(np.min(cosine)), 5),
        "timed_sample_passes": round(
            float(1 - results["prefilter_and_classifier"][0]["prefiltered"].mean()), 3
        ),
        "seeds": seeds.height,
        "classifier_on_the_corpus": correction,
        "distilled": {k: v for k, v in found.card.items() if k not in ("kind", "thresholds")},
        "unseen": _measured(fresh, folder / "prefilter"),
    }
    print(json.dumps(shown))


def _seeds_and_corpus() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Seeds, the same number from every source while it lasts, and the rest with one medical
    document for nine others; a seed stands for the rest of its source."""
    frame = load(PER_SOURCE).unique("text", keep="first", maintain_order=True).with_columns(
        order=pl.col("text").hash(3),
        label=pl.when("medical").then(pl.lit("Health & Medicine")).otherwise(pl.lit("Others")),
    ).with_columns(turn=pl.col("order").rank("ordinal").over("source"),
                   doc_id=pl.col("order").cast(pl.String)).sort("turn", "order")  # fmt: skip
    seeds, rest = frame.head(SEEDS), frame.slice(SEEDS).sort("order")
    others = rest.filter(~pl.col("medical"))
    corpus = pl.concat([rest.filter("medical").head(others.height // 9), others]).sort("order")
    sizes = corpus.group_by("source", "lang").agg(size=pl.len())
    per_seed = 1 + pl.col("size").fill_null(0) / pl.len().over("source", "lang")
    seeds = seeds.join(sizes, on=["source", "lang"], how="left").with_columns(stands_for=per_seed)
    known = corpus["order"] % 1000 < round(1000 * DISTILLED_RATIO)
    return seeds, corpus.with_columns(is_known=known)


def _p_medical(head: Head, corpus: pl.DataFrame) -> np.ndarray:
    outputs = head.outputs(encoded(ENCODER, corpus["text"].to_list()))
    return classifier.softmax(outputs / head.card["temperature"])[:, 0]


def _precision_and_recall(p_medical: np.ndarray, truth: np.ndarray) -> list[float]:
    found = p_medical >= DOMAIN.threshold
    return [round(float(truth[found].mean()), 3), round(float(found[truth].mean()), 3)]


def _measured(fresh: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """What the prefilter does to documents that nothing had seen, by language."""
    passes = prefilter.passes(folder, fresh.lazy())["passes"]
    table = fresh.with_columns(passes=passes, found=pl.col("p_medical") >= DOMAIN.threshold)
    parts = {"all": table, **{lang: table.filter(lang=lang) for lang in ("zh", "en")}}
    shown = {}
    for name, part in parts.items():
        kept, num = part.filter("found", "passes").height, part.filter("found").height
        medical, hits = part.filter("medical").height, part.filter("medical", "found").height
        shown[name] = {
            "documents": part.height,
            "medical_by_data_set": medical,
            "medical_by_classifier": num,
            "passes": round(float(part["passes"].mean()), 3),  # type: ignore[arg-type]
            "recall": round(kept / num, 4),
            "lowest_recall": round(prefilter.lowest_share(kept, num), 4),
            "classifier_precision": round(hits / num, 4),
            "classifier_recall": round(hits / medical, 4),
            "recall_of_both": round(part.filter("medical", "passes", "found").height / medical, 4),
        }
    return shown


def _one_in_ten(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    """Documents in the order of their hashes, one in ten of them medical."""
    medical = frame.filter("medical").head(count // 10)
    others = frame.filter(~pl.col("medical")).head(count - medical.height)
    return pl.concat([medical, others]).sample(fraction=1.0, shuffle=True, seed=4)


if __name__ == "__main__":
    main()
