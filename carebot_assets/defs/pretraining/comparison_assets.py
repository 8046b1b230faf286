"""Assets that compare ways to pre-train: one stage with two, and mixes of different ratios."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import mix_receipts, mix_sources
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.pretraining.assets import (
    CORPORA,
    MIX_SETTINGS,
    held_out_index,
    mix_parts,
    train_checkpoint,
    training_config,
    write_mix,
)
from carebot_assets.training import arms, snapshot, sweep_log

TWO_STAGE, ONE_STAGE = "two stages (boost mix)", "one stage (stable mix)"
SHOWN = ("medical_zh", "medical_en", "general")


@artifact(
    inputs=[*CORPORA, "base_model"],
    settings=["pretraining.one_stage_mix", *MIX_SETTINGS],
    kinds={"polars", "duckdb"},
)
def one_stage_mix(step: Step) -> dict[str, Any]:
    """Which tokens of which document fill which sequence of the control of the boost stage.

    The ratios of the stable mix, as many tokens as the boost mix asks for. Documents are chosen
    anew, by another seed: where the corpus is small, some were in the stable mix already.
    """
    plan = step.settings.pretraining.one_stage_mix
    parts = mix_parts(step.name, step.scan)
    return write_mix(step, *parts, plan, seed=step.settings.seed + 1)


@artifact(
    inputs=["one_stage_mix", "stable_checkpoint", "held_out_text"],
    settings=["pretraining.boost", "pretraining.isolate_documents"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def one_stage_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model that went on with the stable mix where the boosted one got the boost mix.

    Same start, same steps and tokens, same learning rates as `boost_checkpoint`: what differs is
    the text. Source: CareBot 3, Figure 4.
    """
    refuse_if_failed(step, ["one_stage_mix", "stable_checkpoint", "held_out_text"])
    start, mix = step.path("stable_checkpoint"), step.path("one_stage_mix")
    train = step.settings.pretraining.boost
    return train_checkpoint(step, launcher, start, mix, train, objective=[])


@artifact(
    inputs=[
        "boost_mix",
        "one_stage_mix",
        "stable_checkpoint",
        "boost_checkpoint",
        "one_stage_checkpoint",
        "held_out_text",
    ],
    settings=["pretraining.boost", "pretraining.comparison_seeds", "pretraining.isolate_documents"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def two_stage_comparison(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Held-out losses of boosting against going on with the stable mix, from the same checkpoint.

    The first seed is that of the two checkpoints; each further one (`pretraining.comparison_seeds`)
    trains both arms again with the sequences in another order. Differences are two stages minus
    one, paired by seed: below zero, two stages are better. Intervals (95 %, Student) say how far
    the order of the text matters; they need two seeds. Source: CareBot 3, Figure 4.
    """
    mixes = {TWO_STAGE: "boost_mix", ONE_STAGE: "one_stage_mix"}
    refuse_if_failed(step, [*mixes.values(), "stable_checkpoint", "held_out_text"])
    seed, plan = step.settings.seed, step.settings.pretraining
    checkpoints = {TWO_STAGE: "boost_checkpoint", ONE_STAGE: "one_stage_checkpoint"}
    logs = [sweep_log.read(step.path(name), arm, seed) for arm, name in checkpoints.items()]
    runs = [
        planned_run(step, arm, seed + i, step.path("stable_checkpoint"), step.path(mix), plan.boost)
        for i in range(1, plan.comparison_seeds)
        for arm, mix in mixes.items()
    ]
    logs.append(sweep(step, launcher, runs))
    log = sweep_log.combine(logs)
    step.write(log)
    gap = arms.difference(log, TWO_STAGE, ONE_STAGE)
    return summary(log) | {"two_stages_minus_one": arms.as_json(gap)}


@artifact(
    inputs=[*CORPORA, "base_model"],
    settings=[
        "pretraining.ratio_search",
        "pretraining.stable_mix",
        "pretraining.isolate_documents",
        *MIX_SETTINGS,
    ],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def mix_ratio_search(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Held-out losses after training the smallest model on mixes of different ratios.

    Every pair of medical share and Chinese share is trained for the same tokens from the same
    model, `seeds` times with the sequences in another order. It advises; the ratios in use are
    settings. Source: CareBot 3, Appendix C (whose details are not published).
    """
    search = step.settings.pretraining.ratio_search
    if search is None:
        step.write(sweep_log.combine([]))
        return {"num_runs": 0}
    refuse_if_failed(step, [*CORPORA, "base_model"])
    model = find_model(step, search.model, search.revision)
    runs = []
    for primary in search.primary_shares:
        for zh in search.zh_shares:
            arm = f"medical {primary:g}, zh {zh:g}"
            mix = _ratio_mix(step, model, primary, zh)
            for seed in range(step.settings.seed, step.settings.seed + search.seeds):
                runs.append(planned_run(step, arm, seed, model, mix, search.train))
    log = sweep_log.combine([sweep(step, launcher, runs)])
    step.write(log)
    return summary(log) | {"best": {loss: arms.best(log, loss) for loss in shown(log)}}


def _ratio_mix(step: Step, model: Path, primary_share: float, zh_share: float) -> Path:
    """Folder of a mix of these ratios; one that a killed run has finished is taken."""
    from carebot_assets.corpus import mixing

    search, plan = step.settings.pretraining.ratio_search, step.settings.pretraining
    folder = step.work_dir / f"mix-{primary_share:g}-{zh_share:g}"
    if (folder / mix_receipts.RECEIPTS).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ratios = {"primary_share": primary_share, "zh_share": zh_share}
    held_out = step.scan("held_out_text")
    primary, secondary = mix_parts(step.name, step.scan)
    mixing.build_mix(
        mix_sources.without(primary, held_out),
        mix_sources.without(secondary, held_out),
        plan.stable_mix.model_copy(update=ratios | {"tokens": search.tokens if search else 0}),
        held_out=held_out_index(step),
        model_dir=model,
        sequence_length=plan.sequence_length,
        seed=step.settings.seed,
        folder=folder,
    )
    return folder


def find_model(step: Step, name: str | None, revision: str | None) -> Path:
    """Folder of the small model that comparisons train; the base model if none is named."""
    if name is None:
        return step.path("base_model")
    return snapshot.find(name, revision, step.settings.resolve(name))[0]


def planned_run(
    step: Step, arm: str, seed: int, model: Path, mix: Path, train: Any
) -> dict[str, Any]:
    """One training of a sweep: an arm and a seed."""
    folder = step.work_dir / "runs" / f"{mix.name}-{seed}"
    place = {"output": folder / "out", "work_dir": folder / "work"}
    own = {"stage": arm, "seed": seed, "objective": []}
    return training_config(step, model, mix, train) | place | own


def sweep(step: Step, launcher: Launcher, runs: list[dict[str, Any]]) -> pl.DataFrame:
    """The logs of trainings in a process of their own."""
    if not runs:
        return sweep_log.combine([])
    launcher.train(step, "sweep", {"runs": runs})
    shutil.rmtree(step.work_dir / "runs")
    return sweep_log.take(step.draft.dir)


def summary(log: pl.DataFrame) -> dict[str, Any]:
    """Final losses by arm and their curves, for the asset's page."""
    found = arms.by_arm(log)
    return {
        "num_runs": log.select("arm", "seed").n_unique(),
        "final_losses": arms.table(found),
        "curves": arms.plot(log, shown(log)),
    }


def shown(log: pl.DataFrame) -> list[str]:
    """The losses worth a look that there are: a corpus may lack a language."""
    return [loss for loss in SHOWN if loss in set(arms.final(log)["loss"])]
