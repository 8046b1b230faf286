"""Assets of the pre-training stage: base model, mixes and the checkpoints trained on them."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.corpus import mix_audit, mix_sources
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import MixSettings, ScratchModel, TrainSettings
from carebot_assets.training import curves, scratch, snapshot

CORPORA = ["general_corpus", "filtered_corpus", "held_out_text"]
TOKENIZER_DOCUMENTS = 50_000
MIN_POSITIONS = 1024


@artifact(
    inputs=CORPORA,
    settings=["pretraining.base", "pretraining.sequence_length"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    version="2",
)
def base_model(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model that continued pre-training starts from, with its tokenizer.

    Either a snapshot, taken over as it is, or (for small profiles) a tokenizer trained on general
    and medical text and a small Llama trained on general text. Tokens per character show how well
    the tokenizer covers each language: every token more is compute and context lost.
    """
    from carebot_assets.corpus import packing

    refuse_if_failed(step, CORPORA)
    base = step.settings.pretraining.base
    if base.scratch is not None:
        found = _train_base(step, launcher, base.scratch)
    else:
        folder = step.settings.resolve(str(base.path))
        source = folder if folder.is_dir() else snapshot.download(str(base.path), base.revision)
        seed = step.settings.seed
        found = snapshot.take(source, step.draft.dir, str(base.path), base.revision, seed)
    coverage = {
        f"tokens_per_character_{lang}": packing.tokens_per_character(
            step.draft.dir,
            _held_out(step).filter(pl.col("lang") == lang).collect()["text"].to_list(),
        )
        for lang in mix_sources.LANGS
    }
    return found | coverage


def _train_base(step: Step, launcher: Launcher, model: ScratchModel) -> dict[str, Any]:
    from carebot_assets.corpus import mixing

    general, medical = _free(step, "general_corpus"), _free(step, "filtered_corpus")
    plan, seed = step.settings.pretraining, step.settings.seed
    start = step.work_dir / "start"
    columns = ("doc_id", "text")
    texts = pl.concat([general.select(columns), medical.select(columns)])
    sample = mix_sources.sample_texts(texts, TOKENIZER_DOCUMENTS, seed)
    scratch.write_model(start, sample, model, max(MIN_POSITIONS, plan.sequence_length))
    share = mix_sources.zh_share(general)
    _, receipts = mixing.build_mix(
        general,
        None,
        MixSettings(tokens=model.tokens, primary_share=1.0, zh_share=share),
        model_dir=start,
        sequence_length=plan.sequence_length,
        seed=seed,
        folder=step.work_dir,
    )
    # It reads general text only: on terse medical lists it may well get worse than chance.
    config = {
        "from_scratch": True,
        "data": step.work_dir / "tokens.npy",
        "objective": ["general"],
    }
    trained = _train(step, launcher, start, model.train, config)
    return mix_audit.summary(receipts) | trained


@artifact(
    inputs=[*CORPORA, "base_model"],
    settings=["pretraining.stable_mix", "pretraining.sequence_length"],
    kinds={"polars"},
)
def stable_mix(step: Step) -> dict[str, Any]:
    """Which tokens of which document fill which sequence of the stable stage.

    Medical to general and Chinese to English stand in the ratios of the profile, in tokens of the
    base model's tokenizer (CareBot 1.2: 19 : 1 and 1 : 9). `tokens.npy` beside the table holds the
    token ids. The receipts say what was asked, what there was and what was repeated.
    """
    medical, general = _free(step, "filtered_corpus"), _free(step, "general_corpus")
    return _mix(step, medical, general, step.settings.pretraining.stable_mix)


@artifact(
    inputs=["stable_mix", "base_model", "held_out_text"],
    settings=["pretraining.stable"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def stable_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model after the stable stage of continued pre-training.

    Broad medical text with a little general text against forgetting. The held-out losses before,
    during and after are in the log; a killed run goes on from its last checkpoint.
    """
    refuse_if_failed(step, ["stable_mix", "base_model", "held_out_text"])
    data = {"data": step.path("stable_mix") / "tokens.npy"}
    return _train(step, launcher, step.path("base_model"), step.settings.pretraining.stable, data)


@artifact(
    inputs=["filtered_corpus", "sft_dialogues", "sft_verdicts", "held_out_text", "base_model"],
    settings=["pretraining.boost_mix", "pretraining.sequence_length"],
    kinds={"polars"},
)
def boost_mix(step: Step) -> dict[str, Any]:
    """Which tokens of which document or dialogue fill which sequence of the boost stage.

    Medical text of the best tier and the text of the instruction records fit for training, half
    each (CareBot 1.2: 1 : 1, Chinese to English 4 : 6). Shortage of the best tier repeats it and
    then shrinks the mix; the receipts say so.
    """
    best = _free(step, "filtered_corpus").filter(pl.col("tier") == "very_high")
    talks = mix_sources.dialogue_documents(step.scan("sft_dialogues"), step.scan("sft_verdicts"))
    return _mix(step, best, talks, step.settings.pretraining.boost_mix)


@artifact(
    inputs=["boost_mix", "stable_checkpoint", "held_out_text"],
    settings=["pretraining.boost"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def boost_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model after the boost stage: the stable checkpoint trained on the best text.

    Bridges the gap between web text and instruction data before fine-tuning.
    """
    refuse_if_failed(step, ["boost_mix", "stable_checkpoint", "held_out_text"])
    # Half of the mix are dialogues, which the held-out texts are not: their losses are reported,
    # but what the stage must lower is the loss on its own text.
    data = {"data": step.path("boost_mix") / "tokens.npy", "objective": ["train"]}
    start = step.path("stable_checkpoint")
    return _train(step, launcher, start, step.settings.pretraining.boost, data)


def _held_out(step: Step) -> pl.LazyFrame:
    return step.scan("held_out_text")


def _free(step: Step, name: str) -> pl.LazyFrame:
    """A corpus without the documents that are held out."""
    return mix_sources.without(step.scan(name), _held_out(step))


def _mix(
    step: Step, primary: pl.LazyFrame, secondary: pl.LazyFrame, settings: MixSettings
) -> dict[str, Any]:
    from carebot_assets.corpus import mixing

    spans, receipts = mixing.build_mix(
        primary,
        secondary,
        settings,
        model_dir=step.path("base_model"),
        sequence_length=step.settings.pretraining.sequence_length,
        seed=step.settings.seed,
        folder=step.draft.dir,
    )
    step.write(spans)
    (step.draft.dir / "receipts.json").write_text(json.dumps(receipts, indent=1), "utf-8")
    return mix_audit.summary(receipts)


def _train(
    step: Step, launcher: Launcher, model: Path, train: TrainSettings, config: dict[str, Any]
) -> dict[str, Any]:
    shared = {
        "model": model,
        "train": train.model_dump(),
        "held_out": step.path("held_out_text") / "data.parquet",
        "held_out_tokens": step.settings.pretraining.sequence_length,
    }
    report = launcher.train(step, "pretrain", shared | config)
    return curves.summary(report, step.draft.dir / "training_log.parquet")
