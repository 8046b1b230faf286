"""The scorecard as one HTML page, and the proof that its numbers are those of the tables."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from carebot_assets.evaluation import published
from carebot_assets.evaluation.scores import AVERAGE
from carebot_assets.evaluation.suites import DIMENSIONS

TEMPLATE = Path(__file__).with_name("scorecard.html")


def render(scores: Mapping[str, Any]) -> str:
    """The page: self-contained, everything escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    suites = dict.fromkeys(suite["suite"] for suite in scores["suites"])
    suites |= dict.fromkeys(s for row in published.KNOWLEDGE.values() for s in row)
    return environment.get_template(TEMPLATE.name).render(
        scores=scores,
        suite_names=list(suites),
        suites={suite["suite"]: suite for suite in scores["suites"]},
        cells={(row["checkpoint"], row["suite"]): row for row in scores["benchmarks"]},
        grades={
            (row["suite"], row["checkpoint"], row["dimension"]): row
            for row in scores["consultations"]
        },
        dimensions=[*DIMENSIONS, AVERAGE],
    )


def differences(
    scores: Mapping[str, Any], page: str, benchmarks: pl.DataFrame, consultations: pl.DataFrame
) -> list[str]:
    """Numbers of a scorecard that are not those of the tables, recomputed in DuckDB."""
    import duckdb

    wanted: dict[str, float] = {}
    with duckdb.connect() as connection:
        connection.register("benchmarks", benchmarks.to_arrow())
        connection.register("consultations", consultations.to_arrow())
        rows = connection.execute(
            "select checkpoint, suite, count(*) filter (correct) / count(*)"
            " from benchmarks group by all"
        ).fetchall()
        wanted |= {f"{checkpoint}/{suite}": value for checkpoint, suite, value in rows}
        means = ", ".join(f"avg({name})" for name in DIMENSIONS)
        rows = connection.execute(
            f"select checkpoint, suite, {means}, avg(({' + '.join(DIMENSIONS)}) / 4)"
            " from consultations where status = 'scored' group by all"
        ).fetchall()
    for checkpoint, suite, *values in rows:
        for name, value in zip((*DIMENSIONS, AVERAGE), values, strict=True):
            wanted[f"{checkpoint}/{suite}/{name}"] = value
    stated = {f"{r['checkpoint']}/{r['suite']}": r["value"] for r in scores["benchmarks"]}
    stated |= {
        f"{r['checkpoint']}/{r['suite']}/{r['dimension']}": r["value"]
        for r in scores["consultations"]
        if r["value"] is not None
    }
    shown = dict(re.findall(r'data-key="([^"]+)" data-value="([^"]+)"', page))
    return sorted(
        f"{key}: table {wanted.get(key)}, scores.json {stated.get(key)}, page {shown.get(key)}"
        for key in wanted.keys() | stated.keys() | shown.keys()
        if not _same(wanted.get(key), stated.get(key), shown.get(key))
    )


def _same(wanted: float | None, stated: float | None, shown: str | None) -> bool:
    if wanted is None or stated is None or shown is None:
        return False
    return abs(wanted - stated) < 1e-9 and abs(wanted - float(shown)) < 1e-6
