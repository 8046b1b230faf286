import polars as pl
import pytest

from carebot_assets.expectations import conforms
from carebot_assets.tables import BY_NAME
from carebot_assets.teacher import agreement, consensus
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
    report = agreement.report(table.lazy(), rounds, "offline heuristic teacher")
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
    report = agreement.report(table.lazy(), rounds, "m", 2.0)
    assert (report["num_agreed"], report["num_disagreed"], report["num_failed"]) == (2, 1, 1)
    assert report["failed_documents"] == ["c"]


def test_people_win_and_are_marked() -> None:
    rounds = [answers([{"label": x} if x else None for x in row]) for row in ("AAAB", "ABAB")]
    rounds[0][2] = answers([None])[0]
    people = {"a": "B", "b": "B", "c": "C"}
    table = consensus.agreed_labels(SAMPLE, rounds, "m", people)
    assert table["label"].to_list() == ["B", "B", "C", "B"]
    assert table["status"].to_list() == ["agreed"] * 4
    assert table["labeled_by"].to_list() == ["human", "human", "human", "teacher"]
    assert table["label_1"].to_list() == ["A", "A", None, "B"]  # the teacher's word stays visible
    found = agreement.agreement(table.lazy())
    # Agreement is of the teacher with itself; a failed call stays a failure to be asked again.
    assert (found["num_agreed"], found["num_disagreed"], found["num_failed"]) == (2, 1, 1)
    assert found["num_by_people"] == 3 and found["people_agreement_ratio"] == 0.0
    rounds = [answers([scored(x) for x in (4.0, 4.0, 3.0, 1.0)])] * 2
    table = consensus.agreed_scores(SAMPLE, rounds, 2.0, "m", {"a": 1.5, "b": 4.0})
    assert table["score"].to_list() == [1.5, 4.0, 3.0, 1.0]
    assert agreement.agreement(table.lazy())["people_mean_gap"] == 1.25


def test_agreement_by_language_source_and_class() -> None:
    sample = pl.LazyFrame(
        {"doc_id": list("abcd"), "lang": ["zh", "zh", "en", "en"], "source": list("stst")}
    )
    rounds = [
        answers([{"label": x} for x in "ABAB"]),
        answers([{"label": x} for x in "ABBB"]),
    ]
    groups = agreement.by_group(consensus.agreed_labels(sample, rounds, "m").lazy())
    assert "| zh | 2 | 0 | 100.0% | 1.000 |" in groups["agreement_by_lang"]
    assert "| en | 2 | 0 | 50.0% | 0.000 |" in groups["agreement_by_lang"]
    assert "| A | 2 | 0 | 50.0% |  |" in groups["agreement_by_class"]
    assert "| B | 3 | 0 | 66.7% |  |" in groups["agreement_by_class"]
    scores = consensus.agreed_scores(sample, [answers([scored(2.0)] * 4)] * 2, 2.0, "m")
    assert "| 2 | 4 | 0 | 100.0% |  |" in agreement.by_group(scores.lazy())["agreement_by_score"]


def test_weighted_kappa_counts_distance_not_rank() -> None:
    """Scores between which nobody gave one are still apart."""
    one, two = pl.Series([0.0, 5.0, 4.5, 0.5]), pl.Series([0.0, 5.0, 5.0, 0.0])
    assert agreement.kappa(one, two, "quadratic") > 0.95


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
    assert agreement.kappa(pl.Series(one), pl.Series(two), weights) == expected
