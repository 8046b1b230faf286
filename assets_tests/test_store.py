import json
from pathlib import Path

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets.store import Store, StoreError, hash_dir, hash_json

SAMPLE = pl.DataFrame(
    {
        "doc_id": ["a", "b"],
        "shard": ["s-00000"] * 2,
        "source": ["s"] * 2,
        "lang": ["en", "zh"],
        "text": ["fever", "发热"],
        "stands_for": [1.0, 2.5],
    }
)


def publish(store: Store, frame: pl.DataFrame = SAMPLE) -> None:
    with store.publish("domain_seed_sample", fingerprint="f", inputs={"documents": "h"}) as draft:
        draft.write(frame)
        draft.metadata["note"] = 1


def test_a_published_table_reads_back_with_its_manifest(store: Store) -> None:
    publish(store)
    assert store.scan("domain_seed_sample").collect().equals(SAMPLE)
    manifest = store.require("domain_seed_sample")
    assert (manifest.rows, manifest.fingerprint, manifest.inputs) == (2, "f", {"documents": "h"})
    assert manifest.metadata == {"note": 1}
    assert manifest.content_hash == hash_dir(store.dir("domain_seed_sample"))


def test_same_rows_give_the_same_bytes_and_other_rows_another_hash(store: Store) -> None:
    publish(store)
    first = store.require("domain_seed_sample").content_hash
    publish(store)
    assert store.require("domain_seed_sample").content_hash == first
    publish(store, SAMPLE.head(1))
    assert store.require("domain_seed_sample").content_hash != first


def test_a_failure_leaves_the_old_artifact_and_no_litter(store: Store) -> None:
    publish(store)
    before = store.require("domain_seed_sample")
    with pytest.raises(RuntimeError, match="killed"), store.publish("domain_seed_sample") as draft:
        draft.write(SAMPLE.head(1))
        raise RuntimeError("killed")
    assert store.require("domain_seed_sample") == before
    assert list((store.root / ".tmp").iterdir()) == []


def test_a_table_that_was_not_written_is_not_published(store: Store) -> None:
    with pytest.raises(StoreError, match="nothing was written"), store.publish("quality_funnel"):
        assert store.manifest("quality_funnel") is None
    assert store.manifest("quality_funnel") is None


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (SAMPLE.drop("lang"), r"missing columns \['lang'\]"),
        (SAMPLE.with_columns(more=1), r"unknown \['more'\]"),
    ],
)
def test_columns_must_be_the_declared_ones(store: Store, frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        publish(store, frame)


def test_partitions_are_folders_and_are_scanned_in_key_order(store: Store) -> None:
    for shard in ("web-00001", "web-00000"):
        with store.publish("minhash_signatures", shard) as draft:
            draft.write(rows_of("minhash_signatures", {"doc_id": shard}))
    assert store.partitions("minhash_signatures") == ["web-00000", "web-00001"]
    assert store.scan("minhash_signatures").collect()["doc_id"].to_list() == [
        "web-00000",
        "web-00001",
    ]
    assert store.dir("minhash_signatures", "web-00000").name == "shard=web-00000"
    assert store.dir("benchmark_scores", "base_model|medqa").parts[-2:] == (
        "checkpoint=base_model",
        "suite=medqa",
    )


@pytest.mark.parametrize("key", ["../escape", "a/b", ".hidden", ""])
def test_a_partition_key_cannot_leave_the_store(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="is not a key of"):
        store.dir("documents", key)


def test_missing_and_broken_artifacts_are_named(store: Store) -> None:
    with pytest.raises(StoreError, match=r"documents\[s-00000\] has not been materialized"):
        store.scan("documents", "s-00000")
    publish(store)
    (store.dir("domain_seed_sample") / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(StoreError, match="broken manifest"):
        store.manifest("domain_seed_sample")


def test_the_content_hash_sees_names_and_bytes_but_no_reports(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    one = hash_dir(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps({"seconds": 1}))
    assert hash_dir(tmp_path) == one
    (tmp_path / "weights").rename(tmp_path / "other")
    assert hash_dir(tmp_path) != one


def test_json_hash_ignores_key_order() -> None:
    assert hash_json({"a": 1, "b": "发"}) == hash_json({"b": "发", "a": 1})
    assert hash_json([1, 2]) != hash_json([2, 1])


def test_scanning_a_table_without_partitions_gives_no_rows(store: Store) -> None:
    assert store.scan("documents").collect().is_empty()
