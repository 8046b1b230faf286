"""Shards as a person at the UI handles them: a backfill, what failed in it, and files that land.

A real code server, webserver and daemon; every request is one that the UI sends.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import carebot_assets
from assets_tests.end_to_end.conftest import Place
from assets_tests.end_to_end.deployment import Deployment, deployed, until
from carebot_assets.defs.corpus.sensors import INTAKE
from carebot_assets.defs.partitions import corpus_shards

TEXTS = [
    f"Hypertension is a lasting rise of the blood pressure. It harms the {organ}, and it is "
    "treated with less salt, more exercise and with drugs that lower the pressure."
    for organ in ("heart", "kidneys", "eyes", "brain")
]
GOOD, BAD = ["web-00000", "web-00002"], ["web-00001", "web-00003"]
# The UI offers the same from its launchpad: one process for a run instead of one for each step.
IN_PROCESS = json.dumps({"execution": {"config": {"in_process": {}}}})
SELECTOR = {"repositoryLocationName": "carebot_assets", "repositoryName": "__repository__"}

LAUNCH = """mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on PartitionKeysNotFoundError { message }
  }
}"""
REEXECUTE = """mutation reexecuteBackfill($reexecutionParams: ReexecutionParams!) {
  reexecutePartitionBackfill(reexecutionParams: $reexecutionParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
STATUS = """query BackfillStatus($backfillId: String!) {
  partitionBackfillOrError(backfillId: $backfillId) {
    __typename
    ... on PartitionBackfill { status error { message } runs { id status tags { key value } } }
  }
}"""
LAUNCH_RUN = """mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message }
  }
}"""
START_SENSOR = """mutation StartSensor($sensorSelector: SensorSelector!) {
  startSensor(sensorSelector: $sensorSelector) {
    __typename
    ... on Sensor { sensorState { status } }
    ... on PythonError { message }
  }
}"""


@dataclass(frozen=True)
class Site:
    place: Place
    instance: dg.DagsterInstance
    ui: Deployment

    def launch(self, mutation: str, **variables: Any) -> dict[str, Any]:
        (answer,) = self.ui.ask(mutation, **variables).values()
        assert "Error" not in answer["__typename"], answer
        return dict(answer)

    def plan(self) -> None:
        """Materialize the plan from the UI."""
        selector = SELECTOR | {"jobName": "corpus_plan"}
        params = {"selector": selector, "runConfigData": "{}", "mode": "default"}
        run_id = self.launch(LAUNCH_RUN, executionParams=params)["run"]["id"]

        def finished() -> dg.DagsterRun | None:
            run = self.instance.get_run_by_id(run_id)
            return run if run and run.is_finished else None

        run = until("the plan is made", finished, self.log)
        assert run.is_success, [str(entry) for entry in self.instance.all_logs(run_id)][-8:]

    def wait(self, backfill_id: str) -> dict[str, Any]:
        """The finished backfill: its status, and the status of the runs by shard."""

        def finished() -> dict[str, Any] | None:
            found = self.ui.ask(STATUS, backfillId=backfill_id)["partitionBackfillOrError"]
            return found if found["status"].startswith(("COMPLETED", "FAILED")) else None

        found = until(f"backfill {backfill_id} is finished", finished, self.log)
        runs = {
            tag["value"]: run["status"]
            for run in found["runs"]
            for tag in run["tags"]
            if tag["key"] == "dagster/partition"
        }
        assert len(runs) == len(found["runs"]), "one run a shard"
        return {"status": found["status"], "runs": runs, "error": found["error"]}

    def materializations(self, asset: str) -> list[str]:
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
        return sorted(str(record.partition_key) for record in records)

    def run_ids(self, shards: list[str]) -> dict[tuple[str, str], str]:
        """Which run published each artifact of the shards."""
        store = self.place.store
        return {(a, s): store.require(a, s).metadata["run_id"] for a in INTAKE for s in shards}

    @property
    def shards(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions(str(corpus_shards.name)))

    @property
    def log(self) -> Path:
        return self.place.folder / "daemon.log"


def _land(raw: Path, number: int) -> None:
    line = json.dumps({"text": TEXTS[number]}) + "\n"
    (raw / f"{number}.jsonl.gz").write_bytes(gzip.compress(line.encode()))


@pytest.fixture(scope="module")
def site(memory_path: Path) -> Iterator[Site]:
    raw = memory_path / "raw"
    raw.mkdir()
    for number in range(len(TEXTS)):
        _land(raw, number)
    (raw / "1.jsonl.gz").write_bytes(gzip.compress(b"no record\n"))
    (raw / "3.jsonl.gz").write_bytes(gzip.compress(b'{"text": "\xff\xfe"}\n'))
    profile = {
        "extends": "demo",
        "corpus": {
            "shard_bytes": 10,
            "max_bad_records": 0,
            # A declared encoding: nothing of a damaged file is read before its shard is.
            "sources": {"web": {"path": str(raw / "*"), "encoding": "utf-8"}},
            "watch": {"interval_seconds": 1, "materialize": True},
        },
    }
    (memory_path / "profile.yaml").write_text(yaml.safe_dump(profile))
    place = Place(memory_path, memory_path / "profile.yaml")
    with place.store.publish("sample_world") as draft:
        (draft.dir / "stand-in").touch()
    place.home.mkdir(parents=True)
    shutil.copy(Path(carebot_assets.__file__).with_name("dagster.yaml"), place.home)
    with dg.DagsterInstance.from_config(str(place.home)) as instance:
        instance.get_run_records(limit=1)  # makes the databases before the processes race for it
        with deployed(place) as ui:
            yield Site(place, instance, ui)


def test_a_backfill_fails_in_part_and_is_repaired(site: Site) -> None:
    site.plan()
    assert site.shards == sorted(GOOD + BAD)

    params = {
        "assetSelection": [{"path": [name]} for name in INTAKE],
        "partitionNames": site.shards,
        "fromFailure": False,
        "tags": [],
        "runConfigData": IN_PROCESS,
    }
    first = site.launch(LAUNCH, backfillParams=params)["backfillId"]
    done = site.wait(first)
    assert done["runs"] == dict.fromkeys(GOOD, "SUCCESS") | dict.fromkeys(BAD, "FAILURE")
    assert done["status"] == "COMPLETED_FAILED"
    assert site.place.store.partitions("documents") == GOOD
    before = site.run_ids(GOOD)

    for shard in BAD:
        _land(site.place.folder / "raw", int(shard[-1]))
    site.plan()
    again = {"parentRunId": first, "strategy": "FROM_FAILURE"}
    done = site.wait(site.launch(REEXECUTE, reexecutionParams=again)["backfillId"])
    assert done["runs"] == dict.fromkeys(BAD, "SUCCESS"), "only what had failed"
    assert done["status"] == "COMPLETED_SUCCESS"

    assert site.run_ids(GOOD) == before, "no good shard was written again"
    for asset in INTAKE:
        assert site.place.store.partitions(asset) == site.shards
        assert site.materializations(asset) == site.shards, "each shard once"
        missing = set(site.shards) - site.instance.get_materialized_partitions(dg.AssetKey(asset))
        assert not missing


def test_the_daemon_materializes_a_landed_file(site: Site) -> None:
    if not site.shards:
        site.plan()
    selector = SELECTOR | {"sensorName": "landed_files"}
    state = site.launch(START_SENSOR, sensorSelector=selector)["sensorState"]
    assert state["status"] == "RUNNING"
    known = site.shards
    raw = site.place.folder / "raw"
    (raw / "4.jsonl").write_text(json.dumps({"text": TEXTS[0] + " Rest helps, too."}) + "\n")
    last = INTAKE[-1]
    until(
        "the landed shard is materialized",
        lambda: "web-00004" in site.materializations(last),
        site.log,
    )
    assert site.shards == [*known, "web-00004"]
    assert site.materializations(last).count("web-00004") == 1
