"""Judged consultations: a chat model answers every turn of a dialogue and a teacher grades it.

The history is teacher-forced: earlier turns hold the reference answers, not the model's, so that
one bad answer does not spoil the turns after it and all models are asked the same.

Source: CMB-Clin protocol (arXiv 2308.08833), which CareBot 5.1 applies to CMtMedQA as well.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from carebot_assets import tables
from carebot_assets.evaluation.suites import DIMENSIONS, JudgeProtocol

SCHEMA = tables.BY_NAME["consultation_scores"].schema
SPEAKERS = {"user": "Patient", "assistant": "Doctor"}

Turn = dict[str, str]
Generate = Callable[[list[list[Turn]], int], list[str]]
CountTokens = Callable[[list[list[Turn]]], list[int]]


class JudgedAnswer(Protocol):
    """A teacher's answer (`teacher.client.Answer`)."""

    @property
    def status(self) -> str: ...
    @property
    def value(self) -> Mapping[str, Any] | None: ...


class Judge(Protocol):
    """What is needed of a teacher (`teacher.client.Teacher`)."""

    @property
    def model(self) -> str: ...
    def ask(
        self,
        role: str,
        items: Sequence[Mapping[str, str]],
        *,
        round: int = 0,
        log: logging.Logger | None = None,
    ) -> Sequence[JudgedAnswer]: ...


def rounds_of(items: pl.LazyFrame) -> pl.DataFrame:
    """Every round to be answered: `item_id`, `turn` from 1, `history` up to and with the question,
    and the `reference` answer."""
    rows = [
        {
            "item_id": item["item_id"],
            "suite": item["suite"],
            "turn": index // 2 + 1,
            "history": item["turns"][:index],
            "reference": turn["text"],
        }
        for item in items.filter(pl.col("turns").is_not_null()).collect().to_dicts()
        for index, turn in enumerate(item["turns"])
        if turn["role"] == "assistant"
    ]
    schema: dict[str, Any] = {
        "item_id": pl.String,
        "suite": pl.String,
        "turn": pl.Int64,
        "history": tables.TURNS,
        "reference": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def run(
    items: pl.LazyFrame,
    protocol: JudgeProtocol,
    generate: Generate,
    judge: Judge,
    *,
    max_new_tokens: int,
    log: logging.Logger | None = None,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Answer and grade every round.

    Args:
        items: the suite's rows of `benchmark_items`.
        protocol: role and scale of the judge.
        generate: the chat model; conversations in, answers out, in the same order.
        judge: an open teacher.
        max_new_tokens: limit of an answer.
        log: told how far the judge is.

    Returns:
        Rows of `consultation_scores` without checkpoint and model, and counts for the manifest.
        An answer whose grading failed, or lies outside the scale, has no grades; of these only the
        first (`num_failed_calls`) is worth asking again.

    Raises:
        ValueError: the generator gave another number of answers than it was asked for.
    """
    rounds = rounds_of(items)
    histories: list[list[Turn]] = rounds["history"].to_list()
    responses = generate(histories, max_new_tokens)
    if len(responses) != rounds.height:
        raise ValueError(f"{len(responses)} answers to {rounds.height} conversations")
    questions = [
        {"dialogue": transcript(history), "reference": reference, "answer": response}
        for history, reference, response in zip(
            histories, rounds["reference"], responses, strict=True
        )
    ]
    answers = judge.ask(protocol.role, questions, round=0, log=log)
    grades = [_grades(answer, protocol) for answer in answers]
    frame = rounds.select(
        "item_id",
        "suite",
        "turn",
        response=pl.Series(responses, dtype=pl.String),
        status=pl.Series(["scored" if g else "failed" for g in grades], dtype=pl.String),
        **{name: pl.Series([g.get(name) for g in grades], dtype=pl.Float64) for name in DIMENSIONS},
        judge=pl.lit(judge.model),
    )
    failed_calls = sum(answer.status != "ok" for answer in answers)
    return frame, {**summarize(frame), "num_failed_calls": failed_calls}


def shorten(
    histories: list[list[Turn]], count_tokens: CountTokens, max_tokens: int
) -> tuple[list[list[Turn]], int]:
    """Leave out the oldest rounds of conversations that are too long for the model.

    The question itself is never cut.

    Returns:
        The conversations, in the same order, and how many were shortened.
    """
    shortened = list(histories)
    open_ones = list(range(len(histories)))
    while open_ones:
        counts = count_tokens([shortened[i] for i in open_ones])
        open_ones = [
            i
            for i, count in zip(open_ones, counts, strict=True)
            if count > max_tokens and len(shortened[i]) > 2
        ]
        for i in open_ones:
            shortened[i] = shortened[i][2:]
    num = sum(len(a) != len(b) for a, b in zip(histories, shortened, strict=True))
    return shortened, num


def transcript(history: Sequence[Turn]) -> str:
    """A conversation as text for the judge."""
    return "\n".join(f"{SPEAKERS[turn['role']]}: {turn['text']}" for turn in history)


def summarize(frame: pl.DataFrame) -> dict[str, Any]:
    """Counts and mean grades of the scored answers."""
    scored = frame.filter(pl.col("status") == "scored")
    means = {f"mean_{name}": scored[name].mean() for name in DIMENSIONS}
    return {
        "num_dialogues": frame["item_id"].n_unique(),
        "num_answers": frame.height,
        "num_failed": frame.height - scored.height,
        "num_empty_answers": int((frame["response"].str.strip_chars() == "").sum()),
        "mean_answer_chars": frame["response"].str.len_chars().mean(),
        **means,
    }


def _grades(answer: JudgedAnswer, protocol: JudgeProtocol) -> dict[str, float]:
    if answer.status != "ok" or answer.value is None:
        return {}
    grades = {name: float(answer.value[name]) for name in DIMENSIONS}
    return grades if all(protocol.low <= g <= protocol.high for g in grades.values()) else {}
