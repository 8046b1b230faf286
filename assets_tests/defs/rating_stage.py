"""A store with one judged shard for the domain and quality stages, and a run of their assets."""

from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import polars as pl
import pytest

from carebot_assets.defs.checking import build_checks
from carebot_assets.defs.corpus import assets as corpus  # noqa: F401 - registers inputs
from carebot_assets.defs.corpus import selection_assets  # noqa: F401 - registers inputs
from carebot_assets.defs.domain import assets as domain
from carebot_assets.defs.domain import checks as domain_checks  # noqa: F401 - registers checks
from carebot_assets.defs.launcher import Launcher
from carebot_assets.defs.quality import checks as quality_checks  # noqa: F401 - registers checks
from carebot_assets.defs.resources import TeacherResource, Workshop
from carebot_assets.sample.knowledge import KnowledgeBase, load_knowledge
from carebot_assets.sample.render import render
from carebot_assets.settings import current_settings
from carebot_assets.store import Store
from carebot_assets.tables import BY_NAME

SHARD = "web-00000"
NUM_DOCUMENTS = 420
SEEDS = [domain.domain_seed_sample, domain.domain_seed_labels, domain.domain_long_tail]


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
        wanted = BY_NAME["documents"].schema
        missing = [pl.lit(None, t).alias(c) for c, t in wanted.items() if c not in frame.columns]
        draft.write(frame.with_columns(missing))
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


def run(
    assets: list[Any], teacher: TeacherResource | None = None, said: list[str] | None = None
) -> tuple[dict[str, bool], dict[str, Any]]:
    """Materialize assets with their checks; verdicts of the checks and all metadata.

    `said` receives what Dagster keeps of the run's log, which is what the page of the run shows.
    """
    checks = build_checks(*(asset.key.to_user_string() for asset in assets))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("corpus_shard", [SHARD])
        sharded = any(asset.partitions_def for asset in assets)
        result = dg.materialize(
            [*assets, *checks],
            partition_key=SHARD if sharded else None,
            resources={
                "workshop": Workshop(),
                "teacher": teacher or TeacherResource(),
                "launcher": Launcher(),
            },
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        if said is not None:
            said += [entry.user_message for entry in instance.all_logs(result.run_id)]
    verdicts = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    events = result.get_asset_materialization_events()
    metadata = {
        name: value.value
        for event in events
        for name, value in event.step_materialization_data.materialization.metadata.items()
    }
    return verdicts, metadata
