"""The graph: collects the assets and checks of `defs/` and binds resources; nothing else."""

import gc
import warnings

import dagster as dg

# Loading makes many objects and no garbage: the collector need not walk dagster's own each time.
gc.freeze()

for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)

from carebot_assets import defs as stages  # noqa: E402
from carebot_assets.defs.checking import build_checks  # noqa: E402
from carebot_assets.defs.resources import all_resources  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    # Not `load_from_defs_folder`: its component tree doubles the time that every step pays again.
    assets = dg.load_assets_from_package_module(stages)
    return dg.Definitions(assets=assets, asset_checks=build_checks(), resources=all_resources())
