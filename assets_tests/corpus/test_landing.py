"""What a look at the folders finds due: a plan when files have settled, each content once."""

import os
from pathlib import Path

import polars as pl
import pytest

from carebot_assets.corpus import landing
from carebot_assets.corpus.landing import Memory
from carebot_assets.settings import CorpusSettings, CorpusSource, Settings


@pytest.fixture
def watched(demo: Settings, tmp_path: Path) -> Settings:
    source = CorpusSource(path=str(tmp_path / "*.jsonl"))
    return demo.model_copy(update={"corpus": CorpusSettings(sources={"web": source})})


def touch(path: Path, size: int = 1, nanoseconds: int = 1) -> None:
    path.write_bytes(b"x" * size)
    os.utime(path, ns=(nanoseconds, nanoseconds))


def test_a_listing_tells_names_sizes_and_times(watched: Settings, tmp_path: Path) -> None:
    assert landing.listing(watched) == ""
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    seen = []
    for change in (
        lambda: touch(a),
        lambda: touch(a, size=2),
        lambda: touch(a, size=2, nanoseconds=2),
        lambda: touch(b),
        lambda: a.rename(tmp_path / "c.jsonl"),
    ):
        change()
        seen.append(landing.listing(watched))
    assert len(set(seen)) == 5
    (tmp_path / "c.jsonl").rename(a)
    touch(tmp_path / "other.csv")
    assert landing.listing(watched) == seen[3]


def test_a_listing_opens_no_file(watched: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    os.mkfifo(path)  # opening it would wait for ever
    assert landing.listing(watched) == ""
    path.unlink()
    touch(path)
    path.chmod(0)
    assert landing.listing(watched) != ""


def test_remote_files_are_listed_anew_each_time(demo: Settings) -> None:
    import fsspec

    source = CorpusSource(path="memory://landing/*.jsonl")
    settings = demo.model_copy(update={"corpus": CorpusSettings(sources={"web": source})})
    memory = fsspec.filesystem("memory")
    seen = [landing.listing(settings)]
    for name, content in (("a", b"x"), ("a", b"xy"), ("b", b"x")):
        memory.pipe(f"/landing/{name}.jsonl", content)
        seen.append(landing.listing(settings))
    assert seen[0] == "" and len(set(seen)) == 4
    assert landing.listing(settings) == seen[-1]


@pytest.mark.parametrize(
    ("now", "planned", "memory", "plan_due", "reason"),
    [
        ("", "", Memory(), False, "no files yet"),
        ("B", "", Memory(), False, "settled"),
        ("B", "A", Memory(seen="A"), False, "settled"),
        ("B", "A", Memory(seen="B"), True, "new plan"),
        ("B", "A", Memory(seen="B", asked="B"), False, "asked for"),
        ("C", "A", Memory(seen="C", asked="B"), True, "new plan"),
        ("A", "A", Memory(seen="B", asked="B"), False, "every file is planned"),
    ],
)
def test_a_plan_is_due(now: str, planned: str, memory: Memory, plan_due: bool, reason: str) -> None:
    look = landing.look(now, planned, memory)
    assert look.plan_due == plan_due
    assert reason in look.reason
    assert look.memory.seen == now
    assert look.memory.asked == (now if plan_due else memory.asked)


def test_a_shard_is_due_once_for_each_content() -> None:
    shards = {"s-0": "x", "s-1": "y", "s-2": "z"}
    first = landing.look_at_shards(shards, Memory(shards={"gone-0": "g"}), lambda s, c: s == "s-1")
    assert first.shards_due == ("s-0", "s-2")
    assert first.memory.shards == shards, (
        "what is read counts as asked for, what is gone is dropped"
    )
    again = landing.look_at_shards(shards, Memory.load(first.memory.dump()), lambda s, c: False)
    assert again.shards_due == ()
    changed = landing.look_at_shards(shards | {"s-1": "Y"}, again.memory, lambda s, c: False)
    assert changed.shards_due == ("s-1",)


def test_many_shards_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "MAX_REQUESTS", 2)
    shards = {f"s-{i}": str(i) for i in range(5)}
    memory, asked = Memory(), []
    for _ in range(4):
        look = landing.look_at_shards(shards, memory, lambda s, c: False)
        asked.append(look.shards_due)
        memory = look.memory
    assert asked == [("s-0", "s-1"), ("s-2", "s-3"), ("s-4",), ()]


def test_contents_are_told_by_shard() -> None:
    plan = pl.DataFrame({"shard": ["b", "a", "b"], "sha256": ["1", "2", "3"]})
    found = landing.contents(plan)
    assert list(found) == ["a", "b"]
    changed = plan.with_columns(sha256=pl.Series(["1", "2", "4"]))
    assert landing.contents(changed)["a"] == found["a"]
    assert landing.contents(changed)["b"] != found["b"]
