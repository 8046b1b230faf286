"""Huge files read in parts: the same documents with the same ids, whatever the size of a part."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.corpus.test_manifest import plan_settings
from assets_tests.corpus.test_readers import jsonl
from carebot_assets.corpus import manifest
from carebot_assets.corpus.readers import ShardReader
from carebot_assets.settings import Settings


def plan(
    demo: Settings,
    path: Path,
    shard_bytes: int,
    previous: pl.DataFrame | None = None,
    **source: Any,
) -> pl.DataFrame:
    config = plan_settings(demo, shard_bytes, s={"path": str(path), **source})
    return manifest.scan(config, previous)


def read_all(demo: Settings, planned: pl.DataFrame) -> pl.DataFrame:
    corpus = demo.corpus.model_copy(update={"max_bad_ratio": 1.0})
    shards = planned.partition_by("shard", maintain_order=True)
    return pl.concat([ShardReader(rows, corpus).documents().collect() for rows in shards])


def write(path: Path, texts: list[str]) -> None:
    if path.suffix == ".jsonl":
        path.write_bytes(jsonl(*({"text": text} for text in texts)))
    elif path.suffix == ".txt":
        path.write_text("\n".join(texts), "gb18030", newline="\n")
    else:
        pl.DataFrame({"text": texts}).write_parquet(path, row_group_size=3, compression="zstd")


TEXT = st.text("ab 病。é", min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("suffix", [".jsonl", ".txt", ".parquet"])
@given(texts=st.lists(TEXT, min_size=1, max_size=30), shard_bytes=st.integers(20, 400))
def test_ids_do_not_depend_on_the_size_of_a_shard(
    demo: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    texts: list[str],
    shard_bytes: int,
) -> None:
    path = tmp_path_factory.mktemp("split") / f"a{suffix}"
    write(path, texts)
    source = {"format": "lines", "encoding": "gb18030"} if suffix == ".txt" else {}
    whole = read_all(demo, plan(demo, path, 10**9, **source)).drop("shard")
    parts = read_all(demo, plan(demo, path, shard_bytes, **source)).drop("shard")
    assert parts.equals(whole)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_huge_files_have_parts_of_about_a_shard(
    demo: Settings, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, [f"{i:04d} 高血压 {i * 7919 % 1009}" for i in range(300)])
    size = path.stat().st_size
    planned = plan(demo, path, size // 4)
    assert planned.height in (3, 4)
    assert planned["shard"].to_list() == [f"s-{i:05d}" for i in range(planned.height)]
    assert planned["bytes"].min() > size // 6
    assert planned["bytes"].sum() == size
    assert planned["sha256"].n_unique() == planned.height


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.csv", {}),
        ("a.jsonl.gz", {}),
        ("a.txt", {}),
        ("a.lines", {"format": "lines", "encoding": "utf-16"}),
    ],
)
def test_what_cannot_be_entered_in_the_middle_stays_whole(
    demo: Settings, tmp_path: Path, name: str, source: dict[str, Any]
) -> None:
    (tmp_path / name).write_bytes(b"text\n" * 500)
    assert plan(demo, tmp_path / name, 100, **source).height == 1


def test_a_growing_file_keeps_its_parts(demo: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts = [f"{i:04d} {'x' * 80}" for i in range(100)]
    write(path, texts)
    first = plan(demo, path, path.stat().st_size // 4)
    write(path, [*texts, *(f"{i:04d} {'y' * 80}" for i in range(100, 200))])
    second = plan(demo, path, first["bytes"].max(), first)
    assert second.head(3).equals(first.head(3)), "only the last part is cut anew"
    assert second["shard"].to_list()[:4] == first["shard"].to_list()
    assert second.height == 8
    assert read_all(demo, second)["origin"].to_list() == [f"s/a.jsonl#{i}" for i in range(200)]
    write(path, texts[:30])
    third = plan(demo, path, first["bytes"].max(), second)
    assert third["shard"].to_list() == first["shard"].to_list()[: third.height]
    assert read_all(demo, third).height == 30
