"""What stops a rater that is no good, and encoders trained for one."""

# ruff: noqa: F811 - tests take the fixture that is imported

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.defs.rating_stage import SEEDS, SHARD, run, store  # noqa: F401 - a fixture
from assets_tests.training.conftest import write_encoder
from carebot_assets.defs.checking import CHECKS, Shelf
from carebot_assets.defs.domain import assets as domain
from carebot_assets.defs.quality import assets as quality
from carebot_assets.raters import classifier, regressor, rubric
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.guards import PREFILTER_COUNTS
from carebot_assets.raters.head import TUNED_DIR, load_head
from carebot_assets.settings import current_settings
from carebot_assets.store import Store


def test_a_rater_that_merely_measures_length_is_told(store: Store) -> None:
    for found, where in ((0.9, "outside"), (-0.9, "outside"), (0.1, "inside")):
        with store.publish("quality_rater") as draft:
            (draft.dir / "rater.json").write_text("{}", "utf-8")
            draft.metadata["length_correlation"] = found
        shelf = Shelf("quality_rater", None, store, current_settings())
        finding = CHECKS["quality_rater"]["not_a_ruler"].expectation(shelf)
        assert finding.passed == (where == "inside")
        assert finding.description == f"length correlation {found} {where} -0.5 .. 0.5"


def fine_tune(store: Store, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Settings of a tiny encoder, trained as a whole; where it starts from."""
    start = write_encoder(folder, store.scan("documents", SHARD).collect()["text"].to_list())
    encoder = {
        "backend": "sentence_transformers", "model": start, "max_tokens": 48, "dtype": "float32",
        "fine_tune": {"epochs": 12, "batch_size": 16, "learning_rate": 0.005},
    }  # fmt: skip
    monkeypatch.setenv("CAREBOT_SET__encoder", json.dumps(encoder, default=str))
    # More threads add in another order: a training this short ends elsewhere.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    current_settings.cache_clear()
    return start


def test_a_whole_encoder_is_trained_by_the_launcher(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The asset starts a training in a process of its own and puts its head on what comes back."""
    documents = store.scan("documents", SHARD).collect()
    monkeypatch.setenv("CAREBOT_SET__domain__seed_documents", "400")
    fine_tune(store, monkeypatch, tmp_path / "bert")
    found, _ = run([*SEEDS, domain.domain_classifier])
    assert found["not_collapsed"]
    metadata, folder = store.require("domain_classifier").metadata, store.path("domain_classifier")
    assert metadata["stopped_by_validation"] and metadata["fine_tuning"]["steps"] > 0
    files = {path.name for path in (folder / TUNED_DIR).rglob("*.safetensors")}
    assert files == {"model.safetensors"}
    below = load_head(folder, classifier.KIND).encoder
    assert below.model == str(folder / TUNED_DIR)
    labels = current_settings().domain.medical_labels
    judged = classifier.predict(folder, documents.lazy(), labels)
    medical = documents["origin"].str.starts_with("medical")
    assert ((judged["p_medical"] >= 0.5) == medical).mean() > 0.8


def publish_verdicts(store: Store, documents: pl.DataFrame, prefiltered: dict[str, Any]) -> None:
    """Verdicts of a domain judge that knows, and what its prefilter says it did."""
    is_medical = pl.col("origin").str.starts_with("medical")
    verdict = pl.when(is_medical).then(pl.lit("keep")).otherwise(pl.lit("drop"))
    judged = documents.select("doc_id", "shard", verdict=verdict)
    with store.publish("domain_verdicts", SHARD) as draft:
        draft.write(rows_of("domain_verdicts", *judged.iter_rows(named=True)))
        draft.metadata |= prefiltered
    with store.publish("domain_prefilter") as draft:
        draft.metadata["lowest_recall"] = 0.995


@pytest.mark.parametrize(("missed", "passed"), [(2, True), (20, False)])
def test_a_prefilter_that_misses_much_stops_what_follows(
    store: Store, missed: int, passed: bool
) -> None:
    report = {"num_audited": 100, "num_missed_in_audit": missed, "num_missed": missed}
    report |= {"num_surely_missed": missed, "num_medical_passed": 500 - missed}
    publish_verdicts(store, store.scan("documents", SHARD).collect(), report)
    found, _ = run([quality.quality_seed_sample, quality.quality_seed_scores])
    assert found["prefilter_recall_of_all_shards"] is passed
    assert (store.manifest("quality_seed_scores") is not None) is passed


def test_the_encoder_of_the_quality_rater_is_trained_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One score instead of classes, on medical documents of both languages."""
    start = fine_tune(store, monkeypatch, tmp_path / "bert")
    documents = store.scan("documents", SHARD).collect()
    publish_verdicts(store, documents, dict.fromkeys(PREFILTER_COUNTS, 0))
    run([quality.quality_seed_sample, quality.quality_seed_scores, quality.quality_rater])
    metadata, folder = store.require("quality_rater").metadata, store.path("quality_rater")
    assert metadata["stopped_by_validation"] and set(metadata["by_lang"]) == {"zh", "en"}
    scored = store.scan("quality_seed_scores").collect()["score"]
    # A new head says about 0: its loss is the mean square of the scores.
    assert metadata["fine_tuning"]["best_validation_loss"] < (scored**2).mean() / 10
    below = load_head(folder, rubric.QUALITY.name).encoder
    assert below.model == str(folder / TUNED_DIR)
    texts = documents["text"].head(8).to_list()
    before = below.model_copy(update={"model": str(start)})
    moved = open_encoder(below).encode(texts) - open_encoder(before).encode(texts)
    assert abs(moved).max() > 0.1
    # The head is for the encoder beside it: read back, both are as good as they were measured.
    settings, agreed = current_settings(), pl.col("status") == "agreed"
    answers = store.scan("quality_seed_scores").filter(agreed).select("doc_id", "score")
    seeds = answers.join(store.scan("quality_seed_sample"), on="doc_id").collect()
    held_out = classifier.split(seeds, settings.quality.validation_ratio, settings.seed)
    seen = seeds.filter(pl.Series(held_out))
    rated = regressor.predict(folder, rubric.QUALITY, seen.lazy())["score"]
    assert (rated - seen["score"]).abs().mean() == pytest.approx(
        metadata["mean_absolute_error"], abs=1e-4
    )
