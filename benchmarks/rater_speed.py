"""How fast a rater encodes: against plain `SentenceTransformer.encode`, with and without prefilter.

    python -m benchmarks.rater_speed [documents]

Real documents of both languages, one in ten medical, the packaged all-MiniLM-L6-v2 at 256 tokens.
Figures are per CPU second of the whole process, medians of three interleaved rounds; one JSON line.
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
from carebot_assets.raters import classifier, prefilter
from carebot_assets.raters.encoder import open_encoder, packaged_model
from carebot_assets.settings import DomainSettings, EncoderSettings, PrefilterSettings

ROUNDS = 3
ENCODER = EncoderSettings(backend="sentence_transformers")
DOMAIN = DomainSettings(
    labels=["Health & Medicine", "Others"], medical_labels=["Health & Medicine"], seed_documents=1
)
SEEDS, DISTILLED = 800, 3000


def main() -> None:
    from sentence_transformers import SentenceTransformer

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    frame = load().with_row_index("doc_id").with_columns(
        pl.col("doc_id").cast(pl.String),
        label=pl.when("medical").then(pl.lit("Health & Medicine")).otherwise(pl.lit("Others")),
    ).sample(fraction=1.0, shuffle=True, seed=3)  # fmt: skip
    seeds, rest = frame.head(SEEDS), frame[SEEDS:]
    corpus = _one_in_ten(rest, count)
    unlabelled = _one_in_ten(rest.join(corpus, on="doc_id", how="anti"), DISTILLED)
    folder = Path(tempfile.mkdtemp())
    (folder / "classifier").mkdir(), (folder / "prefilter").mkdir()
    classifier.train(seeds, DOMAIN, ENCODER, 1).head.save(folder / "classifier")
    judged = classifier.predict(folder / "classifier", unlabelled.lazy(), DOMAIN.medical_labels)
    plan = PrefilterSettings(documents=DISTILLED)
    head = prefilter.distil(unlabelled, judged["p_medical"].to_numpy(), 0.5, plan, 1)
    head.save(folder / "prefilter")

    texts = corpus["text"].to_list()
    plain, ours = SentenceTransformer(str(packaged_model())), open_encoder(ENCODER)
    whole = classifier.predict(folder / "classifier", corpus.lazy(), DOMAIN.medical_labels)
    results: dict[str, Any] = {}

    def with_prefilter() -> tuple[pl.DataFrame, pl.DataFrame]:
        return prefilter.predict(
            folder / "classifier", folder / "prefilter", corpus.lazy(), DOMAIN.medical_labels, 0
        )

    jobs: dict[str, Callable[[], Any]] = {
        "plain": lambda: plain.encode(texts, normalize_embeddings=True, show_progress_bar=False),
        "encoder": lambda: ours.encode(texts),
        "prefilter_and_classifier": with_prefilter,
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(ROUNDS + 1):
        for name, job in jobs.items():
            started = time.process_time()
            results[name] = job()
            if number:
                seconds[name].append(time.process_time() - started)
    rates = {name: count / median(values) for name, values in seconds.items()}
    cosine = (results["plain"] * results["encoder"]).sum(axis=1)
    medical = whole["p_medical"] >= DOMAIN.threshold
    predicted = results["prefilter_and_classifier"][0]
    kept = ~predicted["prefiltered"]
    print(
        json.dumps(
            {
                "documents": count,
                "medical_share": round(float(medical.mean()), 3),
                "documents_per_cpu_second": {k: round(v, 1) for k, v in rates.items()},
                "encoder_over_plain": round(rates["encoder"] / rates["plain"], 2),
                "prefilter_over_plain": round(
                    rates["prefilter_and_classifier"] / rates["plain"], 2
                ),
                "lowest_cosine": round(float(np.min(cosine)), 5),
                "prefilter_held_out_recall": round(head.card["recall"], 4),
                "prefilter_recall_here": round(float((kept & medical).sum() / medical.sum()), 4),
                "prefilter_passes": round(float(kept.mean()), 3),
            }
        )
    )


def _one_in_ten(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    """The first documents of a shuffled frame, one in ten of them medical."""
    medical = frame.filter("medical").head(count // 10)
    others = frame.filter(~pl.col("medical")).head(count - medical.height)
    return pl.concat([medical, others]).sample(fraction=1.0, shuffle=True, seed=4)


if __name__ == "__main__":
    main()
