"""A rater of one rubric: a ridge head on an encoder that predicts the teacher's score."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import scores
from carebot_assets.raters.classifier import split
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import DECIMALS, Head, Trained, load_head, outputs_of, tuned
from carebot_assets.raters.rubric import Rubric
from carebot_assets.raters.splitting import near_duplicate_groups
from carebot_assets.settings import EncoderSettings

MIN_DOCUMENTS = 10
ALPHA = 0.3
CALIBRATION_FOLDS = 3


def train(
    seeds: pl.DataFrame,
    rubric: Rubric,
    encoder: EncoderSettings,
    seed: int,
    *,
    validation_ratio: float = 0.2,
    cuts: tuple[float, ...] = (3.0, 4.0),
    folder: Path | None = None,
) -> Trained:
    """Fit the head on scored texts and measure it on those held out.

    Slope and shift that undo the ridge's shrinking are fitted on training rows, each seen by a
    head that had not learned from it.

    Args:
        seeds: `text`, `score`, `lang`, `source`; rows without a score must have been left out.
        rubric: scale of the score.
        encoder: what lies below the head.
        seed: of the split.
        validation_ratio: share for validation.
        cuts: scores at which agreement is reported.
        folder: where an encoder trained for this head lies.

    Raises:
        ValueError: too few texts, or all with one score.
    """
    held_out = split(seeds, validation_ratio, seed)
    truth = seeds["score"].to_numpy()
    if (~held_out).sum() < MIN_DOCUMENTS or not held_out.any() or truth[~held_out].std() == 0:
        raise ValueError(
            f"{seeds.height} scored texts with {seeds['score'].n_unique()} different scores do not "
            f"make a {rubric.name}; raise the number of seeds (quality.seed_documents, "
            "instruction.seed_rounds)"
        )
    vectors = open_encoder(tuned(encoder, folder) if folder else encoder).encode(
        seeds["text"].to_list()
    )
    known, scored = vectors[~held_out], truth[~held_out]
    groups = near_duplicate_groups(seeds["text"].filter(pl.Series(~held_out)))
    slope, shift = _calibrate(known, scored, groups)
    weight, bias = _fit(known, scored)
    head = Head(weight * np.float32(slope), bias * slope + shift, encoder, {})
    predicted = _clip(head.outputs(vectors[held_out])[:, 0], rubric)
    metrics = {
        "num_train": int((~held_out).sum()),
        "num_validation": int(held_out.sum()),
        **scores.regression(
            predicted,
            truth[held_out],
            seeds.select("lang", "source", num_chars=pl.col("text").str.len_chars()).filter(
                pl.Series(held_out)
            ),
            cuts,
        ),
    }
    head.card = {"kind": rubric.name, "source": rubric.source, "metrics": metrics}
    return Trained(head, metrics, predicted, truth[held_out])


def predict(
    folder: Path, rubric: Rubric, texts: pl.LazyFrame, work: Path | None = None
) -> pl.DataFrame:
    """`doc_id` and `score` of every text; null where there is no finite output."""
    ids, outputs = outputs_of(load_head(folder, rubric.name), texts, work)
    score = pl.Series("score", np.round(_clip(outputs[:, 0], rubric), DECIMALS)).fill_nan(None)
    return pl.DataFrame({"doc_id": ids, "score": score})


def _clip(outputs: np.ndarray, rubric: Rubric) -> np.ndarray:
    return np.clip(outputs, rubric.low, rubric.high)


def _fit(vectors: Any, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=ALPHA, solver="lsqr").fit(vectors, truth)
    return model.coef_.reshape(1, -1).astype(np.float32), np.array([model.intercept_], np.float32)


def _calibrate(vectors: Any, truth: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Slope and shift from outputs of heads that had not learned from the row."""
    from sklearn.model_selection import GroupKFold

    if len(np.unique(groups)) < MIN_DOCUMENTS:
        return 1.0, 0.0
    outputs = np.zeros(len(truth))
    for learn, see in GroupKFold(CALIBRATION_FOLDS).split(vectors, truth, groups):
        weight, bias = _fit(vectors[learn], truth[learn])
        outputs[see] = np.asarray(vectors[see] @ weight.T)[:, 0] + bias[0]
    if outputs.std() == 0:
        return 1.0, 0.0
    slope, shift = np.polyfit(outputs, truth, 1)
    # A slope at or below nothing means the head has learned nothing: leave that to the checks.
    return (float(slope), float(shift)) if slope > 0 else (1.0, 0.0)
