"""Trainings side by side: the loss of each arm over its seeds, and how far two arms are apart.

A log here has the columns `arm`, `seed`, `step`, `name` and `value`.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from carebot_assets import markdown
from carebot_assets.expectations import Finding
from carebot_assets.training.curves import HELD_OUT

CONFIDENCE = 0.95


class Mean(NamedTuple):
    """A mean over seeds with its 95 % interval, which a single seed does not have."""

    mean: float
    low: float | None
    high: float | None
    num_seeds: int

    def __str__(self) -> str:
        around = "" if self.low is None else f" [{self.low:.4f}, {self.high:.4f}]"
        return f"{self.mean:.4f}{around}"


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and Student's interval of independent values."""
    count, mean = len(values), math.fsum(values) / len(values)
    if count < 2:
        return Mean(mean, None, None, count)
    from scipy.stats import t

    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread / math.sqrt(count)
    return Mean(mean, mean - half, mean + half, count)


def final(log: pl.DataFrame) -> pl.DataFrame:
    """The last value of every held-out loss: `arm`, `seed`, `loss` (its short name), `value`."""
    short = pl.col("name").str.strip_prefix(HELD_OUT).str.strip_suffix("_loss")
    return (
        log.filter(pl.col("name").str.starts_with(HELD_OUT))
        .group_by("arm", "seed", short.alias("loss"))
        .agg(pl.col("value").sort_by("step").last())
        .sort("arm", "seed", "loss")
    )


def complete(log: pl.DataFrame, num_arms: int, num_seeds: int) -> Finding:
    """Every arm was trained with every seed, all to the same step, to losses that are numbers."""
    runs = log.group_by("arm", "seed").agg(pl.col("step").max())
    wanted = num_arms * num_seeds
    is_even = runs["step"].n_unique() <= 1
    is_finite = bool(log["value"].is_finite().all())
    passed = runs.height == wanted and is_even and is_finite
    text = (
        f"{runs.height} of {wanted} runs"
        f"{'' if is_even else ', not to the same step'}"
        f"{'' if is_finite else ', with losses that are no numbers'}"
    )
    return Finding(passed, text, {"num_runs": runs.height})


def by_arm(log: pl.DataFrame) -> dict[str, dict[str, Mean]]:
    """Mean final losses by arm, in the order in which the arms appear."""
    found = final(log)
    return {
        arm: {
            loss: mean_of(found.filter(arm=arm, loss=loss)["value"].to_list())
            for loss in found["loss"].unique().sort()
        }
        for arm in log["arm"].unique(maintain_order=True)
    }


def difference(log: pl.DataFrame, arm: str, other: str) -> dict[str, Mean]:
    """Final losses of an arm minus those of another with the same seed: below zero is better."""
    found = final(log)
    pairs = found.filter(arm=arm).join(
        found.filter(arm=other), on=["seed", "loss"], suffix="_other"
    )
    gaps = pairs.with_columns(gap=pl.col("value") - pl.col("value_other"))
    return {
        loss: mean_of(gaps.filter(loss=loss)["gap"].to_list())
        for loss in gaps["loss"].unique().sort()
    }


def steps_to_reach(log: pl.DataFrame, baseline: str, loss: str) -> dict[str, float | None]:
    """Where each arm's mean curve first is as low as the baseline's last point, as a share of its
    steps; linear between points. None where it never is, and for a loss that the baseline's
    training did not lower: then there is nothing to reach.

    Source: the compute to match a baseline, DataRater (arXiv 2505.17895), section 4.
    """
    curves = (
        log.filter(pl.col("name") == f"{HELD_OUT}{loss}_loss")
        .group_by("arm", "step", maintain_order=True)
        .agg(pl.col("value").mean())
        .sort("step", maintain_order=True)
    )
    known = curves.filter(arm=baseline)["value"]
    target, names = known[-1], log["arm"].unique(maintain_order=True)
    if len(known) > 1 and target >= known[0]:
        return dict.fromkeys(names)
    found: dict[str, float | None] = {}
    for arm in names:
        steps, values = curves.filter(arm=arm).select("step", "value").get_columns()
        below = (values <= target).arg_max() if (values <= target).any() else None
        if below is None:
            found[arm] = None
        elif below == 0:
            found[arm] = steps[0] / steps[-1]
        else:
            fall = values[below - 1] - values[below]
            part = (values[below - 1] - target) / fall
            step = steps[below - 1] + part * (steps[below] - steps[below - 1])
            found[arm] = step / steps[-1]
    return found


def best(log: pl.DataFrame, loss: str) -> dict[str, Any]:
    """The arm of the lowest mean loss, the next one, and how far it is behind, paired by seed."""
    order = sorted(by_arm(log).items(), key=lambda item: item[1][loss].mean)
    (first, _), *others = order
    if not others:
        return {"arm": first}
    gap = difference(log, others[0][0], first)[loss]
    return {"arm": first, "next": others[0][0], "behind": gap._asdict()}


def as_json(means: dict[str, Mean]) -> dict[str, Any]:
    """Means as plain numbers."""
    return {name: mean._asdict() for name, mean in means.items()}


def table(arms: dict[str, dict[str, Mean]]) -> str:
    """Arms by losses as a Markdown table, nats a token with 95 % intervals."""
    losses = list(next(iter(arms.values())))
    lines = [
        f"| arm | {' | '.join(losses)} |",
        f"|---|{'---|' * len(losses)}",
        *(
            f"| {arm} | {' | '.join(str(means[loss]) for loss in losses)} |"
            for arm, means in arms.items()
        ),
    ]
    return "\n".join(lines)


def compute_table(
    log: pl.DataFrame,
    losses: Sequence[str],
    reached: dict[str, dict[str, float | None]],
    extra: dict[str, float],
) -> str:
    """What each arm ends with and how soon it is as good as the baseline's end, as Markdown.

    Args:
        reached: by loss, what `steps_to_reach` found.
        extra: what choosing an arm's text cost, as a share of the baseline's training.
    """
    means = by_arm(log)
    head = " | ".join(f"{loss} | compute | charged" for loss in losses)
    lines = [f"| arm | {head} |", f"|---|{'---|' * 3 * len(losses)}"]
    for arm, found in means.items():
        cells = []
        for loss in losses:
            part = reached[loss][arm]
            charged = part + extra.get(arm, 0.0) if part is not None else None
            shares = ["never" if share is None else f"{share:.0%}" for share in (part, charged)]
            cells += [str(found[loss]), *shares]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(log: pl.DataFrame, losses: Sequence[str]) -> str:
    """Curves of the arms side by side, one picture a loss: mean over seeds, range shaded."""
    figure, axes = markdown.new_figure(4.5 * len(losses), 3.2, len(losses))
    for axis, loss in zip([axes] if len(losses) == 1 else axes, losses, strict=True):
        points = (
            log.filter(pl.col("name") == f"{HELD_OUT}{loss}_loss")
            .group_by("arm", "step", maintain_order=True)
            .agg(
                pl.col("value").mean().alias("mean"),
                pl.col("value").min().alias("low"),
                pl.col("value").max().alias("high"),
            )
            .sort("step", maintain_order=True)
        )
        for arm in log["arm"].unique(maintain_order=True):
            mine = points.filter(arm=arm)
            (line,) = axis.plot(mine["step"], mine["mean"], marker="o", markersize=3, label=arm)
            axis.fill_between(
                mine["step"], mine["low"], mine["high"], color=line.get_color(), alpha=0.15
            )
        axis.set_title(f"held out: {loss}")
        axis.set_xlabel("step")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("loss, nats a token")
    figure.axes[0].legend(frameon=False, fontsize="small")
    return markdown.image(figure, "arms")
