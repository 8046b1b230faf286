import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets_tests.conftest import rows_of
from carebot_assets import runner
from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.defs.checking import Shelf, build_checks, check
from carebot_assets.defs.recipe import Recipe
from carebot_assets.defs.resources import Workshop
from carebot_assets.expectations import Finding
from carebot_assets.runner import Outcome, Progress, plan_waves, run_waves
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

SHARDS = ("web-00000", "web-00001")


def recipe(name: str, *inputs: str, partitions: str | None = None, **options: Any) -> Recipe:
    return Recipe(name, inputs, (), partitions, "1", **options)


@pytest.mark.parametrize(
    ("recipes", "waves"),
    [
        ([recipe("a"), recipe("b", "a")], [["a", "b"]]),
        (
            [
                recipe("plan"),
                recipe("read", "plan", partitions="shard"),
                recipe("judge", "read", partitions="shard"),
                recipe("sum", "judge"),
                recipe("verdict", "sum", "judge", partitions="shard"),
            ],
            [["plan"], ["read", "judge"], ["sum"], ["verdict"]],
        ),
        (
            [
                recipe("read", partitions="sft_source"),
                recipe("judge", "read", partitions="sft_source", across=("read",)),
            ],
            [["read"], ["judge"]],
        ),
        (
            [recipe("read", partitions="shard"), recipe("dialogues", partitions="sft_source")],
            [["dialogues"], ["read"]],
        ),
    ],
)
def test_waves(recipes: list[Recipe], waves: list[list[str]]) -> None:
    planned = plan_waves({r.name: r for r in recipes})
    assert [[r.name for r in wave.recipes] for wave in planned] == waves


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ([recipe("a", "b"), recipe("b", "a")], "circle among"),
        ([recipe("a", "nowhere")], r"no assets: \['nowhere'\]"),
    ],
)
def test_a_graph_without_an_order_is_refused(recipes: list[Recipe], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_waves({r.name: r for r in recipes})


def _instance(home: Path) -> dg.DagsterInstance:
    home.mkdir()
    shutil.copy(Path(runner.__file__).with_name("dagster.yaml"), home)
    return dg.DagsterInstance.from_config(str(home))


class World:
    """A graph of three assets, a store and a persistent instance; `broken` names what fails."""

    def __init__(self, tmp_path: Path) -> None:
        self.broken = ""
        self.bodies: list[str] = []
        self.progress: list[Progress] = []
        self.store = Store(tmp_path / "store")
        self.log = tmp_path / "logs" / "run.log"
        self.instance = _instance(tmp_path / "home")
        self.definitions = dg.Definitions(
            assets=self._assets(),
            asset_checks=self._checks(),
            resources={"workshop": Workshop()},
        )

    def _assets(self) -> list[dg.AssetsDefinition]:
        def corpus_manifest(step: Step) -> dict[str, Any]:
            """Plan of shards."""
            self.bodies.append("corpus_manifest")
            step.write(rows_of("corpus_manifest", *({"file": s, "shard": s} for s in SHARDS)))
            step.context.instance.add_dynamic_partitions("corpus_shard", list(SHARDS))
            return {}

        def documents(step: Step) -> dict[str, Any]:
            """Documents of a shard."""
            self.bodies.append(f"documents {step.partition}")
            if self.broken == step.partition:
                raise ValueError("web/page.jsonl: line 3 is no JSON")
            step.write(rows_of("documents", {"doc_id": step.partition, "shard": step.partition}))
            return {}

        def quality_funnel(step: Step) -> dict[str, Any]:
            """Sums."""
            self.bodies.append("quality_funnel")
            step.write(rows_of("quality_funnel", {"stage": "x"}))
            return {}

        for body in (corpus_manifest, documents, quality_funnel):
            body.__module__ = "carebot_assets.defs.corpus.assets"
        return [
            artifact(kinds={"polars"}, memo=False)(corpus_manifest),
            artifact(
                inputs=["corpus_manifest"],
                slices={"corpus_manifest": "shard"},
                partitions="shard",
                kinds={"polars"},
            )(documents),
            artifact(inputs=["documents"], kinds={"polars"})(quality_funnel),
        ]

    def _checks(self) -> list[dg.AssetChecksDefinition]:
        @check("quality_funnel", blocking=True)
        def sums_add_up(shelf: Shelf) -> Finding:
            """Sums add up."""
            return Finding(self.broken != "check", "sums differ by 1")

        return build_checks()

    def run(self, *wanted: str) -> Outcome:
        self.bodies.clear()
        return run_waves(
            self.definitions, self.store, self.instance, self.log, self.progress.append, wanted
        )


@pytest.fixture
def world(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_settings: None, no_assets: None
) -> Iterator[World]:
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    current_settings.cache_clear()
    world = World(tmp_path)
    yield world
    world.instance.dispose()


EVERYTHING = ["corpus_manifest", *(f"documents {s}" for s in SHARDS), "quality_funnel"]


def test_everything_runs_once_and_a_second_time_not_at_all(world: World) -> None:
    first = world.run()
    assert (first.failures, world.bodies) == ([], EVERYTHING)
    assert first.num_runs == 4
    shown = {(p.wave.title, p.partition, p.number, p.total) for p in world.progress}
    assert ("documents", SHARDS[1], 2, 2) in shown
    second = world.run()
    assert (second.failures, world.bodies) == ([], ["corpus_manifest"]), "it looks at the files"
    assert (second.num_runs, second.num_current) == (1, 3)


def test_what_is_not_wanted_is_not_run(world: World) -> None:
    assert world.run("documents").failures == []
    assert world.bodies == EVERYTHING[:-1]
    with pytest.raises(ValueError, match="no asset 'document'; did you mean documents"):
        world.run("document")


@pytest.mark.parametrize("bad", [0, 1])
def test_a_failure_names_asset_shard_and_cause_and_costs_no_other_shard(
    world: World, bad: int
) -> None:
    world.broken = SHARDS[bad]
    outcome = world.run()
    assert outcome.failures == [
        f"documents[{SHARDS[bad]}]: ValueError: web/page.jsonl: line 3 is no JSON"
    ]
    assert world.bodies == EVERYTHING[:3], "what needs all shards does not start"
    assert "STEP_FAILURE" in world.log.read_text("utf-8")
    assert world.store.manifest("documents", SHARDS[bad]) is None
    assert world.store.manifest("documents", SHARDS[1 - bad]) is not None
    world.broken = ""
    assert world.run().failures == []
    assert world.bodies == ["corpus_manifest", f"documents {SHARDS[bad]}", "quality_funnel"]


def test_a_failed_blocking_check_stops_and_is_checked_again(world: World) -> None:
    world.broken = "check"
    for _ in range(2):
        outcome = world.run()
        assert outcome.failures == ["quality_funnel: check sums_add_up: sums differ by 1"]
    assert world.bodies == ["corpus_manifest"], "the sums are current, their check is run again"
    world.broken = ""
    assert world.run().failures == []
    assert world.run().num_runs == 1


def test_artifacts_the_instance_does_not_know_are_reported_to_it(
    world: World, tmp_path: Path
) -> None:
    world.run()
    world.instance.dispose()
    world.instance = _instance(tmp_path / "home2")
    outcome = world.run()
    assert outcome.failures == []
    assert world.bodies == ["corpus_manifest"], "nothing is computed again"
    assert world.instance.get_latest_materialization_event(dg.AssetKey("quality_funnel"))
