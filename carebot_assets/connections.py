"""What Dagster does anew for every event and every run, done once in a process of many runs."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import dagster as dg
import sqlalchemy
from sqlalchemy.pool import QueuePool

# Databases held open: the index, the runs, and one a run.
MAX_OPEN = 8
# Objects, and collections of the younger generation, after which one is collected.
COLLECTED_AFTER = (50_000, 20, 20)


class _KeptPool(QueuePool):
    """Connections that stay open when their engine is disposed of, as Dagster does after each use.

    Opening and closing SQLite is most of what storing an event costs: the last one to close writes
    the log of changes back and waits for the disk.
    """

    def dispose(self) -> None:
        pass

    def recreate(self) -> "_KeptPool":
        return self

    def close(self) -> None:
        super().dispose()


@contextmanager
def connections_kept() -> Iterator[None]:
    """One SQLAlchemy engine with open connections a database while the block runs.

    A commit does not wait for the disk: a crash of the machine (not of the process) may lose the
    last events, and their assets are then reported anew.
    """
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    engines: dict[str, Any] = {}

    def close(url: str) -> None:
        engines.pop(url).pool.close()

    def kept(url: str, **options: Any) -> Any:
        if url in engines:
            engines[url] = engines.pop(url)  # the one used last is closed last
        else:
            if len(engines) >= MAX_OPEN:
                close(next(iter(engines)))
            engine = sqlalchemy.create_engine(url, **{**options, "poolclass": _KeptPool})
            sqlalchemy.event.listen(engine, "connect", _without_waiting)
            engines[url] = engine
        return engines[url]

    with ExitStack() as stack:
        for module in (sqlite_event_log, sqlite_run_storage):
            stack.enter_context(patch.object(module, "create_engine", kept))
        try:
            yield
        finally:
            for url in list(engines):
                close(url)


def _without_waiting(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL").close()


@contextmanager
def subsets_kept(job: dg.JobDefinition) -> Iterator[None]:
    """The part of the job that runs a selection of assets is made once while the block runs: it is
    the same for every partition."""
    make: Callable[..., dg.JobDefinition] = job.as_ephemeral_job
    made: dict[tuple[dg.AssetKey, ...], dg.JobDefinition] = {}

    def kept(*, asset_selection: list[dg.AssetKey], **options: Any) -> dg.JobDefinition:
        key = tuple(asset_selection)
        if key not in made:
            made[key] = make(asset_selection=asset_selection, **options)
        return made[key]

    with patch.object(job, "as_ephemeral_job", kept):
        yield


@contextmanager
def revisions_kept() -> Iterator[None]:
    """The history of Dagster's tables is read once while the block runs, not for every run, which
    has a database of its own."""
    from alembic.script import ScriptDirectory

    with patch.object(ScriptDirectory, "from_config", cache(ScriptDirectory.from_config)):
        yield


@contextmanager
def objects_kept() -> Iterator[None]:
    """Nothing that is there when the block begins is garbage: the collector need not walk it; and
    of what comes there are many small objects that live on, and little garbage."""
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECTED_AFTER)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)


@contextmanager
def overhead_kept_low(job: dg.JobDefinition) -> Iterator[None]:
    """All of the above."""
    with connections_kept(), subsets_kept(job), revisions_kept(), objects_kept():
        yield
