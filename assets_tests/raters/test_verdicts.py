import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.expectations import accounted, conforms
from carebot_assets.raters import guards, verdicts
from carebot_assets.settings import Settings
from carebot_assets.tables import BY_NAME

DOCUMENTS = pl.LazyFrame(
    {"doc_id": list("abcde"), "shard": "s", "alive": [True, True, False, True, True]}
)


def test_domain(demo: Settings) -> None:
    predicted = pl.DataFrame(
        {
            "doc_id": ["b", "a", "d"],
            "label": ["Sports", "Health & Medicine", None],
            "p_medical": [0.49999, 0.5, None],
            "prefiltered": False,
        }
    )
    table = verdicts.domain(DOCUMENTS, predicted, demo.domain, "hash").collect()
    assert conforms(BY_NAME["domain_verdicts"], table.lazy()).passed
    assert table["verdict"].to_list() == ["keep", "drop", "skip", "failed", "failed"]
    assert table["reasons"].to_list() == [[], ["domain_not_medical_v1"], [], [], []]
    assert accounted(table.lazy()).passed
    assert guards.follows_threshold(table.lazy(), "p_medical").passed
    assert verdicts.summarize(table.lazy(), "p_medical")["keep_ratio"] == 0.5


def test_quality(demo: Settings) -> None:
    predicted = pl.DataFrame({"doc_id": list("abde"), "score": [4.0, 3.0, 2.99, None]})
    table = verdicts.quality(DOCUMENTS, predicted, demo.quality, "hash").collect()
    assert conforms(BY_NAME["quality_scores"], table.lazy()).passed
    assert table["verdict"].to_list() == ["keep", "keep", "skip", "drop", "failed"]
    assert table["tier"].to_list() == ["very_high", "high", None, "low", None]
    assert table["reasons"].to_list()[3] == ["quality_below_threshold_v1"]


def judged(*rows: tuple[str, float | None]) -> pl.LazyFrame:
    return rows_of(
        "quality_scores", *({"verdict": v, "score": s, "threshold": 3.0} for v, s in rows)
    ).lazy()


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([("keep", 3.0), ("drop", 2.9), ("skip", None), ("failed", None)], True),
        ([("keep", 2.9)], False),
        ([("keep", None)], False),
        ([("drop", 3.0)], False),
        ([("skip", 1.0)], False),
        ([("failed", 3.5)], False),
    ],
)
def test_follows_threshold(rows: list[tuple[str, float | None]], passed: bool) -> None:
    assert guards.follows_threshold(judged(*rows), "score").passed is passed


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([("keep", 3.0), ("drop", 1.0)], True),
        ([("drop", 1.0)] * 50, False),
        ([("keep", 4.0)] * 50, False),
        ([("skip", None)], True),
    ],
)
def test_keep_rate(rows: list[tuple[str, float | None]], passed: bool) -> None:
    assert guards.keep_rate(judged(*rows), (0.05, 0.95)).passed is passed


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([("keep", 3.0), ("drop", 1.0)], True),
        ([("keep", 3.0), ("keep", 3.001)] * 5, False),
        ([("keep", 3.0)] * 10, False),
        ([("keep", 3.0), ("drop", 2.0)] * 5, True),
        ([("keep", 3.0), ("keep", 3.001)], True),
        ([("keep", 3.0)] * 2, False),
        ([("keep", 3.0)], True),
        ([("skip", None)], True),
    ],
)
def test_not_constant(rows: list[tuple[str, float | None]], passed: bool) -> None:
    assert guards.not_constant(judged(*rows), "score").passed is passed


@pytest.mark.parametrize(
    ("metrics", "passed"),
    [({"medical_f1": 0.8}, True), ({"medical_f1": 0.79}, False), ({"medical_f1": None}, False),
     ({}, False), ({"medical_f1": float("nan")}, False)],
)  # fmt: skip
def test_floor(metrics: dict[str, float], passed: bool) -> None:
    assert guards.floor("medical_f1", metrics, 0.8).passed is passed


@pytest.mark.parametrize(
    ("metrics", "passed"),
    [
        ({"largest_class_ratio": 0.5, "num_predicted_labels": 5}, True),
        ({"largest_class_ratio": 1.0, "num_predicted_labels": 1}, False),
        ({"largest_class_ratio": 0.99, "num_predicted_labels": 2}, False),
        ({}, False),
    ],
)
def test_not_collapsed(metrics: dict[str, float], passed: bool) -> None:
    assert guards.not_collapsed(metrics).passed is passed


@pytest.mark.parametrize(("wanted", "passed"), [(["A"], True), (["A", "B"], False)])
def test_class_minimum(wanted: list[str], passed: bool) -> None:
    rows = [{"label": "A", "status": "agreed"}] * 3 + [{"label": "B", "status": "agreed"}] * 2
    rows += [{"label": None, "status": "disagreed"}] * 4
    finding = guards.class_minimum(rows_of("domain_seed_labels", *rows).lazy(), wanted, 3)
    assert finding.passed is passed
    assert finding.metadata["short"] == ({} if passed else {"B": 2})
