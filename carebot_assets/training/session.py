"""What every training script shares: arguments, callbacks, resuming, stopping, the result.

The training loop itself is transformers' `Trainer` (or a trl trainer).
"""

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from carebot_assets.settings import TrainSettings
from carebot_assets.training import checkpoint
from carebot_assets.training.config import Config, TrainingConfig, TrainingError, read_config
from carebot_assets.training.reporter import Reporter, open_reporter
from carebot_assets.training.watch import Rows, Watch

CAUSE_FILE = "cause.txt"
_TIMINGS = {"epoch", "train_runtime", "train_tokens_per_second", "num_input_tokens_seen"}
Arguments = TypeVar("Arguments", bound=TrainingArguments)


class Interrupted(Exception):
    """A signal stopped the training after it had been saved."""


def run_script(kind: type[Config], script: Callable[[Config, Reporter], None]) -> None:
    """Entry point of a script: read `--config FILE`, train, and leave a clear exit behind."""
    if len(sys.argv) != 3 or sys.argv[1] != "--config":
        sys.exit(f"usage: {Path(sys.argv[0]).name} --config FILE.yaml")
    work_dir: Path | None = None
    try:
        config = read_config(Path(sys.argv[2]), kind)
        work_dir = config.work_dir
        work_dir.mkdir(parents=True, exist_ok=True)
        (work_dir / CAUSE_FILE).unlink(missing_ok=True)
        with open_reporter() as reporter:
            script(config, reporter)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        # Launchers append their own tracebacks to the log: the cause is kept apart from them.
        if not isinstance(error, TrainingError):
            traceback.print_exc()
        cause = f"{type(error).__name__}: {error}"
        if work_dir is not None:
            (work_dir / CAUSE_FILE).write_text(cause, "utf-8")
        sys.exit(cause)


def arguments(
    kind: type[Arguments], config: TrainingConfig, train: TrainSettings, **more: Any
) -> Arguments:
    """`TrainingArguments` (or a trl class derived from it) that follow from a stage's settings.

    Make them before the model: with ZeRO stage 3 they decide how its weights are laid out.
    """
    values: dict[str, Any] = {
        "output_dir": str(config.work_dir / "checkpoints"),
        "max_steps": train.max_steps,
        "per_device_train_batch_size": train.batch_size,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "learning_rate": train.learning_rate,
        "warmup_steps": round(train.warmup_ratio * train.max_steps),
        "lr_scheduler_type": train.schedule,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "logging_steps": train.log_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_steps": train.save_steps,
        "save_total_limit": 2,
        "eval_strategy": "no",
        "bf16": train.bf16,
        "seed": config.seed % 2**32,
        "ddp_find_unused_parameters": False,
        "disable_tqdm": True,
        "report_to": "none",
        "log_level": "error",
        "include_num_input_tokens_seen": "non_padding",
        "activation_checkpointing": train.activation_checkpointing,
        "dataloader_pin_memory": not _on_cpu(),
        "use_cpu": _on_cpu(),
    }
    made = kind(**values, **more)
    if made.world_size == 1 and made.n_gpu > 1:
        # One process trains on one card, however many it can see: no nn.DataParallel.
        made._n_gpu = 1
    return made


def load_model(folder: Path) -> PreTrainedModel:
    """A checkpoint's weights in 32 bit: what mixed precision trains."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def fit(
    trainer: Trainer,
    config: TrainingConfig,
    train: TrainSettings,
    reporter: Reporter,
    *,
    held_out: dict[str, Rows],
    objective: list[str],
    counts: dict[str, Any] | None = None,
) -> None:
    """Train (from the last checkpoint of the work folder, if there is one) and write the result.

    Args:
        held_out: rows by stratum whose mean loss is logged at step 0, every `eval_steps` and at
            the end.
        objective: strata whose loss has to fall (`train` is the training loss itself).
        counts: further numbers for the report (rows, truncated rows, ...).
    """
    watch = Watch(trainer, train, reporter, held_out)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    resume = last_checkpoint(config.work_dir / "checkpoints")
    if resume:
        reporter.say(f"{config.stage}: resuming from {resume.name}")
    startup = time.time() - _process_start()
    started = time.monotonic()
    with watch.signals():
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    seconds = time.monotonic() - started
    if watch.stopped_by:
        raise Interrupted(
            f"{config.stage}: stopped by {watch.stopped_by} at step {trainer.state.global_step} of "
            f"{train.max_steps}; saved, the same command goes on from there"
        )
    trainer.save_model(str(config.output))
    if not trainer.is_world_process_zero():
        return
    (config.output / "training_args.bin").unlink(missing_ok=True)
    tokens = int(trainer.state.num_input_tokens_seen) - watch.tokens_before
    report = {
        "stage": config.stage,
        "steps": trainer.state.global_step,
        "resumed_from": resume.name if resume else None,
        "num_processes": trainer.args.world_size,
        "num_parameters": _num_parameters(trainer.model),
        "tokens": int(trainer.state.num_input_tokens_seen),
        "tokens_per_second": round(tokens / max(seconds - watch.held_out_seconds, 1e-9), 1),
        "losses": watch.losses(),
        "last": {k: v for k, v in watch.last.items() if k not in _TIMINGS},
        "counts": counts or {},
        "seconds": {
            "startup": round(startup, 2),
            "first_step": round(watch.first_step, 2),
            "held_out": round(watch.held_out_seconds, 2),
            "training": round(seconds, 2),
        },
    }
    checkpoint.write(config, train, trainer.state.log_history, report, objective)
    reporter.send({"report": report})


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint; what a kill left half-written is removed."""
    found = sorted(
        (p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()),
        key=lambda p: int(p.name.rpartition("-")[2]),
    )
    for path in reversed(found):
        # The trainer's state is the last file it writes.
        try:
            json.loads((path / "trainer_state.json").read_text("utf-8"))
            return path
        except (OSError, ValueError):
            if int(os.environ.get("RANK", "0")) == 0:
                shutil.rmtree(path, ignore_errors=True)
    return None


def _num_parameters(model: Any) -> int:
    """Parameters of a model; ZeRO stage 3 leaves an empty shell of each and notes its size."""
    return sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())


def _on_cpu() -> bool:
    return os.environ.get("ACCELERATE_USE_CPU", "false").lower() in {"1", "true"}


def _process_start() -> float:
    import psutil

    return psutil.Process().create_time()
