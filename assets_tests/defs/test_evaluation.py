"""The evaluation stage in Dagster, on the sample world, with random weights and a fake judge."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.evaluation.conftest import FakeJudge, tiny_model  # noqa: F401
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.evaluation import assets, checks  # noqa: F401 - declares the checks
from carebot_assets.defs.partitions import CHECKPOINTS
from carebot_assets.defs.recipe import RECIPES, Recipe
from carebot_assets.defs.resources import TeacherResource, Workshop
from carebot_assets.evaluation import items as items_module
from carebot_assets.evaluation.consultations import rounds_of
from carebot_assets.evaluation.suites import DIMENSIONS
from carebot_assets.sample.world import write_world
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

SUITES = ("cmmlu_med", "medqa", "pubmedqa")
MIXES = ("stable_mix", "boost_mix", "one_stage_mix")
UPSTREAM_TABLES = ("quality_funnel", "sft_set", "dpo_pairs", *MIXES)
LOSSES = {"losses": {"before": {"general": 5.0}, "after": {"general": 4.0}}}


class FakeTeacher(TeacherResource):
    @contextmanager
    def open(self) -> Iterator[Any]:
        yield FakeJudge()


@pytest.fixture
def stage(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_model: Path,  # noqa: F811
    fresh_settings: None,
) -> Store:
    """A store with everything the evaluation reads; checkpoints are all the same tiny model."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__evaluation__max_new_tokens", "8")
    store = Store(tmp_path / "store")
    for name in (*UPSTREAM_TABLES, "documents", "filtered_corpus", "general_corpus"):
        monkeypatch.setitem(RECIPES, name, Recipe(name, (), (), None, "1"))
    for name in UPSTREAM_TABLES:
        with store.publish(name) as draft:
            draft.write(rows_of(name))
    for name in (*CHECKPOINTS, "domain_classifier", "quality_rater", "sample_world"):
        with store.publish(name) as draft:
            for file in tiny_model.iterdir():
                (draft.dir / file.name).write_bytes(file.read_bytes())
            (draft.dir / "checkpoint.json").write_text(json.dumps(LOSSES))
            draft.metadata["spearman"] = 0.5
    write_world(current_settings().sample_dir, documents=40, dialogues=24, questions=24, seed=7)
    return store


def run(*chosen: Any, partition: str | None = None) -> dict[str, bool]:
    """Materialize with the stage's checks; verdicts by check. Fails where a step fails for
    another reason than a check."""
    guards = build_checks(*(asset.key.to_user_string() for asset in chosen))
    result = dg.materialize(
        [*chosen, *guards],
        partition_key=partition,
        instance=dg.DagsterInstance.ephemeral(),
        resources={"workshop": Workshop(), "teacher": FakeTeacher()},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    found = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    errors = [event.step_failure_data.error for event in result.get_step_failure_events()]
    assert result.success or False in found.values(), errors
    return found


def _fill(store: Store) -> None:
    """The partitions that are not run here, made up from the items."""
    items = store.scan("benchmark_items")
    answers = items_module.askable(items).select("item_id", "suite", "lang", "answer").collect()
    rounds = rounds_of(items).select("item_id", "turn", "suite")
    common = {"model": pl.lit("m"), "checkpoint": pl.lit("c")}
    for suite in SUITES:
        part = answers.filter(pl.col("suite") == suite).with_columns(
            prediction="answer", correct=pl.lit(True), suite_version=pl.lit("v"), **common
        )
        for name in CHECKPOINTS:
            if store.manifest("benchmark_scores", f"{name}|{suite}") is None:
                with store.publish("benchmark_scores", f"{name}|{suite}") as draft:
                    draft.write(part.with_columns(checkpoint=pl.lit(name)))
    grades = {name: pl.lit(4.0) for name in DIMENSIONS}
    with store.publish("consultation_scores", "dpo_checkpoint|cmtmedqa") as draft:
        said = {"response": pl.lit("r"), "status": pl.lit("scored"), "judge": pl.lit("j")}
        draft.write(
            rounds.with_columns(**said, **grades, **common).with_columns(
                checkpoint=pl.lit("dpo_checkpoint")
            )
        )


def test_the_stage_from_files_to_scorecard(stage: Store) -> None:
    assert all(run(assets.benchmark_items).values())
    counts = stage.scan("benchmark_items").group_by("suite").len().collect()
    assert set(counts["suite"]) == {*SUITES, "cmtmedqa"}
    assert dict(counts.rows())["cmtmedqa"] == 6 and dict(counts.rows())["medqa"] == 24

    found = run(assets.benchmark_scores, partition="base_model|medqa")
    assert found.pop("above_chance") in (True, False)
    assert set(found) == {"schema", "unique_key", "answered_once", "predictions_legal"}
    assert all(found.values())
    manifest = stage.require("benchmark_scores", "base_model|medqa")
    assert set(manifest.inputs) == {"base_model", "benchmark_items"} and manifest.rows == 24
    row = stage.scan("benchmark_scores").collect().row(0, named=True)
    assert row["model"] == stage.require("base_model").content_hash

    found = run(assets.consultation_scores, partition="sft_checkpoint|cmtmedqa")
    assert found == dict.fromkeys(("schema", "unique_key", "turns_judged", "grades_in_scale"), True)
    metadata = stage.require("consultation_scores", "sft_checkpoint|cmtmedqa").metadata
    assert metadata["num_failed"] == 0 and metadata["num_shortened_histories"] > 0

    _fill(stage)
    assert run(assets.scorecard) == {"numbers_of_the_tables": True}
    page = (stage.path("scorecard") / "scorecard.html").read_text("utf-8")
    assert "dpo_checkpoint/cmtmedqa/average" in page and "5.000" in page
    assert stage.require("scorecard").metadata["accuracy dpo_checkpoint medqa"] == 1.0


def test_a_checkpoint_is_scored_again_only_for_its_own_inputs(stage: Store) -> None:
    run(assets.benchmark_items)
    recipe = RECIPES["benchmark_scores"]
    before = {p: recipe.fingerprint(stage, p) for p in ("base_model|medqa", "sft_checkpoint|medqa")}
    with stage.publish("sft_checkpoint") as draft:
        (draft.dir / "other.json").write_text("{}")
    other = (
        stage.scan("benchmark_items")
        .collect()
        .with_columns(
            question=pl.when(pl.col("suite") == "pubmedqa")
            .then(pl.lit("new"))
            .otherwise("question")
        )
    )
    with stage.publish("benchmark_items") as draft:
        draft.write(other)
    after = {p: recipe.fingerprint(stage, p) for p in before}
    assert after["base_model|medqa"] == before["base_model|medqa"]
    assert after["sft_checkpoint|medqa"] != before["sft_checkpoint|medqa"]
