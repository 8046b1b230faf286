"""The graph: loads `defs/` and binds resources for the chosen profile; nothing else."""

import warnings
from pathlib import Path

import dagster as dg

for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)

from carebot_assets.defs.checking import build_checks  # noqa: E402
from carebot_assets.defs.resources import all_resources  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    ours = dg.Definitions(asset_checks=build_checks(), resources=all_resources())
    return dg.Definitions.merge(loaded, ours)
