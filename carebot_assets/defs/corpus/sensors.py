"""The sensor that plans files that land while Dagster runs, and the jobs it asks for."""

import dagster as dg

from carebot_assets.corpus import landing
from carebot_assets.defs.corpus import assets, selection_assets  # noqa: F401 - declare the recipes
from carebot_assets.defs.partitions import corpus_shards
from carebot_assets.defs.recipe import RECIPES
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import current_settings
from carebot_assets.store import Store

PLAN = "corpus_manifest"


def _intake() -> list[str]:
    """Assets of a shard that read the plan and the shard itself, and nothing else."""
    members: list[str] = []
    for recipe in RECIPES.values():
        within = set(recipe.inputs) <= {PLAN, *members} and not recipe.across
        if recipe.partitions == "shard" and within:
            members.append(recipe.name)
    return members


INTAKE = _intake()

# One process for a job: its steps follow each other anyway.
corpus_plan = dg.define_asset_job(
    "corpus_plan",
    dg.AssetSelection.assets(PLAN),
    description="Plan the files of all sources and register their shards.",
    executor_def=dg.in_process_executor,
)
shard_intake = dg.define_asset_job(
    "shard_intake",
    dg.AssetSelection.assets(*INTAKE),
    description="Read and measure one shard: all that needs no other shard and no model.",
    partitions_def=corpus_shards,
    executor_def=dg.in_process_executor,
)

_watch = current_settings().corpus.watch


@dg.sensor(
    jobs=[corpus_plan, shard_intake],
    minimum_interval_seconds=_watch.interval_seconds,
    default_status=(
        dg.DefaultSensorStatus.RUNNING if _watch.enabled else dg.DefaultSensorStatus.STOPPED
    ),
)
def landed_files(
    context: dg.SensorEvaluationContext, workshop: Workshop
) -> dg.SensorResult | dg.SkipReason:
    """Asks for a new plan when files of a source come, change or go, and, where
    `corpus.watch.materialize` is set, for a run of every shard whose files are new.

    Compares names, sizes and times of change; contents are hashed by the plan. A listing has to be
    seen twice before it is planned, and no content is asked for twice.
    """
    settings, store = workshop.settings(), workshop.store()
    manifest = store.manifest(PLAN)
    planned, plan_id = "", ""
    if manifest is not None:
        planned, plan_id = manifest.metadata.get("listing", ""), manifest.metadata["run_id"]
    look = landing.look(
        landing.listing(settings), planned, landing.Memory.load(context.cursor or None)
    )
    requests = []
    if look.plan_due:
        # The plan's run is part of the key: files that go and come back are asked for again.
        key = f"plan-{look.memory.asked}-{plan_id}"
        requests.append(dg.RunRequest(key, job_name=corpus_plan.name))
    elif manifest is not None and look.memory.seen == planned and settings.corpus.watch.materialize:
        shards = landing.contents(store.scan(PLAN).collect())
        look = landing.look_at_shards(shards, look.memory, lambda *key: _is_read(store, *key))
        requests += [
            dg.RunRequest(
                f"{shard}-{shards[shard]}-{plan_id}",
                job_name=shard_intake.name,
                partition_key=shard,
            )
            for shard in look.shards_due
        ]
    context.log.info(look.reason)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else look.reason,
        cursor=look.memory.dump(),
    )


def _is_read(store: Store, shard: str, content: str) -> bool:
    manifests = [store.manifest(name, shard) for name in INTAKE]
    first = manifests[0]
    return first is not None and first.inputs.get(PLAN) == content and None not in manifests
