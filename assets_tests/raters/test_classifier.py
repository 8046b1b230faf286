"""The domain classifier: trained, calibrated, corrected to the corpus, and applied."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from assets_tests.raters.test_heads import DOMAIN, ENCODER, WORDS, labelled
from carebot_assets.raters import classifier
from carebot_assets.raters.encoder import open_encoder


def test_classifier_learns_and_says_so(tmp_path: Path) -> None:
    trained = classifier.train(labelled(240), DOMAIN, ENCODER, seed=1)
    metrics = trained.metrics
    assert metrics["accuracy_ratio"] > 0.95 and metrics["medical_f1"] > 0.95
    assert set(metrics["by_lang"]) == {"en", "zh"} and metrics["num_predicted_labels"] == 3
    assert metrics["num_train"] + metrics["num_validation"] == 240
    trained.head.save(tmp_path)
    fresh = labelled(100, seed=5)
    found = classifier.predict(tmp_path, fresh.lazy(), DOMAIN.medical_labels)
    assert found["doc_id"].to_list() == fresh["doc_id"].to_list()
    assert (found["label"] == fresh["label"]).mean() > 0.95
    medical = fresh["label"] == "Health & Medicine"
    assert ((found["p_medical"] >= 0.5) == medical).mean() > 0.95
    assert found.equals(classifier.predict(tmp_path, fresh.lazy(), DOMAIN.medical_labels))


def mixed(num: int, medical_ratio: float, seed: int, lang: str = "en") -> pl.DataFrame:
    """Texts of medicine and sports in which both kinds of words occur, more of the own one."""
    rng = Random(seed)
    rows = []
    for number in range(num):
        kinds = ["Health & Medicine", "Sports"]
        if rng.random() >= medical_ratio:
            kinds.reverse()
        words = rng.choices([w for k in (0, 0, 0, 1) for w in WORDS[kinds[k], lang]], k=9)
        text = ("" if lang == "zh" else " ").join(words) + f" {number}"
        rows.append(
            {"doc_id": str(number), "label": kinds[0], "lang": lang, "source": kinds[0],
             "text": text}
        )  # fmt: skip
    return pl.DataFrame(rows)


def test_outputs_are_corrected_to_the_shares_of_the_corpus(tmp_path: Path) -> None:
    """Even seeds from a corpus of which a twentieth is medical: false alarms outnumber hits."""
    seeds, corpus = mixed(500, 0.5, 1), mixed(2000, 0.05, 2)
    stands_for = pl.when(label="Sports").then(7.6).otherwise(0.4)
    truth = (corpus["label"] == "Health & Medicine").to_numpy()
    found = {}
    for name, known in (("even", seeds), ("drawn", seeds.with_columns(stands_for=stands_for))):
        folder = tmp_path / name
        folder.mkdir()
        trained = classifier.train(known, DOMAIN, ENCODER, seed=1)
        trained.head.save(folder)
        p = classifier.predict(folder, corpus.lazy(), DOMAIN.medical_labels)["p_medical"].to_numpy()
        found[name] = (p.mean(), truth[p >= 0.5].mean(), ((p >= 0.5) == truth).mean())
        if name == "drawn":
            assert trained.metrics["accuracy_ratio"] == pytest.approx(found[name][2], abs=0.04)
    assert found["even"][0] > 0.12 and found["drawn"][0] == pytest.approx(0.05, abs=0.02)
    assert found["drawn"][1] > found["even"][1] + 0.15
    assert found["drawn"][2] > found["even"][2]


@pytest.mark.parametrize("num_labels", [2, 4])
@pytest.mark.parametrize("as_rows", [csr_matrix, np.asarray])
def test_fewer_rows_than_columns_give_the_head_that_all_columns_give(
    num_labels: int, as_rows: Callable[[np.ndarray], Any]
) -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(40, 90)) * (rng.random((40, 90)) < 0.2)
    vectors[1], vectors[2] = vectors[0], 0.0  # rows that span nothing of their own
    truth = rng.integers(0, num_labels, 40)
    weight, bias = classifier.fit(as_rows(vectors), truth, num_labels)
    exact = LogisticRegression(
        C=classifier.C, class_weight="balanced", tol=1e-10, max_iter=10_000
    ).fit(vectors, truth)
    found = softmax(vectors @ weight.T + bias, axis=1)
    np.testing.assert_allclose(found, exact.predict_proba(vectors), atol=2e-3)


def test_rows_of_nothing_are_told_by_how_often_labels_occur() -> None:
    weight, bias = classifier.fit(csr_matrix((6, 9)), np.array([0, 0, 0, 0, 1, 1]), 2)
    assert not weight.any()
    assert bias[0] == pytest.approx(bias[1], abs=1e-3)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_rare_label_is_found_because_labels_weigh_alike(lang: str) -> None:
    """One seed of thirty is medical: beside the same regression with rows that weigh alike."""
    from sklearn.linear_model import LogisticRegression

    known, fresh = mixed(600, 1 / 30, 1, lang), mixed(600, 0.5, 2, lang)
    below = open_encoder(ENCODER)
    vectors, unseen = (below.encode(rows["text"].to_list()) for rows in (known, fresh))
    truth = (known["label"] == "Health & Medicine").cast(int).to_numpy()
    medical = (fresh["label"] == "Health & Medicine").to_numpy()
    weight, bias = classifier.fit(vectors, truth, 2)
    weighted = (unseen @ weight.T + bias).argmax(axis=1) == 1
    alike = LogisticRegression(C=classifier.C).fit(vectors, truth).predict(unseen) == 1
    assert weighted[medical].mean() > alike[medical].mean() + 0.1
    assert weighted[~medical].mean() < 0.1


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_calibration_finds_temperature_and_biases(scale: float) -> None:
    """Outputs of a known law, scaled: undone by the temperature; labels drawn from other shares."""
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(20_000, 3))
    biases = np.log([0.7, 0.2, 0.1])
    p = classifier.softmax(exact + biases)
    truth = (rng.random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1)
    weights = np.where(rng.random(len(p)) < 0.5, 2.0, 0.5)
    shares = np.bincount(truth, weights) / weights.sum()
    start = np.log(shares)
    temperature, found = classifier._calibrate(exact * scale, truth, weights, start, True)
    assert temperature == pytest.approx(scale, rel=0.1)
    assert np.allclose(found - found[0], biases - biases[0], atol=0.1)
    alone, none = classifier._calibrate(exact * scale, truth, weights, 0 * start, False)
    assert alone != pytest.approx(scale, rel=0.02) and not none.any()


@pytest.mark.parametrize("drawn", [True, False])
def test_too_little_to_calibrate_is_no_failure(
    drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "CALIBRATION_FOLDS", 500)
    seeds = labelled(200)
    seeds = seeds.with_columns(stands_for=pl.lit(2.0)) if drawn else seeds
    trained = classifier.train(seeds, DOMAIN, ENCODER, seed=1)
    assert trained.head.card["temperature"] == 1.0
    assert (np.exp(trained.head.card["biases"]).sum() == pytest.approx(1, abs=1e-3)) == drawn
    assert trained.metrics["accuracy_ratio"] > 0.95


def test_synthetic_and_unknown_weights_leave_a_classifier() -> None:
    seeds = labelled(200).with_columns(stands_for=pl.lit(None, pl.Float64))
    seeds = seeds.with_columns(stands_for=pl.when(pl.int_range(200) > 100).then(3.0))
    trained = classifier.train(seeds, DOMAIN, ENCODER, seed=1)
    assert np.isfinite(trained.predicted).all() and np.isfinite(trained.head.card["biases"]).all()
    assert trained.metrics["accuracy_ratio"] > 0.9


def test_prediction_does_not_depend_on_neighbours(tmp_path: Path) -> None:
    classifier.train(labelled(120), DOMAIN, ENCODER, seed=1).head.save(tmp_path)
    fresh = labelled(600, seed=6)
    whole = classifier.predict(tmp_path, fresh.lazy(), DOMAIN.medical_labels)
    part = classifier.predict(tmp_path, fresh[500:].lazy(), DOMAIN.medical_labels)
    assert whole[500:].equals(part)


def test_two_labels_make_a_classifier_too(tmp_path: Path) -> None:
    two = labelled(200).filter(pl.col("label") != "Gaming")
    trained = classifier.train(two, DOMAIN, ENCODER, seed=1)
    assert trained.head.weight.shape[0] == 2 and trained.metrics["medical_f1"] > 0.95


def test_nothing_to_predict(tmp_path: Path) -> None:
    classifier.train(labelled(120), DOMAIN, ENCODER, seed=1).head.save(tmp_path)
    none = labelled(1).lazy().filter(pl.lit(False))
    assert classifier.predict(tmp_path, none, DOMAIN.medical_labels).is_empty()
