"""The assets from raw files to rule verdicts and their checks, run by Dagster on small files."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.corpus.tiny_tokenizer import write_tokenizer
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import assets, checks  # noqa: F401 - declares the checks
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

ZH = "高血压是一种以血压持续升高为特征的慢性病，可损害心脏和肾脏。患者应当限盐并定期测量血压。"
EN = (
    "Hypertension is a lasting rise of the blood pressure. It harms the heart and the kidneys, and "
    "it is treated with less salt, more exercise and with drugs that lower the pressure."
)
SHARDED = [assets.documents, assets.text_measures, assets.rule_verdicts]
NAMES = ("sample_world", "corpus_manifest", "documents", "text_measures", "rule_verdicts")


def write(path: Path, *rows: Any) -> None:
    lines = [row if isinstance(row, str) else json.dumps({"text": row["t"]}) for row in rows]
    path.write_text("\n".join(lines), "utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    write(folder / "a.jsonl", {"t": ZH}, {"t": EN + " MRN: 1234567."}, {"t": "short"}, "broken")
    write(folder / "b.jsonl", {"t": EN})
    sources = f"{{web: {{path: '{folder}/*.jsonl', license: MIT}}}}"
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__corpus__shard_bytes", "450")
    monkeypatch.setenv("CAREBOT_SET__corpus__max_bad_ratio", "0.3")
    monkeypatch.setenv("CAREBOT_SET__corpus__max_bad_records", "0")
    monkeypatch.setenv("CAREBOT_SET__corpus__sources", sources)
    current_settings.cache_clear()
    return folder


def run(
    instance: dg.DagsterInstance, selected: list[Any], partition: str | None = None
) -> dg.ExecuteInProcessResult:
    upstream = [assets.sample_world, assets.corpus_manifest, *SHARDED]
    return dg.materialize(
        [*upstream, *build_checks(*NAMES)],
        selection=dg.AssetSelection.assets(*selected),
        instance=instance,
        partition_key=partition,
        resources={"workshop": Workshop()},
        raise_on_error=False,
    )


def plan(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    store = Store(current_settings().store.root)
    if store.manifest("sample_world") is None:
        with store.publish("sample_world") as draft:
            (draft.dir / "stand-in").touch()
    return run(instance, [assets.corpus_manifest])


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}


def test_from_files_to_verdicts(folder: Path) -> None:
    store = Store(current_settings().store.root)
    with dg.DagsterInstance.ephemeral() as instance:
        planned = plan(instance)
        assert planned.success
        assert failed_checks(planned) == set()
        shards = instance.get_dynamic_partitions(str(corpus_shards.name))
        assert shards == ["web-00000", "web-00001"]
        result = run(instance, SHARDED, "web-00000")
        assert result.success
        assert failed_checks(result) == set()
        metadata = store.require("documents", "web-00000").metadata
        assert (metadata["num_records"], metadata["num_quarantined"]) == (4, 1)
        verdicts = store.scan("rule_verdicts", "web-00000").collect()
        assert verdicts["verdict"].to_list() == ["keep", "keep", "drop"]
        assert verdicts["masked_kinds"].to_list() == [[], ["medical_record_number"], []]
        assert "min_tokens_v2" in verdicts["reasons"][2].to_list()
        quarantine = store.scan("documents", "web-00000", side_table="quarantine").collect()
        assert quarantine["error"].to_list() == ["malformed JSON"]


def test_token_limits_may_be_of_a_models_tokenizer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = write_tokenizer(tmp_path / "model") / "tokenizer.json"
    monkeypatch.setenv("CAREBOT_SET__rules__tokenizer", str(tokenizer))
    monkeypatch.setenv("CAREBOT_SET__rules__en__min_tokens", "60")
    current_settings.cache_clear()
    store = Store(current_settings().store.root)
    with dg.DagsterInstance.ephemeral() as instance:
        plan(instance)
        assert run(instance, SHARDED, "web-00000").success
        before = store.require("rule_verdicts", "web-00000")
        verdicts = store.scan("rule_verdicts", "web-00000").collect()
        assert verdicts["verdict"].to_list() == ["keep", "keep", "drop"], "34 words, 173 tokens"
        write_tokenizer(tmp_path / "model", vocab_size=300)
        assert run(instance, [assets.rule_verdicts], "web-00000").success
        after = store.require("rule_verdicts", "web-00000")
        assert after.fingerprint != before.fingerprint, "another tokenizer, other counts"


def test_other_shards_stay_current_and_gone_ones_are_unregistered(folder: Path) -> None:
    store = Store(current_settings().store.root)
    with dg.DagsterInstance.ephemeral() as instance:
        plan(instance)
        run(instance, SHARDED, "web-00000")
        before = store.require("documents", "web-00000")
        (folder / "b.jsonl").unlink()
        write(folder / "0.jsonl", {"t": ZH})
        assert plan(instance).success
        keys = instance.get_dynamic_partitions(str(corpus_shards.name))
        assert sorted(keys) == ["web-00000", "web-00002"]
        run(instance, [assets.documents], "web-00000")
        assert store.require("documents", "web-00000") == before
        files = store.scan("corpus_manifest").select("name", "shard").collect().rows()
        assert files == [("0.jsonl", "web-00002"), ("a.jsonl", "web-00000")]


def test_checks_fail_on_spoilt_tables(folder: Path) -> None:
    store = Store(current_settings().store.root)
    with dg.DagsterInstance.ephemeral() as instance:
        plan(instance)
        run(instance, SHARDED, "web-00000")
        rows = store.scan("documents", "web-00000").collect()
        bad = store.scan("documents", "web-00000", side_table="quarantine").collect()
        # Under the fingerprint of the sound table, so that the run looks at it and leaves it be.
        fingerprint = store.require("documents", "web-00000").fingerprint
        with store.publish("documents", "web-00000", fingerprint=fingerprint) as draft:
            draft.write(rows.with_columns(lang=pl.lit("other")))
            draft.write(pl.concat([bad, bad]), "quarantine")
            draft.metadata["num_records"] = 3
        result = run(instance, [assets.documents], "web-00000")
        assert failed_checks(result) == {
            *("records_accounted", "quarantine_unique", "language_known", "quarantine_ratio")
        }


def test_too_many_bad_records_fail_the_run(folder: Path) -> None:
    write(folder / "b.jsonl", "bad", {"t": EN})
    with dg.DagsterInstance.ephemeral() as instance:
        plan(instance)
        result = run(instance, [assets.documents], "web-00001")
        assert not result.success
        assert "shard web-00001: 1 of 2 records are bad" in str(
            [e.event_specific_data for e in result.get_step_failure_events()]
        )
    assert Store(current_settings().store.root).manifest("documents", "web-00001") is None
