"""Training, keeping and applying both raters on small bilingual samples."""

from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest

from carebot_assets.raters import backbones, classifier, encoder, head, plots, regressor, scores
from carebot_assets.raters.rubric import QUALITY
from carebot_assets.settings import DomainSettings, EncoderSettings

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


def labelled(num: int, seed: int = 0) -> pl.DataFrame:
    rng = Random(seed)
    rows = []
    for number in range(num):
        (label, lang), words = rng.choice(list(WORDS.items()))
        text = ("" if lang == "zh" else " ").join(rng.choices(words, k=15))
        rows.append(
            {"doc_id": str(number), "label": label, "lang": lang, "source": label, "text": text}
        )
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
        rows.append(
            {"doc_id": str(number), "score": good / 2, "lang": lang, "source": "web", "text": text}
        )
    return pl.DataFrame(rows)


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


def test_rater_learns_and_says_so(tmp_path: Path) -> None:
    trained = regressor.train(rated(400), QUALITY, ENCODER, 1)
    assert trained.metrics["spearman"] > 0.8 and set(trained.metrics["by_lang"]) == {"en", "zh"}
    trained.head.save(tmp_path)
    fresh = rated(100, seed=5)
    found = regressor.predict(tmp_path, QUALITY, fresh.lazy())
    assert found["score"].is_between(0, 5).all()
    assert np.corrcoef(found["score"], fresh["score"])[0, 1] > 0.8
    assert found.equals(regressor.predict(tmp_path, QUALITY, fresh.lazy()))


@pytest.mark.parametrize("seeds", [labelled(200).filter(pl.col("label") == "Sports"), labelled(1)])
def test_too_little_for_a_classifier(seeds: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"raise domain\.seed_documents"):
        classifier.train(seeds, DOMAIN, ENCODER, seed=1)


@pytest.mark.parametrize("seeds", [rated(5), rated(100).with_columns(score=3.0)])
def test_too_little_for_a_rater(seeds: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"make a quality rater; raise the number of seeds"):
        regressor.train(seeds, QUALITY, ENCODER, 1)


def test_a_broken_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} holds no domain classifier"):
        classifier.predict(tmp_path, labelled(1).lazy(), [])
    regressor.train(rated(100), QUALITY, ENCODER, 1).head.save(tmp_path)
    with pytest.raises(ValueError, match="kind is 'quality rater', expected 'domain classifier'"):
        classifier.predict(tmp_path, labelled(1).lazy(), [])


def test_a_score_that_is_no_number_is_null(tmp_path: Path) -> None:
    trained = regressor.train(rated(100), QUALITY, ENCODER, 1)
    trained.head.bias = np.array([np.nan])
    trained.head.save(tmp_path)
    assert regressor.predict(tmp_path, QUALITY, rated(3).lazy())["score"].null_count() == 3


def test_calibration_error() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    alike, truth = np.ones(10), np.array([0] * 9 + [1])
    assert scores.calibration_error(sure, truth, alike) == pytest.approx(0.0)
    assert scores.calibration_error(sure, np.array([1] * 10), alike) == pytest.approx(0.9)
    assert scores.calibration_error(sure, truth, truth + 1e-9) == pytest.approx(0.9)


def test_plots_are_images() -> None:
    sure, truth = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])
    for image in (
        plots.confusion(sure, truth, ["a", "b"]),
        plots.reliability(scores.reliability(sure, truth, np.ones(2))),
        plots.by_decile(np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        plots.operating_curves(np.array([0.2, 0.9]), np.array([False, True]), np.ones(2)),
        plots.backbones(["a", "b"], [0.5, 0.9], [10.0, 2000.0], "F1"),
    ):
        assert image.startswith("![") and "data:image/png;base64," in image


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "CHUNK_ROWS", 40)
    work = tmp_path / "work"
    work.mkdir()
    classifier.train(labelled(120), DOMAIN, ENCODER, seed=1).head.save(tmp_path)
    saved, fresh = head.load_head(tmp_path, classifier.KIND), labelled(100, seed=6)
    ids, whole = head.outputs_of(saved, fresh.lazy())
    head.outputs_of(saved, fresh[:80].lazy(), work)
    asked: list[int] = []
    encode = encoder.CharNgramEncoder.encode
    monkeypatch.setattr(
        encoder.CharNgramEncoder, "encode", lambda self, t: asked.append(len(t)) or encode(self, t)
    )
    again, outputs = head.outputs_of(saved, fresh.lazy(), work)
    assert again.equals(ids) and (outputs == whole).all() and sum(asked) < 100
    asked.clear()
    other = labelled(100, seed=7).with_columns(doc_id="x" + pl.col("doc_id"))
    head.outputs_of(saved, other.lazy(), work)
    assert sum(asked) == 100  # parts of other documents are not taken


def test_what_was_written_for_training_is_not_validated_on() -> None:
    seeds = labelled(200).with_columns(synthetic=pl.int_range(200) % 2 == 0)
    assert not (classifier.split(seeds, 0.5, 1) & seeds["synthetic"].to_numpy()).any()
    trained = classifier.train(seeds, DOMAIN, ENCODER, seed=1)
    assert trained.metrics["num_validation"] <= 100


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


def test_backbones_side_by_side() -> None:
    seeds = labelled(240)

    def metrics(settings: EncoderSettings) -> dict[str, object]:
        return classifier.train(seeds, DOMAIN, settings, seed=1).metrics

    chosen = {"chars": ENCODER, "words": EncoderSettings(backend="word_ngram", features=4096)}
    table, costs = backbones.compare(seeds, chosen, metrics)
    assert set(table["backbone"]) == {"chars", "words"} and set(table["lang"]) == {"", "en", "zh"}
    found = backbones.summarize(table.lazy(), costs, "medical_f1")
    assert found["num_backbones"] == 2 and "| chars |" in found["backbones"]
    assert backbones.summarize(table.head(0).lazy(), {}, "medical_f1") == {"num_backbones": 0}
