from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.checking import Shelf, build_checks, check, table_checks
from carebot_assets.defs.recipe import RECIPES, Recipe, expected_partitions
from carebot_assets.defs.resources import Workshop
from carebot_assets.expectations import Finding
from carebot_assets.settings import current_settings
from carebot_assets.store import Store, hash_json

calls: list[str] = []


class Extra(dg.ConfigurableResource):
    word: str = "hello"


@pytest.fixture
def graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_settings: None, no_assets: None
) -> Iterator[dict[str, Any]]:
    """Two small assets under names of real tables."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    calls.clear()

    def domain_seed_sample(step: Step, extra: Extra) -> dict[str, Any]:
        """Sample.

        Two words.
        """
        calls.append("domain_seed_sample")
        row = {"doc_id": "a", "shard": "s", "source": "s", "lang": "en", "text": extra.word,
               "stands_for": 1.0}  # fmt: skip
        step.write(pl.DataFrame([row]))
        return {"num_words": 1, "table": "| a |\n|---|"}

    def quality_seed_sample(step: Step) -> dict[str, Any]:
        """Copy."""
        calls.append("quality_seed_sample")
        step.write(step.scan("domain_seed_sample"))
        return {}

    for body in (domain_seed_sample, quality_seed_sample):
        body.__module__ = "carebot_assets.defs.domain.assets"
    first = artifact(kinds={"polars"}, settings=["domain.threshold"])(domain_seed_sample)
    second = artifact(inputs=["domain_seed_sample"], kinds={"polars"})(quality_seed_sample)
    yield {"first": first, "second": second, "store": Store(tmp_path / "store")}


def materialize(*assets: Any, instance: dg.DagsterInstance, word: str = "hello") -> Any:
    return dg.materialize(
        assets,
        instance=instance,
        resources={"workshop": Workshop(), "extra": Extra(word=word)},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def test_an_asset_carries_what_all_assets_share(graph: dict[str, Any]) -> None:
    spec = graph["first"].get_asset_spec()
    assert spec.group_name == "domain"
    assert list(spec.owners) == ["team:data"]
    assert spec.kinds == {"polars"}
    assert spec.description.startswith("Sample.")
    assert spec.code_version == RECIPES["domain_seed_sample"].code_version
    columns = spec.metadata["dagster/column_schema"].columns
    assert [c.name for c in columns] == list(tables.BY_NAME["domain_seed_sample"].columns)


def test_unchanged_inputs_are_reported_again_but_not_computed(graph: dict[str, Any]) -> None:
    instance = dg.DagsterInstance.ephemeral()
    one = materialize(graph["first"], graph["second"], instance=instance)
    two = materialize(graph["first"], graph["second"], instance=instance)
    assert one.success and two.success
    assert calls == ["domain_seed_sample", "quality_seed_sample"]
    events = [r.asset_materializations_for_node("domain_seed_sample")[0] for r in (one, two)]
    versions = [e.tags["dagster/data_version"] for e in events]
    assert versions[0] == versions[1] == graph["store"].require("domain_seed_sample").content_hash
    assert events[1].metadata["dagster/row_count"].value == 1
    assert isinstance(events[1].metadata["table"], dg.MarkdownMetadataValue)


def test_a_changed_setting_makes_stale_what_depends_on_it_and_no_more(
    graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = dg.DagsterInstance.ephemeral()
    materialize(graph["first"], graph["second"], instance=instance)
    monkeypatch.setenv("CAREBOT_SET__domain__threshold", "0.25")
    current_settings.cache_clear()
    materialize(graph["first"], graph["second"], instance=instance)
    # The first is computed again; its result is the same, so the second is not.
    assert calls == ["domain_seed_sample", "quality_seed_sample", "domain_seed_sample"]


def test_a_missing_input_is_named(graph: dict[str, Any]) -> None:
    result = materialize(graph["second"], instance=dg.DagsterInstance.ephemeral())
    assert not result.success
    [event] = result.get_step_failure_events()
    assert "domain_seed_sample has not been materialized" in (
        event.step_failure_data.user_failure_data.description
    )


def test_checks_are_seen_passing_and_failing(graph: dict[str, Any]) -> None:
    @check("domain_seed_sample", blocking=True)
    def polite(shelf: Shelf) -> Finding:
        """Texts say hello."""
        texts = shelf.scan().collect()["text"].to_list()
        return Finding(texts == ["hello"], f"found {texts}", {"num_texts": len(texts)})

    table_checks("domain_seed_sample")
    everything = [graph["first"], graph["second"], *build_checks()]
    good = materialize(*everything, instance=dg.DagsterInstance.ephemeral())
    assert good.success
    assert {e.check_name: e.passed for e in good.get_asset_check_evaluations()} == {
        "polite": True,
        "schema": True,
        "unique_key": True,
    }
    graph["store"].root.rename(graph["store"].root.with_name("elsewhere"))
    calls.clear()
    bad = materialize(*everything, instance=dg.DagsterInstance.ephemeral(), word="go away")
    assert not bad.success
    failed = [e for e in bad.get_asset_check_evaluations() if not e.passed]
    assert [(e.check_name, e.description) for e in failed] == [("polite", "found ['go away']")]
    assert calls == ["domain_seed_sample"], "a blocking check stops what reads the table"


def test_inputs_of_a_partition(store: Store, no_assets: None) -> None:
    with store.publish("corpus_manifest") as draft:
        draft.write(
            rows_of("corpus_manifest", {"file": "a", "shard": "s-1"}, {"file": "b", "shard": "s-2"})
        )
    for shard in ("s-1", "s-2"):
        with store.publish("documents", shard) as draft:
            draft.write(rows_of("documents", {"doc_id": shard, "shard": shard}))
    upstream = Recipe("documents", (), (), "shard", "1", slices={"corpus_manifest": "shard"})
    RECIPES["documents"] = upstream
    assert upstream.sliced(store, "corpus_manifest", "s-2").collect()["file"].to_list() == ["b"]
    assert expected_partitions(upstream, store) == ["s-1", "s-2"]

    own = Recipe("text_measures", ("documents",), (), "shard", "1")
    across = Recipe("text_measures", ("documents",), (), "shard", "1", across=("documents",))
    hashes = {key: store.require("documents", key).content_hash for key in ("s-1", "s-2")}
    assert own.input_hashes(store, "s-1") == {"documents": hashes["s-1"]}
    assert across.input_hashes(store, "s-1") == {"documents": hash_json(hashes)}
