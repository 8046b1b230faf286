"""Fields of JSON records by path, vectorised in DuckDB.

A path is `a.b` or, where records lie in lists, `data[].paragraphs[].context`: everything up to the
last `[]` says where the records are, the rest where the field is inside a record. `[]` stands for
the values of an object as well (`[].abstract` of `{"id": {"abstract": ...}}`).
"""

import json
import re

import polars as pl

from carebot_assets.corpus.sql import query

# What Polars may have made of a number or a truth value, and what it lets pass: half a pair.
_NOT_TEXT = r"^(?:[0-9.eE+-]+|true|false)$"
_SURROGATE = r"\\u[dD][89a-fA-F]"


def is_valid(text: str) -> bool:
    """Whether a text is one JSON value."""
    frame = pl.DataFrame({"text": [text]})
    return bool(query("SELECT json_valid(text) FROM frame", frame=frame).item())


def extract(
    frame: pl.DataFrame, text: tuple[str, ...], others: tuple[str, ...], root_list: bool = False
) -> pl.DataFrame:
    """One row a record of the JSON values in `line`, in order.

    Args:
        frame: columns `position`, `line` and `error` (null where the line may be parsed).
        text: paths of text fields.
        others: paths of other fields inside a record.
        root_list: the values are lists of records though the paths do not say so.

    Returns:
        Columns position (`2.0` for the first record in a list in line 2), line (the record),
        error (null when the record is readable), value_i of text and others in turn.

    Raises:
        ValueError: text paths that do not lie in the same list.
    """
    lines = frame.with_columns(pl.col("position", "error").cast(pl.String))
    if (values := _plain(lines, text, others)) is not None:
        clear = values.filter("clear").drop("clear")
        unclear = values.filter(~pl.col("clear")).select(lines.columns)
        if unclear.is_empty():
            return clear
        # Positions are numbers of lines here.
        both = pl.concat([clear, _extracted(unclear, text, others, root_list)], how="diagonal")
        return both.sort(pl.col("position").cast(pl.Int64, strict=False))
    return _extracted(lines, text, others, root_list)


def _plain(
    lines: pl.DataFrame, text: tuple[str, ...], others: tuple[str, ...]
) -> pl.DataFrame | None:
    """Fields of objects of plain names, by Polars' parser, which is the faster one.

    It turns everything into text, so a record is `clear` only where no value may have been
    something else. None where a path is not a plain name or a line no object of plain values.
    """
    names = dict.fromkeys((*text, *others))
    if not all(re.fullmatch(r"\w+", name) for name in names):
        return None
    try:
        found = lines["line"].str.json_decode(pl.Struct(dict.fromkeys(names, pl.String)))
    except pl.exceptions.ComputeError:
        return None
    if len(found) != len(lines):
        return None
    fields = found.struct.unnest()
    columns = [fields[name].alias(f"value_{i}") for i, name in enumerate((*text, *others))]
    clear = [~pl.col(column.name).str.contains(_NOT_TEXT) for column in columns]
    return lines.hstack(columns).with_columns(
        clear=pl.all_horizontal(
            pl.col("error").is_null(), ~pl.col("line").str.contains(_SURROGATE), *clear
        ).fill_null(False)
    )


def _extracted(
    lines: pl.DataFrame, text: tuple[str, ...], others: tuple[str, ...], root_list: bool
) -> pl.DataFrame:
    prefixes = {path.rpartition("[]")[0] for path in text}
    if len({"[]" in path for path in text}) > 1 or len(prefixes) > 1:
        raise ValueError(f"text paths {', '.join(text)} do not share their part up to the last []")
    steps = text[0].split("[]")[:-1]
    if root_list and steps[:1] != [""]:
        steps.insert(0, "")
    fields = [path.rpartition("[]")[2] for path in text]
    records = _parsed(lines)
    for step in steps:
        records = _exploded(records, step)
    return _fields(records, fields, others)


def _parsed(lines: pl.DataFrame) -> pl.DataFrame:
    """Columns position, line, error and json, which is null where there is an error."""
    malformed = pl.when(~pl.col("valid")).then(pl.lit("malformed JSON"))
    valid = query("SELECT json_valid(line) AS valid FROM lines", lines=lines.select("line"))
    return lines.hstack(valid).select(
        "position",
        "line",
        error=pl.coalesce("error", malformed),
        json=pl.when("valid", pl.col("error").is_null()).then("line"),
    )


def _exploded(records: pl.DataFrame, step: str) -> pl.DataFrame:
    """The records in the list (or the values of the object) at `step` of each record; an error
    where there is neither."""
    place, items, members = _literals([_path(step) + end for end in ("", "[*]", ".*")])
    found = query(
        f"SELECT *, json_type(json, {place}) AS kind, CASE kind "
        f"WHEN 'ARRAY' THEN json_extract(json, {items}) "
        f"WHEN 'OBJECT' THEN json_extract(json, {members}) END AS item FROM records",
        records=records,
    )
    missing = pl.format("no list at {}", pl.lit(step or "the top"))
    is_list = pl.col("kind").is_in(["ARRAY", "OBJECT"]).fill_null(False)
    nothing = pl.lit([None], dtype=pl.List(pl.String))
    exploded = (
        found.with_columns(
            error=pl.coalesce("error", pl.when(~is_list).then(missing)),
            item=pl.when(is_list).then("item").otherwise(nothing),
        )
        .filter(pl.col("item").list.len() > 0)
        .with_columns(index=pl.int_ranges(pl.col("item").list.len()))
        .explode("item", "index")
    )
    index = pl.when(pl.col("item").is_not_null()).then("index")
    parts = [pl.when(pl.col("position") != "").then("position"), index.cast(pl.String)]
    return exploded.select(
        position=pl.concat_str(parts, separator=".", ignore_nulls=True),
        line=pl.coalesce("item", "line"),
        error="error",
        json="item",
    )


def _fields(records: pl.DataFrame, text: list[str], others: tuple[str, ...]) -> pl.DataFrame:
    paths = ", ".join(_literals([_path(name) for name in (*text, *others)]))
    values = query(
        f"SELECT json_extract_string(json, [{paths}]) AS value, "
        f"json_type(json, [{paths}]) AS kind FROM records",
        records=records.select("json"),
    )
    found = records.hstack(values)
    errors = [pl.col("error")]
    for i, name in enumerate(text):
        kind = pl.col("kind").list.get(i, null_on_oob=True)
        shown = repr(name) if name else "itself"
        errors.append(pl.when(kind.is_null()).then(pl.lit(f"no field {shown}")))
        wrong = pl.format("field {} is {}, not text", pl.lit(shown), kind)
        errors.append(pl.when(~kind.is_in(["VARCHAR", "NULL"])).then(wrong))
    columns = [
        pl.col("value").list.get(i, null_on_oob=True).alias(f"value_{i}")
        for i in range(len(text) + len(others))
    ]
    return found.select("position", "line", pl.coalesce(errors).alias("error"), *columns)


def _path(dotted: str) -> str:
    """DuckDB's JSON path of `a.b`: every key quoted."""
    keys = [key for key in dotted.split(".") if key]
    return "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys)


def _literals(texts: list[str]) -> list[str]:
    """SQL string literals."""
    return ["'" + text.replace("'", "''") + "'" for text in texts]
