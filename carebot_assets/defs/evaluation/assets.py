"""Assets of the evaluation stage."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.evaluation.chat_model import ChatModel
from carebot_assets.defs.partitions import CHAT_CHECKPOINTS, CHECKPOINTS
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.evaluation import benchmarks, consultations, items, scores, suites
from carebot_assets.evaluation import scorecard as page
from carebot_assets.settings import Settings, current_settings
from carebot_assets.teacher.roles import prompt_versions

MIXES = ("stable_mix", "boost_mix", "one_stage_mix")
RATERS = ("domain_classifier", "quality_rater")
TEACHER = ("teacher.model", "teacher.base_url", "teacher.offline", "teacher.max_chars")
VOLUMES = ("documents", "filtered_corpus", "general_corpus", *MIXES, "sft_set", "dpo_pairs")


def _suites_dir(settings: Settings) -> Path:
    folder = settings.evaluation.suites_dir
    return suites.DEFAULT_DIR if folder is None else settings.resolve(str(folder))


def _suite_files() -> str:
    return suites.fingerprint(_suites_dir(current_settings()))


def _inputs_of_run(partition: str) -> tuple[str, ...]:
    return partition.split("|")[0], "benchmark_items"


def _benchmark_files(_: str | None) -> list[Path]:
    settings = current_settings()
    sources = {**settings.evaluation.benchmarks, **settings.evaluation.consultations}
    return [file for source in sources.values() for file in settings.files(source.path)]


@artifact(
    inputs=["sample_world"] if current_settings().sample_world else [],
    settings=["evaluation.benchmarks", "evaluation.consultations"],
    kinds={"polars"},
    outside=_benchmark_files,
)
def benchmark_items(step: Step) -> dict[str, Any]:
    """Every benchmark question and reference consultation in one schema.

    Read from the publishers' files as they are published. A malformed record stops the asset and is
    named; nothing is skipped silently. Questions with several right letters stay in the table,
    because training text must not contain them, but are not asked by the likelihood tasks.
    """
    evaluation = step.settings.evaluation
    sources = {**evaluation.benchmarks, **evaluation.consultations}
    frames = [
        items.load_suite(suite, source, step.settings.resolve(source.path))
        for suite, source in sources.items()
    ]
    step.write(items.combine(frames))
    return items.summarize(step.written())


@artifact(
    inputs=[*CHECKPOINTS, "benchmark_items"],
    # Not the batch size: it decides speed and memory.
    extra=_suite_files,
    pick_inputs=_inputs_of_run,
    slices={"benchmark_items": "suite"},
    partitions="benchmark",
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def benchmark_scores(step: Step) -> dict[str, Any]:
    """Answer of a checkpoint to every item of a suite, by lm-eval.

    0-shot, by the likelihood of the options, with the task files of `eval_suites`. Every item that
    has one right option is asked, none is sampled. A prompt longer than the model's context loses
    its beginning; their number is in the metadata.
    """
    checkpoint, suite = (step.partition or "").split("|")
    with TemporaryDirectory() as folder:
        frame, info = benchmarks.run(
            step.path(checkpoint),
            suite,
            step.scan("benchmark_items"),
            Path(folder),
            include_path=_suites_dir(step.settings),
            batch_size=step.settings.evaluation.batch_size,
            seed=step.settings.seed,
        )
    model = step.content_hash(checkpoint)
    step.write(frame.with_columns(checkpoint=pl.lit(checkpoint), model=pl.lit(model)))
    return info


@artifact(
    inputs=[*CHAT_CHECKPOINTS, "benchmark_items"],
    settings=["evaluation.max_new_tokens", *TEACHER],
    extra=lambda: [_suite_files(), prompt_versions("judge_consultation")],
    pick_inputs=_inputs_of_run,
    slices={"benchmark_items": "suite"},
    partitions="consultation",
    kinds={"pytorch", "openai"},
    pool="gpu",
    retry_while="num_failed_calls",
)
def consultation_scores(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Judge's grades (1..5) of a checkpoint's answer to every turn of a consultation.

    Earlier turns hold the reference answers; where a conversation is too long for the model, it
    does not see the oldest rounds (the judge does), and their number is in the metadata. Grades are
    on fluency, relevance, completeness and proficiency, against the reference; an answer whose
    grading failed keeps the status `failed`, and the next run asks for it again.

    Source: CareBot 5.1 with the protocol of CMB-Clin (arXiv 2308.08833).
    """
    checkpoint, suite = (step.partition or "").split("|")
    model = ChatModel(step.path(checkpoint), step.settings.evaluation.batch_size)
    with teacher.open() as judge:
        frame, info = consultations.run(
            step.scan("benchmark_items"),
            suites.judge_protocol(suite, _suites_dir(step.settings)),
            model.generate,
            judge,
            max_new_tokens=step.settings.evaluation.max_new_tokens,
            log=step.log,
        )
    hashed = pl.lit(step.content_hash(checkpoint))
    step.write(frame.with_columns(checkpoint=pl.lit(checkpoint), model=hashed))
    return {**info, "num_shortened_histories": model.num_shortened, "judge": judge.description}


@artifact(
    inputs=[
        "benchmark_scores",
        "consultation_scores",
        "benchmark_items",
        "quality_funnel",
        *CHECKPOINTS,
        *MIXES,
        *RATERS,
        "sft_set",
        "dpo_pairs",
    ],
    settings=["evaluation", "teacher.model", "teacher.base_url"],
    extra=lambda: page.TEMPLATE.read_text("utf-8"),
    kinds={"html"},
)
def scorecard(step: Step) -> dict[str, Any]:
    """Scorecard of all checkpoints: one self-contained HTML page and the numbers as JSON.

    Benchmarks and consultations with intervals beside the published rows, held-out losses, the
    quality funnel, volumes, the mixes' receipts and the raters' quality. Says when labels and
    grades come from the offline heuristic teacher.
    """
    numbers = scores.build(_material(step))
    (step.draft.dir / "scores.json").write_text(
        json.dumps(numbers, ensure_ascii=False, indent=1), "utf-8"
    )
    (step.draft.dir / "scorecard.html").write_text(page.render(numbers), "utf-8")
    return scores.summarize(numbers)


def _material(step: Step) -> scores.Material:
    from carebot_assets.training.checkpoint import read_manifest

    evaluation, teacher = step.settings.evaluation, step.settings.teacher
    frames = {
        name: step.scan(name).collect()
        for name in ("benchmark_scores", "consultation_scores", "benchmark_items", "quality_funnel")
    }
    return scores.Material(
        profile=step.settings.profile,
        checkpoints=CHECKPOINTS,
        benchmarks=frames["benchmark_scores"],
        consultations=frames["consultation_scores"],
        items=frames["benchmark_items"],
        teacher="offline heuristic teacher" if teacher.is_offline else teacher.model,
        teacher_is_offline=teacher.is_offline,
        losses={name: read_manifest(step.path(name))["losses"] for name in CHECKPOINTS},
        funnel=frames["quality_funnel"],
        volumes={name: step.scan(name).select(pl.len()).collect().item() for name in VOLUMES},
        raters={name: step.store.require(name).metadata for name in RATERS},
        mixes={name: step.store.require(name).metadata for name in MIXES},
        published_counts={
            suite: items.published_count(
                source.adapter, _subjects(frames["benchmark_items"], suite)
            )
            for suite, source in evaluation.benchmarks.items()
        },
        generated=[s for s, source in evaluation.benchmarks.items() if "{sample}" in source.path],
        bootstrap_samples=evaluation.bootstrap_samples,
        seed=step.settings.seed,
    )


def _subjects(table: pl.DataFrame, suite: str) -> list[str]:
    return table.filter(pl.col("suite") == suite)["subject"].drop_nulls().unique().to_list()
