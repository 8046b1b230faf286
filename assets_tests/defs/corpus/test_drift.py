"""Drift over shards of the sample world, one of which went through a wrong decoder."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.corpus import funnel, measures, rules
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import funnel_checks  # noqa: F401 - declares the check
from carebot_assets.defs.corpus.funnel_assets import shard_drift
from carebot_assets.defs.recipe import RECIPES, Recipe
from carebot_assets.defs.resources import Workshop
from carebot_assets.sample.benchmarks import Benchmarks
from carebot_assets.sample.corpus import Corpus
from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.sources import SOURCES
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

SHARDS = [f"web_zh-{i:05d}" for i in range(4)]
DOCUMENTS = 120


@pytest.fixture(scope="module")
def texts() -> list[list[str]]:
    kb = KnowledgeBase(load_knowledge())
    corpus = Corpus(kb, Benchmarks(kb, 20, 3), 4000, 3)
    source = next(source for source in SOURCES if source.name == "web_zh")
    return [
        [corpus.record(source, DOCUMENTS * n + i).body for i in range(DOCUMENTS)]
        for n in range(len(SHARDS))
    ]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    current_settings.cache_clear()
    monkeypatch.setitem(RECIPES, "shard_tally", Recipe("shard_tally", (), (), "shard", "1"))
    monkeypatch.setitem(RECIPES, "corpus_manifest", Recipe("corpus_manifest", (), (), None, "1"))
    store = Store(tmp_path / "store")
    with store.publish("corpus_manifest") as draft:
        draft.write(rows_of("corpus_manifest", *({"file": s, "shard": s} for s in SHARDS)))
    return store


def _tally(store: Store, shard: str, texts: list[str]) -> None:
    text = pl.Series("text", texts)
    documents = pl.DataFrame({"text": text}).with_columns(
        doc_id=pl.format("{}-{}", pl.lit(shard), pl.int_range(pl.len())),
        shard=pl.lit(shard),
        source=pl.lit("web_zh"),
        lang=pl.lit("zh"),
        n_chars=text.str.len_chars().cast(pl.Int64),
        n_tokens=text.str.len_chars().cast(pl.Int64),
    )
    verdicts = rules.decide(measures.measure(documents.lazy()), current_settings().rules)
    nothing = pl.LazyFrame(schema={"origin": pl.String, "error": pl.String})
    with store.publish("shard_tally", shard) as draft:
        draft.write(funnel.tally(shard, documents.lazy(), nothing, {"rule_verdicts": verdicts}))


def _drift(store: Store, texts: list[list[str]]) -> dg.AssetCheckEvaluation:
    for shard, part in zip(SHARDS, texts, strict=True):
        _tally(store, shard, part)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corpus_shard", SHARDS)
        result = dg.materialize(
            [shard_drift, *build_checks("shard_drift")],
            instance=instance,
            resources={"workshop": Workshop()},
            raise_on_error=False,
        )
    assert result.success, "a deviating shard warns and stops nothing"
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert found["shards_alike"].severity == dg.AssetCheckSeverity.WARN
    return found["shards_alike"]


def test_sound_shards_pass(store: Store, texts: list[list[str]]) -> None:
    check = _drift(store, texts)
    assert check.passed, check.description
    assert store.require("shard_drift").metadata["plot"].startswith("![deviation of shards")


def test_a_spoiled_shard_is_named_with_its_measures(store: Store, texts: list[list[str]]) -> None:
    misread = [text.encode().decode("gb18030", errors="replace") for text in texts[2]]
    check = _drift(store, [*texts[:2], misread, texts[3]])
    assert not check.passed
    assert check.metadata["shards"].value == ["web_zh-00002"]
    rows = store.scan("shard_drift").filter(pl.col("shard") == "web_zh-00002").collect()
    found = {one["measure"] for one in rows["deviations"][0]}
    assert {"dropped by rule_verdicts", "replacement_chars_v1"} <= found
