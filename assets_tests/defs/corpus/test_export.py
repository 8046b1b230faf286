"""The export asset and its check, run by Dagster on one published shard."""

from pathlib import Path

import dagster as dg
import pytest

from assets_tests.corpus.test_export import TEXTS, corpus_of, lines
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import assets, export_assets, selection_assets  # noqa: F401
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

SHARD = "web-00000"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    """A store with one shard of `filtered_corpus` and `documents`."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__corpus__export", "zst")
    current_settings.cache_clear()
    store = Store(tmp_path / "store")
    for name, frame in zip(("filtered_corpus", "documents"), corpus_of(TEXTS), strict=True):
        with store.publish(name, SHARD) as draft:
            draft.write(frame)
    return store


def materialize() -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(corpus_shards.name), [SHARD])
        return dg.materialize(
            [export_assets.corpus_export, *build_checks("corpus_export")],
            instance=instance,
            partition_key=SHARD,
            resources={"workshop": Workshop()},
            raise_on_error=False,
        )


def test_a_shard_is_exported_and_checked(shelf: Store) -> None:
    result = materialize()
    assert result.success
    assert [e.passed for e in result.get_asset_check_evaluations()] == [True]
    assert shelf.require("corpus_export", SHARD).metadata["num_documents"] == len(TEXTS)
    file = shelf.path("corpus_export", SHARD) / "documents" / f"{SHARD}.jsonl.zst"
    assert [line["text"] for line in lines(file)] == TEXTS


def test_a_damaged_export_fails_its_check(shelf: Store) -> None:
    assert materialize().success
    folder = shelf.path("corpus_export", SHARD)
    (folder / "documents" / f"{SHARD}.jsonl.zst").write_bytes(b"")
    result = materialize()  # inputs and settings are unchanged: only the check runs
    assert not result.success
    assert [e.passed for e in result.get_asset_check_evaluations()] == [False]
