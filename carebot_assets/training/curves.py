"""The training log for a person: curves and the numbers at both ends."""

from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import markdown

HELD_OUT = "held_out_"


def summary(report: dict[str, Any], log: Path) -> dict[str, Any]:
    """A training's report and log as an asset's metadata: plain numbers and one picture."""
    before, after = report["losses"]["before"], report["losses"]["after"]
    return {
        "steps": report["steps"],
        "num_parameters": report["num_parameters"],
        "tokens": report["tokens"],
        "tokens_per_second": report["tokens_per_second"],
        **{f"{name}_loss_before": value for name, value in before.items()},
        **{f"{name}_loss_after": value for name, value in after.items()},
        **report["counts"],
        "timings": report["seconds"],
        "curves": plot(pl.read_parquet(log)),
    }


def plot(log: pl.DataFrame) -> str:
    """Training loss and held-out losses by step, as a Markdown image."""
    figure, axes = markdown.new_figure(7, 3.2)
    shown = log.filter(pl.col("name").eq("loss") | pl.col("name").str.starts_with(HELD_OUT))
    for (name,), points in shown.sort("name", "step").group_by("name", maintain_order=True):
        label = str(name).removeprefix(HELD_OUT).removesuffix("_loss")
        style = {"color": "#999999", "linewidth": 1} if name == "loss" else {"marker": "o"}
        axes.plot(
            points["step"], points["value"], label="training" if name == "loss" else label, **style
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a token")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return markdown.image(figure, "losses")
