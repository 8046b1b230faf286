"""How good a rater is: numbers for the metadata and for the checks that guard it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

NUM_BINS = 10


def classification(
    probabilities: np.ndarray,
    truth: np.ndarray,
    labels: list[str],
    strata: pl.DataFrame,
    medical: np.ndarray,
    threshold: float,
    weights: np.ndarray,
) -> dict[str, Any]:
    """Metrics of a classifier on validation, altogether, by label, language and source.

    Precision, recall and F1 of every label, also within each language; those of the medical labels
    together within each language and source.

    Rows count by their weights, except in counts: a sample drawn evenly from small and large
    sources then says what the whole corpus would.

    Args:
        truth: index into `labels`, -1 for a label that was never trained.
        strata: `lang` and `source` of the rows.
        medical: which labels are medical.
        threshold: probability of the medical labels from which a document is kept.
        weights: of the rows.
    """
    from sklearn.metrics import average_precision_score
    from sklearn.metrics import roc_auc_score as auc

    guess = probabilities.argmax(axis=1)
    p_medical = probabilities[:, medical].sum(axis=1)
    is_medical = np.isin(truth, np.flatnonzero(medical))
    both = is_medical.any() and not is_medical.all()
    everything = np.ones(len(truth), bool)

    def of_labels(rows: np.ndarray) -> dict[str, dict[str, Any]]:
        return {
            label: _binary((guess == i)[rows], (truth == i)[rows], weights[rows])
            | {"num_documents": int((truth == i)[rows].sum())}
            for i, label in enumerate(labels)
        }

    by_label = of_labels(everything)
    present = [label for i, label in enumerate(labels) if weights[truth == i].any()]

    def part(rows: np.ndarray) -> dict[str, Any]:
        medical = _binary(p_medical[rows] >= threshold, is_medical[rows], weights[rows])
        return {
            "num_documents": int(rows.sum()),
            "accuracy_ratio": _number(np.average((guess == truth)[rows], weights=weights[rows])),
            **{f"medical_{name}": value for name, value in medical.items()},
        }

    return {
        "macro_f1": _number(np.mean([by_label[label]["f1"] for label in present])),
        **{k: v for k, v in part(everything).items() if k != "num_documents"},
        "medical_roc_auc": (
            _number(auc(is_medical, p_medical, sample_weight=weights)) if both else None
        ),
        "medical_average_precision": (
            _number(average_precision_score(is_medical, p_medical, sample_weight=weights))
            if both
            else None
        ),
        "calibration_error": _number(calibration_error(probabilities, truth, weights)),
        "largest_class_ratio": _number(np.bincount(guess, weights).max() / weights.sum()),
        "num_predicted_labels": len(np.unique(guess)),
        "by_label": by_label,
        "by_lang_and_label": {
            f"{lang} {label}": found
            for lang, labels_found in _parts(strata["lang"], of_labels).items()
            for label, found in labels_found.items()
        },
        "by_lang": _parts(strata["lang"], part),
        "by_source": _parts(strata["source"], part),
    }


def regression(
    guess: np.ndarray, truth: np.ndarray, strata: pl.DataFrame, cuts: tuple[float, ...]
) -> dict[str, Any]:
    """Metrics of a rater on validation, altogether, by language, source and length.

    `length_correlation` is the partial rank correlation of the guess with the length of the text
    given the truth: what the rater reads from length alone. Far from 0, it measures length. Taken
    within each language and averaged over the documents: characters of one are no measure of the
    other.

    Args:
        strata: `lang`, `source` and `num_chars` of the rows.
        cuts: scores at which agreement is reported.
    """
    lengths = strata["num_chars"].to_numpy()
    third = np.searchsorted(np.quantile(lengths, [1 / 3, 2 / 3]), lengths, side="left")
    names = pl.Series([("short", "middle", "long")[i] for i in third])

    def part(rows: np.ndarray) -> dict[str, Any]:
        return _fit(guess[rows], truth[rows], cuts)

    return {
        **part(np.ones(len(truth), bool)),
        "score_std": _number(guess.std()),
        "length_correlation": _length_correlation(guess, lengths, truth, strata["lang"]),
        "by_lang": _parts(strata["lang"], part),
        "by_source": _parts(strata["source"], part),
        "by_length": _parts(names, part),
    }


def partial_rank_correlation(one: np.ndarray, two: np.ndarray, given: np.ndarray) -> float | None:
    """Spearman correlation of two columns with the ranks of a third held fixed; None where one of
    them is constant."""
    from scipy.stats import spearmanr

    columns = np.column_stack([one, two, given])
    if len(columns) < 3 or (columns.std(axis=0) == 0).any():
        return None
    r = spearmanr(columns).statistic
    rest = np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    return _number((r[0, 1] - r[0, 2] * r[1, 2]) / rest) if rest > 0 else None


def _length_correlation(
    guess: np.ndarray, lengths: np.ndarray, truth: np.ndarray, langs: pl.Series
) -> float | None:
    parts = [(langs == lang).to_numpy() for lang in langs.unique().sort()]
    found = [(rows.sum(), partial_rank_correlation(guess[rows], lengths[rows], truth[rows]))
             for rows in parts]  # fmt: skip
    known = [(num, value) for num, value in found if value is not None]
    return (
        _number(np.average([v for _, v in known], weights=[n for n, _ in known])) if known else None
    )


def as_markdown(parts: dict[str, dict[str, Any]], first: str) -> str:
    """A table of metrics with a row a part."""
    columns = list(next(iter(parts.values()), {}))
    rows = [
        f"| {name} | " + " | ".join(_shown(part.get(column)) for column in columns) + " |"
        for name, part in parts.items()
    ]
    head = " | ".join([first, *(c.replace("_", " ") for c in columns)])
    return "\n".join([f"| {head} |", "|---" * (len(columns) + 1) + "|", *rows])


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _parts(
    names: pl.Series, part: Callable[[np.ndarray], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    values = names.to_numpy()
    return {str(name): part(values == name) for name in np.unique(values)}


def reliability(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> list[tuple[float, float, float]]:
    """Mean confidence, accuracy and weight of the documents in bins of confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    parts = [bins == b for b in np.unique(bins)]
    return [
        (
            float(np.average(confidence[part], weights=weights[part])),
            float(np.average(right[part], weights=weights[part])),
            float(weights[part].sum()),
        )
        for part in parts
    ]


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over the bins."""
    rows = reliability(probabilities, truth, weights)
    return sum(abs(c - a) * n for c, a, n in rows) / max(1, sum(n for *_, n in rows))


def _binary(guess: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    hits, guessed, wanted = (weights[rows].sum() for rows in (guess & truth, guess, truth))
    precision = hits / guessed if guessed else 0.0
    recall = hits / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": _number(precision), "recall": _number(recall), "f1": _number(f1)}


def _fit(guess: np.ndarray, truth: np.ndarray, cuts: tuple[float, ...]) -> dict[str, Any]:
    from scipy.stats import spearmanr

    constant = len(guess) < 2 or guess.std() == 0 or truth.std() == 0
    rank = None if constant else _number(spearmanr(guess, truth).statistic)
    right = {
        f"accuracy_at_{cut:g}": _number(((guess >= cut) == (truth >= cut)).mean()) for cut in cuts
    }
    error = _number(np.abs(guess - truth).mean())
    return {"num_documents": len(guess), "spearman": rank, "mean_absolute_error": error, **right}


def _number(value: Any) -> float:
    return round(float(value), 4)
