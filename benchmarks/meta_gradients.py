"""Time and memory of the engines for meta-gradients, against plain training steps.

    python -m benchmarks.meta_gradients [--rounds 3]

An inner model of 4.2M parameters (4 blocks of 256, vocabulary 4096, batches of 16 x 128 tokens)
with T = 2, and one of 2.1M (8 blocks of 128, 4 x 256) with T = 4 and 8, whose difference is what a
step more costs. Plain steps are T + 1 gradients and as many Adam steps. Every figure is of a
process of its own with one thread, engines in turn within a round; CPU seconds are the median of
steps after the first. Memory is the growth of peak RSS with memory-mapped malloc, which hands freed
memory back, in processes that are not timed.
Prints one JSON line.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from statistics import median
from typing import Any

VOCABULARY = 4096
SIZES = {"T2": (2, 16, 128, 256, 4), "T4": (4, 4, 256, 128, 8), "T8": (8, 4, 256, 128, 8)}
ENGINES: dict[str, dict[str, dict[str, Any]]] = {
    "T2": {
        "plain": {},
        "unrolled": {},
        "adjoint": {"micro_batch": None},
        "adjoint, kept": {"kept": 16},
        "adjoint, micro-batches": {"micro_batch": 4},
        "adjoint, micro-batches, kept in part": {"micro_batch": 4, "kept": 6},
    },
    "T4": {"plain": {}, "unrolled": {}, "adjoint, micro-batches": {"micro_batch": 1}},
    "T8": {"plain": {}, "unrolled": {}, "adjoint": {"micro_batch": None},
           "adjoint, micro-batches": {"micro_batch": 1}},
}  # fmt: skip
STEPS = 4
MAPPED = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def child(size: str, engine: str) -> None:
    import resource
    import time

    import torch

    from carebot_assets.raters.meta import optimizers
    from carebot_assets.raters.meta.gradients import Adjoint, Batch, Engine, Unrolled
    from carebot_assets.raters.meta.transformer import Functional, LanguageModel, Shape, flatten

    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps, rows, tokens, width, layers = SIZES[size]
    model = LanguageModel(Shape(VOCABULARY, tokens, width, layers, 4))
    losses, optimizer = Functional(model), optimizers.Adam(1e-3)
    state = optimizers.start(flatten(model))
    weights = [torch.full((rows,), 1 / rows)] * steps

    def batch() -> Batch:
        ids = torch.randint(0, VOCABULARY, (rows, tokens))
        return Batch(ids, torch.full((rows,), tokens))

    def plain() -> None:
        current = state
        for _ in range(steps + 1):
            leaf = current.parameters.detach().requires_grad_()
            loss = losses(leaf, *batch(), fused=True).mean()
            [gradient] = torch.autograd.grad(loss, [leaf])
            current = optimizer.step(current._replace(parameters=leaf.detach()), gradient)

    def meta() -> None:
        options = ENGINES[size][engine]
        chosen: Engine = Unrolled() if engine == "unrolled" else Adjoint(**options)
        chosen(losses, optimizer, state, [batch() for _ in range(steps)], weights, batch())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(STEPS):
        started = time.process_time()
        (plain if engine == "plain" else meta)()
        seconds.append(time.process_time() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": median(seconds[1:]), "mb": grown / 1024}))


def measure(size: str, engine: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.meta_gradients", "--child", size, engine]
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, **one_thread, **environment}, capture_output=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    found: dict[str, Any] = {}
    for size, engines in ENGINES.items():
        memory = {engine: measure(size, engine, MAPPED)["mb"] for engine in engines}
        times: dict[str, list[float]] = {engine: [] for engine in engines}
        for _ in range(arguments.rounds):
            for engine in engines:
                times[engine].append(measure(size, engine, {})["seconds"])
        seconds = {engine: median(values) for engine, values in times.items()}
        for engine in engines:
            found[f"{size} {engine}"] = {
                "seconds": round(seconds[engine], 2),
                "mb": round(memory[engine]),
                **{
                    f"{what}_to_{other}": round(values[engine] / values[other], 2)
                    for what, values in (("time", seconds), ("memory", memory))
                    for other in ("unrolled", "plain")
                },
            }
    print(json.dumps({"torch": version("torch"), **found}))


if __name__ == "__main__":
    main()
