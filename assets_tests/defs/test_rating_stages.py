"""The domain and quality stages on a small sample world, labelled by the offline teacher."""

# ruff: noqa: F811 - tests take the fixture that is imported

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets_tests.defs.rating_stage import NUM_DOCUMENTS, SEEDS, SHARD, run, store  # noqa: F401 - a fixture
from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.domain import assets as domain
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.quality import assets as quality
from carebot_assets.defs.recipe import RECIPES
from carebot_assets.defs.resources import TeacherResource, Workshop
from carebot_assets.raters import people
from carebot_assets.settings import current_settings
from carebot_assets.store import Store
from carebot_assets.tables import BY_NAME
from carebot_assets.teacher.client import Answer


class FailingTeacher(TeacherResource):
    """Every third call fails."""

    @contextmanager
    def open(self) -> Iterator[Any]:
        def ask(role: str, items: list[Any], **_: Any) -> list[Answer]:
            good = {"label": "Sports"}
            return [
                Answer("ok", good, None, False, 1, 1, 0.0)
                if number % 3
                else Answer("failed", None, "timeout", False, 1, 0, 0.0)
                for number in range(len(items))
            ]

        def ask_rounds(role: str, items: list[Any], rounds: Any, **_: Any) -> list[list[Answer]]:
            return [ask(role, items) for _ in rounds]

        bill = {"num_calls": 1, "num_cached": 0, "expected_usd": 0.0, "cost_usd": 0.0}
        yield SimpleNamespace(
            ask=ask,
            ask_rounds=ask_rounds,
            estimate=lambda *_, **__: bill,
            model="m",
            description="failing",
        )


def test_both_stages_and_their_checks(store: Store) -> None:
    found, metadata = run(
        [*SEEDS, domain.domain_classifier, domain.domain_prefilter],
    )
    # The sample world has no document of label "Others", and the check says so.
    assert [name for name, passed in found.items() if not passed] == ["class_minimum"]
    assert {"kappa", "num_cached", "cost_usd", "num_failed"} <= set(metadata)
    assert metadata["confusion"].startswith("![")
    assert store.require("domain_seed_labels").metadata["teacher"].startswith("offline heuristic")
    sampled = store.scan("domain_seed_sample").collect()
    assert sampled.height == 200 and sampled["doc_id"].is_sorted()

    found, _ = run([domain.domain_verdicts])
    assert found and all(found.values())
    table = store.scan("domain_verdicts", SHARD).collect()
    truth = store.scan("documents", SHARD).collect()["origin"].str.starts_with("medical")
    alive = table["verdict"] != "skip"
    assert (~alive).sum() == NUM_DOCUMENTS // 10
    assert ((table["verdict"] == "keep") == truth).filter(alive).mean() > 0.9

    found, metadata = run(
        [quality.quality_seed_sample, quality.quality_seed_scores, quality.quality_rater],
    )
    assert found and "weighted_kappa" in metadata
    assert all(found.values()), found
    found, _ = run([quality.quality_scores])
    assert found and all(found.values()), found
    scores = store.scan("quality_scores", SHARD).collect()
    assert scores["verdict"].is_in(["keep", "drop", "skip"]).all()
    assert (scores["verdict"] == "skip").sum() == (table["verdict"] != "keep").sum()


def test_a_second_run_pays_for_nothing_and_changes_nothing(store: Store) -> None:
    assets = [domain.domain_seed_sample, domain.domain_seed_labels]
    run(assets)
    first = store.require("domain_seed_labels")
    (store.path("domain_seed_labels") / "manifest.json").unlink()
    _, metadata = run(assets)
    second = store.require("domain_seed_labels")
    assert second.content_hash == first.content_hash
    assert (metadata["num_calls"], metadata["num_cached"]) == (0, 400)


PROGRESS = re.compile(
    r"domain_label, rounds 1 and 2: (?P<done>\d+) of 400 done, (?P<failed>\d+) failed, "
    r"(?P<usd>[\d.]+) US dollars in this run, (?P<past>[\d:]+) so far, (?P<left>[\d:]+) left"
)


def test_progress_of_a_labelling_is_on_the_page_of_its_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done, failed, cost and time left, after every tenth of the calls of both rounds."""
    teacher = {
        "prices": {"offline-heuristic-teacher": {"input": 500.0, "output": 500.0}},
        "offline": {"faults": {"invalid_ratio": 0.1, "num_times": 9}},
    }
    for key, value in teacher.items():
        monkeypatch.setenv(f"CAREBOT_SET__teacher__{key}", json.dumps(value))
    current_settings.cache_clear()
    said: list[str] = []
    _, metadata = run(SEEDS[:2], said=said)
    lines = [found.groupdict() for found in map(PROGRESS.fullmatch, said) if found]
    assert [int(line["done"]) for line in lines] == list(range(40, 401, 40))
    failed, usd = ([float(line[name]) for line in lines] for name in ("failed", "usd"))
    assert failed == sorted(failed) and failed[-1] == metadata["num_failed_calls"] > 0
    assert usd == sorted(usd) and usd[0] > 0
    assert usd[-1] == pytest.approx(metadata["cost_usd"], abs=0.006)
    assert lines[-1]["left"] == "0:00:00"


def test_failed_calls_are_never_labels_and_block(store: Store) -> None:
    found, _ = run([*SEEDS, domain.domain_classifier], FailingTeacher())
    assert not found["label_coverage"] and store.manifest("domain_classifier") is None
    table = store.scan("domain_seed_labels").collect()
    failed = table.filter(pl.col("status") == "failed")
    assert failed.height == 67 and failed["label"].null_count() == 67
    # Not in the run of the check alone: while it fails, nothing learns from these labels.
    with store.publish("domain_long_tail") as draft:
        draft.write(pl.DataFrame(schema=BY_NAME["domain_long_tail"].schema))
    with dg.DagsterInstance.ephemeral() as instance:
        labels = [domain.domain_seed_labels, *build_checks("domain_seed_labels")]
        resources = {"workshop": Workshop(), "teacher": FailingTeacher(), "launcher": Launcher()}
        for assets in (labels, [domain.domain_classifier]):
            result = dg.materialize(
                assets, resources=resources, instance=instance, raise_on_error=False
            )
    [failure] = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data.description
    assert "domain_seed_labels/label_coverage" in said
    assert store.manifest("domain_classifier") is None


def test_only_failures_are_retried_and_a_whole_table_is_current(store: Store) -> None:
    recipe = RECIPES["domain_seed_labels"]
    run(SEEDS[:2], FailingTeacher())
    first = store.require("domain_seed_labels")
    assert first.metadata["num_failed"] == 67 and len(first.metadata["failed_documents"]) == 67
    assert recipe.current(store, None) is None
    _, metadata = run(SEEDS[:2])
    assert metadata["num_failed"] == 0 and recipe.current(store, None) is not None


def test_people_win_over_the_teacher(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    frame = store.scan("documents", SHARD).collect()
    kept, dropped = frame["doc_id"][1], frame["doc_id"][0]
    path = tmp_path / "labels.jsonl"
    rows = [
        {"doc_id": kept, "label": "Aerospace"},
        {"doc_id": dropped, "label": "Sports"},
        {"text": "火箭发射，联系电话13812345678。", "label": "Aerospace"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    monkeypatch.setenv("CAREBOT_SET__domain__human_labels", str(path))
    monkeypatch.setenv("CAREBOT_SET__domain__seed_documents", "20")
    current_settings.cache_clear()
    found, metadata = run(SEEDS)
    assert not found["judged_by_people_found"] and metadata["left_out"] == [dropped]
    sample = store.scan("domain_seed_sample").collect()
    assert sample.height == 22 and sample["doc_id"].is_sorted()
    [own] = sample.filter(source="human")["text"].to_list()
    assert own.startswith("火箭发射") and "13812345678" not in own
    table = store.scan("domain_seed_labels").collect()
    said = table.filter(labeled_by="human")
    assert said["label"].to_list() == ["Aerospace"] * 2 and said["status"].unique()[0] == "agreed"
    assert table.filter(doc_id=kept)["label_1"][0] is not None
    # A changed file is seen.
    assert RECIPES["domain_seed_labels"].current(store, None) is not None
    path.write_text(json.dumps(rows[0] | {"label": "Sports"}) + "\n", "utf-8")
    assert RECIPES["domain_seed_labels"].current(store, None) is None
    path.write_text('{"doc_id": "x", "label": "Weather"}\n', "utf-8")
    with pytest.raises(ValueError, match=r"labels.jsonl, record 1: label 'Weather' is none of"):
        people.read_labels(str(path), current_settings().domain.labels)


def test_synthetic_documents_train_but_are_nothing_else(store: Store) -> None:
    found, _ = run([*SEEDS, domain.domain_classifier])
    written = store.scan("domain_long_tail").collect()
    assert written.height and written["synthetic"].all()
    assert found["marked_as_synthetic"] and found["long_tail_filled"]
    agreed = store.scan("domain_seed_labels").filter(pl.col("status") == "agreed").collect()
    trained = store.require("domain_classifier").metadata
    assert trained["num_train"] + trained["num_validation"] == agreed.height + written.height
    real = store.scan("documents", SHARD).collect()["doc_id"]
    assert not set(written["doc_id"]) & set(real)
