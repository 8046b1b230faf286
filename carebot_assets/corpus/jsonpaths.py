"""Fields of JSON records by path, vectorised in DuckDB.

A path is `a.b` or, where records lie in lists, `data[].paragraphs[].context`: everything up to the
last `[]` says where the records are, the rest where the field is inside a record.
"""

import json

import polars as pl

from carebot_assets.corpus.sql import query


def is_valid(text: str) -> bool:
    """Whether a text is one JSON value."""
    frame = pl.DataFrame({"text": [text]})
    return bool(query("SELECT json_valid(text) FROM frame", frame=frame).item())


def extract(
    frame: pl.DataFrame, text: tuple[str, ...], where: tuple[str, ...], root_list: bool = False
) -> pl.DataFrame:
    """One row a record of the JSON values in `line`, in order.

    Args:
        frame: columns `position` and `line`.
        text: paths of text fields, given back as `text_0`, `text_1`, ...
        where: paths of other fields inside a record, given back as `where_0`, ...
        root_list: the values are lists of records though the paths do not say so.

    Returns:
        Columns position (`2.0` for the first record in a list in line 2), line (the record),
        error (null when the record is readable), text_i, where_i.

    Raises:
        ValueError: text paths that do not lie in the same list.
    """
    prefixes = {path.rpartition("[]")[0] for path in text}
    if len({"[]" in path for path in text}) > 1 or len(prefixes) > 1:
        raise ValueError(f"text paths {', '.join(text)} do not share their part up to the last []")
    steps = text[0].split("[]")[:-1]
    if root_list and steps[:1] != [""]:
        steps.insert(0, "")
    fields = [path.rpartition("[]")[2] for path in text]
    records = _parsed(frame)
    for step in steps:
        records = _exploded(records, step)
    return _fields(records, fields, where)


def _parsed(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns position, line, error and json, which is null where there is an error."""
    lines = frame.select(pl.col("position").cast(pl.String), "line")
    valid = pl.col("valid")
    return query("SELECT *, json_valid(line) AS valid FROM lines", lines=lines).select(
        "position",
        "line",
        error=pl.when(~valid).then(pl.lit("malformed JSON")),
        json=pl.when(valid).then("line"),
    )


def _exploded(records: pl.DataFrame, step: str) -> pl.DataFrame:
    """The records in the list at `step` of each record; an error where there is no such list."""
    kind, items = _literals([_path(step), _path(step) + "[*]"])
    found = query(
        f"SELECT *, json_type(json, {kind}) AS kind, json_extract(json, {items}) AS item "
        "FROM records",
        records=records,
    )
    missing = pl.format("no list at {}", pl.lit(step or "the top"))
    is_list = pl.col("kind").eq("ARRAY").fill_null(False)
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


def _fields(records: pl.DataFrame, text: list[str], where: tuple[str, ...]) -> pl.DataFrame:
    paths = ", ".join(_literals([_path(name) for name in (*text, *where)]))
    found = query(
        f"SELECT *, json_extract_string(json, [{paths}]) AS value, "
        f"json_type(json, [{paths}]) AS kind FROM records",
        records=records,
    )
    errors = [pl.col("error")]
    for i, name in enumerate(text):
        kind = pl.col("kind").list.get(i, null_on_oob=True)
        shown = repr(name) if name else "itself"
        errors.append(pl.when(kind.is_null()).then(pl.lit(f"no field {shown}")))
        wrong = pl.format("field {} is {}, not text", pl.lit(shown), kind)
        errors.append(pl.when(~kind.is_in(["VARCHAR", "NULL"])).then(wrong))
    columns = [f"text_{i}" for i in range(len(text))] + [f"where_{i}" for i in range(len(where))]
    values = [
        pl.col("value").list.get(i, null_on_oob=True).alias(name) for i, name in enumerate(columns)
    ]
    return found.select("position", "line", pl.coalesce(errors).alias("error"), *values)


def _path(dotted: str) -> str:
    """DuckDB's JSON path of `a.b`: every key quoted."""
    keys = [key for key in dotted.split(".") if key]
    return "$" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys)


def _literals(texts: list[str]) -> list[str]:
    """SQL string literals."""
    return ["'" + text.replace("'", "''") + "'" for text in texts]
