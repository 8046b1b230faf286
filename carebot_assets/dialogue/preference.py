"""Preference pairs: which prompts, and which of two answers is the better one.

Subjective pairs come from open questions: a teacher answers as a doctor and judges its answer
against the model's, in both orders. Objective pairs come from choice questions: the right option
against a wrong one, so that alignment does not cost knowledge.
Source: CareBot 1.5.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

from carebot_assets.dialogue.deita import Answer
from carebot_assets.dialogue.selection import hashed_share

ANSWER_ROLE, JUDGE_ROLE = "doctor_answer", "judge_pair"
SPEAKER = {
    "zh": {"user": "病人", "assistant": "医生"},
    "en": {"user": "Patient", "assistant": "Doctor"},
}
FAILED = {"doctor_answer_failed_v1", "judge_failed_v1"}


def prompts(sft_set: pl.LazyFrame, num_prompts: int) -> pl.DataFrame:
    """Table `preference_prompts`: a sample, by hash, of the records held out from SFT."""
    held_out = sft_set.filter(pl.col("verdict") == "keep", pl.col("split") == "preference")
    # The split was made by the first digits of another hash; these are independent of it.
    sample = (
        held_out.select("record_id")
        .with_columns(order=hashed_share(pl.col("record_id")))
        .sort("order", "record_id")
        .head(num_prompts)
    )
    return (
        held_out.join(sample, on="record_id", how="semi", maintain_order="left")
        .select(
            "record_id",
            "kind",
            "lang",
            prompt=pl.col("turns").list.head(pl.col("turns").list.len() - 1),
            reference=pl.col("turns").list.last().struct.field("text"),
            answer_key="answer_key",
            options="options",
        )
        .collect()
    )


class Response(Protocol):
    """What is read of a generated answer."""

    @property
    def text(self) -> str: ...
    @property
    def num_tokens(self) -> int: ...
    @property
    def finished(self) -> bool: ...


def responses(all_prompts: pl.DataFrame, answers: Sequence[Response], model: str) -> pl.DataFrame:
    """Table `chat_responses`: `answers` belong to the open prompts, in order."""
    is_open = pl.col("kind") != "choice"
    given = all_prompts.filter(is_open).select(
        "record_id",
        response=pl.Series([answer.text for answer in answers], dtype=pl.String),
        num_tokens=pl.Series([answer.num_tokens for answer in answers], dtype=pl.Int64),
        finished=pl.Series([answer.finished for answer in answers], dtype=pl.Boolean),
    )
    return (
        all_prompts.select("record_id")
        .join(given, on="record_id", how="left", maintain_order="left")
        .with_columns(model=pl.lit(model))
    )


def summarize_responses(table: pl.LazyFrame) -> dict[str, Any]:
    """Counts and lengths of the model's answers, for metadata."""
    given = table.filter(pl.col("response").is_not_null()).collect()
    return {
        "num_responses": given.height,
        "num_empty": int((given["response"].str.strip_chars() == "").sum()),
        "mean_tokens": given["num_tokens"].mean(),
        "finished_ratio": given["finished"].mean(),
    }


def transcript() -> pl.Expr:
    """The prompt as text with a speaker before every turn, in the language of the record."""

    def line(lang: str) -> pl.Expr:
        role, text = pl.element().struct.field("role"), pl.element().struct.field("text")
        return pl.format("{}: {}", role.replace_strict(SPEAKER[lang], default=role), text)

    by_lang = {lang: pl.col("prompt").list.eval(line(lang)).list.join("\n") for lang in SPEAKER}
    return pl.when(pl.col("lang") == "zh").then(by_lang["zh"]).otherwise(by_lang["en"])


def answer_items(open_prompts: pl.DataFrame) -> list[dict[str, str]]:
    """Items that ask the teacher for a doctor's answer."""
    return open_prompts.select(dialogue=transcript()).to_dicts()


def judge_items(candidates: pl.DataFrame, swapped: bool) -> list[dict[str, str]]:
    """Items that compare `teacher_answer` (a, or b when swapped) with `response`."""
    first, second = ("response", "teacher_answer") if swapped else ("teacher_answer", "response")
    return candidates.select(
        dialogue=transcript(), answer_a=pl.col(first), answer_b=pl.col(second)
    ).to_dicts()


def candidates(
    open_prompts: pl.DataFrame, responses: pl.DataFrame, answers: Sequence[Answer]
) -> pl.DataFrame:
    """Open prompts with both answers; `is_judged` where there are two different ones to compare."""
    texts = [answer.value["answer"] if answer.value else None for answer in answers]
    joined = open_prompts.with_columns(teacher_answer=pl.Series(texts, dtype=pl.String)).join(
        responses.select("record_id", "response"),
        on="record_id",
        how="left",
        maintain_order="left",
    )
    mine, theirs = (pl.col(name).str.strip_chars() for name in ("response", "teacher_answer"))
    return joined.with_columns(is_judged=((mine != "") & (mine != theirs)).fill_null(False))


def subjective_pairs(
    compared: pl.DataFrame, straight: Sequence[Answer], swapped: Sequence[Answer]
) -> pl.DataFrame:
    """Verdicts on the candidates from the judge's answers in both orders.

    `straight` and `swapped` answer `judge_items` of the rows with `is_judged`. A pair needs the
    same winner twice; ties, contradictions and failures are dropped by name.
    """
    names = {"a": "teacher", "b": "model", "tie": "tie"}
    swapped_names = {"a": "model", "b": "teacher", "tie": "tie"}
    votes = [
        [_winner(one, names), _winner(two, swapped_names)]
        for one, two in zip(straight, swapped, strict=True)
    ]
    judged = compared.filter("is_judged").select(
        "record_id",
        votes=pl.Series(votes, dtype=pl.List(pl.String)),
    )
    frame = compared.join(judged, on="record_id", how="left", maintain_order="left")
    first = pl.col("votes").list.get(0, null_on_oob=True)
    second = pl.col("votes").list.get(1, null_on_oob=True)
    response = pl.col("response").fill_null("").str.strip_chars()
    reason = (
        pl.when(pl.col("teacher_answer").is_null())
        .then(pl.lit("doctor_answer_failed_v1"))
        .when(response == "")
        .then(pl.lit("empty_response_v1"))
        .when(~pl.col("is_judged"))
        .then(pl.lit("same_answers_v1"))
        .when((first == "failed") | (second == "failed"))
        .then(pl.lit("judge_failed_v1"))
        .when(first != second)
        .then(pl.lit("judge_inconsistent_v1"))
        .when(first == "tie")
        .then(pl.lit("judge_tie_v1"))
    )
    is_teacher = pl.col("chosen_from") == "teacher"
    return (
        frame.with_columns(reason=reason, chosen_from=pl.when(reason.is_null()).then(first))
        .with_columns(
            chosen=pl.when(is_teacher).then("teacher_answer").otherwise("response"),
            rejected=pl.when(is_teacher).then("response").otherwise("teacher_answer"),
        )
        .select("record_id", "reason", "chosen_from", "chosen", "rejected", "votes")
    )


def _winner(answer: Answer, names: dict[str, str]) -> str:
    if answer.status != "ok" or answer.value is None:
        return "failed"
    return names[answer.value["winner"]]


def pairs(
    all_prompts: pl.DataFrame, subjective: pl.DataFrame, objective: pl.DataFrame, teacher: str
) -> pl.DataFrame:
    """Table `dpo_pairs`: one row per prompt, in order, with a pair or the reason for none."""
    objective = objective.select(
        "record_id",
        pl.when(~pl.col("has_wrong")).then(pl.lit("no_wrong_option_v1")).alias("reason"),
        pl.lit("key").alias("chosen_from"),
        "chosen",
        "rejected",
        pl.lit(None, pl.List(pl.String)).alias("votes"),
    )
    both = pl.concat([subjective, objective], how="vertical_relaxed")
    is_kept = pl.col("reason").is_null()
    verdict = (
        pl.when(is_kept)
        .then(pl.lit("keep"))
        .when(pl.col("reason").is_in(sorted(FAILED)))
        .then(pl.lit("failed"))
        .otherwise(pl.lit("drop"))
    )
    is_choice = pl.col("kind") == "choice"
    return (
        all_prompts.select("record_id", "kind", "lang", "prompt")
        .join(both, on="record_id", how="left", maintain_order="left")
        .with_columns(
            verdict=verdict,
            reasons=pl.concat_list("reason").list.drop_nulls(),
            kind=pl.when(is_choice).then(pl.lit("objective")).otherwise(pl.lit("subjective")),
            chosen=pl.when(is_kept).then("chosen"),
            rejected=pl.when(is_kept).then("rejected"),
            chosen_from=pl.when(is_kept).then("chosen_from"),
            teacher=pl.when(~is_choice).then(pl.lit(teacher)),
        )
        .drop("reason")
    )


def summarize(table: pl.LazyFrame) -> dict[str, Any]:
    """Counts, the judge's consistency and the length of what it prefers, for metadata."""
    frame = table.collect()
    kept = frame.filter(pl.col("verdict") == "keep")
    counts = frame.group_by("kind", "verdict").len().sort("kind", "verdict").rows()
    reasons = (
        frame.select(pl.col("reasons").explode(empty_as_null=False))
        .group_by("reasons")
        .len()
        .sort("len", "reasons", descending=[True, False])
        .rows()
    )
    rows = [f"| {name} | {count} |" for name, count in reasons]
    return {
        "num_pairs": kept.height,
        **{f"num_{kind}_{verdict}": count for kind, verdict, count in counts},
        "num_chosen_from": dict(kept.group_by("chosen_from").len().sort("chosen_from").rows()),
        "order_consistency_ratio": order_consistency(frame.lazy()),
        "length_ratio": length_ratio(frame.lazy()),
        "reasons": "\n".join(["| reason | prompts |", "|---|---:|", *rows]),
    }


def order_consistency(table: pl.LazyFrame) -> float | None:
    """Share of judged pairs whose verdict does not depend on the order; None without any."""
    votes = pl.col("votes")
    judged = table.filter(votes.list.len() == 2, ~votes.list.contains("failed"))
    same = judged.select((votes.list.get(0) == votes.list.get(1)).mean()).collect().item()
    return None if same is None else float(same)


def length_ratio(table: pl.LazyFrame) -> float | None:
    """Characters of the chosen over those of the rejected answers of subjective pairs."""
    lengths = (
        table.filter(pl.col("verdict") == "keep", pl.col("kind") == "subjective")
        .select(pl.col("chosen", "rejected").str.len_chars().sum())
        .collect()
        .row(0)
    )
    return lengths[0] / lengths[1] if lengths[1] else None
