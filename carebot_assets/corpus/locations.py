"""Where raw files lie: local paths, or whatever fsspec knows (`s3://bucket/x/*.jsonl`).

Local paths never go through fsspec. Credentials of remote ones come from the environment, as each
fsspec implementation documents, never from the profile: its paths end up in tables.
"""

import glob
import hashlib
import io
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

CHUNK = 1 << 20
# What file systems of fsspec call size, time and tag of change.
CHANGES = ("size", "ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "created")


def is_remote(location: str) -> bool:
    """Whether fsspec opens a location."""
    return "://" in location


def expand(pattern: str) -> tuple[str, list[tuple[str, str]]]:
    """The fixed folder in front of a glob, and location and name inside it of its files, sorted.

    Raises:
        ValueError: a location that fsspec cannot open, a file outside the fixed folder, reached
            by `..` or a link, or a name that cannot be shown.
    """
    root, files = _remote(pattern) if is_remote(pattern) else _local(pattern)
    for location, name in files:
        if not name.isprintable():
            raise ValueError(f"{location!a}: the name holds invisible characters; rename it")
    return root, sorted(files, key=lambda file: PurePosixPath(file[1]).parts)


def _local(pattern: str) -> tuple[str, list[tuple[str, str]]]:
    path = Path(pattern)
    root = Path(_fixed_part(path.as_posix()))
    files = []
    for found in map(Path, glob.glob(str(path), recursive=True)):
        if not found.is_file():
            continue
        if not found.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"{found} leaves {root}, by `..` or a link")
        files.append((str(found), found.relative_to(root).as_posix()))
    return str(root), files


def _remote(pattern: str) -> tuple[str, list[tuple[str, str]]]:
    if urlsplit(pattern).password or "::" in pattern:
        raise ValueError(
            f"{pattern.partition('://')[0]}://...: a location holds neither a password (give it in "
            "the environment) nor a chain with `::`"
        )
    system, path = _system(pattern)
    root = _fixed_part(path)
    files = []
    for found in system.glob(path):
        name = str(PurePosixPath(found).relative_to(root)) if root else found
        if ".." in PurePosixPath(name).parts:
            raise ValueError(f"{found} leaves {root}, by `..`")
        if system.isfile(found):
            files.append((system.unstrip_protocol(found), name))
    return system.unstrip_protocol(root), files


def _fixed_part(pattern: str) -> str:
    """The folder in front of the first wildcard: the source's folder."""
    parts = PurePosixPath(pattern).parts[:-1]
    magic = [i for i, part in enumerate(parts) if glob.has_magic(part)]
    return str(PurePosixPath(*parts[: magic[0]] if magic else parts))


def _system(location: str) -> tuple[Any, str]:
    import fsspec

    try:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(location))
    except (ImportError, ValueError) as error:
        raise ValueError(f"{location}: {error}") from None


def size(location: str) -> int:
    """Bytes of a file, -1 where there is none."""
    try:
        if not is_remote(location):
            return Path(location).stat().st_size
        system, path = _system(location)
        return int(system.size(path))
    except FileNotFoundError:
        return -1


class State(NamedTuple):
    """What tells a changed file from an unchanged one without reading it: a mark, empty where none
    is known, and when the file last changed (0 where only the mark tells)."""

    mark: str
    changed_ns: int


def state(location: str) -> State:
    """State of a file now."""
    if not is_remote(location):
        stat = Path(location).stat()
        parts = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        return State(" ".join(map(str, parts)), max(stat.st_mtime_ns, stat.st_ctime_ns))
    system, path = _system(location)
    info = system.info(path)
    tags = [f"{key}={info[key]}" for key in CHANGES if info.get(key) is not None]
    # The size alone tells too little.
    return State(" ".join(tags) if len(tags) > 1 else "", 0)


def open_binary(location: str) -> BinaryIO:
    """A file for reading, at its start."""
    if not is_remote(location):
        return Path(location).open("rb")
    system, path = _system(location)
    return cast(BinaryIO, system.open(path, "rb"))


def open_range(location: str, start: int, stop: int) -> io.BufferedReader:
    """Bytes `start` to `stop` of a file."""
    return io.BufferedReader(_Range(open_binary(location), start, stop), CHUNK)


class _Range(io.RawIOBase):
    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._left = file, stop - start
        if start:
            file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def digest(location: str, start: int, stop: int) -> tuple[str, int]:
    """SHA-256 of bytes `start` to `stop` of a file, and the number of line feeds in them."""
    content, num_lines = hashlib.sha256(), 0
    with open_range(location, start, stop) as file:
        while chunk := file.read(CHUNK):
            content.update(chunk)
            num_lines += chunk.count(b"\n")
    return content.hexdigest(), num_lines
