"""The sensor on the sources' folders, looking again and again while files come, change and go."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from carebot_assets.definitions import defs
from carebot_assets.defs.corpus.sensors import INTAKE, landed_files
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

TEXT = (
    "Hypertension is a lasting rise of the blood pressure. It harms the heart and the kidneys, and "
    "it is treated with less salt, more exercise and with drugs that lower the pressure."
)


@cache
def job(name: str) -> dg.JobDefinition:
    return defs().get_repository_def().get_job(name)


@dataclass
class Site:
    """A watched folder, a persistent instance, and a daemon that runs what the sensor asks for."""

    folder: Path
    instance: dg.DagsterInstance
    cursor: str | None = None
    failed: list[str] = field(default_factory=list)

    def land(self, name: str, text: str = TEXT) -> None:
        path = self.folder / name
        path.write_text(json.dumps({"text": text}) + "\n", "utf-8")
        # Times of change may be coarse; a size or a time that differs is what the sensor sees.
        os.utime(path, ns=(0, len(list(self.folder.iterdir()))))

    def look(self) -> list[str]:
        """One tick; runs what it asks for. Returns the run keys' heads."""
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources={"workshop": Workshop()}
        )
        result = landed_files(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        asked = []
        for request in result.run_requests or []:
            asked.append(request.partition_key or "plan")
            done = job(str(request.job_name)).execute_in_process(
                instance=self.instance, partition_key=request.partition_key, raise_on_error=False
            )
            if not done.success:
                self.failed.append(asked[-1])
        assert bool(asked) != bool(result.skip_reason)
        return asked

    def look_until_quiet(self) -> list[str]:
        asked, quiet = [], 0
        while quiet < 2:
            more = self.look()
            asked += more
            quiet = 0 if more else quiet + 1
        return asked

    @property
    def store(self) -> Store:
        return Store(current_settings().store.root)

    @property
    def shards(self) -> list[str]:
        return self.instance.get_dynamic_partitions(str(corpus_shards.name))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Iterator[Site]:
    folder = tmp_path / "raw"
    folder.mkdir()
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__corpus__shard_bytes", "10")
    monkeypatch.setenv("CAREBOT_SET__corpus__max_bad_records", "0")
    monkeypatch.setenv("CAREBOT_SET__corpus__watch__materialize", "true")
    monkeypatch.setenv("CAREBOT_SET__corpus__sources", f"{{web: {{path: '{folder}/*.jsonl'}}}}")
    current_settings.cache_clear()
    with Store(tmp_path / "store").publish("sample_world") as draft:
        (draft.dir / "stand-in").touch()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(folder, instance)


def test_the_intake_is_what_needs_no_other_shard() -> None:
    assert INTAKE == ["documents", "text_measures", "rule_verdicts", "minhash_signatures"]


def test_a_landed_file_is_registered_and_materialized(site: Site, memory_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(memory_path)) as site.instance:
        assert site.look() == [], "no file is there yet"
        site.land("a.jsonl")
        assert site.look() == [], "the file may still be growing"
        assert site.look() == ["plan"]
        assert site.look() == ["web-00000"]
        assert site.look_until_quiet() == []
        site.land("b.jsonl", TEXT + " Salt is bad.")
        assert site.look_until_quiet() == ["plan", "web-00001"]
        assert site.shards == ["web-00000", "web-00001"]
        for name in INTAKE:
            assert site.store.partitions(name) == site.shards
            events = site.instance.fetch_materializations(dg.AssetKey(name), limit=9).records
            assert sorted(str(e.partition_key) for e in events) == site.shards, "each once"
        assert site.failed == []


def test_a_changed_file_is_read_again_and_a_touched_one_is_not(site: Site) -> None:
    site.land("a.jsonl")
    site.land("b.jsonl", TEXT + " Salt is bad.")
    assert site.look_until_quiet() == ["plan", "web-00000", "web-00001"]
    os.utime(site.folder / "a.jsonl", ns=(0, 77))
    assert site.look_until_quiet() == ["plan"]
    site.land("a.jsonl", TEXT + " Sport is good.")
    assert site.look_until_quiet() == ["plan", "web-00000"]
    site.land("a.jsonl")
    assert site.look_until_quiet() == ["plan", "web-00000"], "back to what it was is a change"
    (site.folder / "b.jsonl").unlink()
    assert site.look_until_quiet() == ["plan"]
    assert site.shards == ["web-00000"]


def test_what_was_run_by_hand_is_not_asked_for(site: Site) -> None:
    site.land("a.jsonl")
    for name, key in (("corpus_plan", None), ("shard_intake", "web-00000")):
        done = job(name).execute_in_process(instance=site.instance, partition_key=key)
        assert done.success
    assert site.look_until_quiet() == []


def test_what_failed_waits_for_a_change(site: Site) -> None:
    site.land("a.jsonl")
    (site.folder / "b.jsonl").write_text("broken\n")
    assert site.look_until_quiet() == ["plan", "web-00000", "web-00001"]
    assert site.failed == ["web-00001"]
    site.land("b.jsonl")
    assert site.look_until_quiet() == ["plan", "web-00001"]
    assert site.failed == ["web-00001"], "the repaired file was read"
    assert site.store.partitions("documents") == ["web-00000", "web-00001"]


def test_without_materialize_shards_are_registered_only(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAREBOT_SET__corpus__watch__materialize", "false")
    current_settings.cache_clear()
    site.land("a.jsonl")
    assert site.look_until_quiet() == ["plan"]
    assert site.shards == ["web-00000"]
    monkeypatch.setenv("CAREBOT_SET__corpus__watch__materialize", "true")
    current_settings.cache_clear()
    assert site.look_until_quiet() == ["web-00000"], "switched on later, it asks for what is left"
