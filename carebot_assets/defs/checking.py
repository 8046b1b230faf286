"""How a check is written here: an expectation, the asset it guards, and its severity.

`table_checks` gives every table its standing checks; `check` declares a function from a `Shelf` to
a `Finding` as a check. All checks of an asset run in one step: a step of its own for each would
cost more than most checks.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from carebot_assets import tables
from carebot_assets.defs.artifact import as_metadata
from carebot_assets.defs.partitions import PARTITIONS
from carebot_assets.defs.recipe import RECIPES, expected_partitions
from carebot_assets.defs.resources import Workshop
from carebot_assets.expectations import Finding, accounted, conforms, same_rows, unique
from carebot_assets.settings import Settings
from carebot_assets.store import Manifest, Store

CHECKS: dict[str, dict[str, "Check"]] = {}


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

    def scan_parts(self, *names: str) -> list[pl.LazyFrame]:
        """Every partition of the named tables by itself."""
        return [
            self.store.scan(name, key)
            for name in names
            for key in expected_partitions(RECIPES[name], self.store)
        ]

    def manifest(self, name: str | None = None) -> Manifest:
        """Manifest of the checked artifact (or of an unpartitioned other one)."""
        if name is None:
            return self.store.require(self.name, self.partition)
        return self.store.require(name)

    def manifests(self, name: str) -> list[Manifest]:
        """Manifests of every partition of another artifact."""
        keys = expected_partitions(RECIPES[name], self.store)
        return [self.store.require(name, key) for key in keys]


Expectation = Callable[[Shelf], Finding]


@dataclass(frozen=True)
class Check:
    """An expectation on an asset; a blocking one stops what reads the asset."""

    expectation: Expectation
    blocking: bool
    severity: str


def check(
    asset: str, *, blocking: bool = False, severity: str = "ERROR"
) -> Callable[[Expectation], Expectation]:
    """Declare a function as a check of an asset; its docstring is the sentence in the UI."""

    def decorate(expectation: Expectation) -> Expectation:
        declare(asset, {expectation.__name__: expectation}, blocking=blocking, severity=severity)
        return expectation

    return decorate


def declare(
    asset: str,
    expectations: Mapping[str, Expectation],
    *,
    blocking: bool,
    severity: str = "ERROR",
) -> None:
    """Declare several checks of an asset by name."""
    for name, expectation in expectations.items():
        CHECKS.setdefault(asset, {})[name] = Check(expectation, blocking, severity)


def table_checks(*names: str) -> None:
    """Declare the standing, blocking checks of tables: schema, unique key, and where they apply
    row parity with the parent table and the conservation of counts."""
    for name in names:
        declare(name, _standing(tables.BY_NAME[name]), blocking=True)


def _standing(table: tables.Table) -> dict[str, Expectation]:
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
    return expectations


def build_checks(*assets: str) -> list[dg.AssetChecksDefinition]:
    """The declared checks of the named assets (all assets where none is named) for Dagster."""
    return [_build(asset) for asset in assets or sorted(CHECKS) if asset in CHECKS]


def _build(asset: str) -> dg.AssetChecksDefinition:
    partitions = RECIPES[asset].partitions
    checks = CHECKS[asset]
    specs = [
        dg.AssetCheckSpec(
            name,
            asset=asset,
            blocking=check.blocking,
            description=inspect.getdoc(check.expectation),
            partitions_def=PARTITIONS[partitions] if partitions else None,
        )
        for name, check in checks.items()
    ]

    def run(context: dg.AssetCheckExecutionContext, workshop: Workshop) -> Any:
        partition = context.partition_key if partitions else None
        shelf = Shelf(asset, partition, workshop.store(), workshop.settings())
        for key in sorted(context.selected_asset_check_keys, key=lambda k: k.name):
            check = checks[key.name]
            finding = check.expectation(shelf)
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=finding.passed,
                severity=dg.AssetCheckSeverity(check.severity),
                description=finding.description,
                metadata={k: as_metadata(v) for k, v in finding.metadata.items()},
            )

    # Dagster asks for it a dozen times: found, not derived, it saves a third of what a check costs.
    run.__signature__ = inspect.signature(run)  # type: ignore[attr-defined]
    return dg.multi_asset_check(name=f"{asset}_checks", specs=specs, can_subset=True)(run)
