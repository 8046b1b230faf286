"""The selection assets and their checks over two shards of made-up documents."""

from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.corpus.test_contamination import EN, FILLER_EN, FILLER_ZH, ITEMS, ZH
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import funnel_assets, funnel_checks, selection_checks  # noqa: F401 - declare the checks
from carebot_assets.defs.corpus import selection_assets as assets
from carebot_assets.defs.recipe import RECIPES, Recipe
from carebot_assets.defs.resources import Workshop
from carebot_assets.raters.verdicts import NOT_MEDICAL
from carebot_assets.settings import current_settings
from carebot_assets.store import Store
from carebot_assets.tables import JUDGES

SHARDS = ("web-1", "web-2")
BY_SHARD = (
    assets.duplicate_verdicts,
    assets.contamination_verdicts,
    assets.filtered_corpus,
    assets.general_corpus,
    funnel_assets.shard_tally,
)
PHONE = "联系电话13812345678。"
PHONE_MASK = {"kind": "phone", "start": len(FILLER_ZH) + 4, "length": 11}
# doc_id: shard, language, text, rules, domain, quality
DOCUMENTS = {
    "a0": ("web-1", "zh", FILLER_ZH + PHONE, "keep", "medical", "keep"),
    "a1": ("web-1", "zh", FILLER_ZH + ZH, "keep", None, None),
    "a2": ("web-1", "en", FILLER_EN + " And so on.", "keep", "medical", "keep"),
    "a3": ("web-1", "en", "bad", "drop", None, None),
    "b0": ("web-2", "zh", FILLER_ZH + PHONE.replace("8", "9"), "keep", None, None),
    "b1": ("web-2", "en", f"{EN} {FILLER_EN}", "keep", None, None),
    "b2": ("web-2", "zh", "球队昨晚在主场以三比一战胜对手，取得三连胜。", "keep", "other", None),
    "b3": ("web-2", "en", "A medical text of no worth at all.", "keep", "medical", "drop"),
}  # fmt: skip


def _publish(store: Store) -> None:
    """What comes before selection, and the judges behind it that are none of its business."""
    shard_rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for doc_id, (shard, lang, text, rules, domain, quality) in DOCUMENTS.items():
        row = {"doc_id": doc_id * 16, "shard": shard}
        tables = shard_rows.setdefault(shard, {})
        about = {"source": "web", "lang": lang, "license": "MIT", "n_tokens": len(text)}
        tables.setdefault("documents", []).append(
            row | about | {"text": text, "n_chars": len(text)}
        )
        tables.setdefault("text_measures", []).append(row | {"lang": lang})
        tables.setdefault("rule_verdicts", []).append(
            row
            | {"verdict": rules, "reasons": ["short_v1"] if rules == "drop" else []}
            | {"masks": [PHONE_MASK] if text[-12:-1].isdigit() else []}
        )
        verdict = {None: "skip", "medical": "keep", "other": "drop"}[domain]
        reasons = [NOT_MEDICAL] if domain == "other" else []
        tables.setdefault("domain_verdicts", []).append(
            row | {"verdict": verdict, "reasons": reasons, "label": domain, "p_medical": 0.5}
        )
        scored = {"score": 3.0, "tier": "high"} if quality else {}
        tables.setdefault("quality_scores", []).append(
            row
            | {"verdict": quality or "skip", "reasons": ["low_v1"] if quality == "drop" else []}
            | scored
        )
    for shard, tables in shard_rows.items():
        for name, rows in tables.items():
            with store.publish(name, shard) as draft:
                draft.write(rows_of(name, *rows))
                if name == "documents":
                    draft.write(rows_of("quarantine"), "quarantine")
    with store.publish("benchmark_items") as draft:
        draft.write(ITEMS)
    files = [{"file": shard, "shard": shard} for shard in SHARDS]
    with store.publish("corpus_manifest") as draft:
        draft.write(rows_of("corpus_manifest", *files))


@pytest.fixture
def store(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    current_settings.cache_clear()
    for name in (
        "documents",
        "text_measures",
        "rule_verdicts",
        "domain_verdicts",
        "quality_scores",
    ):
        monkeypatch.setitem(RECIPES, name, Recipe(name, (), (), "shard", "1"))
    for name in ("corpus_manifest", "benchmark_items"):
        monkeypatch.setitem(RECIPES, name, Recipe(name, (), (), None, "1"))
    store = Store(tmp_path / "store")
    _publish(store)
    return store


def _run(
    *selected: dg.AssetsDefinition, partition: str | None = None, checked: bool = True
) -> dict[str, dg.AssetCheckEvaluation]:
    """Materialize, with the checks of the selected assets; the checks that did not pass."""
    guards = build_checks(*(asset.key.to_user_string() for asset in selected))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corpus_shard", list(SHARDS))
        result = dg.materialize(
            [*selected, *guards] if checked else selected,
            instance=instance,
            partition_key=partition,
            resources={"workshop": Workshop()},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    found = result.get_asset_check_evaluations()
    errors = [e.step_failure_data.error.to_string() for e in result.get_step_failure_events()]
    assert result.success or any(not e.passed for e in found), errors
    return {e.check_name: e for e in found if not e.passed}


def _everything(checked: bool = False) -> dict[str, dg.AssetCheckEvaluation]:
    failed = {}
    for step, partitions in (
        ([assets.minhash_signatures], SHARDS),
        ([assets.benchmark_ngrams, assets.duplicate_clusters], [None]),
        (BY_SHARD, SHARDS),
        ([funnel_assets.quality_funnel, funnel_assets.shard_drift, assets.held_out_text], [None]),
    ):
        for partition in partitions:
            failed |= _run(*step, partition=partition, checked=checked)
    return failed


def test_selection_from_documents_to_corpora(store: Store) -> None:
    # The domain and quality tables of this test know who is dropped, so that all counts agree.
    assert _everything(checked=True) == {}
    medical = store.scan("filtered_corpus").collect()
    assert medical["doc_id"].str.head(2).to_list() == ["a0", "a2"]
    assert medical["text"][0] == FILLER_ZH + PHONE.replace("13812345678", "[PHONE]")
    assert store.scan("general_corpus").collect()["doc_id"].str.head(2).to_list() == ["b2"]
    for name, shard in (("duplicate_clusters", None), ("minhash_signatures", "web-1")):
        metadata, chosen = store.require(name, shard).metadata, current_settings().duplicates
        for similarity in (0.7, 0.8, 0.9):
            expected = 1 - (1 - similarity**chosen.rows) ** chosen.bands
            found = metadata[f"match_probability_at_{similarity}"]
            assert found == pytest.approx(expected, abs=1e-6), (name, similarity)
    duplicates = store.scan("duplicate_clusters").collect()
    assert duplicates.select("doc_id", "kept_id", "exact").rows() == [("b0" * 16, "a0" * 16, True)]
    contaminated = store.scan("contamination_verdicts").filter(pl.col("verdict") == "drop")
    assert contaminated.collect()["item_id"].to_list() == ["cmb/0", "medqa/0"]
    funnel = store.require("quality_funnel").metadata
    assert (funnel["num_documents"], funnel["num_left"]) == (8, 2)
    assert funnel["plot"].startswith("![documents left after each judge](data:image/png;base64,")
    assert store.require("held_out_text").rows == 3


def test_a_document_lost_between_judges_stops_the_funnel(store: Store) -> None:
    _everything()
    kept = store.scan("domain_verdicts", "web-1").with_columns(verdict=pl.lit("skip")).collect()
    with store.publish("domain_verdicts", "web-1") as draft:
        draft.write(kept)
    failed = _run(funnel_assets.shard_tally, partition="web-1")
    assert set(failed) == {"documents_are_conserved"}
    assert "domain_verdicts (web, en) judged 0" in failed["documents_are_conserved"].description


@pytest.mark.parametrize(
    ("text", "check"),
    [
        (f"{FILLER_EN} {EN}", "no_benchmark_text"),
        ("write to someone@example.com for more", "no_private_information"),
        (FILLER_EN, "no_duplicate_text"),
    ],
)
def test_a_judge_that_failed_is_found_out(store: Store, text: str, check: str) -> None:
    """Documents that every judge let through are caught in the corpus itself."""
    _everything()
    documents = store.scan("documents", "web-1").collect()
    keeps = {"verdict": pl.lit("keep"), "reasons": pl.lit([], pl.List(pl.String))}
    for name in JUDGES:
        passed = store.scan(name, "web-1").collect().with_columns(**keeps)
        if name == "rule_verdicts":
            passed = passed.with_columns(pl.col("masks").list.head(0))
        with store.publish(name, "web-1") as draft:
            draft.write(passed)
    texts = [text, text if check == "no_duplicate_text" else "x", "y", "z"]
    with store.publish("documents", "web-1") as draft:
        draft.write(documents.with_columns(text=pl.Series(texts)))
    assert set(_run(assets.filtered_corpus, partition="web-1")) == {check}
