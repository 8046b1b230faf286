"""Pictures of how far two rounds of a teacher agree."""

import numpy as np
import polars as pl

from carebot_assets import markdown
from carebot_assets.raters import plots

MAX_LABELS = 40


def labels(table: pl.LazyFrame) -> dict[str, str]:
    """Which labels the rounds confuse, and the agreement on every label."""
    frame = table.select("label_1", "label_2").drop_nulls().collect()
    given = pl.concat([frame["label_1"], frame["label_2"]]).value_counts(sort=True)
    names = sorted(given["label_1"].head(MAX_LABELS).to_list())
    if not names:
        return {}
    index = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=int)
    for one, two in frame.iter_rows():
        if one in index and two in index:
            counts[index[one], index[two]] += 1
    size = 2.6 + 0.28 * len(names)
    figure, axis = markdown.new_figure(size + 1.0, size)
    plots.cross_table(axis, counts, names)
    axis.set(xlabel="second round", ylabel="first round")
    return {
        "rounds": markdown.image(figure, "labels of the two rounds"),
        "agreement_plot": _by_label(names, counts),
    }


def _by_label(names: list[str], counts: np.ndarray) -> str:
    """Of the documents that either round gives a label, the share to which both give it."""
    both = counts.diagonal()
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    shares = both / np.maximum(either, 1)
    order = np.argsort(-shares, kind="stable")
    figure, axis = markdown.new_figure(6.0, 1.2 + 0.22 * len(names))
    axis.barh(range(len(names)), shares[order], color="tab:blue")
    for row, number in enumerate(order):
        axis.text(1.01, row, either[number], va="center", fontsize=7)
    axis.set_yticks(range(len(names)), [names[i] for i in order], fontsize=7)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.1), xlabel="both rounds / either round (right: documents)")
    return markdown.image(figure, "agreement by label")


def scores(table: pl.LazyFrame, max_gap: float) -> dict[str, str]:
    """First against second score, and how far apart they are."""
    frame = table.select("score_1", "score_2", "lang").drop_nulls().sort("lang").collect()
    if frame.is_empty():
        return {}
    figure, (left, right) = markdown.new_figure(8.0, 3.6, columns=2)
    pairs = frame.group_by("score_1", "score_2").len().sort("score_1", "score_2")
    left.scatter(pairs["score_1"], pairs["score_2"], s=8 + 6 * pairs["len"].to_numpy() ** 0.7,
                 alpha=0.6, color="tab:blue", linewidth=0)  # fmt: skip
    for shift in (-max_gap, max_gap):
        left.plot([0, 5], [shift, 5 + shift], color="tab:red", linestyle="--", linewidth=1)
    left.set(xlabel="first round", ylabel="second round", xlim=(-0.2, 5.2), ylim=(-0.2, 5.2))
    gaps = [
        (group["score_1"] - group["score_2"]).abs().to_numpy()
        for _, group in frame.group_by("lang", maintain_order=True)
    ]
    names = frame["lang"].unique(maintain_order=True).to_list()
    right.hist(gaps, bins=np.arange(0, 5.25, 0.25), label=names, stacked=True)
    right.axvline(max_gap, color="tab:red", linestyle="--", linewidth=1)
    right.set(xlabel="distance of the rounds (red: removed from here)", ylabel="documents")
    right.legend()
    return {"rounds": markdown.image(figure, "scores of the two rounds")}


def groups(compared: pl.LazyFrame) -> dict[str, str]:
    """Share of documents on which the rounds agree, by language and source.

    Args:
        compared: with `is_answered` and `is_agreed`.
    """
    answered = compared.filter("is_answered")
    rows = [
        row
        for column in ("lang", "source")
        for row in answered.group_by(column)
        .agg(pl.col("is_agreed").mean(), pl.len())
        .sort(column)
        .collect()
        .iter_rows()
    ]
    if not rows:
        return {}
    names, shares, counts = zip(*rows, strict=True)
    figure, axis = markdown.new_figure(6.0, 1.2 + 0.24 * len(rows))
    colors = ["tab:orange" if name in ("zh", "en", "other") else "tab:blue" for name in names]
    axis.barh(range(len(rows)), shares, color=colors)
    for row, count in enumerate(counts):
        axis.text(1.01, row, count, va="center", fontsize=7)
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.1), xlabel="share on which the rounds agree (right: documents)")
    return {"agreement_by_group": markdown.image(figure, "agreement by language and source")}
