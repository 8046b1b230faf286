"""Assets of the pre-training stage: base model, mixes and the checkpoints trained on them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets.corpus import mix_receipts, mix_sources
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import MixSettings, ScratchModel, TrainSettings, current_settings
from carebot_assets.training import curves, scratch, snapshot

if TYPE_CHECKING:
    from carebot_assets.corpus.overlap import HeldOut

CORPORA = ["general_corpus", "filtered_corpus", "held_out_text"]
# Of every mix, beside its own.
MIX_SETTINGS = ["pretraining.sequence_length", "pretraining.max_held_out_overlap"]
TOKENIZER_DOCUMENTS = 50_000
MIN_POSITIONS = 1024


def _base_files(_: str | None) -> list[Path]:
    """Files of a base model that is a folder: if they change, it is another one."""
    settings = current_settings()
    path = settings.pretraining.base.path
    folder = settings.resolve(path) if path else None
    return snapshot.files(folder) if folder and folder.is_dir() else []


@artifact(
    inputs=CORPORA,
    outside=_base_files,
    settings=["pretraining.base", "pretraining.isolate_documents", *MIX_SETTINGS],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    version="3",
)
def base_model(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model that continued pre-training starts from, with its tokenizer.

    Either a snapshot, taken over as it is, or (for small profiles) a tokenizer trained on general
    and medical text and a small Llama trained on general text. Tokens per character show how well
    the tokenizer covers each language: every token more is compute and context lost. They and the
    share of unknown tokens are measured on held-out text.
    """
    from carebot_assets.corpus import packing

    refuse_if_failed(step, CORPORA)
    base = step.settings.pretraining.base
    if base.scratch is not None:
        found = _train_base(step, launcher, base.scratch)
    else:
        source, revision = snapshot.find(
            str(base.path), base.revision, step.settings.resolve(str(base.path))
        )
        found = snapshot.take(source, step.draft.dir, str(base.path), revision, step.settings.seed)
    for lang in mix_sources.LANGS:
        texts = _held_out(step).filter(pl.col("lang") == lang).collect()["text"].to_list()
        coverage = packing.coverage(step.draft.dir, texts) or {}
        found |= {f"{name}_{lang}": value for name, value in coverage.items()}
    return found


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
    mix = mixing.build_mix(
        general,
        None,
        MixSettings(tokens=model.tokens, primary_share=1.0, zh_share=share),
        held_out=held_out_index(step),
        model_dir=start,
        sequence_length=plan.sequence_length,
        seed=seed,
        folder=step.work_dir,
    )
    # It reads general text only: on terse medical lists it may well get worse than chance.
    how = {"from_scratch": True, "objective": ["general"]}
    trained = train_checkpoint(step, launcher, start, step.work_dir, model.train, **how)
    shutil.copy(step.work_dir / mix_receipts.RECEIPTS, step.draft.dir)
    return mix_receipts.summary(mix.receipts) | trained


@artifact(
    inputs=[*CORPORA, "base_model"],
    settings=["pretraining.stable_mix", *MIX_SETTINGS],
    kinds={"polars", "duckdb"},
    version="2",
)
def stable_mix(step: Step) -> dict[str, Any]:
    """Which tokens of which document fill which sequence of the stable stage.

    Medical to general and Chinese to English stand in the ratios of the profile, in tokens of the
    base model's tokenizer (CareBot 1.2: 19 : 1 and 1 : 9). Beside the table `tokens.npy` holds the
    token ids and `document_starts.npy` where spans begin. `receipts.json` says by stratum and
    source what was asked, what there was, what went in, what was repeated and what was left out.
    """
    return write_mix(step, *mix_parts(step.name, step.scan), step.settings.pretraining.stable_mix)


@artifact(
    inputs=["stable_mix", "base_model", "held_out_text"],
    settings=["pretraining.stable", "pretraining.isolate_documents"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def stable_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model after the stable stage of continued pre-training.

    Broad medical text with a little general text against forgetting. The held-out losses before,
    during and after are in the log; a killed run goes on from its last checkpoint.
    """
    refuse_if_failed(step, ["stable_mix", "base_model", "held_out_text"])
    start, mix = step.path("base_model"), step.path("stable_mix")
    return train_checkpoint(step, launcher, start, mix, step.settings.pretraining.stable)


@artifact(
    inputs=["filtered_corpus", "sft_dialogues", "sft_verdicts", "held_out_text", "base_model"],
    settings=["pretraining.boost_mix", *MIX_SETTINGS],
    kinds={"polars", "duckdb"},
    version="2",
)
def boost_mix(step: Step) -> dict[str, Any]:
    """Which tokens of which document or dialogue fill which sequence of the boost stage.

    Medical text of the best tier and the text of the instruction records fit for training, half
    each (CareBot 1.2: 1 : 1, Chinese to English 4 : 6). What becomes of a shortage is a setting;
    the receipts say what did.
    """
    return write_mix(step, *mix_parts(step.name, step.scan), step.settings.pretraining.boost_mix)


def mix_parts(mix: str, scan: Callable[[str], pl.LazyFrame]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Primary and secondary documents of a mix."""
    medical = scan("filtered_corpus")
    if mix == "boost_mix":
        talks = mix_sources.dialogue_documents(scan("sft_dialogues"), scan("sft_verdicts"))
        return medical.filter(pl.col("tier") == "very_high"), talks
    return medical, scan("general_corpus")


@artifact(
    inputs=["boost_mix", "stable_checkpoint", "held_out_text"],
    settings=["pretraining.boost", "pretraining.isolate_documents"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
    version="2",
)
def boost_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Model after the boost stage: the stable checkpoint trained on the best text.

    Bridges the gap between web text and instruction data before fine-tuning.
    """
    refuse_if_failed(step, ["boost_mix", "stable_checkpoint", "held_out_text"])
    # Half of the mix are dialogues, which the held-out texts are not: their losses are reported,
    # but what the stage must lower is the loss on its own text.
    start, mix = step.path("stable_checkpoint"), step.path("boost_mix")
    train = step.settings.pretraining.boost
    return train_checkpoint(step, launcher, start, mix, train, objective=["own_text"])


def _held_out(step: Step) -> pl.LazyFrame:
    return step.scan("held_out_text")


def held_out_index(step: Step) -> "HeldOut":
    """The held-out texts, to be kept out of a mix."""
    from carebot_assets.corpus.overlap import HeldOut

    texts = _held_out(step).select("text").collect()["text"]
    return HeldOut(texts, step.settings.pretraining.max_held_out_overlap)


def _free(step: Step, name: str) -> pl.LazyFrame:
    """A corpus without the documents that are held out."""
    return mix_sources.without(step.scan(name), _held_out(step))


def write_mix(
    step: Step,
    primary: pl.LazyFrame,
    secondary: pl.LazyFrame,
    settings: MixSettings,
    seed: int | None = None,
) -> dict[str, Any]:
    """Pack a mix and write its span table, token file and receipts."""
    from carebot_assets.corpus import mixing, packing

    held_out = _held_out(step)
    with TemporaryDirectory(dir=step.draft.dir) as folder:
        mix = mixing.build_mix(
            mix_sources.without(primary, held_out),
            mix_sources.without(secondary, held_out),
            settings,
            held_out=held_out_index(step),
            model_dir=step.path("base_model"),
            sequence_length=step.settings.pretraining.sequence_length,
            seed=step.settings.seed if seed is None else seed,
            folder=Path(folder),
        )
        step.write(mix.spans)
        for name in (packing.TOKENS, packing.STARTS, mix_receipts.RECEIPTS):
            (Path(folder) / name).rename(step.draft.dir / name)
    return mix_receipts.summary(mix.receipts) | {"tokens_per_second": mix.tokens_per_second}


def training_config(step: Step, model: Path, mix: Path, train: TrainSettings) -> dict[str, Any]:
    """What `carebot_assets.training.pretrain` is told, whatever the stage."""
    from carebot_assets.corpus import packing

    return {
        "model": model,
        "data": mix / packing.TOKENS,
        "receipts": mix / mix_receipts.RECEIPTS,
        "train": train.model_dump(),
        "held_out": step.path("held_out_text") / "data.parquet",
        "held_out_tokens": step.settings.pretraining.sequence_length,
        "isolate_documents": step.settings.pretraining.isolate_documents,
    }


def train_checkpoint(
    step: Step, launcher: Launcher, model: Path, mix: Path, train: TrainSettings, **more: Any
) -> dict[str, Any]:
    """Train a checkpoint into the step's draft."""
    config = training_config(step, model, mix, train)
    report = launcher.train(step, "pretrain", config | more)
    return curves.summary(report, step.draft.dir / "training_log.parquet")
