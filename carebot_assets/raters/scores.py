"""How good a rater is: numbers for the metadata and for the checks that guard it."""

from typing import Any

import numpy as np

NUM_BINS = 10


def classification(
    probabilities: np.ndarray,
    truth: np.ndarray,
    labels: list[str],
    langs: np.ndarray,
    medical: np.ndarray,
    threshold: float,
) -> dict[str, Any]:
    """Metrics of a classifier on validation, altogether, by label and by language.

    Args:
        truth: index into `labels`, -1 for a label that was never trained.
        medical: which labels are medical.
        threshold: probability of the medical labels from which a document is kept.
    """
    from sklearn.metrics import precision_recall_fscore_support

    guess = probabilities.argmax(axis=1)
    p_medical = probabilities[:, medical].sum(axis=1)
    is_medical = np.isin(truth, np.flatnonzero(medical))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=list(range(len(labels))), zero_division=0.0
    )
    by_label = {
        label: _rounded(
            precision=precision[i], recall=recall[i], f1=f1[i], num_documents=support[i]
        )
        for i, label in enumerate(labels)
    }
    present = support > 0
    return {
        "accuracy_ratio": _number((guess == truth).mean()),
        "macro_f1": _number(f1[present].mean()),
        **{f"medical_{k}": v for k, v in _binary(p_medical >= threshold, is_medical).items()},
        "calibration_error": _number(calibration_error(probabilities, truth)),
        "largest_class_ratio": _number(np.bincount(guess).max() / len(guess)),
        "num_predicted_labels": len(np.unique(guess)),
        "by_label": by_label,
        "by_lang": {
            str(lang): {
                "num_documents": int((langs == lang).sum()),
                "accuracy_ratio": _number((guess == truth)[langs == lang].mean()),
                **{
                    f"medical_{k}": v
                    for k, v in _binary(
                        p_medical[langs == lang] >= threshold, is_medical[langs == lang]
                    ).items()
                },
            }
            for lang in np.unique(langs)
        },
    }


def regression(
    guess: np.ndarray, truth: np.ndarray, langs: np.ndarray, cuts: tuple[float, float]
) -> dict[str, Any]:
    """Metrics of a quality rater on validation, altogether and by language."""
    return {
        **_fit(guess, truth, cuts),
        "score_std": _number(guess.std()),
        "by_lang": {
            str(lang): _fit(guess[langs == lang], truth[langs == lang], cuts)
            for lang in np.unique(langs)
        },
    }


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of documents in bins of confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    return [
        (
            float(confidence[bins == b].mean()),
            float(right[bins == b].mean()),
            int((bins == b).sum()),
        )
        for b in np.unique(bins)
    ]


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over the bins."""
    rows = reliability(probabilities, truth)
    return sum(abs(c - a) * n for c, a, n in rows) / max(1, sum(n for *_, n in rows))


def _binary(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    hits = int((guess & truth).sum())
    precision = hits / guess.sum() if guess.any() else 0.0
    recall = hits / truth.sum() if truth.any() else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return _rounded(precision=precision, recall=recall, f1=f1)


def _fit(guess: np.ndarray, truth: np.ndarray, cuts: tuple[float, float]) -> dict[str, Any]:
    from scipy.stats import spearmanr

    constant = len(guess) < 2 or guess.std() == 0 or truth.std() == 0
    rank = None if constant else _number(spearmanr(guess, truth).statistic)
    right = {
        f"accuracy_at_{cut:g}": _number(((guess >= cut) == (truth >= cut)).mean()) for cut in cuts
    }
    error = _number(np.abs(guess - truth).mean())
    return {"num_documents": len(guess), "spearman": rank, "mean_absolute_error": error, **right}


def _rounded(**values: Any) -> dict[str, Any]:
    return {k: int(v) if k.startswith("num_") else _number(v) for k, v in values.items()}


def _number(value: Any) -> float:
    return round(float(value), 4)
