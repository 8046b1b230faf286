"""Readers of instruction-tuning sources: one small file a layout, one target schema.

Source: the layouts of the seven sources of CareBot 2.2 and of CMtMedQA.
"""

import os
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets import tables
from carebot_assets.dialogue.adapters import (
    chatdoctor,
    chatmed,
    cmb,
    cmtmedqa,
    huatuo26m,
    meddialog,
    medqa,
    toyhom,
)
from carebot_assets.dialogue.adapters.base import COLUMNS, Adapter, something
from carebot_assets.dialogue.adapters.records import read_records
from carebot_assets.settings import DialogueSource

ADAPTERS: dict[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER
    for module in (toyhom, cmtmedqa, huatuo26m, chatdoctor, medqa, cmb, meddialog, chatmed)
}
SAMPLE_CHARS = 200
# A text is Chinese when CJK characters outnumber Latin words.
CJK, LATIN_WORD = r"[\u3400-\u9fff]", r"[A-Za-z]+"


def read(
    source_name: str, source: DialogueSource, files: list[Path]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a source into table `sft_dialogues`, and what could not be read into `sft_quarantine`.

    Records keep the order of the files and of the file; `record_id` is the hash of the origin.

    Raises:
        ValueError: an unknown adapter, or no files.
    """
    if source.adapter not in ADAPTERS:
        raise ValueError(
            f"instruction.sources.{source_name}: unknown adapter {source.adapter!r}; "
            f"one of {', '.join(ADAPTERS)}"
        )
    if not files:
        raise ValueError(f"instruction.sources.{source_name}: no file matches {source.path!r}")
    folder = Path(os.path.commonpath([file.parent for file in files]))
    parts = [
        _read_file(ADAPTERS[source.adapter], file).with_columns(
            origin=pl.format(
                source_name + "/{}#{}", pl.lit(file.relative_to(folder).as_posix()), "position"
            )
        )
        for file in sorted(files)
    ]
    records = pl.concat(parts)
    records = records.head(source.limit or records.height)
    is_bad = pl.col("error").is_not_null()
    return (
        _dialogues(records.filter(~is_bad), source_name, source.license),
        records.filter(is_bad).select(
            "origin",
            pl.lit(source_name).alias("source"),
            "error",
            pl.col("raw").str.slice(0, SAMPLE_CHARS).alias("sample"),
        ),
    )


def _read_file(adapter: Adapter, file: Path) -> pl.DataFrame:
    try:
        records = read_records(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        records = pl.DataFrame(
            {"position": [0], "raw": [""], "error": [f"file cannot be read: {error}"]}
        )
    built = adapter.build(records.filter(pl.col("error").is_null()))
    known = built.collect_schema()
    columns = [
        (pl.col(name) if name in known else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in COLUMNS.items()
    ]
    dialogues = built.select(columns).rename({"error": "build_error"}).collect()
    texts = pl.concat_str(
        pl.col("turns").list.eval(pl.element().struct.field("text")).list.join(""),
        pl.col("options").list.join(""),
        ignore_nulls=True,
    )
    lost = pl.when(texts.str.contains("\ufffd", literal=True)).then(
        pl.lit("undecodable bytes (U+FFFD in the text)")
    )
    return (
        records.join(dialogues, on="position", how="left", maintain_order="left")
        .with_columns(error=pl.coalesce("error", "build_error", lost))
        .drop("build_error")
    )


def _dialogues(records: pl.DataFrame, source: str, license_name: str) -> pl.DataFrame:
    import duckdb

    texts = pl.col("turns").list.eval(pl.element().struct.field("text"))
    first, last = texts.list.first().fill_null(""), texts.list.last().fill_null("")
    joined = texts.list.join(" ")
    is_zh = joined.str.count_matches(CJK) > joined.str.count_matches(LATIN_WORD)
    kind = (
        pl.when(pl.col("is_choice").fill_null(False))
        .then(pl.lit("choice"))
        .when(pl.col("turns").list.len() > 2)
        .then(pl.lit("multi"))
        .otherwise(pl.lit("single"))
    )
    frame = records.with_columns(
        source=pl.lit(source),
        license=pl.lit(license_name),
        lang=pl.when(is_zh).then(pl.lit("zh")).otherwise(pl.lit("en")),
        kind=kind,
        department=something(pl.col("department")),
        question=normalise(first),
        pair=pl.concat_str(normalise(first), pl.lit("\n"), normalise(last)),
    )
    with duckdb.connect() as connection:
        connection.register("records", frame.select("origin", "question", "pair"))
        hashes = connection.sql(
            "SELECT origin, md5(origin) AS record_id, md5(question) AS question_key, "
            "md5(pair) AS pair_key FROM records"
        ).pl()
    joined_frame = frame.join(hashes, on="origin", how="left", maintain_order="left")
    return joined_frame.select(tables.BY_NAME["sft_dialogues"].schema.names())


def summarize(dialogues: pl.DataFrame, quarantine: pl.DataFrame) -> dict[str, Any]:
    """Counts by kind, language and department, and what went wrong, for metadata."""

    def counts(frame: pl.DataFrame, column: str) -> list[tuple[Any, int]]:
        return frame.group_by(column).len().sort("len", column, descending=[True, False]).rows()

    def markdown(frame: pl.DataFrame, column: str) -> str:
        rows = [f"| {name} | {count} |" for name, count in counts(frame, column)[:15]]
        return "\n".join([f"| {column} | records |", "|---|---:|", *rows])

    num_records = dialogues.height + quarantine.height
    return {
        "num_records": num_records,
        "num_quarantined": quarantine.height,
        "quarantined_ratio": quarantine.height / max(num_records, 1),
        "num_by_kind": dict(counts(dialogues, "kind")),
        "num_by_language": dict(counts(dialogues, "lang")),
        "departments": markdown(dialogues.drop_nulls("department"), "department"),
        "errors": markdown(quarantine, "error"),
    }


def normalise(text: pl.Expr) -> pl.Expr:
    """Letters and digits only, compatibility forms folded, lower case: for comparing texts."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")
