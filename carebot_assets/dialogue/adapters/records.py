"""Records of a file, whatever container they come in, as JSON text by position.

A source's layout (which fields mean what) is the adapter's business; here JSON arrays, JSON lines,
CSV, TSV and Parquet all become one column of JSON texts, and a record that cannot be read becomes
an error at its position. Nothing is skipped.
"""

import csv
import io
import json
import re
from pathlib import Path

import polars as pl

# A UTF-8 file with a few broken bytes also decodes as GB18030, to nonsense: below this share of
# broken characters among the non-ASCII ones it is taken for damaged UTF-8.
MAX_DAMAGED_RATIO = 0.01
SCALARS = "('VARCHAR', 'BIGINT', 'UBIGINT', 'DOUBLE')"
Row = tuple[str, str | None]

# The limit is global to the process, so it is set before each use.
FIELD_LIMIT = 1 << 17


def read_records(path: Path) -> pl.DataFrame:
    """Every record of a file: `position`, `raw` (JSON, or the damaged text) and `error` or null."""
    if path.suffix == ".parquet":
        return _numbered(_as_json(pl.read_parquet(path)))
    text, is_utf8 = decode(path.read_bytes())
    if path.suffix in {".csv", ".tsv"}:
        return _numbered(_csv_rows(text, "\t" if path.suffix == ".tsv" else ","))
    # By the first character, not the suffix: ChatMed's .json holds lines.
    if text[:100].lstrip().startswith("["):
        elements = _array_by_duckdb(path) if is_utf8 else None
        return _flag_invalid(_numbered(_split_array(text) if elements is None else elements))
    lines = pl.Series(text.split("\n"), dtype=pl.String)
    return _flag_invalid(_numbered(lines.filter(lines.str.strip_chars() != "")))


def decode(data: bytes) -> tuple[str, bool]:
    """Text of a file and whether it is plain UTF-8; undecodable bytes become U+FFFD."""
    try:
        return data.decode("utf-8-sig"), not data.startswith(b"\xef\xbb\xbf")
    except UnicodeDecodeError:
        pass
    try:
        as_gb = data.decode("gb18030")
    except UnicodeDecodeError:
        as_gb = data.decode("gb18030", errors="replace")
    as_utf8 = data.decode("utf-8-sig", errors="replace")
    num_wide = len(re.findall(r"[^\x00-\x7f]", as_utf8))
    damaged = as_utf8.count("\ufffd") <= MAX_DAMAGED_RATIO * num_wide
    return (as_utf8 if damaged else as_gb), False


def extract(
    records: pl.DataFrame, fields: dict[str, str], lists: dict[str, str] | None = None
) -> pl.DataFrame:
    """Fields of JSON records as columns beside `position`.

    Args:
        records: output of `read_records` without the rows that have an error.
        fields: text columns, each `"path|path"`: the first path that holds a text or number wins,
            so that deeper paths (`$.questions[0][0]`) stand before shallower ones.
        lists: columns of lists, each `"$.path VARCHAR[]"`; null where the JSON is no such list.
    """
    paths = list(dict.fromkeys(path for spec in fields.values() for path in spec.split("|")))
    index = {path: number + 1 for number, path in enumerate(paths)}
    columns = [
        "coalesce("
        + ", ".join(
            f"CASE WHEN kinds[{index[p]}] IN {SCALARS} THEN texts[{index[p]}] END"
            for p in spec.split("|")
        )
        + f', NULL) AS "{name}"'
        for name, spec in fields.items()
    ] + [
        f"TRY_CAST(json_extract(raw, '{path}') AS {kind}) AS \"{name}\""
        for name, (path, kind) in ((n, s.split(" ")) for n, s in (lists or {}).items())
    ]
    query = f"""
        WITH parsed AS (
            SELECT position, raw, json_extract_string(raw, $paths) AS texts,
                   json_type(raw, $paths) AS kinds
            FROM records)
        SELECT position, {", ".join(columns)} FROM parsed ORDER BY position"""
    import duckdb

    with duckdb.connect() as connection:
        connection.register("records", records.select("position", "raw"))
        return connection.sql(query, params={"paths": paths}).pl()


def _numbered(rows: list[Row] | pl.Series) -> pl.DataFrame:
    if isinstance(rows, pl.Series):
        frame = pl.DataFrame({"raw": rows}).with_columns(error=pl.lit(None, pl.String))
    else:
        frame = pl.DataFrame(rows, schema={"raw": pl.String, "error": pl.String}, orient="row")
    return frame.with_row_index("position").cast({"position": pl.Int64})


def _as_json(frame: pl.DataFrame) -> pl.Series:
    return frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()


def _array_by_duckdb(path: Path) -> pl.Series | None:
    """Elements of a well-formed JSON array, in order; None if DuckDB does not like the file."""
    import duckdb

    query = "SELECT json::VARCHAR AS raw FROM read_json_objects(?, format = 'array')"
    try:
        with duckdb.connect() as connection:
            return connection.sql(query, params=[str(path)]).pl()["raw"]
    except duckdb.Error:
        return None


def _split_array(text: str) -> list[Row]:
    """Elements of a damaged array: what does not parse is one bad record up to the next object."""
    decoder, rows = json.JSONDecoder(), list[Row]()
    space, next_object = re.compile(r"[\s,]*"), re.compile(r"\}\s*,\s*(?=\{)")
    at = text.index("[") + 1
    while True:
        at = _end(space, text, at)
        if at >= len(text):
            rows.append(("", "the file ends inside the JSON array"))
            return rows
        if text[at] == "]":
            return rows
        try:
            _, end = decoder.raw_decode(text, at)
            rows.append((text[at:end], None))
        except (ValueError, RecursionError) as error:
            resume = next_object.search(text, at)
            end = resume.end() if resume else len(text)
            rows.append((text[at:end], f"not valid JSON: {error}"))
            if not resume:
                return rows
        at = end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _csv_rows(text: str, delimiter: str) -> list[Row]:
    # newline="" because quoted fields hold line ends; an unclosed quote ends in csv.Error at the
    # field size limit instead of swallowing the file.
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    table: list[list[str]] = []
    broken: list[Row] = []
    try:
        for row in reader:
            table.append(row)
    except csv.Error as error:
        broken = [("", f"line {reader.line_num}: {error}; the rest of the file is unread")]
    header = [name.strip().lower() for name in table[0]] if table else []
    body = [row for row in table[1:] if row]
    whole = [row for row in body if len(row) == len(header)]
    encoded = iter(())
    if whole:
        encoded = iter(
            _as_json(pl.DataFrame(whole, dict.fromkeys(header, pl.String), orient="row"))
        )
    rows: list[Row] = [
        (next(encoded), None)
        if len(row) == len(header)
        else (delimiter.join(row), f"{len(row)} fields instead of {len(header)}")
        for row in body
    ]
    return rows + broken


def _flag_invalid(records: pl.DataFrame) -> pl.DataFrame:
    """Name what is wrong with the records that are not valid JSON."""
    import duckdb

    with duckdb.connect() as connection:
        connection.register("records", records)
        valid = connection.sql(
            "SELECT json_valid(raw) AS valid FROM records ORDER BY position"
        ).pl()
    bad = ~valid["valid"] & records["error"].is_null()
    return records.with_columns(
        error=pl.when(bad).then(pl.lit("not valid JSON")).otherwise(pl.col("error"))
    )
