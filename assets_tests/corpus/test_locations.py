"""Files that lie elsewhere: fsspec's locations are read as local files are."""

from pathlib import Path

import fsspec
import polars as pl
import pytest

from assets_tests.corpus.test_manifest import plan_settings
from assets_tests.corpus.test_readers import GOOD, jsonl, read
from carebot_assets.corpus import locations
from carebot_assets.settings import Settings


@pytest.fixture
def memory() -> fsspec.AbstractFileSystem:
    system = fsspec.filesystem("memory")
    system.store.clear()
    return system


def test_every_kind_of_file_in_memory(demo: Settings, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/bucket/in/a.jsonl", jsonl({"text": GOOD, "id": 7}))
    memory.pipe("/bucket/in/deep/b.jsonl.zst", b"")
    memory.pipe("/bucket/in/b.csv", f"text\n{GOOD}\n".encode())
    with memory.open("/bucket/in/c.parquet", "wb") as file:
        pl.DataFrame({"text": [GOOD]}).write_parquet(file)
    documents, bad, _ = read(demo, "memory://bucket/in/**/*.*")  # type: ignore[arg-type]
    assert documents["origin"].to_list() == ["s/a.jsonl#0", "s/b.csv#0", "s/c.parquet#0"]
    assert documents["text"].to_list() == [GOOD] * 3
    assert bad.is_empty()


def test_ids_are_those_of_a_local_copy(
    demo: Settings, tmp_path: Path, memory: fsspec.AbstractFileSystem
) -> None:
    content = jsonl({"text": GOOD}, {"text": "b"})
    (tmp_path / "a.jsonl").write_bytes(content)
    memory.pipe("/x/a.jsonl", content)
    local = read(demo, tmp_path / "*.jsonl")[0]
    assert read(demo, "memory://x/*.jsonl")[0].equals(local)  # type: ignore[arg-type]
    assert read(demo, f"file://{tmp_path}/*.jsonl")[0].equals(local)  # type: ignore[arg-type]


def test_a_remote_file_in_parts(demo: Settings, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/x/a.jsonl", jsonl(*({"text": f"{i} {GOOD}"} for i in range(50))))
    from carebot_assets.corpus import manifest

    plan = manifest.scan(plan_settings(demo, 1000, s={"path": "memory://x/*.jsonl"}))
    assert plan.height == 3
    assert plan["file"].unique().to_list() == ["memory:///x/a.jsonl"]
    assert locations.size("memory://x/a.jsonl") == plan["bytes"].sum()
    assert locations.size("memory://x/b.jsonl") == -1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://nothing/*.jsonl", r"corpus\.sources\.s: no file matches memory://nothing"),
        ("klingon://x/*.jsonl", "klingon"),
        ("ftp://me:secret@host/x/*.jsonl", r"ftp://\.\.\.: a location holds neither a password"),
    ],
)
def test_refused(demo: Settings, path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(demo, path)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
