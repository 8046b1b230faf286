"""The measured part of `corpus_group`: all assets and checks of the group, each part timed."""

import gc

gc.disable()  # while it loads, as `carebot_assets.definitions` does

import functools  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections import defaultdict  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import polars as pl  # noqa: E402

from carebot_assets.defs.artifact import Step, artifact  # noqa: E402
from carebot_assets.defs.recipe import RECIPES, Recipe  # noqa: E402
from carebot_assets.raters.verdicts import NOT_MEDICAL  # noqa: E402

PARTS: dict[str, float] = defaultdict(float)
PEAKS: dict[str, float] = {}
RUNNING: list[str] = []
# Assets of the group that lie behind the filtered corpus.
BEYOND = {"corpus_export"}
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Add the CPU time of the block to a part, without what parts inside it take; note its peak
    of resident memory."""
    _reset_peak()
    RUNNING.append(part)
    started, inner = time.process_time(), sum(PARTS.values())
    try:
        yield
    finally:
        RUNNING.pop()
        spent = time.process_time() - started
        PARTS[part] += spent - (sum(PARTS.values()) - inner)
        PEAKS[part] = max(PEAKS.get(part, 0.0), _status("VmHWM"))


def _reset_peak() -> None:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def _status(field: str) -> float:
    """A line of this process's status, in MB: VmHWM is the highest resident memory since the last
    reset, VmData what is private and writable."""
    for line in _STATUS.read_text("ascii").splitlines():
        if line.startswith(field):
            return round(int(line.split()[1]) / 1024, 1)
    raise LookupError(f"{_STATUS} has no {field}")


def _times(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with timed(part):
            return function(*args, **kwargs)

    return wrapper


def stand_ins() -> list[Any]:
    """The judges that are models, as judges that look at the document's id only: one document in
    sixteen is not medical, and all scores are the same."""
    is_alive = pl.col("verdict") == "keep"
    is_other = pl.col("doc_id").str.starts_with("0")
    row = ("doc_id", "shard")

    @artifact(inputs=["contamination_verdicts"], partitions="shard", kinds={"polars"})
    def domain_verdicts(step: Step) -> None:
        """Stand-in for the domain judge."""
        step.write(
            step.scan("contamination_verdicts").select(
                *row,
                verdict=pl.when(~is_alive)
                .then(pl.lit("skip"))
                .when(is_other)
                .then(pl.lit("drop"))
                .otherwise(pl.lit("keep")),
                reasons=pl.when(is_alive & is_other)
                .then(pl.lit([NOT_MEDICAL]))
                .otherwise(pl.lit([], pl.List(pl.String))),
                label=pl.lit("Health & Medicine"),
                p_medical=0.5,
                threshold=0.5,
                model=pl.lit("stand-in"),
            )
        )

    @artifact(inputs=["domain_verdicts"], partitions="shard", kinds={"polars"})
    def quality_scores(step: Step) -> None:
        """Stand-in for the quality judge."""
        step.write(
            step.scan("domain_verdicts").select(
                *row,
                verdict=pl.when(is_alive).then(pl.lit("keep")).otherwise(pl.lit("skip")),
                reasons=pl.lit([], pl.List(pl.String)),
                score=3.5,
                threshold=3.0,
                tier=pl.lit("high"),
                model=pl.lit("stand-in"),
            )
        )

    return [domain_verdicts, quality_scores]


class Group:
    """All assets of the group and, unless told otherwise, their checks, ready to be run."""

    def __init__(self, checked: bool = True) -> None:
        import dagster as dg

        from carebot_assets import store
        from carebot_assets.defs import checking
        from carebot_assets.defs import corpus as stage
        from carebot_assets.defs.evaluation import checks  # noqa: F401 - declares the items' checks
        from carebot_assets.defs.evaluation.assets import benchmark_items
        from carebot_assets.defs.resources import Workshop

        found = dg.load_assets_from_package_module(stage)
        assets = [a for a in found if a.key.to_user_string() not in BEYOND]
        assets += [benchmark_items, *stand_ins()]
        wanted = {asset.key.to_user_string() for asset in assets}
        for known in (RECIPES, checking.CHECKS):
            for name in set(known) - wanted:
                del known[name]  # type: ignore[attr-defined]
        for name, declared in checking.CHECKS.items():
            for check_name, check in declared.items():
                expectation = _times(f"checks of {name}", check.expectation)
                declared[check_name] = replace(check, expectation=expectation)
        _time_the_store(store)
        self.workshop = Workshop()
        self.definitions = dg.Definitions(
            assets=assets,
            asset_checks=checking.build_checks() if checked else [],
            resources={"workshop": self.workshop},
        )

    def run(self, wanted: Sequence[str] = ()) -> dict[str, Any]:
        """Materialize everything once, or what some assets need.

        Raises:
            RuntimeError: a run failed.
        """
        from carebot_assets import cli, runner

        store = self.workshop.store()
        instance = cli._instance()
        log_file = store.root.parent / "events.log"
        outcome = runner.run_waves(
            self.definitions, store, instance, log_file, lambda _: None, wanted
        )
        instance.dispose()
        if outcome.failures or not (wanted or store.manifest("quality_funnel")):
            raise RuntimeError("; ".join(outcome.failures) or "the funnel is not there")
        return {
            "documents": store.scan("documents").select(pl.len()).collect().item(),
            "kept": store.scan("filtered_corpus").select(pl.len()).collect().item(),
            "shards": len(store.partitions("documents")),
            "runs": outcome.num_runs,
            "warnings": outcome.warnings,
        }


def run(wanted: Sequence[str] = ()) -> dict[str, Any]:
    """Materialize the group of the current profile, or what some of its assets need; CPU seconds by
    part."""
    group = Group()
    gc.enable()
    before = time.process_time()
    answer = group.run(wanted)
    total = time.process_time()
    PARTS["start and imports"] = before
    PARTS["Dagster"] = total - sum(PARTS.values())
    parts = {name: round(seconds, 3) for name, seconds in PARTS.items()}
    return {**answer, "cpu_seconds": total, "parts": parts, "peak_rss_mb": PEAKS}


def run_watched(small: Path, large: Path, cap_mb: float = 0) -> dict[str, Any]:
    """Materialize the assets of the group over a large world; how much memory that added.

    The small world goes first, so that libraries, compiled kernels and pools are there. `grown_mb`
    is the highest anonymous resident memory above what the process held then, by asset; pages of
    mapped files, which the kernel takes back at will, are not in it. `grown_data_mb` is the same of
    private memory reserved.

    Args:
        small: folder of a world, as `corpus_group.write_world` and `write_profile` leave it.
        large: likewise.
        cap_mb: private memory that the system grants the process for it beyond what it has then
            (RLIMIT_DATA, which counts what is reserved, resident or not); 0 is no limit.
    """
    _use(small)
    group = Group(checked=False)
    gc.enable()
    group.run()
    _use(large)
    before, peaks, done = _status("RssAnon"), dict[str, float](), threading.Event()
    data, most_data = _status("VmData"), 0.0
    if cap_mb:
        limit = int((data + cap_mb) * 2**20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))

    def watch() -> None:
        nonlocal most_data
        while not done.wait(0.005):
            part = RUNNING[-1] if RUNNING else "Dagster"
            peaks[part] = max(peaks.get(part, 0.0), round(_status("RssAnon") - before, 1))
            most_data = max(most_data, round(_status("VmData") - data, 1))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        answer = group.run()
    finally:
        done.set()
        watcher.join()
    grown = {"grown_mb": max(peaks.values()), "grown_mb_by_part": peaks}
    return {**answer, **grown, "grown_data_mb": most_data}


def _use(world: Path) -> None:
    from carebot_assets.settings import PROFILE_VARIABLE, current_settings

    os.environ[PROFILE_VARIABLE] = str(world / "bench.yaml")
    current_settings.cache_clear()


def _time_the_store(store: Any) -> None:
    """Time what an asset does between its inputs' hashes and its published folder."""
    publish = store.Store.publish

    @contextmanager
    def timed_publish(self: Any, name: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with timed(name), publish(self, name, *args, **kwargs) as draft:
            yield draft

    store.Store.publish = timed_publish
    store.hash_dir = _times("content hashes", store.hash_dir)
    Recipe.input_hashes = _times("input hashes", Recipe.input_hashes)  # type: ignore[method-assign]
