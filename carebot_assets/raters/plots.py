"""Pictures for the UI, as Markdown images that carry their own data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from carebot_assets import markdown


def confusion(probabilities: np.ndarray, truth: np.ndarray, labels: list[str]) -> str:
    """Which labels a classifier mistakes for which."""
    figure, axis = markdown.new_figure(6.4, 5.6)
    known = truth >= 0
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (truth[known], probabilities[known].argmax(axis=1)), 1)
    cross_table(axis, counts, labels)
    axis.set(xlabel="predicted", ylabel="teacher")
    return markdown.image(figure, "confusion matrix")


def cross_table(axis: Any, counts: np.ndarray, labels: Sequence[str]) -> None:
    """Counts of label by label, each row shaded by its shares."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = shares[row, column] > 0.5
        axis.text(
            column, row, int(counts[row, column]), ha="center", va="center", fontsize=7,
            color="white" if dark else "black",
        )  # fmt: skip
    axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=7)
    axis.set_yticks(range(len(labels)), labels, fontsize=7)


def reliability(rows: list[tuple[float, float, float]]) -> str:
    """Confidence against accuracy: on the diagonal where a probability means what it says."""
    figure, axis = markdown.new_figure(4.2, 3.8)
    axis.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    confidence, accuracy, counts = (np.array(x, dtype=float) for x in zip(*rows, strict=True))
    axis.plot(confidence, accuracy, color="tab:blue", linewidth=1)
    axis.scatter(confidence, accuracy, s=10 + 120 * counts / counts.max(), color="tab:blue")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    return markdown.image(figure, "reliability")


def operating_curves(p_medical: np.ndarray, is_medical: np.ndarray, weights: np.ndarray) -> str:
    """ROC and precision against recall of the medical labels."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    figure, (left, right) = markdown.new_figure(7.6, 3.6, columns=2)
    if is_medical.any() and not is_medical.all():
        false_rate, true_rate, _ = roc_curve(is_medical, p_medical, sample_weight=weights)
        precision, recall, _ = precision_recall_curve(is_medical, p_medical, sample_weight=weights)
        left.plot(false_rate, true_rate)
        right.plot(recall, precision)
    left.set(xlabel="false positive rate", ylabel="recall", xlim=(0, 1), ylim=(0, 1.02))
    right.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    return markdown.image(figure, "medical: ROC and precision against recall")


def backbones(names: list[str], quality: list[float], speed: list[float], measure: str) -> str:
    """Quality of the same head on several encoders against their speed."""
    figure, axis = markdown.new_figure(5.2, 3.6)
    axis.scatter(speed, quality, color="tab:blue")
    for name, x, y in zip(names, speed, quality, strict=True):
        axis.annotate(name, (x, y), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axis.set_xscale("log")
    axis.margins(0.25)
    axis.set(xlabel="documents per second", ylabel=measure)
    return markdown.image(figure, "backbones")


def by_decile(predicted: np.ndarray, truth: np.ndarray, high: float = 5.0) -> str:
    """Mean teacher score within each tenth of the predicted scores, over single documents."""
    figure, axis = markdown.new_figure(4.2, 3.8)
    axis.scatter(predicted, truth, s=6, color="0.75")
    axis.plot([0, high], [0, high], color="0.6", linestyle="--", linewidth=1)
    parts = [part for part in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(part)]
    axis.plot(
        [predicted[part].mean() for part in parts], [truth[part].mean() for part in parts],
        marker="o", color="tab:blue",
    )  # fmt: skip
    axis.set(
        xlabel="predicted score",
        ylabel="teacher's score",
        xlim=(0, high + 0.1),
        ylim=(0, high + 0.1),
    )
    return markdown.image(figure, "teacher's score by decile of the prediction")
