"""The graph: collects what `defs/` declares and binds resources; nothing else."""

import gc

gc.disable()  # loading makes many objects and no garbage: walking them over and over is all waste

import warnings  # noqa: E402

import dagster as dg  # noqa: E402

for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)

from carebot_assets import defs as stages  # noqa: E402
from carebot_assets.defs.checking import build_checks  # noqa: E402
from carebot_assets.defs.corpus.sensors import (  # noqa: E402
    corpus_plan,
    landed_files,
    shard_intake,
)
from carebot_assets.defs.resources import all_resources  # noqa: E402

# Not `load_from_defs_folder`: its component tree doubles the time that every step pays again.
ASSETS = dg.load_assets_from_package_module(stages)
CHECKS = build_checks()

gc.enable()


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=CHECKS,
        jobs=[corpus_plan, shard_intake],
        sensors=[landed_files],
        resources=all_resources(),
    )
