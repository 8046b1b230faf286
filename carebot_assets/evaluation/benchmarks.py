"""Likelihood benchmarks: a checkpoint's answer to every item, through lm-eval in this process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.evaluation import items as items_module
from carebot_assets.evaluation import suites
from carebot_assets.store import hash_json

COLUMNS = [c for c in tables.BY_NAME["benchmark_scores"].schema if c not in ("checkpoint", "model")]


def run(
    model_dir: Path,
    suite: str,
    items: pl.LazyFrame,
    data_dir: Path,
    *,
    include_path: Path = suites.DEFAULT_DIR,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Ask every askable item of a suite, 0-shot.

    Args:
        model_dir: checkpoint with its tokenizer.
        suite: task name, a folder of `include_path`.
        items: the suite's rows of `benchmark_items`.
        data_dir: folder the items are exported to, as `{data_dir}/{suite}/test.jsonl`.
        include_path: folder of task files.
        batch_size: prompts in a batch; on a GPU and a CPU alike.
        seed: of the few-shot sampler, were there shots.

    Returns:
        Rows of `benchmark_scores` in item order, without checkpoint and model, and information
        for the manifest.

    Raises:
        ValueError: no such suite, or lm-eval did not answer exactly the items asked.
    """
    if suite not in suites.task_names(include_path):
        known = ", ".join(suites.task_names(include_path))
        raise ValueError(f"no suite {suite!r} in {include_path}, known are {known}")
    items_module.export(items, data_dir)
    results = _evaluate(model_dir, suite, data_dir, include_path, batch_size, seed)
    samples = sorted(results["samples"][suite], key=lambda sample: sample["doc_id"])
    prompt_hash = hash_json([[sample["prompt_hash"], sample["target_hash"]] for sample in samples])
    suite_version = (
        f"{suite} v{results['versions'][suite]} lm-eval {version('lm_eval')} {prompt_hash[:12]}"
    )
    answers = pl.DataFrame(
        {
            "item_id": [sample["doc"]["item_id"] for sample in samples],
            "prediction": [_chosen(sample) for sample in samples],
            "correct": [bool(sample["acc"]) for sample in samples],
        },
        schema={"item_id": pl.String, "prediction": pl.String, "correct": pl.Boolean},
    )
    asked = items_module.askable(items).select("item_id", "suite", "lang", "answer").collect()
    if answers["item_id"].to_list() != asked["item_id"].to_list():
        raise ValueError(f"suite {suite}: lm-eval answered other items than were asked")
    frame = asked.join(answers, on="item_id", maintain_order="left").with_columns(
        suite_version=pl.lit(suite_version)
    )
    num_cut = sum(sample["num_tokens"] > results["max_length"] for sample in samples)
    info = {
        "num_items": frame.height,
        "num_correct": int(frame["correct"].sum()),
        "accuracy": float(frame["correct"].mean() or 0.0),  # type: ignore[arg-type]
        "num_not_asked": items.select(pl.len()).collect().item() - frame.height,
        # A prompt longer than the model's context loses its beginning.
        "num_truncated_prompts": num_cut,
        "num_fewshot": results["n-shot"][suite],
        "task_version": results["versions"][suite],
        "prompt_hash": prompt_hash,
        "lm_eval_version": version("lm_eval"),
        "transformers_version": version("transformers"),
        "device": results["device"],
        "max_length": results["max_length"],
        "seed": seed,
    }
    return frame.select(COLUMNS), info


def _evaluate(
    model_dir: Path, suite: str, data_dir: Path, include_path: Path, batch_size: int, seed: int
) -> dict[str, Any]:
    with _quiet():
        import torch
        from lm_eval.evaluator import evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = HFLM(str(model_dir), device=device, batch_size=batch_size)
        manager = TaskManager(
            include_path=str(include_path),
            include_defaults=False,
            metadata={"data_dir": str(data_dir)},
        )
        loaded = manager.load([suite])
        for task in loaded["tasks"].values():
            task.set_config("num_fewshot", 0)
            task.set_fewshot_seed(seed)
        # Not `simple_evaluate`: it asks pip, compilers and drivers for their versions every time.
        results = evaluate(
            lm=model, task_dict=loaded, limit=None, bootstrap_iters=0, log_samples=True
        )
    assert results is not None  # None only on other ranks than 0
    results |= {"max_length": model.max_length, "device": device}
    prompts = [sample["arguments"][0] for sample in results["samples"][suite]]
    lengths = model.tokenizer([prompt + choice for prompt, choice in prompts])["input_ids"]
    for sample, tokens in zip(results["samples"][suite], lengths, strict=True):
        sample["num_tokens"] = len(tokens) - 1  # the last token is predicted, not read
    return results


def _chosen(sample: dict[str, Any]) -> str:
    likelihoods = [likelihood for likelihood, _ in sample["filtered_resps"]]
    return sample["doc"]["choices"][likelihoods.index(max(likelihoods))]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and notes; errors are raised as ever."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(disabled)
