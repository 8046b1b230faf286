"""Training, keeping and applying both raters on small bilingual samples."""

import tracemalloc
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest

from carebot_assets.raters import classifier, encoder, head, plots, prefilter, regressor, scores
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


class Watched:
    """An encoder that notes the number of texts it is given at once."""

    device = "cpu"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.batches.append(len(texts))
        return np.array([[text.count("e"), text.count("医"), 1] for text in texts], np.float32)


def judge(kind: str, folder: Path, texts: pl.LazyFrame, work: Path) -> pl.DataFrame:
    if kind == "classifier":
        return classifier.predict(folder, texts, DOMAIN.medical_labels, work)
    if kind == "rater":
        return regressor.predict(folder, QUALITY, texts, work)
    labels = DOMAIN.medical_labels
    return prefilter.predict(folder, folder / "prefilter", texts, labels, 0, work)[0]


@pytest.mark.parametrize("kind", ["classifier", "rater", "prefilter and classifier"])
def test_memory_does_not_grow_with_the_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An encoder never sees more texts than a chunk has, and nothing but small rows is kept: four
    times the documents, 16 MB of text, need about as much memory."""
    chunk = 100
    monkeypatch.setattr(head, "CHUNK_ROWS", chunk)
    (tmp_path / "prefilter").mkdir()
    weight, bias = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    card = {"kind": classifier.KIND, "labels": DOMAIN.labels[:2], "temperature": 1.0}
    head.Head(weight, bias, ENCODER, card).save(tmp_path)
    if kind == "rater":
        head.Head(weight[:1], bias[:1], ENCODER, {"kind": QUALITY.name}).save(tmp_path)
    card = {"kind": prefilter.KIND, "thresholds": {"zh": 0.0, "en": 0.0}}
    head.Head(weight[:1], bias[:1], ENCODER, card).save(tmp_path / "prefilter")
    peaks = []
    for num in (chunk, 1000, 4000):  # the first imports what is used
        texts = pl.LazyFrame(
            {"doc_id": [f"{n:032x}" for n in range(num)], "lang": ["zh", "en"] * (num // 2),
             "text": [("医生 " if n % 2 else "fever ") * 700 + str(n) for n in range(num)]}
        )  # fmt: skip
        watched, work = Watched(), tmp_path / f"work-{num}"
        monkeypatch.setattr(head, "open_encoder", lambda _, watched=watched: watched)
        work.mkdir()
        tracemalloc.start()
        found = judge(kind, tmp_path, texts, work)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert set(watched.batches) == {chunk}
        assert sum(watched.batches) == (2 * num if "prefilter" in kind else num)
        assert found.height == num and "text" not in found.columns
        parts = [pl.read_parquet(part) for part in sorted(work.iterdir())]
        assert [part.columns for part in parts] == [["doc_id", "outputs"]] * (num // chunk)
    # A chunk of texts is among it: what is bounded was seen.
    assert 2 * 2100 * chunk < peaks[1] and peaks[2] < 1.3 * peaks[1]


def test_what_was_written_for_training_is_not_validated_on() -> None:
    seeds = labelled(200).with_columns(synthetic=pl.int_range(200) % 2 == 0)
    assert not (classifier.split(seeds, 0.5, 1) & seeds["synthetic"].to_numpy()).any()
    trained = classifier.train(seeds, DOMAIN, ENCODER, seed=1)
    assert trained.metrics["num_validation"] <= 100
