"""The domain classifier: a softmax head on an encoder, calibrated.

Seeds are drawn evenly from sources of any size and classes weigh alike in training, so that rare
ones are learnt; what the head then says is corrected to the corpus, by what each seed stands for:
a temperature and a bias for each label. Without this a quarter of what is found medical in a corpus
with a medical tenth is not (benchmarks.rater_speed).

Source: CareBot (arXiv 2412.15236) 4.1 fine-tunes bge-m3 in full; on a processor the encoder stays
frozen.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets.raters import scores
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import DECIMALS, Head, Trained, load_head, outputs_of, tuned
from carebot_assets.raters.splitting import is_validation, near_duplicate_groups
from carebot_assets.settings import DomainSettings, EncoderSettings

KIND = "domain classifier"
# Inverse strength of the ridge: unit vectors of many hashed columns want little of it, while the
# few dense columns of a sentence encoder separate as well with it.
C = 100.0
CALIBRATION_FOLDS = 3
# Rows up to which a basis of their span is cheaper than their columns, and the share of the longest
# direction below which another one is rounding.
MAX_SPAN = 2000
SPAN_TOLERANCE = 1e-10
# Limits of the temperature, and how far biases may stray from the labels' shares (a standard
# deviation): a label with few rows keeps its own.
TEMPERATURES = (0.05, 20.0)
BIAS_SPREAD = 2.0


def train(
    seeds: pl.DataFrame,
    domain: DomainSettings,
    encoder: EncoderSettings,
    seed: int,
    folder: Path | None = None,
) -> Trained:
    """Fit the head on labelled documents and measure it on those held out.

    Temperature and biases are fitted on training rows, each seen by a head that had not learned
    from it, so that validation stays untouched until it is measured.

    Args:
        seeds: `text`, `label`, `lang`, `source`; rows without a label must have been left out, and
            rows with `synthetic` true are never validated on. With `stands_for`, the number of
            documents of the corpus behind a row, metrics are those of the corpus and outputs are
            corrected to it; without, all labels are held equally likely, and only a temperature
            is fitted.
        domain: labels and the share for validation.
        encoder: what lies below the head.
        seed: of the split.
        folder: where an encoder trained for this head lies.

    Raises:
        ValueError: fewer than two labels to learn.
    """
    held_out = split(seeds, domain.validation_ratio, seed)
    truth_names = seeds["label"].to_numpy()
    labels = [x for x in domain.labels if (truth_names[~held_out] == x).any()]
    if len(labels) < 2 or not held_out.any():
        raise ValueError(
            f"{seeds.height} labelled documents with {len(labels)} labels do not make a classifier;"
            " raise domain.seed_documents"
        )
    below = tuned(encoder, folder) if folder else encoder
    vectors = open_encoder(below).encode(seeds["text"].to_list())
    truth = np.array([labels.index(x) if x in labels else -1 for x in truth_names])
    stands_for, biases = np.ones(seeds.height), np.zeros(len(labels))
    if is_drawn := "stands_for" in seeds.columns:
        stands_for = seeds["stands_for"].fill_null(0.0).to_numpy()
        biases = np.log(_shares(truth[~held_out], stands_for[~held_out], len(labels)))
    weight, bias = fit(vectors[~held_out], truth[~held_out], len(labels))
    groups = near_duplicate_groups(seeds["text"].filter(pl.Series(~held_out)))
    outputs = _unseen_outputs(vectors[~held_out], truth[~held_out], groups, len(labels))
    temperature = 1.0
    if outputs is not None and stands_for[~held_out].any():
        temperature, biases = _calibrate(
            outputs, truth[~held_out], stands_for[~held_out], biases, is_drawn
        )
    # What the head says is divided by the temperature, the biases are not.
    bias = (bias + temperature * biases).astype(np.float32)
    head = Head(weight, bias, encoder, {})
    probabilities = softmax(head.outputs(vectors[held_out]) / temperature)
    metrics = {
        "num_train": int((~held_out).sum()),
        "num_validation": int(held_out.sum()),
        "temperature": round(temperature, 4),
        **scores.classification(
            probabilities,
            truth[held_out],
            labels,
            seeds.select("lang", "source").filter(pl.Series(held_out)),
            medical_mask(labels, domain.medical_labels),
            domain.threshold,
            stands_for[held_out],
        ),
    }
    head.card = {
        "kind": KIND,
        "labels": labels,
        "temperature": temperature,
        "biases": [round(float(bias), DECIMALS) for bias in biases],
        "metrics": metrics,
    }
    return Trained(head, metrics, probabilities, truth[held_out], stands_for[held_out])


def split(seeds: pl.DataFrame, ratio: float, seed: int) -> np.ndarray:
    """Which rows are validated on; what was written for training never is."""
    held_out = is_validation(seeds["text"], ratio, seed)
    if "synthetic" in seeds.columns:
        held_out &= ~seeds["synthetic"].fill_null(False).to_numpy()
    return held_out


def _shares(truth: np.ndarray, stands_for: np.ndarray, num: int) -> np.ndarray:
    """Share of each label in the corpus; with half a row more for each, none is impossible."""
    counts = np.bincount(truth, stands_for, num) + (stands_for.mean() or 1.0) / 2
    return np.asarray(counts / counts.sum())


def fit(vectors: Any, truth: np.ndarray, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a class-balanced softmax, one row a label.

    Where rows are fewer than columns, as among hashed n-grams, it is fitted in an orthonormal basis
    of the rows' span, in which the best weights lie and the ridge is the same.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, class_weight="balanced", max_iter=300)
    if len(truth) < min(vectors.shape[1], MAX_SPAN):
        places, to_rows = _in_their_span(vectors)
        coefficients = (model.fit(places, truth).coef_ @ to_rows) @ vectors
    else:
        coefficients = model.fit(vectors, truth).coef_
    weight = np.zeros((num_labels, vectors.shape[1]), np.float32)
    # A label that is missing here (in a fold) is all but impossible.
    bias = np.full(num_labels, -30.0, np.float32)
    if len(model.classes_) == 2:  # the binary form has one row for both
        rows, terms = np.vstack([-coefficients, coefficients]) / 2, np.hstack(
            [-model.intercept_, model.intercept_]
        ) / 2  # fmt: skip
    else:
        rows, terms = coefficients, model.intercept_
    weight[model.classes_], bias[model.classes_] = rows, terms
    return weight, bias


def _in_their_span(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of rows in an orthonormal basis of their span, and that basis as sums of rows."""
    from scipy.sparse import issparse

    products = rows @ rows.T
    gram = products.toarray() if issparse(products) else products
    values, directions = np.linalg.eigh(gram.astype(np.float64))
    is_inside = values > values.max() * SPAN_TOLERANCE
    sizes = np.sqrt(np.where(is_inside, values, 0.0))
    to_rows = np.divide(directions, sizes, out=np.zeros_like(directions), where=is_inside)
    return directions * sizes, to_rows.T


def predict(
    folder: Path, texts: pl.LazyFrame, medical_labels: list[str], work: Path | None = None
) -> pl.DataFrame:
    """`doc_id`, `label` and `p_medical` of every text; nulls where there is no finite output."""
    head = load_head(folder, KIND)
    ids, outputs = outputs_of(head, texts, work)
    labels = head.card["labels"]
    probabilities = softmax(outputs / head.card["temperature"])
    p_medical = probabilities[:, medical_mask(labels, medical_labels)].sum(axis=1)
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


def medical_mask(labels: list[str], medical_labels: list[str]) -> np.ndarray:
    """Which labels are medical."""
    return np.array([label in medical_labels for label in labels])


def are_medical(truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which rows have a medical label."""
    return np.isin(truth, np.flatnonzero(mask))


def softmax(outputs: np.ndarray) -> np.ndarray:
    """Probabilities, row by row."""
    from scipy.special import softmax as along

    return np.asarray(along(outputs, axis=1))


def _unseen_outputs(
    vectors: Any, truth: np.ndarray, groups: np.ndarray, num_labels: int
) -> np.ndarray | None:
    """Outputs on every row of a head that had learned from no near-duplicate of it; None where
    there is too little to divide."""
    from sklearn.model_selection import GroupKFold

    if len(np.unique(groups)) < CALIBRATION_FOLDS:
        return None
    outputs = np.zeros((len(truth), num_labels))
    for learn, see in GroupKFold(CALIBRATION_FOLDS).split(vectors, truth, groups):
        if len(np.unique(truth[learn])) < 2:
            return None
        weight, bias = fit(vectors[learn], truth[learn], num_labels)
        outputs[see] = np.asarray(vectors[see] @ weight.T, dtype=np.float64) + bias
    return outputs


def _calibrate(
    outputs: np.ndarray, truth: np.ndarray, weights: np.ndarray, biases: np.ndarray, free: bool
) -> tuple[float, np.ndarray]:
    """The temperature, and where they are free the biases of the labels, of the lowest log loss.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks; Alexandari et al. 2020,
    Maximum Likelihood with Bias-Corrected Calibration, for the biases.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    rows, weights = np.arange(len(truth)), weights / weights[weights > 0].mean()

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        given = log_softmax(np.exp(x[0]) * outputs + x[1:], axis=1)
        error = np.exp(given)
        error[rows, truth] -= 1
        error *= weights[:, None]
        slope = np.exp(x[0]) * (error * outputs).sum()
        off = (x[1:] - biases) / BIAS_SPREAD**2
        value = -(weights @ given[rows, truth]) + off @ (x[1:] - biases) / 2
        return float(value), np.append(slope, error.sum(axis=0) + off)

    low, high = (-np.log(limit) for limit in TEMPERATURES[::-1])
    fixed = [(None, None) if free else (bias, bias) for bias in biases]
    found = minimize(
        loss, np.append(0.0, biases), jac=True, method="L-BFGS-B", bounds=[(low, high), *fixed]
    )
    return float(np.exp(-found.x[0])), found.x[1:]
