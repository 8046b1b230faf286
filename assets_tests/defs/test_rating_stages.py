"""The domain and quality stages on a small sample world, labelled by the offline teacher."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import dagster as dg
import polars as pl
import pytest

from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import assets as corpus  # noqa: F401 - registers inputs
from carebot_assets.defs.corpus import selection_assets  # noqa: F401 - registers inputs
from carebot_assets.defs.domain import assets as domain
from carebot_assets.defs.domain import checks as domain_checks  # noqa: F401 - registers checks
from carebot_assets.defs.quality import assets as quality
from carebot_assets.defs.quality import checks as quality_checks  # noqa: F401 - registers checks
from carebot_assets.defs.resources import TeacherResource, Workshop
from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.render import render
from carebot_assets.settings import current_settings
from carebot_assets.store import Store
from carebot_assets.tables import BY_NAME
from carebot_assets.teacher.client import Answer

SHARD = "web-00000"
NUM_DOCUMENTS = 420


def documents() -> pl.DataFrame:
    """Documents of all domains and forms; every tenth was dropped by an earlier judge."""
    rng, kb = Random(3), KnowledgeBase(load_knowledge())
    rows = []
    for number in range(NUM_DOCUMENTS):
        entry = rng.choice(kb.medical if number % 2 else kb.general)
        lang = rng.choice(("zh", "en"))
        form = rng.choice(("encyclopaedia", "news", "forum"))
        rows.append(
            {
                "doc_id": f"{number:032x}",
                "shard": SHARD,
                "source": form,
                "license": "Apache-2.0",
                "lang": lang,
                "text": render(kb, entry, lang, form, rng).text,
                "n_chars": 1,
                "n_tokens": 1,
                "origin": f"{'medical' if entry.medical else 'general'}#{number}",
            }
        )
    return pl.DataFrame(rows)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> Store:
    """A store with one judged shard."""
    monkeypatch.setenv("CAREBOT_SET__store__root", str(tmp_path / "store"))
    monkeypatch.setenv("CAREBOT_SET__domain__seed_documents", "200")
    monkeypatch.setenv("CAREBOT_SET__quality__seed_documents", "100")
    monkeypatch.setenv("CAREBOT_SET__encoder__features", "8192")
    current_settings.cache_clear()
    store, frame = Store(tmp_path / "store"), documents()
    with store.publish("corpus_manifest") as draft:
        row = {name: None for name in BY_NAME["corpus_manifest"].columns} | {"shard": SHARD}
        draft.write(pl.DataFrame([row], schema=BY_NAME["corpus_manifest"].schema))
    with store.publish("documents", SHARD) as draft:
        draft.write(frame)
    number = pl.int_range(pl.len())
    judged = frame.select(
        "doc_id",
        "shard",
        verdict=pl.when(number % 10 == 0).then(pl.lit("drop")).otherwise(pl.lit("keep")),
        reasons=pl.lit([], dtype=pl.List(pl.String)),
    )
    for name in ("rule_verdicts", "contamination_verdicts"):
        wanted = BY_NAME[name].schema
        missing = [pl.lit(None, t).alias(c) for c, t in wanted.items() if c not in judged.columns]
        with store.publish(name, SHARD) as draft:
            draft.write(judged.with_columns(missing))
    return store


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

        yield SimpleNamespace(
            ask=ask, estimate=lambda *_, **__: {}, model="m", description="failing"
        )


def run(
    assets: list[Any], teacher: TeacherResource | None = None
) -> tuple[dict[str, bool], dict[str, Any]]:
    """Materialize assets with their checks; verdicts of the checks and all metadata."""
    checks = build_checks(*(asset.key.to_user_string() for asset in assets))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corpus_shard", [SHARD])
        sharded = any(asset.partitions_def for asset in assets)
        result = dg.materialize(
            [*assets, *checks],
            partition_key=SHARD if sharded else None,
            resources={"workshop": Workshop(), "teacher": teacher or TeacherResource()},
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    verdicts = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    events = result.get_asset_materialization_events()
    metadata = {
        name: value.value
        for event in events
        for name, value in event.step_materialization_data.materialization.metadata.items()
    }
    return verdicts, metadata


def test_both_stages_and_their_checks(store: Store) -> None:
    found, metadata = run(
        [domain.domain_seed_sample, domain.domain_seed_labels, domain.domain_classifier],
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


def test_failed_calls_are_never_labels_and_block(store: Store) -> None:
    found, _ = run(
        [domain.domain_seed_sample, domain.domain_seed_labels, domain.domain_classifier],
        FailingTeacher(),
    )
    assert not found["label_coverage"] and store.manifest("domain_classifier") is None
    table = store.scan("domain_seed_labels").collect()
    failed = table.filter(pl.col("status") == "failed")
    assert failed.height == 67 and failed["label"].null_count() == 67
