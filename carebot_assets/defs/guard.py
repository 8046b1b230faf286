"""The guard of expensive steps: a blocking check holds only in its own run, this holds after it."""

from collections.abc import Sequence

import dagster as dg

from carebot_assets.defs.artifact import Step
from carebot_assets.defs.checking import CHECKS
from carebot_assets.defs.recipe import RECIPES, expected_partitions

FAILED = "FAILED"


def failed_blocking_checks(
    instance: dg.DagsterInstance, asset: str, *partitions: str | None
) -> list[str]:
    """Blocking checks of an asset whose latest verdict is a failure, as `asset/check[partition]`.

    Args:
        instance: where the verdicts are recorded.
        asset: name of the asset.
        partitions: keys to look at; none for an asset without partitions.
    """
    blocking = [name for name, check in CHECKS.get(asset, {}).items() if check.blocking]
    keys = [dg.AssetCheckKey(dg.AssetKey(asset), name) for name in blocking]
    wanted = set(partitions) or {None}
    # The one query that gives the latest verdict of every partition at once.
    found = instance.event_log_storage.get_asset_check_partition_info(keys)
    return sorted(
        f"{asset}/{info.check_key.name}" + (f"[{info.partition_key}]" if info.partition_key else "")
        for info in found
        if info.latest_execution_status.value == FAILED and info.partition_key in wanted
    )


def refuse_if_failed(step: Step, assets: Sequence[str]) -> None:
    """Stop the step if the latest verdict of a blocking check on one of its inputs is a failure.

    Looks at every partition an input should have, whatever run checked it.

    Raises:
        dg.Failure: names the failed checks; `pretraining.ignore_failed_checks` overrides it.
    """
    failed: list[str] = []
    for name in assets:
        recipe = RECIPES[name]
        parts = expected_partitions(recipe, step.store) if recipe.partitions else []
        failed += failed_blocking_checks(step.context.instance, name, *parts)
    if not failed:
        return
    message = f"{step.name}: a blocking check of an input failed: {', '.join(failed)}"
    if step.settings.pretraining.ignore_failed_checks:
        step.log.warning(f"{message}; going on, pretraining.ignore_failed_checks is set")
        return
    raise dg.Failure(
        f"{message}. Repair the input, or set pretraining.ignore_failed_checks to train anyway.",
        metadata={"failed_checks": failed},
        allow_retries=False,
    )
