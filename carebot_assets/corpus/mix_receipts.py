"""Receipts of a mix: what was asked, what there was, what went in and what was left out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from carebot_assets.corpus import mix_plan
from carebot_assets.settings import MixSettings

if TYPE_CHECKING:
    import duckdb

RECEIPTS = "receipts.json"
COUNTS = ("asked", "available", "achieved", "repeated", "cut", "num_documents", "num_held_out")
_EXAMPLES = 20

# Tokens of documents that were not read are estimated from those of the stratum that were.
_BY_SOURCE = """
    WITH read AS (
        SELECT stratum, source, count(*) AS num_read, sum(estimate) AS estimate,
            coalesce(sum(length), 0) AS num_tokens,
            count(*) FILTER (left_out = 'held_out') AS num_held_out,
            count(*) FILTER (left_out = 'empty') AS num_empty
        FROM pool GROUP BY stratum, source
    ), rates AS (
        SELECT stratum, sum(num_tokens) / sum(estimate) AS rate FROM read GROUP BY stratum
    ), used AS (
        SELECT stratum, source, sum(num_tokens) AS achieved,
            coalesce(sum(num_tokens) FILTER (epoch > 0), 0) AS repeated,
            sum(length - num_tokens) AS cut, count(*) FILTER (length > num_tokens) AS num_cut,
            count(DISTINCT doc_id) AS num_documents
        FROM uses GROUP BY stratum, source
    )
    SELECT stratum, source,
        (read.num_tokens + round(rate * (census.estimate - coalesce(read.estimate, 0))))::BIGINT
            AS available,
        (census.num_documents - coalesce(num_read, 0))::BIGINT AS num_unread,
        used.* EXCLUDE (stratum, source, num_documents), used.num_documents,
        num_held_out, num_empty
    FROM census JOIN rates USING (stratum) LEFT JOIN read USING (stratum, source)
    LEFT JOIN used USING (stratum, source) ORDER BY stratum, source
"""


def write_receipts(
    base: "duckdb.DuckDBPyConnection",
    settings: MixSettings,
    sequence_length: int,
    seed: int,
    plan: mix_plan.Plan,
    largest_token: int,
    folder: Path,
) -> dict[str, Any]:
    """Receipts per stratum and per source of it, from the tables of a mix; also as a file.

    `available` counts the tokens of every document once; where `num_unread` is not zero the rest
    is estimated. A source is asked for the part of its stratum that it has of the text there is.
    """
    by_source = base.sql(_BY_SOURCE).pl().fill_null(0)
    by_source = by_source.with_columns(
        pl.col(pl.Decimal).cast(pl.Int64), pl.col("available").clip(0)
    )
    wanted = mix_plan.asked(settings, sequence_length)
    strata = []
    sources = []
    for stratum, tokens in wanted.items():
        rows = by_source.filter(pl.col("stratum") == stratum).to_dicts()
        parts = mix_plan.allot(tokens, {row["source"]: row["available"] for row in rows})
        totals = {k: sum(row[k] for row in rows) for k in by_source.columns[2:]}
        strata.append({"stratum": stratum, "asked": tokens, **totals})
        sources += [{"asked": parts[row["source"]]} | row for row in rows]
    left_out = base.sql(
        f"SELECT doc_id FROM pool WHERE left_out = 'held_out' ORDER BY doc_id LIMIT {_EXAMPLES}"
    ).fetchall()
    unasked = base.sql(
        "SELECT stratum, sum(num_documents)::BIGINT FROM census"
        " WHERE stratum NOT IN (SELECT stratum FROM strata) GROUP BY stratum ORDER BY stratum"
    ).fetchall()
    num_tokens = sum(row["achieved"] for row in strata)
    receipts = {
        "seed": seed,
        "settings": settings.model_dump(),
        "sequence_length": sequence_length,
        "num_sequences": num_tokens // sequence_length,
        "num_tokens": num_tokens,
        "num_repeated_tokens": sum(row["repeated"] for row in strata),
        "num_cut_tokens": sum(row["cut"] for row in strata),
        "num_cut_documents": sum(row["num_cut"] for row in strata),
        "num_held_out_documents": sum(row["num_held_out"] for row in strata),
        "num_empty_documents": sum(row["num_empty"] for row in strata),
        "num_documents_of_strata_not_asked": dict(unasked),
        "scale": plan.scale,
        "limited_by": plan.limited_by,
        "largest_token": largest_token,
        "strata": strata,
        "sources": sources,
        "held_out_examples": [doc_id for (doc_id,) in left_out],
    }
    (folder / RECEIPTS).write_text(json.dumps(receipts, indent=1, ensure_ascii=False), "utf-8")
    return receipts


def read(folder: Path) -> dict[str, Any]:
    """The receipts of a mix."""
    return json.loads((folder / RECEIPTS).read_text("utf-8"))


def markdown(receipts: dict[str, Any]) -> str:
    """The receipts as a Markdown table, and a line when the mix had to shrink."""
    lines = [
        "| stratum | source | " + " | ".join(COUNTS) + " |",
        "|---|---" + "|---:" * len(COUNTS) + "|",
    ]
    for row in receipts["strata"]:
        lines.append(_line(row, row["stratum"], "all"))
        sources = [s for s in receipts["sources"] if s["stratum"] == row["stratum"]]
        lines += [_line(s, "", s["source"]) for s in sources if len(sources) > 1]
    if receipts["limited_by"]:
        lines += ["", f"Shrunk to {receipts['scale']:.1%} for want of {receipts['limited_by']}."]
    return "\n".join(lines)


def summary(receipts: dict[str, Any]) -> dict[str, Any]:
    """Numbers of the receipts for an asset's metadata."""
    numbers = {k: v for k, v in receipts.items() if isinstance(v, (int, float)) and k != "seed"}
    return {
        **numbers,
        "limited_by": receipts["limited_by"],
        "receipts": markdown(receipts),
    }


def _line(row: dict[str, Any], stratum: str, source: str) -> str:
    plain = source.replace("|", " ")
    return f"| {stratum} | {plain} | " + " | ".join(f"{row[name]:,}" for name in COUNTS) + " |"
