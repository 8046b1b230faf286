"""What happens beside the training loop: held-out losses, progress, signals, broken losses."""

import math
import os
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import Trainer, TrainerCallback

from carebot_assets.settings import TrainSettings
from carebot_assets.training import losses
from carebot_assets.training.config import TrainingError
from carebot_assets.training.reporter import Reporter
from carebot_assets.training.speed import Speed

Rows = list[dict[str, list[int]]]


@dataclass
class Watch(TrainerCallback):
    """Logs held-out losses, reports progress, stops on a signal or a loss that is no number."""

    trainer: Trainer
    settings: TrainSettings
    reporter: Reporter
    held_out: dict[str, Rows]
    speed: Speed
    stopped_by: str | None = None
    engine: str = ""
    last: dict[str, float] = field(default_factory=dict)
    _step_ended: float = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.engine = engine_of(self.trainer)
        if state.global_step == 0:
            self._measure(state)
        self.speed.begin(int(state.num_input_tokens_seen))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.speed.step()
        last = state.global_step >= state.max_steps
        if last or state.global_step % self.settings.eval_steps == 0:
            self._measure(state)
        control.should_log = control.should_log or last
        if self._asked_to_stop() and not last:
            control.should_save = control.should_training_stop = True
        self._step_ended = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.speed.saving += time.monotonic() - self._step_ended

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {state.global_step}: lower `learning_rate` "
                f"({self.settings.learning_rate}) or `max_grad_norm`, or look at the data"
            )
        # The trainer has put its copy of the logs into the history: the speed belongs there too.
        found = self.speed.look(int(state.num_input_tokens_seen))
        state.log_history[-1] |= found
        values = {k: v for k, v in logs.items() if isinstance(v, (int, float))} | found
        self.last = values
        self.reporter.send({"step": state.global_step, **values})
        self.reporter.say(
            f"step {state.global_step}/{state.max_steps} loss {loss:.4f}"
            f" lr {values.get('learning_rate', 0):.3g} grad norm {values.get('grad_norm', 0):.3g}"
            f" {found['tokens_per_second']:.0f} tokens/s {found['memory_mb']:.0f} MB"
        )

    def _measure(self, state: Any) -> None:
        if not self.held_out:
            return
        started = time.monotonic()
        found = losses.mean_losses(self.trainer.model, self.held_out)
        self.speed.measuring += time.monotonic() - started
        medical = [value for name, value in found.items() if name.startswith("medical_")]
        if medical:
            # Languages count alike, however many texts of each are held out.
            found["medical"] = sum(medical) / len(medical)
        values = {
            f"{name}_loss" if name == losses.OWN_TEXT else f"held_out_{name}_loss": value
            for name, value in found.items()
        }
        state.log_history.append({"step": state.global_step, **values})
        self.reporter.send({"step": state.global_step, **values})
        shown = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        self.reporter.say(f"step {state.global_step}/{state.max_steps} held out: {shown}")

    def losses(self) -> dict[str, dict[str, float]]:
        """First and last value of every held-out loss and of the training loss."""
        before: dict[str, float] = {}
        after: dict[str, float] = {}
        for entry in self.trainer.state.log_history:
            for name, value in entry.items():
                if name in ("loss", f"{losses.OWN_TEXT}_loss") or name.startswith("held_out_"):
                    short = name.removeprefix("held_out_").removesuffix("_loss")
                    short = "train" if name == "loss" else short
                    before.setdefault(short, value)
                    after[short] = value
        return {"before": before, "after": after}

    def stop(self, signal_name: str) -> None:
        """Save and stop at the end of the step."""
        self.stopped_by = signal_name

    def _asked_to_stop(self) -> bool:
        """All processes must stop at the same step, or they would wait for each other."""
        if self.trainer.args.world_size > 1:
            flag = torch.tensor(int(bool(self.stopped_by)), device=self.trainer.args.device)
            torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
            if flag.item() and not self.stopped_by:
                self.stopped_by = "a signal to another process"
        return self.stopped_by is not None


def engine_of(trainer: Trainer) -> str:
    """What the model is wrapped in, such as `DeepSpeedEngine (ZeRO stage 2)`.

    Raises:
        TrainingError: DeepSpeed was asked for and is not used: the trainer would not say so.
    """
    wrapped = trainer.model_wrapped
    name = type(wrapped).__name__
    if not trainer.is_deepspeed_enabled and name != "DeepSpeedEngine":
        if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
            raise TrainingError(f"DeepSpeed was asked for, but the model is a {name}")
        return "none" if wrapped is trainer.model else name
    if name != "DeepSpeedEngine":
        raise TrainingError(f"DeepSpeed was asked for, but the model is a {name}")
    return f"{name} (ZeRO stage {wrapped.zero_optimization_stage()})"
