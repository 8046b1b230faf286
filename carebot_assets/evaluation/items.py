"""Benchmark items in one schema, from the publishers' files."""

import csv
import glob
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from carebot_assets import tables
from carebot_assets.evaluation.adapters import ADAPTERS, LETTERS, YES_NO_MAYBE, Adapter
from carebot_assets.evaluation.suites import DEFAULT_DIR

SCHEMA = tables.BY_NAME["benchmark_items"].schema

# Scored sets as published; per subject where a suite is a choice of subjects.
# Source: the publishers' repositories, counted in their files.
PUBLISHED_COUNTS: dict[str, int | dict[str, int]] = {
    "medqa": 1273,
    "medmcqa": 4183,
    "pubmedqa": 500,
    "cmb": 11200,
    "cmtmedqa": 1000,
    "cmb_clin": 74,
    "mmlu": {
        "anatomy": 135,
        "clinical_knowledge": 265,
        "college_biology": 144,
        "college_medicine": 173,
        "medical_genetics": 100,
        "professional_medicine": 272,
    },
    "cmmlu": {
        "anatomy": 148,
        "clinical_knowledge": 237,
        "college_medical_statistics": 106,
        "college_medicine": 273,
        "genetics": 176,
        "nutrition": 145,
        "professional_medicine": 376,
        "traditional_chinese_medicine": 185,
        "virology": 169,
    },
    "ceval": {
        "basic_medicine": 19,
        "clinical_medicine": 22,
        "physician": 49,
        "veterinary_medicine": 23,
    },
}
# Items answered with a word and not with the letter of an option.
_IN_WORDS = pl.col("options").list.join("/") == "/".join(YES_NO_MAYBE)


class Source(Protocol):
    """What is read of a suite's settings (`settings.SuiteSource`)."""

    @property
    def adapter(self) -> str: ...
    @property
    def lang(self) -> Any: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def subjects(self) -> list[str] | None: ...


def load_suite(suite: str, source: Source, pattern: Path) -> pl.DataFrame:
    """Read one suite.

    Args:
        suite: name the items carry.
        source: adapter, language, limit and subjects of the suite.
        pattern: absolute glob of the publisher's files.

    Raises:
        ValueError: unknown adapter, no such file or subject, or a malformed record; the message
            names suite, file and record.
    """
    if source.adapter not in ADAPTERS:
        known = ", ".join(ADAPTERS)
        raise ValueError(f"suite {suite}: unknown adapter {source.adapter!r}, known are {known}")
    files = [Path(name) for name in sorted(glob.glob(str(pattern), recursive=True))]
    if not files:
        raise ValueError(f"suite {suite}: no file matches {pattern}")
    repeated = [stem for stem, count in Counter(f.stem for f in files).items() if count > 1]
    if repeated:
        raise ValueError(f"suite {suite}: {pattern} matches several files named {repeated}")
    adapter = ADAPTERS[source.adapter]
    wanted = set(source.subjects or [])
    rows = [
        {"suite": suite, "lang": source.lang, **item}
        for file in files
        if not (adapter.subject_of_file and wanted) or subject_of(file) in wanted
        for item in _read_file(suite, adapter, file)
    ]
    if wanted:
        rows = [row for row in rows if row.get("subject") in wanted]
        missing = sorted(wanted - {row["subject"] for row in rows})
        if missing:
            raise ValueError(f"suite {suite}: {pattern} has no items of the subjects {missing}")
    if not rows:
        raise ValueError(f"suite {suite}: {pattern} has no items")
    if source.limit is not None and len(rows) > source.limit:
        chosen = {row["item_id"] for row in sorted(rows, key=_sampling_key)[: source.limit]}
        rows = [row for row in rows if row["item_id"] in chosen]
    return pl.DataFrame(rows, schema=SCHEMA)


def combine(suites: list[pl.DataFrame]) -> pl.DataFrame:
    """The table of all suites, in the order given."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *suites])


def with_shipped(items: pl.LazyFrame, folder: Path = DEFAULT_DIR) -> pl.LazyFrame:
    """The items and those shipped as `sample.jsonl` with the suites, where the question is another:
    all that training text must not contain."""
    files = sorted(folder.glob("*/sample.jsonl"))
    frames = [pl.read_ndjson(file, infer_schema_length=None) for file in files]
    empty = pl.DataFrame(schema=SCHEMA)
    shipped = pl.concat([empty, *frames], how="diagonal_relaxed").lazy().cast(SCHEMA)
    others = shipped.join(items, on="question", how="anti", maintain_order="left")
    named = others.with_columns(pl.format("{}/{}", pl.lit(folder.name), "item_id").alias("item_id"))
    return pl.concat([items, named.select(SCHEMA.names())])


def subject_of(file: Path) -> str:
    """Subject in a file's name, without the name of the split."""
    stem = file.stem
    for split in ("_test", "_val", "_dev"):
        stem = stem.removesuffix(split)
    return stem


def askable(items: pl.LazyFrame) -> pl.LazyFrame:
    """Items of the likelihood tasks: those with exactly one right option.

    Questions with several right letters (CMB has them) need generation and exact match of the
    letter string; they stay in the table, because training text must not contain them either.
    """
    one_letter = pl.col("answer").is_in(list(LETTERS)) & (pl.col("options").list.len() > 0)
    return items.filter(one_letter | _IN_WORDS)


def with_choices(items: pl.LazyFrame) -> pl.LazyFrame:
    """Askable items with `choices`, the answers a model may give: letters of the options that are
    not blank, or the options themselves where the answer is one of them (yes, no, maybe)."""
    asked = askable(items).with_row_index("row")
    letters = pl.lit(list(LETTERS), dtype=pl.List(pl.String)).list.head(
        pl.col("options").list.len()
    )
    choices = (
        asked.select(
            "row", "options", choices=pl.when(_IN_WORDS).then("options").otherwise(letters)
        )
        .explode("options", "choices")
        .filter(pl.col("options").str.len_chars() > 0)
        .group_by("row")
        .agg("choices")
    )
    return asked.join(choices, on="row", how="left", maintain_order="left").drop("row")


def export(items: pl.LazyFrame, folder: Path) -> Path:
    """Write the askable items of a suite for lm-eval to `{folder}/{suite}/test.jsonl`.

    Raises:
        ValueError: nothing to ask, or items of several suites.
    """
    rows = askable(items).select(pl.exclude("turns")).collect()
    suites = rows["suite"].unique().sort().to_list()
    if len(suites) != 1:
        raise ValueError(f"expected the questions of one suite, found {suites or 'none'}")
    path = folder / suites[0] / "test.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows.iter_rows(named=True))
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def published_count(adapter: str, subjects: list[str]) -> int | None:
    """Items the publisher's scored set has, of the given subjects; None where not known."""
    count = PUBLISHED_COUNTS.get(adapter)
    if not isinstance(count, dict):
        return count
    if any(subject not in count for subject in subjects):
        return None
    return sum(count[subject] for subject in subjects)


def summarize(items: pl.LazyFrame) -> dict[str, Any]:
    """Counts by suite, for metadata."""
    counts = (
        items.group_by("suite", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("turns").list.len().sum().alias("turns") // 2)
        .collect()
    )
    asked = askable(items).group_by("suite").len().collect()
    num_asked = dict(asked.iter_rows())
    lines = ["| suite | items | one right option | reference rounds |", "|---|---|---|---|"]
    lines += [f"| {s} | {n} | {num_asked.get(s, 0)} | {rounds} |" for s, n, rounds in counts.rows()]
    return {
        "num_items": int(counts["n"].sum()),
        "num_suites": counts.height,
        "suites": "\n".join(lines),
    }


def _read_file(suite: str, adapter: Adapter, file: Path) -> Iterator[Mapping[str, Any]]:
    subject = subject_of(file)
    where = ""
    try:
        for position, record in adapter.read(file):
            where = f", record {position}"
            fields = adapter.parse(record, subject)
            if fields is not None:
                yield {"item_id": f"{suite}/{file.stem}#{position}", **fields}
            where = ""  # what fails next is the reading of the file, which names its own place
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"suite {suite}: {file}{where}: {reason}") from None


def _sampling_key(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(row["item_id"].encode()).hexdigest()
