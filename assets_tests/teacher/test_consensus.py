import polars as pl
import pytest

from carebot_assets.expectations import conforms
from carebot_assets.tables import BY_NAME
from carebot_assets.teacher import consensus
from carebot_assets.teacher.client import Answer

SAMPLE = pl.LazyFrame({"doc_id": list("abcd"), "lang": ["zh"] * 4, "source": ["s"] * 4})


def answers(values: list[dict[str, object] | None]) -> list[Answer]:
    return [
        Answer("ok" if value else "failed", value, None if value else "timeout", False, 10, 2, 0.01)
        for value in values
    ]


def scored(score: float | None) -> dict[str, object] | None:
    return None if score is None else dict.fromkeys(consensus.SUB_SCORES, 0.5) | {"score": score}


def test_labels() -> None:
    rounds = [
        answers([{"label": "A"}, {"label": "A"}, None, {"label": "B"}]),
        answers([{"label": "A"}, {"label": "B"}, {"label": "A"}, {"label": "B"}]),
    ]
    table = consensus.agreed_labels(SAMPLE, rounds, "m").select(
        list(BY_NAME["domain_seed_labels"].columns)
    )
    assert conforms(BY_NAME["domain_seed_labels"], table.lazy()).passed
    assert table["status"].to_list() == ["agreed", "disagreed", "failed", "agreed"]
    assert table["label"].to_list() == ["A", None, None, "B"]
    report = consensus.report(table.lazy(), rounds, "offline heuristic teacher")
    assert (report["coverage_ratio"], report["agreement_ratio"]) == (0.75, pytest.approx(2 / 3))
    assert report["kappa"] == pytest.approx(0.4) and report["num_calls"] == 8
    assert report["cost_usd"] == 0.08 and report["errors"] == ["timeout"]


def test_scores() -> None:
    rounds = [
        answers([scored(x) for x in (4.0, 4.0, None, 1.0)]),
        answers([scored(x) for x in (3.5, 2.0, 3.0, 2.75)]),
    ]
    table = consensus.agreed_scores(SAMPLE, rounds, 2.0, "m")
    table = table.select(list(BY_NAME["quality_seed_scores"].columns))
    assert conforms(BY_NAME["quality_seed_scores"], table.lazy()).passed
    assert table["status"].to_list() == ["agreed", "disagreed", "failed", "agreed"]
    assert table["score"].to_list() == [3.75, None, None, 1.875]
    assert table["grammar"].to_list() == [0.5, 0.5, None, 0.5]


@pytest.mark.parametrize(
    ("one", "two", "weights", "expected"),
    [
        (["A", "B"], ["A", "B"], None, 1.0),
        (["A", "A"], ["A", "A"], None, None),
        ([], [], None, None),
        (["A", "B", "A", "B"], ["A", "A", "B", "B"], None, 0.0),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "quadratic", 1.0),
        ([1.0, 5.0], [5.0, 1.0], "quadratic", -1.0),
    ],
)
def test_kappa(one: list[object], two: list[object], weights: str | None, expected: float) -> None:
    assert consensus.kappa(pl.Series(one), pl.Series(two), weights) == expected
