"""Plan of shards: which file of which source is read in which shard."""

import glob
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import encodings
from carebot_assets.settings import CorpusSource, Settings

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
}
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def scan(settings: Settings, previous: pl.DataFrame | None = None) -> pl.DataFrame:
    """Plan the shards of every configured source (table `corpus_manifest`).

    A file that `previous` knows keeps its shard, whatever else came or went; new files open new
    shards, in name order, small ones together up to `corpus.shard_bytes`.

    Raises:
        ValueError: a pattern that matches no file, a file reached through a symbolic link out of
            its source's folder, a format or encoding that cannot be used.
    """
    rows = [
        row
        for name, source in sorted(settings.corpus.sources.items())
        for row in _assign(name, _files(name, source, settings), previous, settings)
    ]
    return pl.DataFrame(rows, schema=tables.BY_NAME["corpus_manifest"].schema)


def _files(name: str, source: CorpusSource, settings: Settings) -> list[dict[str, Any]]:
    if not _SOURCE_NAME.fullmatch(name):
        raise ValueError(
            f"corpus.sources: name {name!r} may hold letters, digits, '_', '.' and '-' only"
        )
    pattern = settings.resolve(source.path)
    root = _fixed_part(pattern)
    paths = sorted(Path(p) for p in glob.glob(str(pattern), recursive=True) if Path(p).is_file())
    if not paths:
        raise ValueError(f"corpus.sources.{name}: no file matches {pattern}")
    recipe = source.model_dump(mode="json", include={"text", "columns", "where"})
    rows = []
    for path in paths:
        if not path.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"corpus.sources.{name}: {path} is a link that leaves {root}")
        file_format = _format(name, path, source)
        rows.append(
            {
                "file": str(path),
                "source": name,
                "name": path.relative_to(root).as_posix(),
                "format": file_format,
                "encoding": _encoding(name, path, source, file_format),
                "license": source.license,
                "recipe": json.dumps(recipe, ensure_ascii=False, sort_keys=True),
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
        )
    return rows


def _fixed_part(pattern: Path) -> Path:
    """The folder in front of the first wildcard: the source's folder."""
    parts = pattern.parts[:-1]
    magic = [i for i, part in enumerate(parts) if glob.has_magic(part)]
    return Path(*parts[: magic[0]] if magic else parts)


def _format(name: str, path: Path, source: CorpusSource) -> str:
    compression = path.suffix.lower().removeprefix(".")
    stem = path.with_suffix("") if compression in encodings.COMPRESSIONS else path
    found: str | None = source.format
    if found == "auto":
        found = SUFFIXES.get(stem.suffix.lower())
        if found == "json" and stem == path and _is_json_lines(path):
            found = "jsonl"
    if found is None:
        raise ValueError(
            f"corpus.sources.{name}: cannot tell the format of {path}; set `format` to one of "
            "jsonl, json, csv, tsv, parquet, txt, lines"
        )
    return found if stem == path else f"{found}.{compression}"


def _is_json_lines(path: Path) -> bool:
    """Whether a `.json` file holds one object a line, as some publishers have it."""
    with path.open("rb") as handle:
        first, second = handle.readline(1 << 20), handle.readline(16)
    try:
        return isinstance(json.loads(first), dict) and second.startswith(b"{")
    except ValueError:
        return False


def _encoding(name: str, path: Path, source: CorpusSource, file_format: str) -> str:
    if file_format == "parquet":
        return "binary"
    try:
        if source.encoding != "auto":
            return encodings.canonical(source.encoding)
        return encodings.detect(path, file_format)
    except LookupError:
        raise ValueError(
            f"corpus.sources.{name}: unknown encoding {source.encoding!r}; for instance utf-8, "
            "utf-16, gb18030, latin-1 or auto"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read as {file_format}: {error}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _assign(
    name: str, files: list[dict[str, Any]], previous: pl.DataFrame | None, settings: Settings
) -> list[dict[str, Any]]:
    known: dict[str, str] = {}
    if previous is not None:
        mine = previous.filter(pl.col("source") == name)
        known = dict(mine.select("name", "shard").iter_rows())
    number = max((int(shard.rpartition("-")[2]) for shard in known.values()), default=-1)
    room = 0
    for row in files:
        if row["name"] in known:
            row["shard"] = known[row["name"]]
            continue
        if row["bytes"] > room:
            number, room = number + 1, settings.corpus.shard_bytes
        room -= row["bytes"]
        row["shard"] = f"{name}-{number:05d}"
    return files
