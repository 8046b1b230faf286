"""Remembered hashes: what is read again and what is not."""

import os
from pathlib import Path

import pytest

from carebot_assets.corpus import digests, locations
from carebot_assets.corpus.digests import Digests


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Files that were made just now count as settled.
    monkeypatch.setattr(digests, "_SETTLED_NS", -(10**18))
    path = tmp_path / "part.jsonl"
    path.write_text("one\ntwo\n")
    return path


def again(file: Path, folder: Path) -> tuple[tuple[str, int], int]:
    """Hash of the whole file by what was remembered, and how many parts were read for it."""
    known = folder / digests.FILE
    found = Digests(known)
    answer = found.of(str(file), 0, file.stat().st_size)
    found.save(known)
    return answer, found.num_read


def test_an_unchanged_file_is_not_read_again(file: Path, tmp_path: Path) -> None:
    first, num_read = again(file, tmp_path)
    assert (first, num_read) == (locations.digest(str(file), 0, 8), 1)
    assert again(file, tmp_path) == (first, 0)


@pytest.mark.parametrize("how", ["longer", "touched", "set back", "replaced"])
def test_a_changed_file_is_read_again(file: Path, tmp_path: Path, how: str) -> None:
    first, _ = again(file, tmp_path)
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    if how == "longer":
        file.write_text("one\ntwo\nthree\n")
    elif how == "touched":
        os.utime(file, ns=(times[0], times[1] + 1))
    else:
        other = file.with_name("other") if how == "replaced" else file
        other.write_text("one\ntoo\n")
        os.utime(other, ns=times)
        other.rename(file)
    answer, num_read = again(file, tmp_path)
    assert num_read == 1
    assert answer == locations.digest(str(file), 0, file.stat().st_size)
    assert (answer == first) == (how == "touched")


def test_parts_are_remembered_by_themselves_and_forgotten_when_gone(
    file: Path, tmp_path: Path
) -> None:
    known = tmp_path / digests.FILE
    found = Digests()
    halves = [found.of(str(file), 0, 4), found.of(str(file), 4, 8)]
    found.save(known)
    found = Digests(known)
    assert found.of(str(file), 4, 8) == halves[1]
    assert found.num_read == 0
    found.save(known)
    found = Digests(known)
    assert (found.of(str(file), 0, 4), found.num_read) == (halves[0], 1)


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("text")
    assert [again(file, tmp_path)[1] for _ in range(2)] == [1, 1]


def test_a_remote_file_without_a_time_or_tag_is_read_each_time(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://digests/a.txt", "wb") as handle:
        handle.write(b"text")
    location = "memory://digests/a.txt"
    found = Digests()
    assert found.of(location, 0, 4) == locations.digest(location, 0, 4)
    state = locations.state(location)
    assert "created" in state.mark or not state.mark
