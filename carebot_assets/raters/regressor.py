"""A rater of one rubric: a linear head on an encoder that predicts the teacher's score."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import faults, ranking, scores, writing
from carebot_assets.raters.classifier import split
from carebot_assets.raters.encoder import Encoder, open_encoder
from carebot_assets.raters.head import (
    DECIMALS,
    Head,
    Trained,
    beside,
    load_head,
    outputs_of,
    tuned,
)
from carebot_assets.raters.rubric import Rubric
from carebot_assets.raters.splitting import near_duplicate_groups
from carebot_assets.settings import EncoderSettings

MIN_DOCUMENTS = 10
ALPHA = 0.3
CALIBRATION_FOLDS = 3
MIN_SLOPE = 0.3
# Large enough for the ridge to leave the bias alone.
BIAS_COLUMN = 10.0
# Of the regression of pairs: inverse strength of its penalty, when it stops, least mean gap.
PAIRS_C, TOLERANCE, MIN_GAP = 30.0, 1e-3, 1e-3


def train(
    seeds: pl.DataFrame,
    rubric: Rubric,
    encoder: EncoderSettings,
    seed: int,
    *,
    validation_ratio: float = 0.2,
    cuts: tuple[float, ...] = (3.0, 4.0),
    folder: Path | None = None,
    planted_faults: int = 0,
    planted_weight: float = 1.0,
) -> Trained:
    """Fit the head on scored texts and measure it on those held out.

    With planted faults the head also sees how a text is written, and learns from twins of the
    training texts what sets each above them; what that leaves of the teacher's scores is the
    ridge's. Slope and shift that undo the ridge's shrinking are fitted on training rows, each seen
    by a head that had not learned from it.

    Args:
        seeds: `text`, `score`, `lang`, `source`; rows without a score must have been left out.
        rubric: scale of the score.
        encoder: what lies below the head.
        seed: of the split.
        validation_ratio: share for validation.
        cuts: scores at which agreement is reported.
        folder: where an encoder trained for this head lies.
        planted_faults: spoilt twins of every text.
        planted_weight: of what all twins say, beside what the teacher says of all texts.

    Raises:
        ValueError: too few texts, or all with one score.
    """
    held_out = split(seeds, validation_ratio, seed)
    known, seen = seeds.filter(pl.Series(~held_out)), seeds.filter(pl.Series(held_out))
    scored, truth = known["score"].to_numpy(), seen["score"].to_numpy()
    if len(scored) < MIN_DOCUMENTS or not len(truth) or scored.std() == 0:
        raise ValueError(
            f"{seeds.height} scored texts with {seeds['score'].n_unique()} different scores do not "
            f"make a {rubric.name}; raise the number of seeds (quality.seed_documents, "
            "instruction.seed_rounds)"
        )
    below = open_encoder(tuned(encoder, folder) if folder else encoder)
    vectors, fallen, head = _rows(known, below, planted_faults, planted_weight, seed)
    head.encoder = encoder
    groups = near_duplicate_groups(known["text"])
    slope, shift = _calibrate(vectors, scored, fallen, groups)
    weight, bias = _fit(vectors, scored, fallen.rows, fallen.weight)
    head.weight, head.bias = weight * np.float32(slope), bias * slope + shift
    raw = head.outputs(head.vectors(below, seen["text"]))[:, 0]
    predicted = _clip(raw, rubric)
    metrics = {
        "num_train": known.height,
        "num_validation": seen.height,
        **scores.regression(
            predicted,
            truth,
            seen.select("lang", "source", num_chars=pl.col("text").str.len_chars()),
            cuts,
        ),
    }
    if planted_faults:
        metrics |= _planted(head, below, seen, raw, planted_faults, seed)
    head.card = {"kind": rubric.name, "source": rubric.source, "metrics": metrics}
    return Trained(head, metrics, predicted, truth, np.ones(len(truth)))


@dataclass(frozen=True)
class Fallen:
    """What twins lack: vectors of origins less those of their twins, and whose they are."""

    rows: Any
    origins: np.ndarray
    weight: float  # of all together, beside what the teacher says of all texts


def _rows(
    known: pl.DataFrame, encoder: Encoder, planted_faults: int, planted_weight: float, seed: int
) -> tuple[Any, Fallen, Head]:
    """Vectors of training texts, what their twins lack, and a head that still has no weights."""
    head = Head(np.zeros((1, 0)), np.zeros(1), EncoderSettings(), {})
    vectors = encoder.encode(known["text"].to_list())
    if not planted_faults:
        return vectors, Fallen(vectors[:0], np.zeros(0, np.int64), planted_weight), head
    twins = faults.plant(known, planted_faults, seed)
    texts = pl.concat([known["text"], twins["text"]])
    origins = np.concatenate([np.arange(known.height), twins["origin"].to_numpy()])
    head.writing, written = writing.learn(known["text"], texts, origins)
    vectors = beside(vectors, written[: known.height])
    spoilt = beside(encoder.encode(twins["text"].to_list()), written[known.height :])
    whose = twins["origin"].to_numpy()
    lacking = (vectors[whose] - spoilt).tocsr()
    return vectors, Fallen(lacking, whose, planted_weight), head


def _planted(
    head: Head, encoder: Encoder, seen: pl.DataFrame, raw: np.ndarray, num_each: int, seed: int
) -> dict[str, Any]:
    """How often a validation text is above a spoilt twin of itself, by language and fault."""
    twins = faults.plant(seen, num_each, seed)
    if not twins.height:
        return {"planted_won_ratio": None, "by_fault": {}}
    below = head.outputs(head.vectors(encoder, twins["text"]))[:, 0]
    whose = twins["origin"].to_numpy()
    won = twins.select("fault", lang=seen["lang"].gather(whose), won=pl.Series(raw[whose] > below))
    parts = won.group_by("lang", "fault").agg(pl.len(), pl.col("won").mean()).sort("lang", "fault")
    return {
        "planted_won_ratio": round(float(won["won"].mean()), 4),  # type: ignore[arg-type]
        "by_fault": {
            f"{lang} {fault}": {"num_twins": num, "won_ratio": round(ratio, 4)}
            for lang, fault, num, ratio in parts.iter_rows()
        },
    }


def predict(
    folder: Path, rubric: Rubric, texts: pl.LazyFrame, work: Path | None = None
) -> pl.DataFrame:
    """`doc_id` and `score` of every text; null where there is no finite output."""
    ids, outputs = outputs_of(load_head(folder, rubric.name), texts, work)
    score = pl.Series("score", np.round(_clip(outputs[:, 0], rubric), DECIMALS)).fill_nan(None)
    return pl.DataFrame({"doc_id": ids, "score": score})


def _clip(outputs: np.ndarray, rubric: Rubric) -> np.ndarray:
    return np.clip(outputs, rubric.low, rubric.high)


def _fit(
    vectors: Any, truth: np.ndarray, fallen: Any, planted_weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the sum of two: what sets texts above their twins, and a ridge on scores.

    How much of the first there is lies between what the teacher's scores say of it and the penalty,
    as `planted_weight` has it. The ridge is for what that leaves of the scores, and is to leave
    twins where they are.
    """
    from scipy.sparse import csr_matrix, vstack
    from sklearn.linear_model import Ridge

    # A single pair is nothing to learn from, and would weigh as much as all.
    fallen = fallen if fallen.shape[0] > 1 else fallen[:0]
    num = fallen.shape[0]
    above = np.zeros(vectors.shape[1], np.float32)
    if num:
        above = _above_twins(fallen)
        spread, common = np.cov(vectors @ above, truth, ddof=0)[0]
        share = (common + planted_weight * faults.PENALTY) / (spread + planted_weight)
        above *= np.float32(share)
    # All twins together weigh so much, however many there are.
    weight_of_one = np.sqrt(planted_weight * len(truth) / max(1, num))
    constant = np.concatenate([np.full(len(truth), BIAS_COLUMN), np.zeros(num)])
    both = vstack([csr_matrix(vectors), csr_matrix(fallen * np.float32(weight_of_one))])
    rows = beside(both, constant[:, None])
    rest = np.concatenate([truth - vectors @ above, np.zeros(num)])
    ridge = Ridge(alpha=ALPHA, solver="lsqr", fit_intercept=False).fit(rows, rest).coef_
    weight = above + ridge[:-1].astype(np.float32)
    return weight[None], np.array([ridge[-1] * BIAS_COLUMN], np.float32)


def _above_twins(fallen: Any) -> np.ndarray:
    """Weights under which texts are 1 above their twins in the mean.

    By logistic regression of pairs: a ridge on the penalty would spend itself on twins that are far
    below already.
    """
    weight = ranking.above(fallen, PAIRS_C, TOLERANCE)
    gap = float((fallen @ weight).mean())
    return weight / np.float32(max(gap, MIN_GAP))


def _calibrate(
    vectors: Any, truth: np.ndarray, fallen: Fallen, groups: np.ndarray
) -> tuple[float, float]:
    """Slope and shift from outputs of heads that had not learned from the row."""
    from sklearn.model_selection import GroupKFold

    if len(np.unique(groups)) < MIN_DOCUMENTS:
        return 1.0, 0.0
    outputs = np.zeros(len(truth))
    for learn_rows, see in GroupKFold(CALIBRATION_FOLDS).split(vectors, truth, groups):
        twins = np.isin(fallen.origins, learn_rows)
        weight, bias = _fit(
            vectors[learn_rows], truth[learn_rows], fallen.rows[twins], fallen.weight
        )
        outputs[see] = np.asarray(vectors[see] @ weight.T)[:, 0] + bias[0]
    if outputs.std() == 0:
        return 1.0, 0.0
    # With few seeds the best slope may be next to nothing, and all documents would get one score:
    # how much the head has learned is for the checks to say.
    slope = max(MIN_SLOPE, float(np.polyfit(outputs, truth, 1)[0]))
    return slope, float(truth.mean() - slope * outputs.mean())
