"""Meta-training of the value rater, in a process of its own or in several.

Run as `python -m carebot_assets.raters.meta.learn --config FILE`, or under torchrun or accelerate:
each process then holds a part of the population, and only proposals for the rater are exchanged.
"""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from accelerate import PartialState
from accelerate.utils import reduce
from safetensors.torch import load_file, save_file

from carebot_assets.raters.meta import ranks, reports
from carebot_assets.raters.meta.learner import Inner, Learner
from carebot_assets.raters.meta.reports import LOG, PROBE
from carebot_assets.raters.meta.rows import Rows
from carebot_assets.raters.meta.scoring import NOTES, WEIGHTS
from carebot_assets.raters.meta.transformer import flatten
from carebot_assets.settings.value import ValueSettings
from carebot_assets.training import resume, session, stopping
from carebot_assets.training.config import Job, TrainingError
from carebot_assets.training.reporter import Reporter

KEPT_CHECKPOINTS = 2


class MetaConfig(Job):
    """`data` is a folder that `rows.Rows` has written; `vocab_size` that of its tokenizer."""

    data: Path
    vocab_size: int
    settings: ValueSettings


def learn(config: MetaConfig, reporter: Reporter) -> None:
    """Train, choose the snapshot with the steadiest order, and write it with its report."""
    process, plan = PartialState(), config.settings
    idle = process.num_processes - plan.population
    if idle > 0:
        reporter.say(f"{idle} processes are idle: value.population is {plan.population}")
    rows = Rows.read(config.data)
    mine = range(process.process_index, plan.population, process.num_processes)
    learner = Learner(plan, rows, config.vocab_size, config.seed, process.device, mine)
    for name, part in learner.parts.items():
        if len(part) < 2:
            raise TrainingError(f"{config.data}: {len(part)} rows in the {name} part; at least 2")
    run = _Run(learner, config, process, reporter)
    run.resume()
    started = time.monotonic()
    run.loop()
    run.finish(time.monotonic() - started)


class _Run:
    """A training under way: the learner with its log, its snapshots and its checkpoints."""

    def __init__(
        self, learner: Learner, config: MetaConfig, process: PartialState, reporter: Reporter
    ) -> None:
        self.learner, self.config = learner, config
        self.process, self.reporter = process, reporter
        self.checkpoints, self.looks = (config.work_dir / name for name in ("checkpoints", "looks"))
        self.log: list[dict[str, float]] = []
        self.snapshots: list[np.ndarray] = []
        self.pretrain_loss: float | None = None
        self.stopped_by: str | None = None
        self.resumed_from: str | None = None
        inner, about = learner.parts["inner"].numpy(), learner.rows.about
        if "planted" in about.columns:
            inner = inner[about["planted"].is_null().to_numpy()[inner]]
        few = np.random.default_rng(config.seed).permutation(inner)
        self.probe = np.sort(few[: config.settings.probe_rows])

    def loop(self) -> None:
        """All meta-steps; a signal saves and stops after the one under way."""
        with stopping.noted(self._stop):
            self._loop()

    def _loop(self) -> None:
        plan = self.config.settings
        while self.learner.step_number < plan.meta_steps:
            self._step()
            done = self.learner.step_number
            last = done == plan.meta_steps
            if last or done % plan.eval_steps == 0:
                self._look()
            if self._asked_to_stop() and not last:
                self._save()
                raise session.Interrupted(f"stopped by {self.stopped_by} after step {done}, saved")
            if not last and done % plan.save_steps == 0:
                self._save()

    def _step(self) -> None:
        started = time.monotonic()
        proposal, numbers = self.learner.step()
        share = len(self.learner.population) / self.config.settings.population
        names = sorted(numbers)
        values = torch.tensor([numbers[n] for n in names], device=proposal.device)
        together = torch.cat([proposal, values.to(proposal.dtype)]) * share
        if self.process.num_processes > 1:
            together = reduce(together, "sum")
        if not bool(together.isfinite().all()):
            raise TrainingError(
                f"numbers overflow at meta-step {self.learner.step_number}: lower "
                "`value.inner_learning_rate` or `value.learning_rate`"
            )
        self.learner.accept(together[: len(proposal)])
        found = zip(names, together[len(proposal) :].tolist(), strict=True)
        self.log.append(
            {"step": self.learner.step_number, "seconds": time.monotonic() - started, **dict(found)}
        )

    def _look(self) -> None:
        """Score the probe rows; how steady their order has become is the sign of convergence."""
        self.snapshots.append(self.learner.scores(self.probe))
        if self.process.is_main_process:
            self.looks.mkdir(parents=True, exist_ok=True)
            save_file({"rater": self.learner.eta.cpu().contiguous()}, self._look_file(-1))
        numbers = self.log[-1]
        if len(self.snapshots) > 1:
            numbers["rank_correlation"] = ranks.stability(self.snapshots[-2:])[0]
        self.reporter.send(numbers)
        self.reporter.say(
            f"meta-step {self.learner.step_number}/{self.config.settings.meta_steps} outer loss"
            f" {numbers['outer_loss']:.4f} inner loss {numbers['inner_loss']:.4f} score std"
            f" {numbers['score_std']:.3f} order {numbers.get('rank_correlation', 0):.3f}"
        )

    def finish(self, seconds: float) -> None:
        if not self.process.is_main_process:
            return
        chosen, output = ranks.choose(self.snapshots), self.config.output
        output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._look_file(chosen), output / WEIGHTS)
        notes = {"shape": dataclasses.asdict(self.learner.shape)}
        (output / NOTES).write_text(json.dumps(notes, indent=1), "utf-8")
        self.learner.eta = load_file(output / WEIGHTS)["rater"].to(self.learner.device)
        table = self._scored()
        table.write_parquet(output / PROBE)
        pl.from_dicts(self.log, infer_schema_length=None).unpivot(
            index="step", variable_name="name"
        ).drop_nulls().write_parquet(output / LOG)
        every = self.config.settings.eval_steps
        orders = ranks.stability(self.snapshots)
        report = {
            "stage": self.config.stage,
            "meta_steps": self.learner.step_number,
            "chosen_meta_step": min((chosen + 1) * every, self.learner.step_number),
            "rank_stability": orders[max(0, chosen - 1)] if orders else 0.0,
            "pretrain_loss": self.pretrain_loss,
            **reports.figures(table),
            "inner_loss_fall": self._late("inner_loss_fall"),
            "score_std": self._late("score_std"),
            "weight_evenness": self._late("weight_evenness"),
            "num_rater_parameters": len(self.learner.eta),
            "num_inner_parameters": len(flatten(self.learner.losses.module)),
            "resumed_from": self.resumed_from,
            "seconds": {"training": round(seconds, 2)},
        }
        (output / "report.json").write_text(json.dumps(report, indent=1), "utf-8")
        self.reporter.send({"report": report})

    def _scored(self) -> pl.DataFrame:
        """Scores of the probe rows and of all planted ones, with what is known of them."""
        about = self.learner.rows.about
        shown = self.probe
        if "planted" in about.columns:
            shown = np.union1d(shown, about["planted"].is_not_null().arg_true().to_numpy())
        return about[shown].with_columns(
            score=pl.Series(self.learner.scores(shown), dtype=pl.Float64),
            num_tokens=pl.Series(self.learner.rows.lengths[shown]).cast(pl.Int64),
        )

    def _look_file(self, number: int) -> Path:
        return self.looks / f"{range(len(self.snapshots))[number]}.safetensors"

    def _late(self, name: str) -> float:
        """Mean of a number over the last quarter of the meta-steps."""
        values = [numbers[name] for numbers in self.log]
        return float(np.mean(values[-max(1, len(values) // 4) :]))

    def resume(self) -> None:
        """Take up the newest whole checkpoint of the work folder, if there is one."""
        folder = resume.last_good(self.checkpoints, self.reporter.say)
        if folder is None:
            self._begin()
            return
        shared = load_file(folder / "shared.safetensors")
        notes = json.loads((folder / "notes.json").read_text("utf-8"))
        self.log, self.pretrain_loss = notes["log"], notes["pretrain_loss"]
        self.learner.step_number = notes["step"]
        self.learner.eta = shared["rater"].to(self.learner.device)
        self.snapshots = list(shared["snapshots"].numpy())
        for inner in self.learner.population:
            _restore(inner, folder, self.learner.device)
        self.resumed_from = folder.name
        self.reporter.say(f"{self.config.stage}: resuming from {folder.name}")

    def _begin(self) -> None:
        """Teach the rater to read; every process does, and all go on from the mean."""
        losses = self.learner.pretrain()
        if self.process.num_processes > 1:
            self.learner.eta = reduce(self.learner.eta, "mean")
        if losses:
            self.pretrain_loss = float(np.mean(losses[-max(1, len(losses) // 10) :]))
            self.reporter.say(f"rater reads: {self.pretrain_loss:.3f} nats a masked token")

    def _save(self) -> None:
        """Write a checkpoint; it counts once it is sealed, and only then an older one goes."""
        folder = self.checkpoints / f"checkpoint-{self.learner.step_number}"
        folder.mkdir(parents=True, exist_ok=True)
        for inner in self.learner.population:
            _store(inner, folder)
        if self.process.is_main_process:
            eta = self.learner.eta.cpu().contiguous()
            empty = np.empty((0, len(self.probe)), np.float32)
            orders = torch.from_numpy(np.stack(self.snapshots) if self.snapshots else empty)
            save_file({"rater": eta, "snapshots": orders}, folder / "shared.safetensors")
            notes = {
                "step": self.learner.step_number,
                "log": self.log,
                "pretrain_loss": self.pretrain_loss,
            }
            (folder / "notes.json").write_text(json.dumps(notes), "utf-8")
        self.process.wait_for_everyone()
        if self.process.is_main_process:
            resume.seal(folder)
            for old in resume.sealed(self.checkpoints)[:-KEPT_CHECKPOINTS]:
                shutil.rmtree(old)

    def _stop(self, signal_name: str) -> None:
        self.stopped_by = signal_name

    def _asked_to_stop(self) -> bool:
        """All processes stop at the same step, or they would wait for each other."""
        asked = torch.tensor(float(self.stopped_by is not None), device=self.learner.device)
        if self.process.num_processes > 1:
            asked = reduce(asked, "sum")
        return bool(asked > 0)


def _store(inner: Inner, folder: Path) -> None:
    tensors = {name: getattr(inner.state, name).cpu() for name in ("parameters", "first", "second")}
    tensors |= {"outer_first": inner.first.cpu(), "outer_second": inner.second.cpu()}
    tensors["random"] = inner.random.get_state()
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / f"inner-{inner.number}.safetensors")
    notes = {
        "inner_steps": inner.state.steps,
        "outer_steps": inner.steps,
        "age": inner.age,
        "born_loss": inner.born_loss,
    }
    (folder / f"inner-{inner.number}.json").write_text(json.dumps(notes), "utf-8")


def _restore(inner: Inner, folder: Path, device: torch.device) -> None:
    tensors = load_file(folder / f"inner-{inner.number}.safetensors")
    notes = json.loads((folder / f"inner-{inner.number}.json").read_text("utf-8"))
    vectors = {name: tensors[name].to(device) for name in ("parameters", "first", "second")}
    inner.state = inner.state._replace(**vectors, steps=notes["inner_steps"])
    inner.first = tensors["outer_first"].to(device)
    inner.second = tensors["outer_second"].to(device)
    inner.steps, inner.age = notes["outer_steps"], notes["age"]
    inner.born_loss, inner.is_new = notes["born_loss"], False
    inner.random.set_state(tensors["random"])


if __name__ == "__main__":
    session.run_script(MetaConfig, learn)
