"""Numbers of a rater's report, by hand."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from carebot_assets.raters import scores

LABELS = ["Medicine", "Sports", "Gaming"]
# Language, source, the teacher's label and the guess (numbers of labels; -1 was never trained), and
# the documents a row stands for.
LABELLED = [
    ("zh", "web", 0, 0, 1.0),
    ("zh", "web", 0, 1, 1.0),
    ("zh", "web", 1, 1, 1.0),
    ("zh", "news", 1, 0, 1.0),
    ("en", "web", 0, 0, 1.0),
    ("en", "news", 1, 1, 2.0),
    ("en", "news", 2, 1, 1.0),
    ("en", "news", -1, 2, 1.0),
]
# Language, source, characters, the teacher's score and the guess.
SCORED = [
    ("zh", "web", 100, 1.0, 1.0),
    ("zh", "web", 200, 2.5, 3.5),
    ("zh", "news", 300, 4.0, 4.5),
    ("en", "web", 400, 3.0, 2.0),
    ("en", "news", 500, 3.5, 4.0),
    ("en", "news", 600, 5.0, 5.0),
]
THIRD, TWO_THIRDS = pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)


def prf(precision: Any, recall: Any, f1: Any, num: int) -> dict[str, Any]:
    return {"precision": precision, "recall": recall, "f1": f1, "num_documents": num}


def fit(num: int, spearman: Any, error: Any, at_3: Any, at_4: Any) -> dict[str, Any]:
    return {
        "num_documents": num, "spearman": spearman, "mean_absolute_error": error,
        "accuracy_at_3": at_3, "accuracy_at_4": at_4,
    }  # fmt: skip


@pytest.fixture
def classified() -> dict[str, Any]:
    langs, sources, truth, guess, weights = zip(*LABELLED, strict=True)
    return scores.classification(
        np.eye(3)[list(guess)] * 0.7 + 0.1,
        np.array(truth),
        LABELS,
        pl.DataFrame({"lang": langs, "source": sources}),
        np.array([True, False, False]),
        0.5,
        np.array(weights),
    )


@pytest.fixture
def rated() -> dict[str, Any]:
    langs, sources, chars, truth, guess = zip(*SCORED, strict=True)
    strata = pl.DataFrame({"lang": langs, "source": sources, "num_chars": chars})
    return scores.regression(np.array(guess), np.array(truth), strata, (3.0, 4.0))


def test_precision_recall_and_f1_of_every_label(classified: dict[str, Any]) -> None:
    """A row of a label that was never trained is a false alarm of the one it is taken for."""
    assert classified["by_label"] == {
        "Medicine": prf(TWO_THIRDS, TWO_THIRDS, TWO_THIRDS, 3),
        "Sports": prf(0.6, 0.75, TWO_THIRDS, 3),
        "Gaming": prf(0.0, 0.0, 0.0, 1),
    }
    assert classified["macro_f1"] == pytest.approx(4 / 9, abs=1e-4)
    assert classified["accuracy_ratio"] == pytest.approx(5 / 9, abs=1e-4)


def test_precision_recall_and_f1_of_every_label_in_every_language(
    classified: dict[str, Any],
) -> None:
    assert classified["by_lang_and_label"] == {
        "en Medicine": prf(1.0, 1.0, 1.0, 1),
        "en Sports": prf(TWO_THIRDS, 1.0, 0.8, 1),
        "en Gaming": prf(0.0, 0.0, 0.0, 1),
        "zh Medicine": prf(0.5, 0.5, 0.5, 2),
        "zh Sports": prf(0.5, 0.5, 0.5, 2),
        "zh Gaming": prf(0.0, 0.0, 0.0, 0),
    }


@pytest.mark.parametrize(
    ("by", "name", "expected"),
    [
        ("by_lang", "zh", (4, 0.5, 0.5, 0.5, 0.5)),
        ("by_lang", "en", (4, 0.6, 1.0, 1.0, 1.0)),
        ("by_source", "web", (4, 0.75, 1.0, TWO_THIRDS, 0.8)),
        ("by_source", "news", (4, 0.4, 0.0, 0.0, 0.0)),
    ],
)
def test_medical_labels_by_language_and_source(
    classified: dict[str, Any], by: str, name: str, expected: tuple[Any, ...]
) -> None:
    names = ("num_documents", "accuracy_ratio", "medical_precision", "medical_recall", "medical_f1")
    assert classified[by][name] == dict(zip(names, expected, strict=True))


def test_a_label_that_nobody_stands_for_is_not_in_the_mean() -> None:
    """Rows whose documents are not of the corpus have no weight: a label with no others is not in
    the macro average, and what it is taken for is not charged."""
    strata = pl.DataFrame({"lang": ["zh", "en", "en"], "source": ["web"] * 3})
    found = scores.classification(
        np.eye(3)[[0, 1, 1]], np.array([0, 1, 2]), LABELS, strata,
        np.array([True, False, False]), 0.5, np.array([1.0, 1.0, 0.0]),
    )  # fmt: skip
    assert found["by_label"]["Gaming"] == prf(0.0, 0.0, 0.0, 1)
    assert found["by_label"]["Sports"] == prf(1.0, 1.0, 1.0, 1)
    assert found["macro_f1"] == found["accuracy_ratio"] == 1.0


def test_a_rater_altogether(rated: dict[str, Any]) -> None:
    """Ranks differ by one in two of six rows: 1 - 6 * 2 / (6 * 35)."""
    whole = {name: rated[name] for name in fit(0, 0, 0, 0, 0)}
    assert whole == fit(6, pytest.approx(1 - 12 / 210, abs=1e-4), 0.5, TWO_THIRDS,
                        pytest.approx(5 / 6, abs=1e-4))  # fmt: skip
    assert rated["score_std"] == pytest.approx(np.sqrt(78.5 / 6 - (20 / 6) ** 2), abs=1e-4)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("by_lang", {"zh": fit(3, 1.0, 0.5, TWO_THIRDS, 1.0),
                     "en": fit(3, 1.0, 0.5, TWO_THIRDS, TWO_THIRDS)}),
        ("by_source", {"web": fit(3, 0.5, TWO_THIRDS, THIRD, 1.0),
                       "news": fit(3, 1.0, THIRD, 1.0, TWO_THIRDS)}),
        ("by_length", {"short": fit(2, 1.0, 0.5, 0.5, 1.0),
                       "middle": fit(2, 1.0, 0.75, 0.5, 1.0),
                       "long": fit(2, 1.0, 0.25, 1.0, 0.5)}),
    ],
)  # fmt: skip
def test_a_rater_by_language_source_and_length(
    rated: dict[str, Any], by: str, expected: dict[str, Any]
) -> None:
    assert rated[by] == expected


def test_lengths_are_cut_into_thirds() -> None:
    score, chars = np.arange(12.0), np.arange(12)[::-1]
    strata = pl.DataFrame({"lang": "zh", "source": "web", "num_chars": chars})
    found = scores.regression(score, score, strata, (3.0,))["by_length"]
    assert [found[name]["num_documents"] for name in ("short", "middle", "long")] == [4, 4, 4]


def test_partial_rank_correlation() -> None:
    """Rank correlations 0.8, 0.8 and 0.4 of four rows: (0.8 - 0.8 * 0.4) / root of 0.36 * 0.84."""
    one, two, given = (np.array(x, float) for x in ([1, 2, 3, 4], [1, 2, 4, 3], [1, 3, 2, 4]))
    expected = pytest.approx(0.48 / np.sqrt(0.36 * 0.84), abs=1e-4)
    assert scores.partial_rank_correlation(one, two, given) == expected
    # Ranks alone count.
    assert scores.partial_rank_correlation(np.exp(one), two**3, given - 9) == expected


@pytest.mark.parametrize(
    ("rulers", "expected"), [(("zh", "en"), 1.0), (("zh",), 0.25), (("en",), 0.75), ((), 0.0)]
)
def test_a_rater_that_measures_length_is_seen(rulers: tuple[str, ...], expected: float) -> None:
    """Its scores are the lengths, which no score of the teacher explains; a quarter of the
    documents is Chinese. Where it is none it gives the teacher's score, and some noise."""
    rng = np.random.default_rng(0)
    langs = np.array(["zh", "en", "en", "en"] * 500)
    truth, chars = rng.uniform(0, 5, 2000), rng.integers(50, 5000, 2000)
    is_ruler = np.isin(langs, rulers)
    guess = np.where(is_ruler, chars / 1000, truth + rng.normal(size=2000))
    strata = pl.DataFrame({"lang": langs, "source": "web", "num_chars": chars})
    found = scores.regression(guess, truth, strata, (3.0,))["length_correlation"]
    assert found == pytest.approx(expected, abs=0.05)


def test_metrics_count_documents_behind_a_row() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    truth, weights = np.array([0, 1, 0, 1]), np.array([1.0, 5.0, 2.0, 2.0])
    strata = pl.DataFrame({"lang": ["en"] * 4, "source": ["a", "a", "b", "b"]})
    found = scores.classification(
        probabilities, truth, ["m", "o"], strata, np.array([True, False]), 0.5, weights
    )
    assert found["accuracy_ratio"] == 0.5 and found["medical_recall"] == 1.0
    assert found["medical_precision"] == pytest.approx(3 / 8)
    assert found["by_source"]["a"]["accuracy_ratio"] == pytest.approx(1 / 6, abs=1e-4)
    assert found["by_label"]["o"] == {
        "precision": 1.0, "recall": pytest.approx(2 / 7, abs=1e-4),
        "f1": pytest.approx(4 / 9, abs=1e-4), "num_documents": 2,
    }  # fmt: skip


def test_calibration_error() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    alike, truth = np.ones(10), np.array([0] * 9 + [1])
    assert scores.calibration_error(sure, truth, alike) == pytest.approx(0.0)
    assert scores.calibration_error(sure, np.array([1] * 10), alike) == pytest.approx(0.9)
    assert scores.calibration_error(sure, truth, truth + 1e-9) == pytest.approx(0.9)


def test_a_ruler_is_seen() -> None:
    rng = np.random.default_rng(0)
    truth, lengths = rng.normal(size=500), rng.normal(size=500)
    honest = scores.partial_rank_correlation(truth + rng.normal(size=500), lengths, truth)
    ruler = scores.partial_rank_correlation(truth + 3 * lengths, lengths, truth)
    confounded = scores.partial_rank_correlation(truth, truth + 0.1 * lengths, truth)
    assert honest is not None and abs(honest) < 0.15
    assert ruler is not None and ruler > 0.9
    assert confounded is None or abs(confounded) < 0.3
    assert scores.partial_rank_correlation(truth, np.ones(500), truth) is None


def test_length_is_compared_within_a_language() -> None:
    """Chinese texts have fewer characters, and here higher scores: no rater's fault."""
    rng = np.random.default_rng(0)
    truth, langs = rng.normal(size=400), ["zh", "en"] * 200
    lengths = np.where(np.array(langs) == "zh", 200, 1500) + rng.integers(0, 100, 400)
    guess = truth + rng.normal(size=400) + np.where(np.array(langs) == "zh", 3.0, 0.0)
    strata = pl.DataFrame({"lang": langs, "source": "web", "num_chars": lengths})
    assert abs(scores.regression(guess, truth, strata, (3.0,))["length_correlation"]) < 0.15
    ruler = truth + lengths / 20
    assert scores.regression(ruler, truth, strata, (3.0,))["length_correlation"] > 0.5
