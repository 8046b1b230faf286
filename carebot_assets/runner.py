"""Materializing the whole graph in order, on a persistent Dagster instance, from one process.

The assets are grouped into waves: sets with the same partitions of which no member needs another
partition of the same set. Each partition of a wave is one Dagster run, as a backfill would launch
it, but without a process start per run. What is already current is not run again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster import DagsterEventType, EventLogEntry

from carebot_assets.connections import overhead_kept_low
from carebot_assets.defs.guard import failed_blocking_checks
from carebot_assets.defs.recipe import RECIPES, Recipe, expected_partitions
from carebot_assets.store import Store, StoreError


@dataclass(frozen=True)
class Wave:
    """Assets that run together, one run per partition."""

    recipes: tuple[Recipe, ...]

    @property
    def partitions(self) -> str | None:
        return self.recipes[0].partitions

    @property
    def title(self) -> str:
        return ", ".join(recipe.name for recipe in self.recipes)


@dataclass(frozen=True)
class Progress:
    """What happens now: run `number` of `total` of a wave, and the last thing it said."""

    wave: Wave
    number: int
    total: int
    partition: str | None
    message: str


@dataclass
class Outcome:
    """What `run_waves` did."""

    num_runs: int = 0
    num_current: int = 0
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def needed_for(wanted: Iterable[str], recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """The wanted assets and everything they are made from.

    Raises:
        ValueError: an asset does not exist.
    """
    waiting, found = list(wanted), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in recipes:
            close = get_close_matches(name, recipes, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"there is no asset {name!r}{hint}")
        if name not in found:
            found.add(name)
            waiting += recipes[name].inputs
    return {name: recipe for name, recipe in recipes.items() if name in found}


def plan_waves(recipes: dict[str, Recipe]) -> list[Wave]:
    """Waves in an order in which every input precedes its reader.

    Raises:
        ValueError: the inputs form a circle, or name an asset that does not exist.
    """
    unknown = {i for r in recipes.values() for i in r.inputs if i not in recipes}
    if unknown:
        raise ValueError(f"inputs that are no assets: {sorted(unknown)}")
    done: set[str] = set()
    waves: list[Wave] = []
    while len(done) < len(recipes):
        ready = [r for r in recipes.values() if r.name not in done and set(r.inputs) <= done]
        if not ready:
            raise ValueError(f"inputs form a circle among {sorted(set(recipes) - done)}")
        # Unpartitioned assets first: what is partitioned then meets everything it waits for.
        kind = min((r.partitions for r in ready), key=lambda p: (p is not None, p or ""))
        members: list[Recipe] = []
        while True:
            inside = {r.name for r in members}
            more = [
                r
                for r in recipes.values()
                if r.partitions == kind
                and r.name not in done | inside
                and set(r.inputs) <= done | inside
                and not set(r.across) & inside
            ]
            if not more:
                break
            members.append(more[0])
        waves.append(Wave(tuple(members)))
        done |= {r.name for r in members}
    return waves


def run_waves(
    definitions: dg.Definitions,
    store: Store,
    instance: dg.DagsterInstance,
    log_file: Path,
    on_progress: Callable[[Progress], None],
    wanted: Iterable[str] = (),
) -> Outcome:
    """Run every wave, or those that the wanted assets need; stop after one with a failed run.

    A bad shard does not keep the others of its wave from being read. Every Dagster event is
    appended to `log_file`.
    """
    recipes = needed_for(wanted or RECIPES, RECIPES)
    job = definitions.resolve_implicit_global_asset_job_def()
    outcome = Outcome()
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("a", encoding="utf-8") as log, overhead_kept_low(job):
        for wave in plan_waves(recipes):
            started, has_failed = time.monotonic(), False
            keys: list[str | None] = (
                [*expected_partitions(wave.recipes[0], store)] if wave.partitions else [None]
            )
            for number, key in enumerate(keys, start=1):
                stale = list(_stale(wave, store, instance, key))
                outcome.num_current += len(wave.recipes) - len(stale)
                if not stale:
                    continue

                def listen(
                    entry: EventLogEntry, number: int = number, key: str | None = key
                ) -> None:
                    log.write(_log_line(entry) + "\n")
                    message = _message(entry)
                    if message:
                        on_progress(Progress(wave, number, len(keys), key, message))  # noqa: B023

                run_id = str(uuid4())
                instance.add_event_listener(run_id, listen)
                result = job.execute_in_process(
                    instance=instance,
                    partition_key=key,
                    asset_selection=[dg.AssetKey(r.name) for r in stale],
                    run_id=run_id,
                    raise_on_error=False,
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )
                outcome.num_runs += 1
                log.flush()
                _collect(result, key, outcome)
                has_failed |= not result.success
            outcome.seconds[wave.title] = time.monotonic() - started
            if has_failed:
                break
    return outcome


def _stale(
    wave: Wave, store: Store, instance: dg.DagsterInstance, key: str | None
) -> Iterator[Recipe]:
    """Members of a wave that must run: not current, unknown to the instance, or failing a check;
    and whatever reads one of these."""
    running: set[str] = set()
    for recipe in wave.recipes:
        try:
            current = recipe.current(store, key) is not None
        except StoreError:
            current = False
        asset_key = dg.AssetKey(recipe.name)
        known = current and (
            key in instance.get_materialized_partitions(asset_key)
            if key is not None
            else instance.get_latest_materialization_event(asset_key) is not None
        )
        if (
            not known
            or set(recipe.inputs) & running
            or failed_blocking_checks(instance, recipe.name, key)
        ):
            running.add(recipe.name)
            yield recipe


def _collect(result: dg.ExecuteInProcessResult, key: str | None, outcome: Outcome) -> None:
    where = f"[{key}]" if key else ""
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.passed:
            continue
        line = (
            f"{evaluation.asset_key.to_user_string()}{where}: check {evaluation.check_name}: "
            f"{evaluation.description}"
        )
        failed = evaluation.severity == dg.AssetCheckSeverity.ERROR
        (outcome.failures if failed else outcome.warnings).append(line)
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        message = (data.user_failure_data.description if data.user_failure_data else None) or (
            error.message.strip() if error else "unknown error"
        )
        if "DagsterAssetCheckFailedError" not in message:
            outcome.failures.append(f"{event.step_key}{where}: {message}")
    if not result.success and not outcome.failures:
        outcome.failures.append(f"run {result.run_id} failed{where}")


def _message(entry: EventLogEntry) -> str | None:
    event = entry.dagster_event
    if event is None:
        return entry.user_message if int(entry.level) >= logging.INFO else None
    if event.event_type == DagsterEventType.STEP_START:
        return event.step_key
    return None


def _log_line(entry: EventLogEntry) -> str:
    stamp = time.strftime("%H:%M:%S", time.localtime(entry.timestamp))
    event = entry.dagster_event
    kind = event.event_type_value if event else "LOG"
    text = entry.user_message or (event.message if event else "") or ""
    if event and event.is_step_failure:
        text += "\n" + event.step_failure_data.error_display_string
    return f"{stamp} {entry.run_id[:8]} {entry.step_key or '-'} {kind} {text}"
