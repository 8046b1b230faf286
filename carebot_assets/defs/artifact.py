"""How an asset is written here: one decorator around `dg.asset`.

An asset body receives a `Step`: it reads its inputs, makes one call into the core, writes into the
step's draft and returns metadata. The decorator adds what all assets share: group, owner, code
version, dependencies, the memo (same inputs and settings as the published manifest: re-report and
return), atomic publication, the data version and the metadata of a table.
"""

import inspect
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from carebot_assets import tables
from carebot_assets.defs.partitions import PARTITIONS
from carebot_assets.defs.recipe import RECIPES, Recipe, expected_partitions
from carebot_assets.defs.resources import Workshop
from carebot_assets.settings import Settings
from carebot_assets.store import Draft, Manifest, Store, StoreError, hash_json

OWNER = "team:data"
ASSETS: dict[str, dg.AssetsDefinition] = {}

Body = Callable[..., Mapping[str, Any] | None]


@dataclass
class Step:
    """What an asset body works with."""

    name: str
    partition: str | None
    settings: Settings
    store: Store
    draft: Draft
    recipe: Recipe
    fingerprint: str
    context: dg.AssetExecutionContext

    def scan(self, name: str, *, side_table: str | None = None) -> pl.LazyFrame:
        """An input table: the same partition where it has one, else all of it."""
        upstream = RECIPES[name]
        if name in self.recipe.slices:
            return self.recipe.sliced(self.store, name, self.partition or "")
        if upstream.partitions is None:
            return self.store.scan(name, side_table=side_table)
        if self.recipe.same_partition(upstream):
            return self.store.scan(name, self.partition, side_table=side_table)
        return self.store.scan(
            name, partitions=expected_partitions(upstream, self.store), side_table=side_table
        )

    def scan_parts(self, *names: str) -> Iterator[tuple[pl.LazyFrame, ...]]:
        """Input tables with the same partitions, one partition after the other."""
        for key in expected_partitions(RECIPES[names[0]], self.store):
            yield tuple(self.store.scan(name, key) for name in names)

    def path(self, name: str) -> Path:
        """Folder of an unpartitioned input artifact."""
        return self.store.path(name)

    def content_hash(self, name: str) -> str:
        """Content hash of an unpartitioned input artifact, for traceability in tables."""
        return self.store.require(name).content_hash

    def write(self, frame: pl.LazyFrame | pl.DataFrame, side_table: str | None = None) -> None:
        self.draft.write(frame, side_table)

    def written(self, side_table: str | None = None) -> pl.LazyFrame:
        """What has been written into the draft so far, for metadata."""
        return pl.scan_parquet(self.draft.dir / f"{side_table or 'data'}.parquet")

    @property
    def work_dir(self) -> Path:
        """Folder for work that must survive a kill; tied to these inputs and settings."""
        return self.store.work_dir(self.name, self.fingerprint)

    @contextmanager
    def parts(self) -> Iterator[Path]:
        """Folder for finished parts of the work: a killed run finds them, a whole one none."""
        folder = self.work_dir / "parts"
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)

    @property
    def log(self) -> logging.Logger:
        return self.context.log


def artifact(
    *,
    inputs: Sequence[str] = (),
    settings: Sequence[str] = (),
    kinds: set[str],
    partitions: str | None = None,
    version: str = "1",
    pool: str | None = None,
    extra: Callable[[], Any] | None = None,
    pick_inputs: Callable[[str], tuple[str, ...]] | None = None,
    slices: Mapping[str, str] | None = None,
    across: Sequence[str] = (),
    outside: Callable[[str | None], Iterable[Path]] | None = None,
    memo: bool = True,
    retry_while: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make an asset of a function `body(step, **resources) -> metadata`.

    The function's name is the asset's key and, where `tables` knows it, its table; its docstring
    is the description in the UI. Parameters after `step` are resources, by name and annotation.
    """

    def decorate(body: Body) -> dg.AssetsDefinition:
        name = body.__name__
        recipe = Recipe(
            name,
            tuple(inputs),
            tuple(settings),
            partitions,
            version,
            extra,
            pick_inputs,
            slices or {},
            tuple(across),
            outside,
            memo,
            retry_while,
        )
        RECIPES[name] = recipe
        resources = list(inspect.signature(body).parameters.values())[1:]

        def run(
            context: dg.AssetExecutionContext, workshop: Workshop, **others: Any
        ) -> dg.MaterializeResult:
            # A run of a partition may hold assets that have none.
            partition = context.partition_key if partitions else None
            store = workshop.store()
            with _naming_missing_inputs(name):
                hashes = recipe.input_hashes(store, partition)
            fingerprint = hash_json([recipe.code_version, hashes])
            manifest = recipe.current(store, partition)
            if manifest is not None:
                context.log.info(f"{name}: inputs and settings unchanged, nothing to do")
                return _result(manifest)
            with store.publish(name, partition, fingerprint=fingerprint, inputs=hashes) as draft:
                step = Step(
                    name,
                    partition,
                    workshop.settings(),
                    store,
                    draft,
                    recipe,
                    fingerprint,
                    context,
                )
                draft.metadata.update({"run_id": context.run_id} | dict(body(step, **others) or {}))
            return _result(store.require(name, partition))

        # Dagster reads resources from the signature, so the wrapper takes on the body's.
        own = [p for p in inspect.signature(run).parameters.values() if p.kind != p.VAR_KEYWORD]
        asked = [p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in resources]
        run.__signature__ = inspect.Signature([*own, *asked])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*own, *asked]} | {
            "return": dg.MaterializeResult
        }
        run.__name__, run.__doc__, run.__module__ = name, body.__doc__, body.__module__
        ASSETS[name] = dg.asset(
            name=name,
            deps=[_dependency(recipe, upstream) for upstream in inputs],
            description=inspect.getdoc(body),
            group_name=body.__module__.split(".")[-2],
            kinds=kinds,
            owners=[OWNER],
            code_version=recipe.code_version,
            metadata=_definition_metadata(name),
            partitions_def=PARTITIONS[partitions] if partitions else None,
            pool=pool,
            retry_policy=retry_policy,
        )(run)
        return ASSETS[name]

    return decorate


@contextmanager
def _naming_missing_inputs(name: str) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise dg.Failure(
            f"{name} cannot start: {error}. Materialize it first.", allow_retries=False
        ) from None


def _dependency(recipe: Recipe, name: str) -> dg.AssetDep:
    mapping = dg.AllPartitionMapping() if name in recipe.across else None
    return dg.AssetDep(name, partition_mapping=mapping)


def _definition_metadata(name: str) -> dict[str, Any]:
    table = tables.BY_NAME.get(name)
    if table is None:
        return {}
    columns = [
        dg.TableColumn(column, str(dtype), description)
        for column, (dtype, description) in table.columns.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns), "dagster/table_name": name}


def _result(manifest: Manifest) -> dg.MaterializeResult:
    metadata: dict[str, Any] = {
        "seconds": manifest.seconds,
        "peak_rss_mb": manifest.peak_rss_mb,
        "fingerprint": manifest.fingerprint,
    }
    if manifest.rows is not None:
        row_key = "dagster/partition_row_count" if manifest.partition else "dagster/row_count"
        metadata[row_key] = manifest.rows
    metadata.update({key: as_metadata(value) for key, value in manifest.metadata.items()})
    return dg.MaterializeResult(
        metadata=metadata, data_version=dg.DataVersion(manifest.content_hash)
    )


def as_metadata(value: Any) -> Any:
    """Dagster's form of a JSON value: text starting with a Markdown mark is Markdown."""
    if isinstance(value, str) and value.startswith(("|", "!", "#")):
        return dg.MetadataValue.md(value)
    if isinstance(value, (dict, list)):
        return dg.MetadataValue.json(value)
    if value is None:
        return dg.MetadataValue.null()
    return value
