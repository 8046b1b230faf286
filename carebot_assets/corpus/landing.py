"""Files that landed in the sources' folders, told from a listing: no file is opened.

A listing is the hash of path, size and time of change of every file. Where it differs from the
listing that the published plan was made of, a new plan is due; the plan hashes contents, and only
shards whose content is new to it are due for reading.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

import polars as pl

from carebot_assets.corpus import locations
from carebot_assets.settings import Settings
from carebot_assets.store import hash_json

MAX_REQUESTS = 100  # shards asked for at one look; the others wait for the next


@dataclass(frozen=True)
class Memory:
    """What one look at the folders leaves for the next.

    Attributes:
        seen: listing of the last look.
        asked: listing for which a new plan was asked last.
        shards: content of every shard that was asked for or found read.
    """

    seen: str = ""
    asked: str = ""
    shards: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, text: str | None) -> "Memory":
        """A dumped memory; a blank one where there is none."""
        return cls(**json.loads(text)) if text else cls()

    def dump(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Look:
    """What is due: a new plan, or shards to read, or nothing; `reason` says why."""

    memory: Memory
    reason: str
    plan_due: bool = False
    shards_due: tuple[str, ...] = ()


def listing(settings: Settings) -> str:
    """Hash of what lies in the folders of all sources; empty where nothing does."""
    found = [
        (name, *file)
        for name, source in sorted(settings.corpus.sources.items())
        for file in _files(source.path.removeprefix("file://"), settings)
    ]
    return hash_json(found) if found else ""


def _files(pattern: str, settings: Settings) -> Iterator[tuple[str, ...]]:
    """Location, size and time or tag of change of every file."""
    if locations.is_remote(pattern):
        import fsspec

        system, path = fsspec.core.url_to_fs(pattern)
        system.invalidate_cache()  # what was listed at the last look is no news
        for location, info in sorted(system.glob(path, detail=True).items()):
            yield (
                location,
                *(f"{key}={info[key]}" for key in locations.CHANGES if info.get(key) is not None),
            )
        return
    for path in settings.files(pattern):
        with suppress(FileNotFoundError):  # gone since it was listed
            stat = path.stat()
            yield str(path), str(stat.st_size), str(stat.st_mtime_ns)


def contents(plan: pl.DataFrame) -> dict[str, str]:
    """Hash of the files of every shard: what `documents` records as its input."""
    parts = plan.partition_by("shard", as_dict=True, maintain_order=True)
    return {str(shard): hash_json(rows.to_dicts()) for (shard,), rows in sorted(parts.items())}


def look(now: str, planned: str, memory: Memory) -> Look:
    """Whether a new plan is due.

    Args:
        now: listing of the folders.
        planned: listing that the published plan was made of; empty where there is none.
        memory: of the last look. A listing must be seen twice, so that files are complete, and is
            asked for once: a plan that failed waits until the files change again.
    """
    memory, last = replace(memory, seen=now), memory
    if not now:
        return Look(memory, "the sources have no files yet")
    if now == planned:
        return Look(memory, "every file is planned")
    if now == last.asked:
        return Look(memory, "a plan of these files was asked for")
    if now != last.seen:
        return Look(memory, "files are arriving; they are planned when they have settled")
    return Look(replace(memory, asked=now), "files changed: a new plan is due", plan_due=True)


def look_at_shards(
    shards: Mapping[str, str], memory: Memory, is_read: Callable[[str, str], bool]
) -> Look:
    """Which shards of the plan are due for reading: of each content once.

    Args:
        shards: shards of the plan, each with the hash of its files.
        memory: of this look.
        is_read: whether the store has a shard read with this content.
    """
    known = {shard: memory.shards[shard] for shard in shards if shard in memory.shards}
    due: list[str] = []
    for shard, content in shards.items():
        if known.get(shard) == content:
            continue
        if not is_read(shard, content):
            if len(due) == MAX_REQUESTS:
                break
            due.append(shard)
        known[shard] = content
    reason = f"{len(due)} of {len(shards)} shards are due" if due else "every shard was asked for"
    return Look(replace(memory, shards=known), reason, shards_due=tuple(due))
