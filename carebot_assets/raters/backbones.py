"""The same head on several encoders: quality, speed and memory side by side.

`python -m carebot_assets.raters.backbones` measures what one encoder costs.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import psutil

from carebot_assets.memory import peak_mb
from carebot_assets.raters import plots, scores
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.settings import EncoderSettings

TIMED_TEXTS = 200
SCALARS = ("macro_f1", "medical_f1", "medical_precision", "medical_recall", "spearman",
           "mean_absolute_error", "length_correlation")  # fmt: skip


def compare(
    seeds: pl.DataFrame,
    encoders: Mapping[str, EncoderSettings],
    metrics: Callable[[EncoderSettings], dict[str, Any]],
) -> tuple[pl.DataFrame, dict[str, dict[str, float]]]:
    """One row a metric of each backbone, also by language; and what each costs.

    Args:
        seeds: `text` and what `metrics` trains on.
        encoders: by the name they are reported under.
        metrics: trains a head on an encoder and measures it on validation.
    """
    rows, costs = [], {}
    for name, settings in encoders.items():
        found = metrics(settings)
        parts = {"": found, **found["by_lang"]}
        for lang, part in parts.items():
            rows += [
                {"backbone": name, "lang": lang, "metric": key, "value": part[key]}
                for key in SCALARS
                if part.get(key) is not None
            ]
        costs[name] = _cost(settings, seeds["text"].head(TIMED_TEXTS).to_list())
    schema = {"backbone": pl.String, "lang": pl.String, "metric": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema), costs


def summarize(
    table: pl.LazyFrame, costs: dict[str, dict[str, float]], measure: str
) -> dict[str, Any]:
    """A table and a plot of quality against speed."""
    whole = table.filter(pl.col("lang") == "").collect()
    parts: dict[str, dict[str, Any]] = {}
    for name, metric, value in whole.select("backbone", "metric", "value").iter_rows():
        parts.setdefault(name, dict(costs[name]))[metric] = value
    if not parts:
        return {"num_backbones": 0}
    names = [name for name in parts if measure in parts[name]]
    return {
        "num_backbones": len(parts),
        "backbones": scores.as_markdown(parts, "backbone"),
        "plot": plots.backbones(
            names,
            [parts[name][measure] for name in names],
            [parts[name]["documents_per_second"] for name in names],
            measure.replace("_", " "),
        ),
    }


def _cost(settings: EncoderSettings, texts: list[str]) -> dict[str, float]:
    """What an encoder costs, measured in a process of its own: what this one has loaded or freed
    before would not count."""
    job = json.dumps({"encoder": settings.model_dump(mode="json"), "texts": texts})
    command = [sys.executable, "-m", "carebot_assets.raters.backbones"]
    done = subprocess.run(command, input=job, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(settings: EncoderSettings, texts: list[str]) -> dict[str, float]:
    """Documents encoded a second, and memory that the encoder adds to the process.

    Seconds are CPU time, which others on the machine do not lengthen; where the work is done by
    another device they are wall time. Memory is the highest it ever was, libraries of the encoder
    and memory of the device included.
    """
    before = psutil.Process().memory_info().rss / 2**20
    encoder = open_encoder(settings)
    encoder.encode(texts[:2])
    clock = time.process_time if encoder.device == "cpu" else time.perf_counter
    started = clock()
    encoder.encode(texts)
    seconds = clock() - started
    added = peak_mb() - before + _on_device(encoder.device) / 2**20
    return {"documents_per_second": len(texts) / max(seconds, 1e-9), "memory_mb": added}


def _on_device(device: str) -> int:
    """Bytes of a card's memory at its highest."""
    if device != "cuda":
        return 0
    import torch

    return int(torch.cuda.max_memory_allocated())


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(measure(EncoderSettings(**asked["encoder"]), asked["texts"])))
