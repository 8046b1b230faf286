"""The domain classifier: a softmax head on a frozen encoder, calibrated.

Source: CareBot (arXiv 2412.15236) fine-tunes bge-m3; a head on a frozen encoder is the small form.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import scores
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import DECIMALS, Head, load_head, outputs_of
from carebot_assets.raters.splitting import is_validation
from carebot_assets.settings import DomainSettings, EncoderSettings

KIND = "domain classifier"
# Inverse strength of the ridge: unit vectors of many hashed columns want little of it, while the
# few dense columns of a sentence encoder separate as well with it.
C = 100.0
TEMPERATURES = np.geomspace(0.2, 5.0, 60)


@dataclass
class Trained:
    """A head with what validation says about it."""

    head: Head
    metrics: dict[str, Any]
    probabilities: np.ndarray
    truth: np.ndarray


def train(
    seeds: pl.DataFrame, domain: DomainSettings, encoder: EncoderSettings, seed: int
) -> Trained:
    """Fit the head on labelled documents and measure it on those held out.

    Args:
        seeds: `text`, `label`, `lang`; rows without a label must have been left out.
        domain: labels and the share for validation.
        encoder: frozen part.
        seed: of the split.

    Raises:
        ValueError: fewer than two labels to learn.
    """
    from sklearn.linear_model import LogisticRegression

    held_out = is_validation(seeds["text"], domain.validation_ratio, seed)
    labels = [x for x in domain.labels if (seeds["label"].to_numpy()[~held_out] == x).any()]
    if len(labels) < 2 or not held_out.any():
        raise ValueError(
            f"{seeds.height} labelled documents with {len(labels)} labels do not make a classifier;"
            " raise domain.seed_documents"
        )
    vectors = open_encoder(encoder).encode(seeds["text"].to_list())
    truth = np.array([labels.index(x) if x in labels else -1 for x in seeds["label"]])
    model = LogisticRegression(C=C, class_weight="balanced", max_iter=300)
    model.fit(vectors[~held_out], truth[~held_out])
    weight, bias = model.coef_, model.intercept_
    if len(labels) == 2:  # the binary form has one row for both
        weight, bias = np.vstack([-weight, weight]) / 2, np.array([-bias[0], bias[0]]) / 2
    head = Head(weight.astype(np.float32), bias.astype(np.float32), encoder, {})
    outputs = head.outputs(vectors[held_out])
    temperature = _calibrate(outputs, truth[held_out])
    probabilities = _softmax(outputs / temperature)
    metrics = scores.classification(
        probabilities,
        truth[held_out],
        labels,
        seeds["lang"].to_numpy()[held_out],
        _medical(labels, domain.medical_labels),
        domain.threshold,
    )
    metrics = {
        "num_train": int((~held_out).sum()),
        "num_validation": int(held_out.sum()),
        "temperature": round(float(temperature), 4),
        **metrics,
    }
    head.card = {
        "kind": KIND,
        "labels": labels,
        "temperature": float(temperature),
        "metrics": metrics,
    }
    return Trained(head, metrics, probabilities, truth[held_out])


def predict(folder: Path, texts: pl.LazyFrame, medical_labels: list[str]) -> pl.DataFrame:
    """`doc_id`, `label` and `p_medical` of every text; nulls where there is no finite output."""
    head = load_head(folder, KIND)
    ids, outputs = outputs_of(head, texts)
    labels = head.card["labels"]
    probabilities = _softmax(outputs / head.card["temperature"])
    p_medical = probabilities[:, _medical(labels, medical_labels)].sum(axis=1)
    best = probabilities.argmax(axis=1) if len(ids) else np.zeros(0, dtype=np.int64)
    finite = np.isfinite(p_medical)
    return pl.DataFrame(
        {
            "doc_id": ids,
            "label": pl.Series(np.array(labels, dtype=object)[best].tolist(), dtype=pl.String),
            "p_medical": np.round(np.clip(p_medical, 0, 1), DECIMALS),
            "finite": finite,
        }
    ).select(
        "doc_id",
        *(pl.when("finite").then(name).alias(name) for name in ("label", "p_medical")),
    )


def _medical(labels: list[str], medical_labels: list[str]) -> np.ndarray:
    return np.array([label in medical_labels for label in labels])


def _softmax(outputs: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return np.asarray(softmax(outputs, axis=1))


def _calibrate(outputs: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the lowest log loss on validation; classes never trained are left out.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """
    known = truth >= 0
    if not known.any():
        return 1.0
    rows = np.arange(known.sum())
    losses = [
        -np.log(np.clip(_softmax(outputs[known] / t)[rows, truth[known]], 1e-12, 1)).mean()
        for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])
