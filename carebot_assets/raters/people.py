"""Labels and scores that people gave, read from a file beside the teacher's.

A CSV or JSON-lines file whose records have `label` (or `score`) and either the `doc_id` of a
document of the corpus or a `text` of their own, which may have a `lang`. They win over a teacher.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.teacher.language import is_chinese

SOURCE = "human"
_SCHEMA = {"doc_id": pl.String, "text": pl.String, "lang": pl.String}
_COLUMNS = {"doc_id", "text", "lang"}


class PeopleError(ValueError):
    """A file of labels from people that cannot be used; the message names file and record."""


def read_labels(path: str | None, labels: Collection[str]) -> pl.DataFrame:
    """Records of `domain.human_labels`: `doc_id`, `text`, `lang`, `label`; none without a path.

    Text and language are null for documents of the corpus.

    Raises:
        PeopleError: names the file, the record and what is wrong with it.
    """

    def value(raw: Any) -> str:
        if raw not in labels:
            raise ValueError(f"label {raw!r} is none of {', '.join(sorted(labels))}")
        return str(raw)

    return _read("domain.human_labels", path, "label", value, pl.String)


def read_scores(path: str | None) -> pl.DataFrame:
    """Records of `quality.human_scores`, like `read_labels` with `score` from 0 to 5.

    Raises:
        PeopleError: names the file, the record and what is wrong with it.
    """

    def value(raw: Any) -> float:
        try:
            score = float(raw)
        except (TypeError, ValueError):
            score = float("nan")
        if isinstance(raw, bool) or not 0 <= score <= 5:
            raise ValueError(f"score {raw!r} is not a number from 0 to 5")
        return score

    return _read("quality.human_scores", path, "score", value, pl.Float64)


def files(*paths: str | None) -> list[Path]:
    """The files there are, whose change makes what read them stale."""
    return [Path(path) for path in paths if path is not None and Path(path).is_file()]


def texts(records: pl.DataFrame, mask: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    """Texts of people's own as rows of a seed sample."""
    own = records.filter(pl.col("text").is_not_null())
    return own.select(
        "doc_id", shard=pl.lit(SOURCE), source=pl.lit(SOURCE), lang="lang", text=mask(own["text"]),
        stands_for=pl.lit(1.0),
    )  # fmt: skip


def said(records: pl.DataFrame) -> dict[str, Any]:
    """Label or score of every document that people judged."""
    return dict(records.select("doc_id", records.columns[-1]).iter_rows())


def _read(
    setting: str,
    path: str | None,
    column: str,
    value: Callable[[Any], Any],
    dtype: type[pl.DataType],
) -> pl.DataFrame:
    rows: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, record in _records(setting, Path(path), column) if path else ():
        where = f"{setting}: {path}, record {number}"
        try:
            row = _row(record, column, value)
        except ValueError as error:
            raise PeopleError(f"{where}: {error}") from None
        earlier, other = rows.setdefault(row["doc_id"], (number, row))
        if other[column] != row[column]:
            raise PeopleError(
                f"{where}: {column} {row[column]!r} for {row['doc_id']} contradicts record "
                f"{earlier} with {other[column]!r}"
            )
    return pl.DataFrame([row for _, row in rows.values()], schema={**_SCHEMA, column: dtype})


def _row(record: dict[str, Any], column: str, value: Callable[[Any], Any]) -> dict[str, Any]:
    doc_id, text = (str(record.get(name) or "").strip() for name in ("doc_id", "text"))
    if bool(doc_id) == bool(text):
        raise ValueError("give either doc_id or text" + (", not both" if text else ""))
    if record.get(column) in (None, ""):
        raise ValueError(f"no {column}")
    lang = str(record.get("lang") or "") or ("zh" if is_chinese(text) else "en")
    if lang not in ("zh", "en", "other"):
        raise ValueError(f"lang {lang!r} is none of zh, en, other")
    return {
        "doc_id": doc_id or hashlib.sha256(f"{SOURCE}\0{text}".encode()).hexdigest()[:32],
        "text": text or None,
        "lang": lang if text else None,
        column: value(record[column]),
    }


def _records(setting: str, path: Path, column: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Records of a file with their numbers, from 1."""
    readers = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    if path.suffix not in readers:
        raise PeopleError(f"{setting}: {path}: expected a file ending in {', '.join(readers)}")
    try:
        data = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise PeopleError(f"{setting}: {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PeopleError(f"{setting}: {path}: not UTF-8 at byte {error.start}") from None
    for number, record in enumerate(readers[path.suffix](data), start=1):
        where = f"{setting}: {path}, record {number}"
        if isinstance(record, ValueError):
            raise PeopleError(f"{where}: {record}")
        unknown = sorted(set(record) - _COLUMNS - {column})
        if unknown or column not in record:
            raise PeopleError(
                f"{where}: has {sorted(record)}; expected {column} and doc_id or text (and lang)"
            )
        yield number, record


def _csv(data: str) -> Iterator[dict[str, Any] | ValueError]:
    import csv
    import io

    rows = csv.DictReader(io.StringIO(data, newline=""), strict=True)
    try:
        for row in rows:
            extra = row.pop(None, None)  # type: ignore[call-overload]
            short = None in row.values()
            yield ValueError("another number of fields than the header") if extra or short else row
    except csv.Error as error:
        yield ValueError(f"not CSV: {error}")


def _jsonl(data: str) -> Iterator[dict[str, Any] | ValueError]:
    for line in data.split("\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            yield ValueError(f"not JSON: {error}")
            continue
        yield value if isinstance(value, dict) else ValueError("not an object")
