"""DeepMind's DataRater as assets: the rater, its scores, and the showdown of all raters."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import chain, control, mix_receipts, mix_sources
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.pretraining.assets import held_out_index
from carebot_assets.defs.pretraining.comparison_assets import (
    find_model,
    planned_run,
    shown,
    summary,
    sweep,
)
from carebot_assets.settings import ShowdownSettings
from carebot_assets.training import arms, checkpoint, sweep_log

READ = ["documents", "duplicate_verdicts", "contamination_verdicts", "held_out_text"]
TEXT = ("doc_id", "source", "lang", "text")
RANDOM, RULES, QUALITY = "random (matched)", "rules only", "quality rater"
VALUE, BOTH = "value rater", "quality and value"
# Draws with one seed would take the same documents, and mixes already take those of the seed
# itself: each draw has its own.
OUTER_DRAW, INNER_DRAW, CONTROL_DRAW = 101, 102, 103


def _candidates(step: Step) -> pl.LazyFrame:
    """What a rater may choose from: whatever was read, dirt included, but copies, benchmark
    questions and held-out text."""
    judges = (step.scan("duplicate_verdicts"), step.scan("contamination_verdicts"))
    unique = chain.not_dropped(step.scan("documents"), *judges)
    known = unique.filter(pl.col("lang").is_in(mix_sources.LANGS))
    return mix_sources.without(known, step.scan("held_out_text"))


@artifact(
    inputs=[*READ, "quality_scores", "base_model"],
    settings=[
        f"value.{name}"
        for name in (
            "documents", "target", "rows_per_document", "sequence_length", "min_row_tokens",
            "outer_share", "planted_share", "rater", "inner", "pretrain_steps",
            "pretrain_learning_rate", "population", "unroll", "batch_size", "outer_batch_size",
            "meta_steps", "lifetime", "settle_steps", "inner_learning_rate", "inner_weight_decay",
            "learning_rate", "weight_decay", "warmup_steps", "max_grad_norm", "score_penalty",
            "engine", "probe_rows", "eval_steps",
        )
    ],
    kinds={"pytorch"},
    pool="gpu",
    version="4",
)  # fmt: skip
def value_rater(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Value rater: a small bidirectional transformer that says how much a text helps training.

    Nobody tells it what good is. A population of small language models trains on text weighted by
    its scores; the loss of these models on held-out text is differentiated back through their
    steps to the scores. The rater learns from all documents that were read, dirt included; held out
    are documents that the other judges keep (`value.target`), none of them the benchmark's or the
    `held_out_text`. `target_auc` is how often a row of what is held out scores above another. A
    share of its rows is spoilt on purpose: `planted_auc` is how often a clean row of the target
    scores above a spoilt one of it. `length_correlation` and `source_share` say how much of a score
    is length and source. Files: rater.safetensors, rater.json, reference.parquet (scores of its
    own documents), probe.parquet, training_log.parquet.
    Source: DataRater (arXiv 2505.17895), section 3; meta-gradients after MixFlow-MG (2505.00793).
    """
    from carebot_assets.corpus import packing
    from carebot_assets.raters.meta import planted, reports, rows, scoring

    refuse_if_failed(step, [*READ, "quality_scores", "base_model"])
    plan, seed = step.settings.value, step.settings.seed
    every = _candidates(step).select(TEXT)
    drawn = _drawn(step, every)
    inner, outer = (every.join(ids.lazy(), on="doc_id", maintain_order="left") for ids in drawn)
    tokenizer, _ = packing.load_tokenizer(step.path("base_model"))
    sizes = (plan.sequence_length, plan.min_row_tokens, plan.rows_per_document)
    data = step.work_dir / "rows"
    data.mkdir(exist_ok=True)
    rows.write_training_rows(data, inner, outer, tokenizer, *sizes)
    planted.plant(data, tokenizer, plan.planted_share, seed)
    # Ids may have gaps: the largest counts, not how many there are.
    config = {"vocab_size": max(tokenizer.get_vocab().values()) + 1}
    settings = {"settings": plan.model_dump(mode="json")}
    report = launcher.train(step, "raters.meta.learn", {"data": data} | config | settings)
    rater = scoring.load(step.draft.dir)
    parts = scoring.score_documents(rater, tokenizer, inner, *sizes[1:])
    reference = pl.concat(part.select("lang", "value_score").drop_nulls() for part in parts)
    reference.write_parquet(step.draft.dir / scoring.REFERENCE)
    counts = zip(("num_documents", "num_held_out_documents"), map(len, drawn), strict=True)
    return dict(counts) | report | reports.plots(step.draft.dir)


def _drawn(step: Step, every: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Documents that inner models train on, as the whole is, and held-out ones, at most half of
    the target so that some of it is trained on: `doc_id` and whether it is of the target."""
    plan, seed, ids = step.settings.value, step.settings.seed, every.select("doc_id")
    target = ids if plan.target == "same" else chain.survivors(ids, step.scan("quality_scores"))
    half = target.select(pl.len()).collect().item() // 2
    wanted = min(round(plan.documents * plan.outer_share), half)
    outer = chain.drawn(target, wanted, seed + OUTER_DRAW).collect()
    others = ids.join(outer.lazy(), on="doc_id", how="anti")
    inner = chain.drawn(others, plan.documents, seed + INNER_DRAW)
    of_target = target.with_columns(is_target=pl.lit(True))
    marked = inner.join(of_target, on="doc_id", how="left").with_columns(
        pl.col("is_target").fill_null(False)
    )
    return marked.collect(), outer.with_columns(is_target=pl.lit(True))


@artifact(
    inputs=["documents", "value_rater", "base_model"],
    settings=["value.min_row_tokens", "value.rows_per_document", "value.discard",
              "value.keep_rule", "value.keep_batch"],
    partitions="shard",
    kinds={"pytorch", "polars"},
    pool="gpu",
    version="2",
)  # fmt: skip
def value_scores(step: Step) -> dict[str, Any]:
    """Value of each document of a shard, its percentile, and whether the rater would keep it.

    A score means nothing by itself, only by its place among those of the rater's own documents of
    the same language (`percentile`). `pointwise` keeps a document with the chance it would have to
    be among the best of a random batch, decided by a hash of its id; `top_k` keeps the best of
    every batch of the shard. It is advice: `rater_showdown` measures what following it brings.
    Source: DataRater (arXiv 2505.17895), section on filtering.
    """
    from carebot_assets.corpus import packing
    from carebot_assets.raters.meta import keep, scoring

    plan, folder = step.settings.value, step.path("value_rater")
    tokenizer, _ = packing.load_tokenizer(step.path("base_model"))
    parts = scoring.score_documents(
        scoring.load(folder), tokenizer, step.scan("documents"),
        plan.min_row_tokens, plan.rows_per_document,
    )  # fmt: skip
    scores = pl.concat([pl.DataFrame(schema=scoring.SCORED), *parts])
    reference = pl.read_parquet(folder / scoring.REFERENCE)
    judged = keep.judge(scores, reference, plan.keep_rule, plan.keep_batch, plan.discard)
    documents = step.scan("documents").select("doc_id", "shard", "source")
    table = documents.join(judged.lazy(), on="doc_id", how="left", maintain_order="left")
    step.write(table.drop("source"))
    return keep.summarize(table)


@artifact(
    inputs=[*READ, "rule_verdicts", "quality_scores", "value_scores", "value_rater", "base_model"],
    settings=["value.showdown", "value.discard", "pretraining.isolate_documents",
              "pretraining.sequence_length", "pretraining.max_held_out_overlap",
              "launcher.num_processes"],
    version="2",
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)  # fmt: skip
def rater_showdown(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Held-out losses after training one small model on what different raters keep.

    Same model, same tokens, same share of Chinese, same seeds; only who chose the documents
    differs: chance (as many of each source and length as the value rater keeps), the rules, the
    quality rater of CareBot behind rules and classifier, the value rater from all that was read,
    and both. `compute` is what an arm needs to be as good as chance is at the end, as a share of
    chance's training; `with_rater` adds what the value rater's training and reading cost (labels
    and the encoder of the quality rater are not counted). Differences are to chance, paired by
    seed; below zero is better. Source: DataRater (arXiv 2505.17895), section 4.
    """
    plan = step.settings.value.showdown
    if plan is None:
        step.write(sweep_log.combine([]))
        return {"num_runs": 0}
    needed = [*READ, "rule_verdicts", "quality_scores", "value_scores", "value_rater"]
    refuse_if_failed(step, [*needed, "base_model"])
    model = find_model(step, plan.model, plan.revision)
    num_parameters = checkpoint.num_parameters(model)
    found, receipts, runs = _arms(step, plan.discards), {}, []
    share = mix_sources.zh_share(found[RANDOM])
    for arm, documents in found.items():
        mix = _mix(step, arm, documents, plan, model, share)
        receipts[arm] = mix_receipts.summary(mix_receipts.read(mix))
        seeds = plan.seeds if arm in (RANDOM, RULES, QUALITY, VALUE, BOTH) else 1
        for seed in range(step.settings.seed, step.settings.seed + seeds):
            runs.append(planned_run(step, arm, seed, model, mix, plan.train))
    log = sweep_log.combine([sweep(step, launcher, runs)])
    step.write(log)
    return _verdict(step, log, plan, receipts, num_parameters) | summary(log)


def _arms(step: Step, discards: list[float]) -> dict[str, pl.LazyFrame]:
    """Documents of every arm."""
    every, values = _candidates(step), step.scan("value_scores")
    kept = values.filter("keep").select("doc_id")
    quality = chain.survivors(every, step.scan("quality_scores"))
    found = {
        RANDOM: control.matched(every, kept, step.settings.seed + CONTROL_DRAW),
        RULES: chain.survivors(every, step.scan("rule_verdicts")),
        QUALITY: quality,
        VALUE: every.join(kept, on="doc_id", how="semi"),
        BOTH: quality.join(kept, on="doc_id", how="semi"),
    }
    for discard in discards:
        better = values.filter(pl.col("percentile") > discard).select("doc_id")
        found[_swept(discard)] = every.join(better, on="doc_id", how="semi")
    return found


def _mix(
    step: Step, arm: str, documents: pl.LazyFrame, plan: ShowdownSettings, model: Path, zh: float
) -> Path:
    from carebot_assets.corpus import mixing
    from carebot_assets.settings import MixSettings

    folder = step.work_dir / f"mix-{''.join(c if c.isalnum() else '-' for c in arm)}"
    if (folder / mix_receipts.RECEIPTS).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        mixing.build_mix(
            documents,
            None,
            MixSettings(tokens=plan.tokens, primary_share=1.0, zh_share=zh),
            held_out=held_out_index(step),
            model_dir=model,
            sequence_length=step.settings.pretraining.sequence_length,
            seed=step.settings.seed,
            folder=folder,
        )
    except ValueError as error:
        raise ValueError(f"{step.name}, arm {arm!r}: {error}") from error
    return folder


def _verdict(
    step: Step,
    log: pl.DataFrame,
    plan: ShowdownSettings,
    receipts: dict[str, Any],
    num_parameters: int,
) -> dict[str, Any]:
    """Differences to chance, and the compute to reach it, the value rater's own charged."""
    from carebot_assets.raters.meta import cost

    settings, train = step.settings, plan.train
    rated = step.store.require("value_rater").metadata
    sequences = train.max_steps * train.batch_size * train.gradient_accumulation
    tokens = sequences * settings.pretraining.sequence_length * settings.launcher.num_processes
    rater, inner = rated["num_rater_parameters"], rated["num_inner_parameters"]
    whole = cost.training(num_parameters, tokens)
    discards = dict.fromkeys((VALUE, BOTH), settings.value.discard)
    discards |= {_swept(discard): discard for discard in plan.discards}
    # To fill a mix the rater read what it dropped as well.
    spent = {
        arm: cost.meta_training(settings.value, rater, inner)
        + cost.scoring(rater, tokens / (1 - discard))
        for arm, discard in discards.items()
    }
    extra = {arm: flops / whole for arm, flops in spent.items()}
    losses = shown(log)
    reached = {loss: arms.steps_to_reach(log, RANDOM, loss) for loss in losses}
    gaps = {
        arm: arms.as_json(arms.difference(log, arm, RANDOM)) for arm in receipts if arm != RANDOM
    }
    return {
        "showdown": arms.compute_table(log, losses, reached, extra),
        "num_tokens": tokens,
        "rater_cost": extra[VALUE],
        "compute": reached,
        "compute_with_rater": {
            loss: {arm: part + extra[arm] for arm in extra if (part := parts.get(arm)) is not None}
            for loss, parts in reached.items()
        },
        "minus_random": gaps,
        "repeated_tokens": {arm: found["num_repeated_tokens"] for arm, found in receipts.items()},
    }


def _swept(discard: float) -> str:
    return f"{VALUE}, {discard:.0%} dropped"
