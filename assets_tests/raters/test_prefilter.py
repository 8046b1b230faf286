"""The cheap model in front of the classifier: what it stops, what it misses, who notices."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets_tests.raters.test_heads import DOMAIN, ENCODER, labelled
from carebot_assets.raters import classifier, guards, prefilter, verdicts
from carebot_assets.settings import PrefilterSettings

PLAN = PrefilterSettings(features=4096, documents=600)
MEDICAL = DOMAIN.medical_labels


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    classes, filters = (tmp_path_factory.mktemp(name) for name in ("classifier", "prefilter"))
    classifier.train(labelled(240), DOMAIN, ENCODER, seed=1).head.save(classes)
    sample = labelled(600, seed=2)
    judged = classifier.predict(classes, sample.lazy(), MEDICAL)["p_medical"].to_numpy()
    prefilter.distil(sample, judged, 0.5, PLAN).save(filters)
    return classes, filters


def test_it_stops_what_is_not_medical_and_says_so(folders: tuple[Path, Path]) -> None:
    fresh = labelled(600, seed=9)
    plain = classifier.predict(folders[0], fresh.lazy(), MEDICAL)
    predicted, audit = prefilter.predict(*folders, fresh.lazy(), MEDICAL, 25)
    assert predicted["doc_id"].to_list() == fresh["doc_id"].to_list()
    passed = ~predicted["prefiltered"]
    assert predicted.filter(passed).drop("prefiltered").equals(plain.filter(passed))
    assert 0.4 < predicted["prefiltered"].mean() < 0.8
    medical = plain["p_medical"] >= 0.5
    assert (medical & passed).sum() / medical.sum() >= 0.98
    found = prefilter.report(predicted, audit, 0.5)
    assert found["num_audited"] == 25 == audit.height
    assert found["num_prefiltered"] == predicted["prefiltered"].sum()
    assert guards.prefilter_recall(found, PLAN.min_recall).passed


def test_verdicts_of_stopped_documents_say_why(folders: tuple[Path, Path]) -> None:
    fresh = labelled(100, seed=9)
    documents = fresh.select("doc_id", shard=pl.lit("s"), alive=pl.col("doc_id") != "3").lazy()
    alive = fresh.filter(pl.col("doc_id") != "3").lazy()
    predicted, _ = prefilter.predict(*folders, alive, MEDICAL, 5)
    table = verdicts.domain(documents, predicted, DOMAIN, "hash").collect()
    stopped = table.filter(pl.col("reasons").list.contains(verdicts.PREFILTERED))
    assert stopped.height == predicted["prefiltered"].sum() > 10
    assert set(stopped["verdict"]) == {"drop"} and stopped["p_medical"].is_null().all()
    assert table.filter(pl.col("doc_id") == "3")["verdict"].item() == "skip"
    assert guards.follows_threshold(table.lazy(), "p_medical").passed
    wrong = table.with_columns(reasons=pl.lit([], dtype=pl.List(pl.String)))
    assert not guards.follows_threshold(wrong.lazy(), "p_medical").passed


@pytest.mark.parametrize(
    ("plan", "num", "reason"),
    [
        (PLAN.model_copy(update={"enabled": False}), 600, "off"),
        (PLAN, 60, "too few documents to learn from"),
    ],
)
def test_without_evidence_everything_passes(
    tmp_path: Path, plan: PrefilterSettings, num: int, reason: str
) -> None:
    sample = labelled(num, seed=2)
    head = prefilter.distil(sample, (sample["label"] == MEDICAL[0]).to_numpy(), 0.5, plan)
    head.save(tmp_path)
    assert head.card["passes_everything"] == reason and not head.card["thresholds"]
    assert prefilter.passes(tmp_path, sample.lazy())["passes"].all()


@pytest.mark.parametrize(("missed", "passed"), [(0, True), (4, True), (10, False), (50, False)])
def test_missed_documents_are_noticed(missed: int, passed: bool) -> None:
    shard = {
        "num_audited": 100,
        "num_missed_in_audit": missed,
        "num_prefiltered": 5000,
        "num_medical": 800,
    }
    finding = guards.prefilter_recall(shard, 0.995)
    assert finding.passed is passed
    assert f"{missed} of 100 audited" in finding.description


def test_nothing_stopped_is_nothing_missed() -> None:
    shard = {"num_audited": 0, "num_missed_in_audit": 0, "num_prefiltered": 0, "num_medical": 3}
    assert guards.prefilter_recall(shard, 0.995).passed


def test_threshold_keeps_the_share() -> None:
    outputs = np.arange(1000.0)
    assert (outputs >= prefilter._threshold(outputs, 0.995)).mean() == 0.995
    assert (outputs[:3] >= prefilter._threshold(outputs[:3], 0.995)).all()


def test_each_language_has_its_threshold_and_one_without_evidence_passes(tmp_path: Path) -> None:
    sample = labelled(600, seed=2)
    p_medical = (sample["label"] == MEDICAL[0]).to_numpy() * 0.98 + 0.01
    head = prefilter.distil(sample, p_medical, 0.5, PLAN)
    assert set(head.card["thresholds"]) == set(head.card["by_lang"]) == {"zh", "en"}
    assert head.card["lowest_recall"] < head.card["recall"] == 1.0
    few = sample.filter((pl.col("lang") == "en") | (pl.int_range(pl.len()) < 60))
    p_medical = (few["label"] == MEDICAL[0]).to_numpy() * 0.98 + 0.01
    head = prefilter.distil(few, p_medical, 0.5, PLAN)
    head.save(tmp_path)
    assert set(head.card["thresholds"]) == {"en"}
    passes = prefilter.passes(tmp_path, sample.lazy()).with_columns(sample["lang"])
    assert passes.filter(lang="zh")["passes"].all() and not passes["passes"].all()


@pytest.mark.parametrize(("kept", "num", "least"), [(995, 1000, 0.98), (100, 100, 0.97), (0, 0, 0)])
def test_few_documents_prove_little(kept: int, num: int, least: float) -> None:
    assert least <= prefilter.lowest_recall(kept, num) <= max(least, kept / max(1, num))
