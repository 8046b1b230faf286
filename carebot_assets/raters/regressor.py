"""The quality rater: a ridge head on a frozen encoder that predicts the teacher's score.

Source: CareBot's DataRater (arXiv 2412.15236): 0..5, fit for training from 3, very high from 4.
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
from carebot_assets.settings import EncoderSettings, QualitySettings

KIND = "quality rater"
MAX_SCORE = 5.0
MIN_DOCUMENTS = 10
ALPHA = 0.3


@dataclass
class Trained:
    """A head with what validation says about it."""

    head: Head
    metrics: dict[str, Any]
    predicted: np.ndarray
    truth: np.ndarray


def train(
    seeds: pl.DataFrame, quality: QualitySettings, encoder: EncoderSettings, seed: int
) -> Trained:
    """Fit the head on scored documents and measure it on those held out.

    Args:
        seeds: `text`, `score`, `lang`; rows without a score must have been left out.
        quality: thresholds and the share for validation.
        encoder: frozen part.
        seed: of the split.

    Raises:
        ValueError: too few documents, or all with one score.
    """
    from sklearn.linear_model import Ridge

    held_out = is_validation(seeds["text"], quality.validation_ratio, seed)
    truth = seeds["score"].to_numpy()
    if (~held_out).sum() < MIN_DOCUMENTS or not held_out.any() or truth[~held_out].std() == 0:
        raise ValueError(
            f"{seeds.height} scored documents with {seeds['score'].n_unique()} different scores do "
            "not make a rater; raise quality.seed_documents"
        )
    vectors = open_encoder(encoder).encode(seeds["text"].to_list())
    model = Ridge(alpha=ALPHA, solver="lsqr").fit(vectors[~held_out], truth[~held_out])
    head = Head(
        model.coef_.reshape(1, -1).astype(np.float32),
        np.array([model.intercept_], dtype=np.float32),
        encoder,
        {},
    )
    slope, shift = _calibrate(head.outputs(vectors[held_out])[:, 0], truth[held_out])
    head.weight, head.bias = head.weight * np.float32(slope), head.bias * slope + shift
    predicted = _clip(head.outputs(vectors[held_out])[:, 0])
    cuts = (quality.keep_score, quality.very_high_score)
    metrics = {
        "num_train": int((~held_out).sum()),
        "num_validation": int(held_out.sum()),
        **scores.regression(predicted, truth[held_out], seeds["lang"].to_numpy()[held_out], cuts),
    }
    head.card = {"kind": KIND, "metrics": metrics}
    return Trained(head, metrics, predicted, truth[held_out])


def predict(folder: Path, texts: pl.LazyFrame) -> pl.DataFrame:
    """`doc_id` and `score` (0..5) of every text; null where there is no finite output."""
    ids, outputs = outputs_of(load_head(folder, KIND), texts)
    score = pl.Series("score", np.round(_clip(outputs[:, 0]), DECIMALS)).fill_nan(None)
    return pl.DataFrame({"doc_id": ids, "score": score})


def _clip(outputs: np.ndarray) -> np.ndarray:
    return np.clip(outputs, 0.0, MAX_SCORE)


def _calibrate(outputs: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and shift that fit held-out outputs to the scores: undoes the ridge's shrinking."""
    if len(outputs) < MIN_DOCUMENTS or outputs.std() == 0:
        return 1.0, 0.0
    slope, shift = np.polyfit(outputs, truth, 1)
    # A slope at or below nothing means the head has learned nothing: leave that to the checks.
    return (float(slope), float(shift)) if slope > 0 else (1.0, 0.0)
