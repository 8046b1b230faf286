"""Where a huge file is cut into parts, each read by a shard of its own.

Parquet is cut between row groups, lines and JSON lines after a line feed. Everything else stays
whole: compressed files and UTF-16 cannot be entered in the middle, and in csv and tsv a quoted
field may hold line feeds, so that whether one ends a record is known only from the beginning.
"""

from collections.abc import Callable
from typing import Any

from carebot_assets.corpus import columnar, encodings, locations


def cuts(
    file: dict[str, Any], known: list[tuple[int, str]], known_stop: int, part_bytes: int
) -> list[tuple[int, str | None]]:
    """Where the parts of a file begin, with the shard of each that was planned before.

    Parts are of about equal size, `part_bytes` each. Of a known file the old cuts stand, whatever
    `part_bytes` is now; if it has another size, what lies behind the last cut is cut anew.

    Args:
        file: location, format, encoding and size.
        known: start and shard of its parts in the last plan.
        known_stop: where its last part ended.
        part_bytes: wanted size of a part.
    """
    size = file["size"]
    parts: list[tuple[int, str | None]] = [(0, known[0][1] if known else None)]
    grown = known_stop != size
    if len(known) < 2 and (not grown or size < 1.5 * part_bytes):
        return parts
    find = _boundary(file)
    if find is None:
        return parts
    for at, shard in known[1:]:
        if at < size:
            _add(parts, find(at), shard, size)
    if grown:
        base = parts[-1][0]
        count = max(1, round((size - base) / part_bytes))
        for i in range(1, count):
            _add(parts, find(base + (size - base) * i // count), None, size)
    return parts


def _add(parts: list[tuple[int, str | None]], at: int, shard: str | None, size: int) -> None:
    if parts[-1][0] < at < size:
        parts.append((at, shard))


def _boundary(file: dict[str, Any]) -> Callable[[int], int] | None:
    """Finds the first place at or after another where a record begins; None if there is no way."""
    location, size = file["file"], file["size"]
    if file["format"] == "parquet":
        starts = [at for at, _ in row_groups(location)[1:]]
        return lambda at: next((start for start in starts if start >= at), size)
    if file["format"] in ("jsonl", "lines") and file["encoding"] in encodings.LINE_SAFE:
        return lambda at: _next_line(location, at, size)
    return None


def _next_line(location: str, at: int, size: int) -> int:
    with locations.open_range(location, at - 1, size) as file:
        found = at - 1
        while piece := file.readline(locations.CHUNK):
            found += len(piece)
            if piece.endswith(b"\n"):
                break
    return found


def row_groups(location: str) -> list[tuple[int, int]]:
    """Start and first row of the row groups of a parquet file; none where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with locations.open_binary(location) as raw, pq.ParquetFile(raw) as file:
            return columnar.row_groups(file.metadata)
    except (OSError, pa.ArrowException):
        return []


def first_records(file: dict[str, Any], starts: list[int], num_lines: list[int]) -> list[int]:
    """Number of the first record of every part among those of the file (lines of line formats)."""
    if len(starts) == 1:
        return [0]
    if file["format"] == "parquet":
        rows = dict(row_groups(file["file"]))
        return [0, *(rows[start] for start in starts[1:])]
    return [sum(num_lines[:i]) for i in range(len(starts))]
