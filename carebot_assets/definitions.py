"""The graph: collects what `defs/` declares and binds resources; nothing else."""

import gc

gc.disable()  # loading makes many objects and no garbage: walking them over and over is all waste

import atexit  # noqa: E402
import importlib  # noqa: E402
import pkgutil  # noqa: E402
import warnings  # noqa: E402

import dagster as dg  # noqa: E402

for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)

from carebot_assets import defs as stages  # noqa: E402
from carebot_assets.defs.artifact import ASSETS  # noqa: E402
from carebot_assets.defs.checking import build_checks  # noqa: E402
from carebot_assets.defs.corpus.sensors import (  # noqa: E402
    corpus_plan,
    landed_files,
    shard_intake,
)
from carebot_assets.defs.resources import all_resources  # noqa: E402

# Importing a stage declares its assets. Dagster's own loaders copy every asset once more, and the
# component tree of `load_from_defs_folder` doubles the time that every step pays again.
for module in pkgutil.walk_packages(stages.__path__, f"{stages.__name__}."):
    importlib.import_module(module.name)
CHECKS = build_checks()

gc.freeze()  # the first collection need not walk all this either
atexit.register(gc.unfreeze)  # but the last one must: extensions report what is left as leaks
gc.enable()


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        assets=list(ASSETS.values()),
        asset_checks=CHECKS,
        jobs=[corpus_plan, shard_intake],
        sensors=[landed_files],
        resources=all_resources(),
    )
