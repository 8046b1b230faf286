"""What a training asset spends outside its training loop: launch, imports, load, saves, the end.

Demo-size trainings through Dagster and the launcher, as an asset runs them, one short and one long:
the difference gives the CPU time of a step, the rest is overhead, held-out losses and checkpoints
included. It does not depend on the number of steps, so its share is given for a training of whose
time 60 s are steps. One thread; wall time is given too, and says as much as the machine is idle.

    python -m benchmarks.training_overhead --steps 300
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import current_settings
from carebot_assets.training import scratch

NUM_SEQUENCES = 440
WORDS = ["the", "patient", "has", "had", "fever", "and", "cough", "患者", "发热", "咳嗽", "三天"]
TARGET_SECONDS = 60.0
SHORT = 10


def write_inputs(folder: Path, length: int) -> None:
    """A model without weights, tokens and held-out texts of the demo's sizes."""
    settings = current_settings().pretraining
    model = settings.base.scratch
    if model is None:
        raise SystemExit("the profile has no base.scratch")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 300)) + f" {i}" for i in range(200)]
    scratch.write_model(folder / "start", texts, model, max(1024, length))
    vocabulary = json.loads((folder / "start" / "config.json").read_text("utf-8"))["vocab_size"]
    shape = (NUM_SEQUENCES, length)
    np.save(folder / "tokens.npy", rng.integers(0, vocabulary, shape, np.uint32))
    strata = ("medical_zh", "medical_en", "general")
    rows = [{"stratum": s, "text": t} for s in strata for t in texts[: settings.held_out_documents]]
    pl.DataFrame(rows).write_parquet(folder / "held_out.parquet")


def train(folder: Path, steps: int) -> dict[str, Any]:
    """Materialize one asset; its report, with the wall time of the whole run."""
    settings = current_settings()
    plan = settings.pretraining
    every = {"eval_steps": steps, "save_steps": max(1, steps // 2), "max_steps": steps}
    config = {
        "model": folder / "start",
        "data": folder / "tokens.npy",
        "held_out": folder / "held_out.parquet",
        "held_out_tokens": plan.sequence_length,
        "from_scratch": True,
        "isolate_documents": False,
        "objective": [],
        "train": plan.stable.model_copy(update=every).model_dump(),
    }
    found: list[dict[str, Any]] = []

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        step: Any = SimpleNamespace(
            name="checkpoint",
            context=context,
            log=context.log,
            work_dir=folder / "work",
            draft=SimpleNamespace(dir=folder / "out"),
            settings=settings,
            recipe=SimpleNamespace(input_hashes=lambda store, partition: {}),
            store=None,
            partition=None,
        )
        for made in (folder / "work", folder / "out"):
            made.mkdir()
        started = time.monotonic()
        report = Launcher().train(step, "pretrain", config)
        found.append(report | {"asset_seconds": time.monotonic() - started})
        return dg.MaterializeResult()

    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    assert dg.materialize([checkpoint], run_config=quiet).success
    return found[0]


def children_cpu() -> float:
    """CPU seconds of all processes started and ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    asked = parser.parse_args().steps
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cpu, reports = [], []
    for steps in (SHORT, asked):
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_inputs(folder, current_settings().pretraining.sequence_length)
            before = children_cpu()
            reports.append(train(folder, steps))
            cpu.append(children_cpu() - before)
    step = (cpu[1] - cpu[0]) / (asked - SHORT)
    overhead = cpu[0] - SHORT * step
    spent, wall = reports[1]["seconds"], reports[1]["asset_seconds"]
    loop = spent["training"] - spent["held_out"] - spent["saving"]
    answer = {
        "cpu_seconds_a_step": round(step, 4),
        "cpu_seconds_outside_the_loop": round(overhead, 2),
        "share_of_a_60s_training": round(overhead / (overhead + TARGET_SECONDS), 3),
        "wall_seconds": {
            "steps": asked,
            "asset": round(wall, 1),
            "loop": round(loop, 1),
            "launch_and_imports": spent["startup"],
            "held_out_losses": spent["held_out"],
            "checkpoints": spent["saving"],
            "end": round(wall - spent["startup"] - spent["training"], 1),
        },
        "load_average": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
