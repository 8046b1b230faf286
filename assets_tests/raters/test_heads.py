"""Training, keeping and applying both raters on small bilingual samples."""

from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest

from carebot_assets.raters import classifier, plots, regressor, scores
from carebot_assets.settings import DomainSettings, EncoderSettings, QualitySettings

ENCODER = EncoderSettings(features=4096)
WORDS = {
    ("Health & Medicine", "en"): (
        "patient",
        "fever",
        "doctor",
        "symptom",
        "hospital",
        "blood",
        "therapy",
    ),
    ("Health & Medicine", "zh"): ("患者", "发热", "医生", "症状", "医院", "血压", "治疗"),
    ("Sports", "en"): ("team", "goal", "coach", "match", "league", "runner", "medal"),
    ("Sports", "zh"): ("球队", "进球", "教练", "比赛", "联赛", "运动员", "金牌"),
    ("Gaming", "en"): ("player", "level", "console", "quest", "boss", "gamer", "score"),
    ("Gaming", "zh"): ("玩家", "关卡", "主机", "任务", "游戏", "升级", "副本"),
}
DOMAIN = DomainSettings(
    labels=["Health & Medicine", "Sports", "Gaming", "Mining"],
    medical_labels=["Health & Medicine"],
    seed_documents=200,
)
QUALITY = QualitySettings(seed_documents=200)


def labelled(num: int, seed: int = 0) -> pl.DataFrame:
    rng = Random(seed)
    rows = []
    for number in range(num):
        (label, lang), words = rng.choice(list(WORDS.items()))
        text = ("" if lang == "zh" else " ").join(rng.choices(words, k=15))
        rows.append({"doc_id": str(number), "label": label, "lang": lang, "text": text})
    return pl.DataFrame(rows)


def rated(num: int, seed: int = 0) -> pl.DataFrame:
    """Sports pulls a text's score down, medicine up."""
    rng = Random(seed)
    rows = []
    for number in range(num):
        lang, good = rng.choice(("en", "zh")), rng.randint(0, 10)
        words = rng.choices(WORDS["Health & Medicine", lang], k=good)
        words += rng.choices(WORDS["Sports", lang], k=10 - good)
        text = ("" if lang == "zh" else " ").join(rng.sample(words, 10))
        rows.append({"doc_id": str(number), "score": good / 2, "lang": lang, "text": text})
    return pl.DataFrame(rows)


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


def test_rater_learns_and_says_so(tmp_path: Path) -> None:
    trained = regressor.train(rated(400), QUALITY, ENCODER, seed=1)
    assert trained.metrics["spearman"] > 0.8 and set(trained.metrics["by_lang"]) == {"en", "zh"}
    trained.head.save(tmp_path)
    fresh = rated(100, seed=5)
    found = regressor.predict(tmp_path, fresh.lazy())
    assert found["score"].is_between(0, 5).all()
    assert np.corrcoef(found["score"], fresh["score"])[0, 1] > 0.8
    assert found.equals(regressor.predict(tmp_path, fresh.lazy()))


@pytest.mark.parametrize("seeds", [labelled(200).filter(pl.col("label") == "Sports"), labelled(1)])
def test_too_little_for_a_classifier(seeds: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"raise domain\.seed_documents"):
        classifier.train(seeds, DOMAIN, ENCODER, seed=1)


@pytest.mark.parametrize("seeds", [rated(5), rated(100).with_columns(score=3.0)])
def test_too_little_for_a_rater(seeds: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"raise quality\.seed_documents"):
        regressor.train(seeds, QUALITY, ENCODER, seed=1)


def test_a_broken_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} holds no domain classifier"):
        classifier.predict(tmp_path, labelled(1).lazy(), [])
    regressor.train(rated(100), QUALITY, ENCODER, seed=1).head.save(tmp_path)
    with pytest.raises(ValueError, match="kind is 'quality rater', expected 'domain classifier'"):
        classifier.predict(tmp_path, labelled(1).lazy(), [])


def test_a_score_that_is_no_number_is_null(tmp_path: Path) -> None:
    trained = regressor.train(rated(100), QUALITY, ENCODER, seed=1)
    trained.head.bias = np.array([np.nan])
    trained.head.save(tmp_path)
    assert regressor.predict(tmp_path, rated(3).lazy())["score"].null_count() == 3


def test_calibration_error() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert scores.calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0.0)
    assert scores.calibration_error(sure, np.array([1] * 10)) == pytest.approx(0.9)


def test_plots_are_images() -> None:
    sure, truth = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    for image in (
        plots.confusion(sure, truth, ["a", "b"]),
        plots.reliability(scores.reliability(sure, truth)),
        plots.by_decile(np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    ):
        assert image.startswith("![") and "data:image/png;base64," in image
