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
    assert guards.prefilter_recall(found, PLAN.min_recall, 1.0).passed


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


def test_the_closest_are_audited_and_what_they_say_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    margins = [0.5, 0.1, -0.1, -0.2, -0.3, -2.0, -3.0, None]
    p_medical = [0.9, 0.2, 0.8, 0.1, 0.7, 0.9, 0.0, 0.6]
    predicted, audit = audited(monkeypatch, margins, p_medical, 5)
    assert audit.filter("is_closest")["doc_id"].to_list() == ["2", "3"]
    assert set(audit["doc_id"]) == {"2", "3", "4", "5", "6"}
    assert not predicted["prefiltered"].any()
    found = prefilter.report(predicted, audit, 0.5)
    assert (found["num_medical_passed"], found["num_missed_in_audit"]) == (2, 3)
    assert (found["num_surely_missed"], found["prefilter_recall"]) == (3, 2 / 5)
    assert not guards.prefilter_recall(found, 0.995, 1.0).passed

    predicted, audit = audited(monkeypatch, margins, p_medical, 2)
    assert sorted(audit["is_closest"]) == [False, True]
    found = prefilter.report(predicted, audit, 0.5)
    by_hash = audit.filter(~pl.col("is_closest"))["p_medical"].item() >= 0.5
    # One of the four that are not the closest stands for all of them.
    assert found["prefilter_recall"] == 2 / (2 + 1 + 4 * by_hash)
    assert found["num_prefiltered"] == 3


def audited(
    monkeypatch: pytest.MonkeyPatch, margins: list[float | None], p_medical: list[float], num: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What `predict` makes of documents with these margins and probabilities."""
    ids = [str(i) for i in range(len(margins))]
    margin = pl.Series(margins, dtype=pl.Float64)
    seen = pl.DataFrame({"doc_id": ids, "passes": (margin >= 0).fill_null(True), "margin": margin})
    table = pl.LazyFrame({"doc_id": ids, "label": "any", "p_medical": p_medical})
    monkeypatch.setattr(prefilter, "passes", lambda *_: seen)
    monkeypatch.setattr(
        prefilter.classifier,
        "predict",
        lambda _, texts, *__: (
            texts.select("doc_id").join(table, on="doc_id", maintain_order="left").collect()
        ),
    )
    return prefilter.predict(Path(), Path(), table.select("doc_id"), MEDICAL, num)


@pytest.mark.parametrize(
    ("recall", "lowest", "least", "most"),
    [
        (0.999, 0.995, 0, 0),
        (0.995, 0.995, 0, 2),
        (0.97, 0.995, 16, 20),
        (0.95, 0.99, 16, 20),
        (0.9, 0.98, 20, 20),
    ],
)
def test_a_shard_that_misses_more_than_was_asked_is_noticed(
    monkeypatch: pytest.MonkeyPatch, recall: float, lowest: float, least: int, most: int
) -> None:
    """Five hundred medical documents of five thousand, a hundred audited; twenty shards."""
    from scipy.stats import norm

    noticed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        medical = rng.random(5000) < 0.1
        margins = rng.normal(np.where(medical, norm.ppf(recall), -3), 1)
        predicted, audit = audited(
            monkeypatch, margins.tolist(), medical.astype(float).tolist(), 100
        )
        found = prefilter.report(predicted, audit, 0.5)
        finding = guards.prefilter_recall(found, 0.995, lowest)
        assert f"of {audit.height} audited" in finding.description
        noticed += not finding.passed
    assert least <= noticed <= most


SHARD = {"num_audited": 100, "num_missed_in_audit": 9, "num_medical_passed": 500,
         "prefilter_recall": 0.98}  # fmt: skip


@pytest.mark.parametrize(
    ("missed", "lowest", "passed"),
    [(0, 1.0, True), (7, 1.0, True), (8, 1.0, False), (8, 0.99, True), (20, 0.99, False)],
)
def test_a_threshold_chosen_on_few_may_miss_more(missed: int, lowest: float, passed: bool) -> None:
    finding = guards.prefilter_recall(SHARD | {"num_surely_missed": missed}, 0.995, lowest)
    assert finding.passed is passed and finding.metadata["num_surely_missed"] == missed


@pytest.mark.parametrize(("missed", "passed"), [(0, True), (4, True), (10, False), (50, False)])
def test_a_few_missed_in_one_shard_prove_nothing(missed: int, passed: bool) -> None:
    shard = {"num_audited": 100, "num_missed_in_audit": missed, "num_surely_missed": missed}
    shard |= {"num_medical_passed": 11, "prefilter_recall": 0.7}
    finding = guards.prefilter_recall(shard, 0.995, 1.0, guards.MIN_MISSED)
    assert finding.passed is passed
    assert f"{missed} of 100 audited" in finding.description


def test_shards_together_show_what_none_of_them_does() -> None:
    counts = {"num_audited": 100, "num_missed_in_audit": 5, "num_missed": 5.0}
    shard = counts | {"num_surely_missed": 5, "num_medical_passed": 495, "prefilter_recall": 0.99}
    assert guards.prefilter_recall(shard, 0.995, 1.0).passed
    whole = guards.all_shards([shard] * 10)
    assert (whole["num_surely_missed"], whole["prefilter_recall"]) == (50, 0.99)
    finding = guards.prefilter_recall(whole, 0.995, 1.0)
    assert not finding.passed and "50 of 1000 audited" in finding.description
    good = shard | {"num_missed": 2.0, "num_surely_missed": 2}
    assert guards.prefilter_recall(guards.all_shards([good] * 10), 0.995, 1.0).passed
    assert guards.all_shards([])["prefilter_recall"] is None


def test_nothing_stopped_is_nothing_missed() -> None:
    empty = pl.DataFrame(schema={"doc_id": pl.String, "p_medical": pl.Float64, "is_closest": bool})
    some = pl.DataFrame({"doc_id": ["1"], "p_medical": [0.9], "prefiltered": [False]})
    shard = prefilter.report(some, empty, 0.5)
    assert shard["prefilter_recall"] == 1.0 and shard["num_surely_missed"] == 0
    assert guards.prefilter_recall(shard, 0.995, 1.0).passed


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
    assert least <= prefilter.lowest_share(kept, num) <= max(least, kept / max(1, num))
