"""Where artifacts live: paths, atomic publication, content hashes and manifests.

An artifact is a folder `{root}/{name}` or, partitioned, `{root}/{name}/{dimension}={key}`. A table
holds `data.parquet` (and sometimes named side tables); models hold their own files. The folder is
written under a temporary name and renamed when complete; `manifest.json` is written last, so an
artifact exists if and only if its manifest does. This is the only module that opens store paths.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import parquet, tables
from carebot_assets.memory import peak_mb
from carebot_assets.parquet import Compression

MANIFEST = "manifest.json"
DATA = "data.parquet"
# Files that say how an artifact came about but not what it is: no part of its content hash.
UNHASHED = {MANIFEST, "digests.json", "checkpoint.json", "report.json", "training_log.parquet"}


class StoreError(RuntimeError):
    """An artifact that is missing or does not have the promised form."""


@dataclass(frozen=True)
class Manifest:
    """What is known of one published artifact."""

    name: str
    partition: str | None
    content_hash: str
    fingerprint: str
    inputs: dict[str, str]
    rows: int | None
    seconds: float
    peak_rss_mb: float
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class Draft:
    """A folder being written; becomes the artifact when its `publish` block ends."""

    name: str
    dir: Path
    compression: Compression = "zstd"
    rows: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def write(self, frame: pl.LazyFrame | pl.DataFrame, side_table: str | None = None) -> None:
        """Write the artifact's table (or a named side table), streaming, in its declared schema."""
        table = tables.BY_NAME[side_table or self.name]
        path = self.dir / (f"{side_table}.parquet" if side_table else DATA)
        lazy = frame.lazy()
        schema = lazy.collect_schema()
        missing = [name for name in table.columns if name not in schema]
        extra = [name for name in schema if name not in table.columns]
        if missing or extra:
            raise StoreError(f"table {table.name}: missing columns {missing}, unknown {extra}")
        lazy = lazy.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
        parquet.write(lazy, path, self.compression)
        if side_table is None:
            self.rows = pl.scan_parquet(path).select(pl.len()).collect().item()


class Store:
    """Artifacts under one root folder.

    Args:
        root: folder of the store; made when missing.
        compression: Parquet codec of the tables.
    """

    def __init__(self, root: Path, compression: Compression = "zstd") -> None:
        self.root = Path(root).absolute()
        self.compression = compression

    def dir(self, name: str, partition: str | None = None) -> Path:
        """Folder of an artifact, whether or not it exists."""
        base = self.root / name
        if partition is None:
            return base
        dimensions = _dimensions(name)
        keys = partition.split("|") if len(dimensions) > 1 else [partition]
        if len(keys) != len(dimensions) or any(
            not k or k.startswith(".") or "/" in k for k in keys
        ):
            raise StoreError(f"{name}: partition {partition!r} is not a key of {dimensions}")
        return base.joinpath(*(f"{d}={k}" for d, k in zip(dimensions, keys, strict=True)))

    def manifest(self, name: str, partition: str | None = None) -> Manifest | None:
        """Manifest of a published artifact, None when there is none."""
        path = self.dir(name, partition) / MANIFEST
        try:
            return Manifest(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise StoreError(f"{path}: broken manifest ({error}); delete the folder") from None

    def require(self, name: str, partition: str | None = None) -> Manifest:
        """Manifest of an artifact that must exist."""
        manifest = self.manifest(name, partition)
        if manifest is None:
            where = f"{name}[{partition}]" if partition else name
            raise StoreError(f"{where} has not been materialized in {self.root}")
        return manifest

    def path(self, name: str, partition: str | None = None) -> Path:
        """Folder of a published artifact."""
        self.require(name, partition)
        return self.dir(name, partition)

    def scan(
        self,
        name: str,
        partition: str | None = None,
        *,
        side_table: str | None = None,
        partitions: list[str] | None = None,
    ) -> pl.LazyFrame:
        """A table, lazily: one partition, the listed ones, or (neither given) all there are."""
        table = tables.BY_NAME[side_table or name]
        file = f"{side_table}.parquet" if side_table else DATA
        if partition is None and tables.BY_NAME[name].partitioned_by:
            keys: list[str | None] = list(
                self.partitions(name) if partitions is None else sorted(partitions)
            )
        else:
            keys = [partition]
        files = [self.path(name, key) / file for key in keys]
        if not files:
            return pl.LazyFrame(schema=table.schema)
        return pl.scan_parquet(files, hive_partitioning=False)

    def partitions(self, name: str) -> list[str]:
        """Keys of the published partitions of an artifact, sorted."""
        depth = len(_dimensions(name))
        found = (self.root / name).glob("/".join(["*=*"] * depth) + f"/{MANIFEST}")
        return sorted(
            "|".join(part.partition("=")[2] for part in path.parent.parts[-depth:])
            for path in found
        )

    def work_dir(self, name: str, fingerprint: str) -> Path:
        """Folder that survives a killed run of the same artifact with the same inputs."""
        path = self.root / ".work" / f"{name}-{fingerprint[:16]}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def ledger_path(self) -> Path:
        """File of the teacher's call ledger."""
        path = self.root / "teacher_calls.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def publish(
        self,
        name: str,
        partition: str | None = None,
        *,
        fingerprint: str = "",
        inputs: dict[str, str] | None = None,
    ) -> Iterator[Draft]:
        """Write an artifact; nothing is seen by others unless the block ends without an error."""
        target = self.dir(name, partition)
        draft_dir = self.root / ".tmp" / f"{name}-{uuid.uuid4().hex}"
        draft_dir.mkdir(parents=True)
        draft = Draft(name, draft_dir, self.compression)
        started = time.monotonic()
        try:
            yield draft
            table = tables.BY_NAME.get(name)
            if table is not None and not (draft_dir / DATA).is_file():
                raise StoreError(f"{name}: nothing was written")
            manifest = Manifest(
                name=name,
                partition=partition,
                content_hash=hash_dir(draft_dir),
                fingerprint=fingerprint,
                inputs=inputs or {},
                rows=draft.rows,
                seconds=round(time.monotonic() - started, 3),
                peak_rss_mb=round(peak_mb(), 1),
                metadata=draft.metadata,
            )
            self._swap_in(draft_dir, target, manifest)
        finally:
            shutil.rmtree(draft_dir, ignore_errors=True)

    def _swap_in(self, draft_dir: Path, target: Path, manifest: Manifest) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        (draft_dir / MANIFEST).write_text(
            json.dumps(asdict(manifest), indent=1, ensure_ascii=False, default=str), "utf-8"
        )
        retired = draft_dir.with_name(draft_dir.name + ".old")
        if target.exists():
            os.rename(target, retired)
        os.rename(draft_dir, target)
        shutil.rmtree(retired, ignore_errors=True)


def _dimensions(name: str) -> tuple[str, ...]:
    """What a partitioned artifact is partitioned by; files that are no table have one key."""
    table = tables.BY_NAME.get(name)
    return table.partitioned_by if table else ("partition",)


def hash_dir(folder: Path) -> str:
    """sha256 over names and bytes of a folder's files, in name order, but for `UNHASHED`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in UNHASHED):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:32]


def hash_json(value: Any) -> str:
    """Stable hash of a JSON value."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
