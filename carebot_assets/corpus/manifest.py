"""Plan of shards: which bytes of which file of which source are read in which shard."""

import json
import re
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import encodings, locations, splitting
from carebot_assets.corpus.digests import Digests
from carebot_assets.settings import CorpusSource, Settings

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
    ".md": "txt",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".xml": "xml",
    ".nxml": "xml",
    ".cnxml": "xml",
    ".warc": "warc",
}
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PROBE = 1 << 20


def scan(
    settings: Settings, previous: pl.DataFrame | None = None, digests: Digests | None = None
) -> pl.DataFrame:
    """Plan the shards of every configured source (table `corpus_manifest`).

    What `previous` knows keeps its shard, whatever else came or went; new files, and new parts of
    grown ones, open new shards, in name order, small ones together up to `corpus.shard_bytes`.
    Files whose `digests` are known are not read.

    Raises:
        ValueError: a pattern that matches no file, a file outside its source's folder, a format or
            encoding that cannot be used. A damaged file is no error here: its shard will name it.
    """
    rows, digests = [], digests or Digests()
    for name, source in sorted(settings.corpus.sources.items()):
        known = None if previous is None else previous.filter(pl.col("source") == name)
        files = _files(name, source, settings)
        parts = [part for file in files for part in _parts(file, known, settings, digests)]
        rows += _assign(name, parts, known, settings.corpus.shard_bytes)
    return pl.DataFrame(rows, schema=tables.BY_NAME["corpus_manifest"].schema)


def _files(name: str, source: CorpusSource, settings: Settings) -> list[dict[str, Any]]:
    if not _SOURCE_NAME.fullmatch(name):
        raise ValueError(
            f"corpus.sources: name {name!r} may hold letters, digits, '_', '.' and '-' only"
        )
    path = source.path.removeprefix("file://")
    pattern = path if locations.is_remote(path) else str(settings.resolve(path))
    try:
        _, found = locations.expand(pattern)
    except ValueError as error:
        raise ValueError(f"corpus.sources.{name}: {error}") from None
    if not found:
        raise ValueError(f"corpus.sources.{name}: no file matches {pattern}")
    recipe = source.model_dump(mode="json", include={"text", "columns", "where", "id"})
    files = []
    for location, inner in found:
        size = locations.size(location)
        file_format = _format(name, location, source, size)
        files.append(
            {
                "file": location,
                "source": name,
                "name": inner,
                "format": file_format,
                "encoding": _encoding(name, location, source, file_format, size),
                "license": source.license,
                "recipe": json.dumps(recipe, ensure_ascii=False, sort_keys=True),
                "size": size,
            }
        )
    return files


def _format(name: str, location: str, source: CorpusSource, size: int) -> str:
    path = PurePosixPath(location)
    compression = path.suffix.lower().removeprefix(".")
    stem = path.with_suffix("") if compression in encodings.COMPRESSIONS else path
    found: str | None = source.format
    if found == "auto":
        found = SUFFIXES.get(stem.suffix.lower())
        if found == "json" and _is_json_lines(location, size, "" if stem == path else compression):
            found = "jsonl"
    if found is None:
        formats = ", ".join(sorted({*SUFFIXES.values(), "lines"}))
        raise ValueError(
            f"corpus.sources.{name}: cannot tell the format of {location}; set `format` to one of "
            f"{formats}"
        )
    return found if stem == path else f"{found}.{compression}"


def _is_json_lines(location: str, size: int, compression: str) -> bool:
    """Whether a `.json` file holds one object a line, as some publishers have it."""
    try:
        with encodings.open_bytes(location, f"json.{compression}", 0, size) as raw:
            first, second = raw.readline(_PROBE), raw.readline(16)
        return isinstance(json.loads(first.decode("utf-8-sig")), dict) and second[:1] == b"{"
    except (ValueError, OSError, RecursionError):  # as deep as a hostile file likes
        return False


def _encoding(name: str, location: str, source: CorpusSource, file_format: str, size: int) -> str:
    kind = file_format.partition(".")[0]
    if kind in ("parquet", "warc"):
        return encodings.BINARY
    try:
        if source.encoding != "auto":
            return encodings.canonical(source.encoding)
        return encodings.BINARY if kind == "xml" else encodings.detect(location, file_format, size)
    except LookupError:
        raise ValueError(
            f"corpus.sources.{name}: unknown encoding {source.encoding!r}; for instance utf-8, "
            "utf-16, gb18030, big5, latin-1 or auto"
        ) from None
    except OSError:
        return encodings.UNREADABLE


def _parts(
    file: dict[str, Any], known: pl.DataFrame | None, settings: Settings, digests: Digests
) -> list[dict[str, Any]]:
    """Rows of the plan of one file; `shard` is null where it is new."""
    old: list[tuple[int, int, str]] = []
    if known is not None:
        mine = known.filter(pl.col("name") == file["name"]).sort("start")
        old = list(mine.select("start", "stop", "shard").iter_rows())
    cuts = splitting.cuts(
        file,
        [(start, shard) for start, _, shard in old],
        old[-1][1] if old else -1,
        settings.corpus.shard_bytes,
    )
    starts = [start for start, _ in cuts]
    stops = [*starts[1:], file["size"]]
    found = [digests.of(file["file"], *part) for part in zip(starts, stops, strict=True)]
    firsts = splitting.first_records(file, starts, [num_lines for _, num_lines in found])
    shared = {key: value for key, value in file.items() if key != "size"}
    return [
        shared
        | {"start": start, "stop": stop, "bytes": stop - start, "first": first}
        | {"sha256": sha256, "shard": shard}
        for (start, shard), stop, first, (sha256, _) in zip(cuts, stops, firsts, found, strict=True)
    ]


def _assign(
    name: str, parts: list[dict[str, Any]], known: pl.DataFrame | None, shard_bytes: int
) -> list[dict[str, Any]]:
    """Give every new part a new shard; small ones share it."""
    shards = [] if known is None else known["shard"].to_list()
    number = max((int(shard.rpartition("-")[2]) for shard in shards), default=-1)
    room = -1  # not even an empty file joins a shard of the last plan
    for part in parts:
        if part["shard"] is not None:
            continue
        if part["bytes"] > room:
            number, room = number + 1, shard_bytes
        room -= part["bytes"]
        part["shard"] = f"{name}-{number:05d}"
    return parts
