"""What every training script shares: arguments, callbacks, resuming, stopping, the result.

The training loop itself is transformers' `Trainer` (or a trl trainer).
"""

import gc
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from carebot_assets.settings import TrainSettings
from carebot_assets.training import checkpoint, faults, resume, stopping
from carebot_assets.training.config import Config, TrainingConfig, TrainingError, read_config
from carebot_assets.training.reporter import Reporter, open_reporter
from carebot_assets.training.speed import Speed
from carebot_assets.training.watch import Rows, Watch

CAUSE_FILE = "cause.txt"
WORLD_SIZE = "WORLD_SIZE"
_TIMINGS = {
    "epoch", "train_runtime", "train_tokens_per_second", "num_input_tokens_seen",
    "tokens_per_second", "memory_mb",
}  # fmt: skip
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
        # What the imports made lives as long as the process: not looked through again and again.
        gc.freeze()
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
        "eval_strategy": "no",
        "bf16": train.bf16,
        "seed": config.seed % 2**32,
        "ddp_find_unused_parameters": False,
        "disable_tqdm": True,
        "report_to": "none",
        "log_level": "error",
        "include_num_input_tokens_seen": "non_padding",
        "activation_checkpointing": train.activation_checkpointing,
        "dataloader_pin_memory": not on_cpu(),
        # Told to use the CPU, accelerate leaves DeepSpeed out in silence.
        "use_cpu": on_cpu() and not wants_deepspeed(),
        "ddp_backend": backend(),
    }
    return together(kind(**values, **more))


def backend() -> str | None:
    """What processes on processors talk by: not told, accelerate takes every one for the only."""
    return "gloo" if on_cpu() and WORLD_SIZE in os.environ else None


def together(made: Arguments) -> Arguments:
    """The arguments, where as many processes train together as were started, each on one card.

    Raises:
        TrainingError: they would train apart.
    """
    promised = int(os.environ.get(WORLD_SIZE, "1"))
    if made.world_size != promised:
        raise TrainingError(f"{promised} processes were started, {made.world_size} train together")
    if made.world_size == 1 and made.n_gpu > 1:
        # One process trains on one card, however many it can see: no nn.DataParallel.
        made._n_gpu = 1
    return made


def load_model(folder: Path) -> PreTrainedModel:
    """A checkpoint's weights in 32 bit: what mixed precision trains.

    Raises:
        TrainingError: the weights cannot be read.
    """
    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"model {folder} does not load: {error}") from None


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
    checkpoints = config.work_dir / "checkpoints"
    say = reporter.say
    num_parameters = _num_parameters(trainer.model)
    last = resume.last_good(checkpoints, lambda text: say(f"{config.stage}: {text}"))
    faults.require_room(
        config.work_dir,
        num_parameters,
        train.keep_checkpoints,
        len(resume.checkpoints(checkpoints)),
    )
    speed = Speed(num_parameters)
    watch = Watch(trainer, train, reporter, held_out, speed)
    trainer.remove_callback(PrinterCallback)
    # Sealing is part of saving, whose time the watch takes.
    trainer.add_callback(resume.Sealing(train.keep_checkpoints))
    trainer.add_callback(watch)
    if last:
        say(f"{config.stage}: resuming from {last.name}")
    startup = time.time() - _process_start()
    started = time.monotonic()
    try:
        with stopping.noted(watch.stop):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        seconds = time.monotonic() - started
        if watch.stopped_by:
            raise Interrupted(
                f"{config.stage}: stopped by {watch.stopped_by} at step "
                f"{trainer.state.global_step} of {train.max_steps}; saved, the same command goes "
                "on from there"
            )
        _save(trainer, config.output)
    except Interrupted:
        raise
    except Exception as error:
        cause = str(error) if isinstance(error, TrainingError) else None
        cause = cause or faults.explain(error, config, train)
        if cause is None:
            raise
        left = _what_is_left(checkpoints)
        raise TrainingError(f"{cause} [step {trainer.state.global_step}; {left}]") from error
    if not trainer.is_world_process_zero():
        return
    (config.output / "training_args.bin").unlink(missing_ok=True)
    report = {
        "stage": config.stage,
        "steps": trainer.state.global_step,
        "resumed_from": last.name if last else None,
        "num_processes": trainer.args.world_size,
        "engine": watch.engine,
        "device": speed.device,
        "num_parameters": num_parameters,
        "tokens": int(trainer.state.num_input_tokens_seen),
        **speed.summary(),
        "losses": watch.losses(),
        "last": {k: v for k, v in watch.last.items() if k not in _TIMINGS},
        "counts": counts or {},
        "seconds": {
            "startup": round(startup, 2),
            "first_step": round(speed.first_step, 2),
            "held_out": round(speed.measuring, 2),
            "saving": round(speed.saving, 2),
            "training": round(seconds, 2),
        },
    }
    checkpoint.write(config, train, trainer.state.log_history, report, objective)
    reporter.send({"report": report})


def _save(trainer: Trainer, output: Path) -> None:
    """Write weights, configuration and tokenizer.

    Through DeepSpeed's stages 1 and 2 the trainer would write tied weights twice, though every
    process has all of them as they are.
    """
    if not trainer.is_deepspeed_enabled or trainer.deepspeed.zero_optimization_stage() > 2:
        trainer.save_model(str(output))
    elif trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.deepspeed).save_pretrained(output)
        trainer.processing_class.save_pretrained(output)


def _what_is_left(checkpoints: Path) -> str:
    sealed = resume.sealed(checkpoints)
    if not sealed:
        return "nothing had been saved"
    return f"{sealed[-1].name} is kept, the next run goes on from it"


def _num_parameters(model: Any) -> int:
    """Parameters of a model; ZeRO stage 3 leaves an empty shell of each and notes its size."""
    return sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())


def on_cpu() -> bool:
    """Whether the launcher asked for the CPU."""
    return _is_set("ACCELERATE_USE_CPU") or os.environ.get("DS_ACCELERATOR") == "cpu"


def wants_deepspeed() -> bool:
    """Whether the launcher asked for DeepSpeed."""
    return _is_set("ACCELERATE_USE_DEEPSPEED")


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "false").lower() in {"1", "true"}


def _process_start() -> float:
    import psutil

    return psutil.Process().create_time()
