"""How a check is written here: an expectation, the asset it guards, and its severity.

`table_checks` gives every table its standing checks; `check` turns a function from a `Shelf` to a
`Finding` into an asset check.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from carebot_assets import tables
from carebot_assets.defs.artifact import _PARTITIONS, RECIPES, as_metadata, expected_partitions
from carebot_assets.defs.resources import Workshop
from carebot_assets.expectations import Finding, accounted, conforms, same_rows, unique
from carebot_assets.settings import Settings
from carebot_assets.store import Manifest, Store

# Names of the blocking checks of every asset, as they are defined.
BLOCKING: dict[str, list[str]] = {}


@dataclass
class Shelf:
    """What a check reads: published artifacts of the checked partition, and the settings."""

    name: str
    partition: str | None
    store: Store
    settings: Settings

    def scan(self, name: str | None = None, side_table: str | None = None) -> pl.LazyFrame:
        """The checked table, or another: same partition where it has one, else all of it."""
        name = name or self.name
        recipe = RECIPES[name]
        if recipe.partitions is None:
            return self.store.scan(name, side_table=side_table)
        if recipe.partitions == RECIPES[self.name].partitions:
            return self.store.scan(name, self.partition, side_table=side_table)
        keys = expected_partitions(recipe, self.store)
        return self.store.scan(name, partitions=keys, side_table=side_table)

    def manifest(self, name: str | None = None) -> Manifest:
        """Manifest of the checked artifact (or of an unpartitioned other one)."""
        if name is None:
            return self.store.require(self.name, self.partition)
        return self.store.require(name)


Expectation = Callable[[Shelf], Finding]


def check(
    asset: str, *, blocking: bool = False, severity: str = "ERROR"
) -> Callable[[Expectation], dg.AssetChecksDefinition]:
    """Make an asset check of a function; its docstring is the sentence shown in the UI."""

    def decorate(expectation: Expectation) -> dg.AssetChecksDefinition:
        return define_checks(asset, {expectation.__name__: expectation}, blocking, severity)

    return decorate


def table_checks(name: str) -> dg.AssetChecksDefinition:
    """The standing, blocking checks of a table: schema, unique key, and where they apply row
    parity with its parent and the conservation of counts."""
    table = tables.BY_NAME[name]

    def schema(shelf: Shelf) -> Finding:
        """The table has the declared columns and types."""
        return conforms(table, shelf.scan())

    def unique_key(shelf: Shelf) -> Finding:
        """No two rows share a key."""
        return unique(shelf.scan(), table.key)

    def row_parity(shelf: Shelf) -> Finding:
        """One row per row of the parent table, in its order."""
        return same_rows(shelf.scan(), shelf.scan(table.rows_of), table.key[0])

    def conservation(shelf: Shelf) -> Finding:
        """Rows in = kept + dropped + skipped + failed; every drop has a reason."""
        return accounted(shelf.scan())

    expectations: dict[str, Expectation] = {"schema": schema, "unique_key": unique_key}
    if table.rows_of:
        expectations["row_parity"] = row_parity
    if table.is_verdict:
        expectations["conservation"] = conservation
    return define_checks(name, expectations, blocking=True, severity="ERROR")


def define_checks(
    asset: str, expectations: Mapping[str, Expectation], blocking: bool, severity: str
) -> dg.AssetChecksDefinition:
    """One check definition with an expectation per check name; one step answers them all."""
    if blocking:
        BLOCKING.setdefault(asset, []).extend(expectations)
    partitions = RECIPES[asset].partitions
    specs = [
        dg.AssetCheckSpec(
            check_name,
            asset=asset,
            blocking=blocking,
            description=(expectation.__doc__ or "").strip(),
            partitions_def=_PARTITIONS[partitions] if partitions else None,
        )
        for check_name, expectation in expectations.items()
    ]

    @dg.multi_asset_check(
        name=f"{asset}_{next(iter(expectations))}_check", specs=specs, can_subset=True
    )
    def run(context: dg.AssetCheckExecutionContext, workshop: Workshop) -> Any:
        partition = context.partition_key if context.has_partition_key else None
        shelf = Shelf(asset, partition, workshop.store(), workshop.settings())
        for key in sorted(context.selected_asset_check_keys, key=lambda k: k.name):
            finding = expectations[key.name](shelf)
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=finding.passed,
                severity=dg.AssetCheckSeverity(severity),
                description=finding.description,
                metadata={k: as_metadata(v) for k, v in finding.metadata.items()},
            )

    return run
