"""Assets of the preference stage."""

from typing import Any

import polars as pl

from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.guard import refuse_if_failed
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.resources import TeacherResource
from carebot_assets.dialogue import objective, preference
from carebot_assets.settings import TrainSettings
from carebot_assets.teacher.roles import prompt_versions
from carebot_assets.training import curves

TRAINING = [*TrainSettings.model_fields, "beta", "max_length"]


@artifact(inputs=["sft_set"], settings=["preference.prompts"], kinds={"polars"})
def preference_prompts(step: Step) -> dict[str, Any]:
    """Prompts held out from SFT training, a sample by hash of the preference split.

    Open questions become subjective pairs, choice questions objective ones. The prompt is the
    dialogue up to its last answer, which is kept as the reference.
    """
    step.write(preference.prompts(step.scan("sft_set"), step.settings.preference.prompts))
    counts = step.written().group_by("kind").len().sort("kind").collect()
    return {"num_by_kind": dict(counts.rows())}


@artifact(
    inputs=["preference_prompts", "sft_checkpoint"],
    settings=["preference.max_new_tokens", "evaluation.batch_size"],
    kinds={"polars", "pytorch"},
    pool="gpu",
)
def chat_responses(step: Step) -> dict[str, Any]:
    """Answers of the SFT checkpoint to the open preference prompts.

    Choice questions are not answered: their pairs need the key only. Greedy decoding, so that the
    same checkpoint gives the same answers.
    """
    from carebot_assets.training.generate import generate

    prompts = step.scan("preference_prompts").collect()
    is_open = prompts["kind"] != "choice"
    answers = generate(
        step.path("sft_checkpoint"),
        prompts.filter(is_open)["prompt"].to_list(),
        max_new_tokens=step.settings.preference.max_new_tokens,
        batch_size=step.settings.evaluation.batch_size,
    )
    step.write(preference.responses(prompts, answers, step.content_hash("sft_checkpoint")))
    return preference.summarize_responses(step.written())


@artifact(
    inputs=["preference_prompts", "chat_responses"],
    settings=["teacher.model", "teacher.base_url", "teacher.offline", "teacher.max_chars"],
    kinds={"polars", "openai"},
    extra=lambda: prompt_versions(preference.ANSWER_ROLE, preference.JUDGE_ROLE),
    retry_while="num_subjective_failed",
)
def dpo_pairs(step: Step, teacher: TeacherResource) -> dict[str, Any]:
    """Chosen and rejected answers, or the reason why a prompt gave no pair.

    Subjective: the teacher answers as a doctor and judges its answer against the model's, in both
    orders; contradictions, ties and failures give no pair and are counted, and while calls have
    failed, the next run asks those again. Objective: the right option against a wrong one chosen by
    hash. Source: CareBot 1.5.
    """
    prompts = step.scan("preference_prompts").collect()
    is_choice = pl.col("kind") == "choice"
    asked = prompts.filter(~is_choice)
    with teacher.open() as model:
        answers = model.ask(preference.ANSWER_ROLE, preference.answer_items(asked), log=step.log)
        responses = step.scan("chat_responses").collect()
        candidates = preference.candidates(asked, responses, answers)
        compared = candidates.filter("is_judged")
        straight, swapped = (
            model.ask(
                preference.JUDGE_ROLE,
                preference.judge_items(compared, swapped=order),
                log=step.log,
            )
            for order in (False, True)
        )
        subjective = preference.subjective_pairs(candidates, straight, swapped)
        by_key = objective.objective_pairs(prompts.filter(is_choice))
        step.write(preference.pairs(prompts, subjective, by_key, model.description))
    return preference.summarize(step.written())


@artifact(
    inputs=["dpo_pairs", "sft_checkpoint", "held_out_text"],
    settings=[f"preference.{name}" for name in TRAINING],
    kinds={"pytorch", "huggingface"},
    pool="gpu",
)
def dpo_checkpoint(step: Step, launcher: Launcher) -> dict[str, Any]:
    """Aligned chat model: the SFT checkpoint after direct preference optimisation.

    Reward accuracy and margin are in the log. Source: CareBot 1.5 (CareBot-Chat RL).
    """
    refuse_if_failed(step, ["dpo_pairs", "sft_checkpoint", "held_out_text"])
    config = {
        "model": step.path("sft_checkpoint"),
        "data": step.path("dpo_pairs") / "data.parquet",
        "held_out": step.path("held_out_text") / "data.parquet",
        "train": step.settings.preference.model_dump(),
    }
    report = launcher.train(step, "dpo", config)
    return curves.summary(report, step.draft.dir / "training_log.parquet")
