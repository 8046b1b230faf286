"""What decides whether a published artifact is what a run would produce now."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.defs.partitions import PARTITIONS
from carebot_assets.settings import current_settings, fingerprint_of
from carebot_assets.store import Manifest, Store, hash_json

RECIPES: dict[str, "Recipe"] = {}


@dataclass(frozen=True)
class Recipe:
    """What decides whether a published artifact is current.

    Attributes:
        inputs: upstream artifacts; of one with the same partitions the same key is read, of any
            other everything there is, unless `pick_inputs` narrows it down.
        settings: dotted sections of the profile the artifact depends on.
        slices: inputs of which only the rows with `column == key of that dimension` matter, so
            that a change elsewhere in the input does not make this partition stale.
        across: inputs with the same partitions of which all partitions are read.
        outside: files outside the store that a partition reads; a change of name, size or time of
            change makes it stale.
        memo: False for artifacts that look at the outside world (files that may have changed).
        version: raised by hand when the code gives another result from the same inputs.
        extra: further things it depends on (prompt texts, rule versions), as JSON.
        retry_while: a count in the artifact's metadata (of failed calls); while it is not zero the
            artifact is never current, and a run tries again what failed.
    """

    name: str
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    partitions: str | None
    version: str
    extra: Callable[[], Any] | None = None
    pick_inputs: Callable[[str], tuple[str, ...]] | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    across: tuple[str, ...] = ()
    outside: Callable[[str | None], Iterable[Path]] | None = None
    memo: bool = True
    retry_while: str | None = None

    def same_partition(self, upstream: "Recipe") -> bool:
        """Whether partition k of this artifact reads only partition k of the upstream one."""
        return upstream.partitions == self.partitions and upstream.name not in self.across

    @property
    def code_version(self) -> str:
        code = {
            "version": self.version,
            "settings": fingerprint_of(current_settings(), (*self.settings, "seed")),
            "extra": self.extra() if self.extra else None,
        }
        return hash_json(code)[:12]

    def input_hashes(self, store: Store, partition: str | None) -> dict[str, str]:
        """Content hash of every artifact the step reads.

        Raises:
            StoreError: an input has not been materialized.
        """
        names = self.pick_inputs(partition or "") if self.pick_inputs else self.inputs
        hashes = {}
        if self.outside is not None:
            stats = [(str(p), p.stat()) for p in sorted(self.outside(partition))]
            hashes["(files)"] = hash_json([(p, s.st_size, s.st_mtime_ns) for p, s in stats])
        for name in names:
            upstream = RECIPES.get(name)
            if name in self.slices:
                rows = self.sliced(store, name, partition or "").collect()
                hashes[name] = hash_json(rows.to_dicts())
            elif upstream is None or upstream.partitions is None:
                hashes[name] = store.require(name).content_hash
            elif self.same_partition(upstream):
                hashes[name] = store.require(name, partition).content_hash
            else:
                parts = expected_partitions(upstream, store)
                hashes[name] = hash_json(
                    {key: store.require(name, key).content_hash for key in parts}
                )
        return hashes

    def sliced(self, store: Store, name: str, partition: str) -> pl.LazyFrame:
        """The rows of an input table that belong to a partition."""
        column = self.slices[name]
        dimensions = tables.BY_NAME[self.name].partitioned_by
        key = dict(zip(dimensions, partition.split("|"), strict=True))[column]
        return store.scan(name).filter(pl.col(column) == key)

    def fingerprint(self, store: Store, partition: str | None) -> str:
        return hash_json([self.code_version, self.input_hashes(store, partition)])

    def current(self, store: Store, partition: str | None) -> Manifest | None:
        """The published manifest if it is what a run would produce now."""
        manifest = store.manifest(self.name, partition) if self.memo else None
        if manifest and self.retry_while and manifest.metadata.get(self.retry_while):
            return None
        if manifest and manifest.fingerprint == self.fingerprint(store, partition):
            return manifest
        return None


def expected_partitions(recipe: Recipe, store: Store) -> list[str]:
    """Keys an artifact should have: the manifest's shards, the profile's sources or suites."""
    if recipe.partitions == "shard":
        shards = store.scan("corpus_manifest").select(pl.col("shard").unique().sort())
        return shards.collect()["shard"].to_list()
    return sorted(PARTITIONS[recipe.partitions or ""].get_partition_keys())
