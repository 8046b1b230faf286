from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.evaluation import checks as subject
from carebot_assets.evaluation.suites import DIMENSIONS


def scores(*rows: tuple[str, str, str]) -> pl.LazyFrame:
    return rows_of(
        "benchmark_scores",
        *(
            {"item_id": i, "answer": a, "prediction": p, "correct": a == p, "suite": "medqa"}
            for i, a, p in rows
        ),
    ).lazy()


GOOD = [("medqa/t#0", "B", "A"), ("medqa/t#1", "D", "D")]


@pytest.fixture
def medqa(items: pl.DataFrame) -> pl.LazyFrame:
    return items.lazy().filter(pl.col("suite") == "medqa")


@pytest.mark.parametrize(
    ("rows", "passed", "said"),
    [
        (GOOD, True, "2 answers to 2 items"),
        (GOOD[:1], False, "1 missing"),
        ([*GOOD, ("medqa/t#9", "A", "A")], False, "1 unknown"),
        ([*GOOD, GOOD[0]], False, "1 repeated"),
    ],
)
def test_answered_once(
    medqa: pl.LazyFrame, rows: list[tuple[str, str, str]], passed: bool, said: str
) -> None:
    finding = subject.answered_once(scores(*rows), medqa)
    assert finding.passed is passed and said in finding.description


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (("medqa/t#0", "B", "D"), True),
        (("medqa/t#0", "B", "E"), False),
        (("medqa/t#0", "C", "C"), False),
        (("medqa/t#9", "B", "B"), False),
    ],
)
def test_predictions_legal(medqa: pl.LazyFrame, row: tuple[str, str, str], passed: bool) -> None:
    finding = subject.predictions_legal(scores(row), medqa)
    assert finding.passed is passed
    assert finding.metadata["num_wrong"] == (not passed)


def test_a_wrong_mark_or_a_missing_prediction_is_found(medqa: pl.LazyFrame) -> None:
    marked = scores(GOOD[0]).with_columns(correct=pl.lit(True))
    assert not subject.predictions_legal(marked, medqa).passed
    empty = scores(GOOD[0]).with_columns(prediction=pl.lit(None, pl.String))
    assert not subject.predictions_legal(empty, medqa).passed


@pytest.mark.parametrize(
    ("num_right", "passed", "above", "said"),
    [
        (2, False, False, "below chance"),
        (25, True, False, "not above chance"),
        (60, True, True, "above chance"),
    ],
)
def test_above_chance(num_right: int, passed: bool, above: bool, said: str) -> None:
    item: dict[str, Any] = {"suite": "medqa", "options": list("wxyz"), "answer": "A"}
    items = rows_of("benchmark_items", *({"item_id": str(n), **item} for n in range(100)))
    answers = scores(*((str(n), "A", "A" if n < num_right else "B") for n in range(100)))
    finding = subject.above_chance(answers, items.lazy())
    assert (finding.passed, finding.metadata["above"]) == (passed, above)
    assert said in finding.description and finding.metadata["chance"] == 0.25
    assert not subject.above_chance(answers.head(0), items.lazy()).passed


def consultation(turn: int, grade: float | None, status: str = "scored") -> dict[str, Any]:
    grades = dict.fromkeys(DIMENSIONS, grade)
    return {"item_id": "cmtmedqa/t#0", "turn": turn, "status": status, **grades}


FAILED = consultation(2, None, "failed")


@pytest.mark.parametrize(
    ("rows", "min_ratio", "passed", "said"),
    [
        ([consultation(1, 3), consultation(2, 4)], 0.95, True, "inside"),
        ([consultation(1, 3), FAILED], 0.95, False, "share of rounds with grades 0.5 outside"),
        ([consultation(1, 3), FAILED], 0.5, True, "inside"),
        ([consultation(1, 3)], 0.5, False, "1 rounds without a row"),
        ([consultation(n, 3) for n in (1, 2, 3)], 0.5, False, "1 rows without a round"),
    ],
)
def test_turns_judged(
    items: pl.DataFrame, rows: list[dict[str, Any]], min_ratio: float, passed: bool, said: str
) -> None:
    table = rows_of("consultation_scores", *rows).lazy()
    finding = subject.turns_judged(table, items.lazy(), min_ratio)
    assert finding.passed is passed and said in finding.description


@pytest.mark.parametrize(
    ("row", "passed"),
    [
        (consultation(1, 5), True),
        (FAILED, True),
        (consultation(1, 0.5), False),
        (consultation(1, None), False),
        (consultation(1, 3, "failed"), False),
        (consultation(1, 3) | {"fluency": None}, False),
    ],
)
def test_grades_in_scale(row: dict[str, Any], passed: bool) -> None:
    finding = subject.grades_in_scale(rows_of("consultation_scores", row).lazy())
    assert finding.passed is passed


def test_counts_as_published() -> None:
    rows = [
        {"item_id": str(n), "suite": "ceval_med", "subject": "basic_medicine"} for n in range(19)
    ]
    items = rows_of("benchmark_items", *rows, {"item_id": "x", "suite": "own"})
    adapters = {"ceval_med": "ceval", "own": "toyhom"}
    finding = subject.counts_as_published(items.lazy(), adapters)
    assert finding.passed and finding.metadata["num_compared"] == 1
    short = items.filter(pl.col("item_id") != "3").lazy()
    finding = subject.counts_as_published(short, adapters)
    assert not finding.passed and "ceval_med 18 instead of 19" in finding.description
    assert subject.counts_as_published(short, {}).passed
