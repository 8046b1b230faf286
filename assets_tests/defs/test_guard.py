from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.checking import Shelf, build_checks, check
from carebot_assets.defs.guard import failed_blocking_checks, refuse_if_failed
from carebot_assets.defs.resources import Workshop
from carebot_assets.expectations import Finding
from carebot_assets.settings import current_settings

verdict = {"blocking": True, "other": True}


@pytest.fixture
def graph(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_settings: None, no_assets: None
) -> Iterator[dict[str, Any]]:
    """An input with a blocking and a harmless check, and a step that is guarded."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    verdict.update(blocking=True, other=True)

    def domain_seed_sample(step: Step) -> dict[str, Any]:
        """Sample."""
        row = {"doc_id": "a", "shard": "s", "source": "s", "lang": "en", "text": "t",
               "stands_for": 1.0}  # fmt: skip
        step.write(pl.DataFrame([row]))
        return {}

    def quality_seed_sample(step: Step) -> dict[str, Any]:
        """Guarded copy."""
        refuse_if_failed(step, ["domain_seed_sample"])
        step.write(step.scan("domain_seed_sample"))
        return {}

    for body in (domain_seed_sample, quality_seed_sample):
        body.__module__ = "carebot_assets.defs.domain.assets"
    first = artifact(kinds={"polars"})(domain_seed_sample)
    second = artifact(inputs=["domain_seed_sample"], kinds={"polars"})(quality_seed_sample)

    @check("domain_seed_sample", blocking=True)
    def blocking(shelf: Shelf) -> Finding:
        """Blocks."""
        return Finding(verdict["blocking"], "said so")

    @check("domain_seed_sample", severity="WARN")
    def other(shelf: Shelf) -> Finding:
        """Only warns."""
        return Finding(verdict["other"], "said so")

    yield {"all": [first, second, *build_checks()], "instance": dg.DagsterInstance.ephemeral()}


def materialize(graph: dict[str, Any], name: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        graph["all"],
        selection=dg.AssetSelection.assets(name),
        instance=graph["instance"],
        resources={"workshop": Workshop()},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def test_a_failed_blocking_check_holds_in_later_runs(graph: dict[str, Any]) -> None:
    verdict["blocking"] = False
    assert not materialize(graph, "domain_seed_sample").success
    instance = graph["instance"]
    failed = failed_blocking_checks(instance, "domain_seed_sample")
    assert failed == ["domain_seed_sample/blocking"]
    assert failed_blocking_checks(instance, "domain_seed_sample", "elsewhere") == []
    result = materialize(graph, "quality_seed_sample")
    assert not result.success
    said = result.get_step_failure_events()[0].step_failure_data.user_failure_data
    assert "domain_seed_sample/blocking" in str(said.description)

    verdict["blocking"] = True
    assert materialize(graph, "domain_seed_sample").success
    assert failed_blocking_checks(instance, "domain_seed_sample") == []
    assert materialize(graph, "quality_seed_sample").success


def test_a_setting_overrides_the_guard(
    graph: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict["blocking"] = False
    materialize(graph, "domain_seed_sample")
    monkeypatch.setenv("CAREBOT_SET__pretraining__ignore_failed_checks", "true")
    current_settings.cache_clear()
    assert materialize(graph, "quality_seed_sample").success


def test_a_warning_stops_nobody(graph: dict[str, Any]) -> None:
    verdict["other"] = False
    assert materialize(graph, "domain_seed_sample").success
    assert materialize(graph, "quality_seed_sample").success
