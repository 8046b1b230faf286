"""The graph: loads `defs/` and binds resources for the chosen profile; nothing else."""

import warnings
from pathlib import Path

import dagster as dg

for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.filterwarnings("ignore", category=category)

from carebot_assets.defs.resources import all_resources  # noqa: E402


@dg.definitions
def defs() -> dg.Definitions:
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(loaded, dg.Definitions(resources=all_resources()))
