"""Assets of the instruction stage."""

from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import contamination, private
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.domain.assets import TEACHER
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.dialogue import adapters, cleaning, deita, selection
from carebot_assets.dialogue.frame import load_tokenizer
from carebot_assets.settings import current_settings
from carebot_assets.teacher.answers import summarize as teacher_summary
from carebot_assets.teacher.roles import prompt_versions
from carebot_assets.training import curves


def _source_files(source: str | None) -> list[Path]:
    settings = current_settings()
    return settings.files(settings.instruction.sources[str(source)].path)


@artifact(
    inputs=["sample_world"] if current_settings().sample_world else [],
    settings=["instruction.sources"],
    partitions="sft_source",
    kinds={"polars"},
    outside=_source_files,
)
def sft_dialogues(step: Step) -> dict[str, Any]:
    """Instruction records of a source in one schema: turns, kind, language, answer key.

    An adapter reads the publisher's own layout. Records that cannot be read are in the side table
    `sft_quarantine` with their position and what is wrong: records = dialogues + quarantined.
    """
    name = str(step.partition)
    source = step.settings.instruction.sources[name]
    dialogues, quarantine = adapters.read(name, source, _source_files(name))
    step.write(dialogues)
    step.write(quarantine, "sft_quarantine")
    return adapters.summarize(dialogues, quarantine)


@artifact(
    inputs=["sft_dialogues", "benchmark_items", "benchmark_ngrams", "base_model"],
    across=["sft_dialogues"],
    settings=[
        "contamination",
        "instruction.min_tokens",
        "instruction.sft.max_length",
        "rules.private_information",
    ],
    partitions="sft_source",
    kinds={"polars"},
)
def sft_verdicts(step: Step) -> dict[str, Any]:
    """Verdict on every record of a source: fit for training or not, with all reasons.

    Reads the other sources too: of equal records only the first, by name of the source, is fit, and
    of choice questions with different keys none. Lengths are those of the base model's tokenizer;
    records over the training length are dropped and counted, never cut.
    """
    settings = step.settings.instruction
    actions = step.settings.rules.private_information
    unwanted = sorted(kind for kind, action in actions.items() if action != "keep")
    index = contamination.Index(
        step.scan("benchmark_ngrams").collect(), step.settings.contamination
    )
    verdicts = cleaning.decide(
        step.scan("sft_dialogues"),
        str(step.partition),
        step.scan("benchmark_items"),
        load_tokenizer(step.path("base_model")),
        settings,
        lambda texts: private.find(texts).list.set_intersection(unwanted),
        index.repeats,
    )
    step.write(verdicts)
    return cleaning.summarize(step.written(), step.scan("sft_dialogues"), settings.sft.max_length)


def _open_rounds(step: Step) -> pl.DataFrame:
    fit = selection.fit(step.scan("sft_dialogues"), step.scan("sft_verdicts"))
    return deita.rounds(fit.filter(pl.col("kind") != "choice"))


@artifact(
    inputs=["sft_dialogues", "sft_verdicts"],
    settings=["instruction.seed_rounds", *TEACHER],
    kinds={"polars", "openai"},
    extra=lambda: prompt_versions(deita.ROLE),
    retry_while="num_failed",
)
def instruction_seed_scores(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Deita complexity and quality, 1..6 each, that the teacher gives a sample of rounds.

    Rounds of the fit open records, evenly over the sources; each is rated alone. Choice questions
    are not rated. While calls have failed, the next run asks those again. Source: Deita (arXiv
    2312.15685) 3.
    """
    wanted, seed = step.settings.instruction.seed_rounds, step.settings.seed
    sample = deita.sample(_open_rounds(step), wanted, seed)
    with teacher.open() as model:
        answers = model.ask(deita.ROLE, deita.items(sample), log=step.log)
        table = tables.BY_NAME[step.name].schema
        step.write(deita.scored(sample, answers, model.model).select(table.names()).cast(table))
        return {"teacher": model.description, **teacher_summary(answers)}


@artifact(
    inputs=["instruction_seed_scores"],
    settings=["encoder", "quality.validation_ratio"],
    kinds={"scikitlearn"},
    pool="gpu",
    version="2",
)
def instruction_raters(step: Step) -> dict[str, Any]:
    """Complexity rater and answer quality rater, learned from the teacher's scores.

    The same rater as the corpus's, with other rubrics: ridge heads on a frozen encoder, measured on
    held-out rounds, with what they read from length alone. Source: Deita (arXiv 2312.15685) 3,
    whose scorers are fine-tuned LLaMA models.
    """
    from carebot_assets.raters import regressor, rubric, scores

    seeds = step.scan("instruction_seed_scores").filter(pl.col("status") == "ok").collect()
    plan, found = step.settings, dict[str, dict[str, Any]]()
    for rater in (rubric.COMPLEXITY, rubric.ANSWER_QUALITY):
        rows = seeds.select("lang", "source", score=rater.answer, text=rubric.text_of(rater))
        trained = regressor.train(
            rows, rater, plan.encoder.model_copy(update={"fine_tune": None}), plan.seed,
            validation_ratio=plan.quality.validation_ratio, cuts=(),
        )  # fmt: skip
        (step.draft.dir / rater.answer).mkdir()
        trained.head.save(step.draft.dir / rater.answer)
        found[rater.answer] = trained.metrics
    named = ("spearman", "mean_absolute_error", "length_correlation")
    return {
        **{f"{name}_{key}": found[name][key] for name in found for key in named},
        "raters": scores.as_markdown(
            {name: {key: found[name][key] for key in named} for name in found}, "rater"
        ),
        "metrics": found,
        "teacher": ", ".join(seeds["teacher"].unique().sort()),
    }


@artifact(
    inputs=["sft_dialogues", "sft_verdicts", "instruction_raters"],
    kinds={"polars", "scikitlearn"},
    pool="gpu",
    version="2",
)
def instruction_scores(step: Step) -> dict[str, Any]:
    """Deita complexity and quality, 1..6 each, of every round of the fit open records.

    Rounds are rated alone; the score of a record is the mean over its rounds of complexity x
    quality. A record with a round that could not be rated has no score. Choice questions are not
    rated. Source: Deita (arXiv 2312.15685), CareBot 1.3.
    """
    from carebot_assets.raters import regressor, rubric

    rounds = _open_rounds(step)
    for rater in (rubric.COMPLEXITY, rubric.ANSWER_QUALITY):
        texts = rounds.select(doc_id="record_id", text=rubric.text_of(rater)).lazy()
        rated = regressor.predict(step.path("instruction_raters") / rater.answer, rater, texts)
        rounds = rounds.with_columns(rated["score"].alias(rater.answer))
    step.write(deita.combine(rounds, step.content_hash("instruction_raters")))
    return deita.summarize(step.written())


@artifact(
    inputs=["sft_dialogues", "sft_verdicts", "boost_checkpoint"],
    settings=["instruction.confilter_min_turn_tokens"],
    kinds={"polars", "pytorch"},
    pool="gpu",
)
def confilter_scores(step: Step) -> dict[str, Any]:
    """ConFilter scores: how much history helps each turn of the fit multi-turn dialogues.

    CF = L(t|H) / L(t) with the boost checkpoint, for turns from the second on that are not very
    short; mean, smallest and largest per dialogue. Source: CareBot 1.4, equation 3.
    """
    from carebot_assets.dialogue import confilter

    settings = step.settings.instruction
    fit = selection.fit(step.scan("sft_dialogues"), step.scan("sft_verdicts"))
    scores = confilter.score(
        fit.filter(pl.col("kind") == "multi"),
        step.path("boost_checkpoint"),
        step.content_hash("boost_checkpoint"),
        settings.confilter_min_turn_tokens,
    )
    step.write(scores)
    return confilter.summarize(step.written(), settings.confilter_band)


@artifact(
    inputs=["sft_dialogues", "sft_verdicts", "instruction_scores", "confilter_scores"],
    settings=[
        "instruction.min_deita_score",
        "instruction.confilter_band",
        "instruction.preference_share",
    ],
    kinds={"polars"},
)
def sft_set(step: Step) -> dict[str, Any]:
    """Instruction set: the verdict on every fit record, and the turns of the selected ones.

    Open records need a Deita score over the threshold, multi-turn ones a ConFilter score inside the
    band as well; a missing score is never a keep. A share of the questions, by hash, is held out
    from SFT as prompts for preference pairs.
    """
    chosen = selection.select(
        step.scan("sft_dialogues"),
        step.scan("sft_verdicts"),
        step.scan("instruction_scores"),
        step.scan("confilter_scores"),
        step.settings.instruction,
    )
    step.write(chosen)
    return selection.summarize(step.written())


@artifact(
    inputs=["sft_set", "boost_checkpoint", "held_out_text"],
    settings=["instruction.sft"],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def sft_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Chat model: the boost checkpoint fine-tuned on the instruction set.

    Only the assistant's tokens carry the loss; records of the preference split are not used. What
    was truncated or had nothing to learn is counted. Source: CareBot 1.3 (CareBot-Chat).
    """
    refuse_if_failed(step, ["sft_set", "boost_checkpoint", "held_out_text"])
    config = {
        "model": step.path("boost_checkpoint"),
        "data": step.path("sft_set") / "data.parquet",
        "held_out": step.path("held_out_text") / "data.parquet",
        "train": step.settings.instruction.sft.model_dump(),
    }
    report = launcher.train(step, "sft", config)
    return curves.summary(report, step.draft.dir / "training_log.parquet")
