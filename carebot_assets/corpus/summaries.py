"""What a person wants to see of the corpus tables: numbers and small Markdown tables."""

from typing import Any

import polars as pl


def of_plan(plan: pl.DataFrame) -> dict[str, Any]:
    """Files, shards and bytes, in all and by source."""
    sources = plan.group_by("source", "license").agg(
        files=pl.col("file").n_unique(),
        shards=pl.col("shard").n_unique(),
        bytes=pl.col("bytes").sum(),
    )
    return {
        "num_files": plan["file"].n_unique(),
        "num_shards": plan["shard"].n_unique(),
        "num_bytes": int(plan["bytes"].sum()),
        "sources": markdown(sources.sort("source")),
    }


def of_documents(documents: pl.LazyFrame, quarantine: pl.LazyFrame) -> dict[str, Any]:
    """Documents, tokens and languages; bad records by error."""
    by_lang = (
        documents.group_by("lang")
        .agg(documents=pl.len(), tokens=pl.col("n_tokens").sum())
        .sort("lang")
        .collect(engine="streaming")
    )
    errors = quarantine.group_by("error").agg(records=pl.len()).sort("error").collect()
    return {
        "num_quarantined": int(errors["records"].sum()),
        "num_tokens": int(by_lang["tokens"].sum()),
        **{f"num_{lang}": count for lang, count in by_lang.select("lang", "documents").iter_rows()},
        "languages": markdown(by_lang),
        "quarantine": markdown(errors),
    }


def of_measures(measures: pl.LazyFrame) -> dict[str, Any]:
    """Quantiles of every measure, and documents with private information by kind."""
    numeric = [name for name, dtype in measures.collect_schema().items() if dtype.is_numeric()]
    points = {"p01": 0.01, "p50": 0.5, "p99": 0.99}
    frame = measures.select(*numeric, "private_kinds", "private_counts").collect()
    quantiles = pl.DataFrame(
        [
            {"measure": name, **{p: frame[name].quantile(q) for p, q in points.items()}}
            for name in numeric
        ],
        schema={"measure": pl.String, **dict.fromkeys(points, pl.Float64)},
    )
    return {
        "num_with_private_information": frame.filter(pl.col("private_kinds").list.len() > 0).height,
        "quantiles": markdown(quantiles.with_columns(pl.col(*points).round(4))),
        "private_information": private_information(frame.lazy()),
    }


def private_information(measures: pl.LazyFrame, *by: str) -> str:
    """Documents with each kind of private information, and its occurrences, as a Markdown table."""
    kinds = (
        measures.select(*by, kind="private_kinds", occurrences="private_counts")
        .explode("kind", "occurrences")
        .drop_nulls("kind")
        .group_by("kind", *by)
        .agg(documents=pl.len(), occurrences=pl.col("occurrences").sum())
        .sort("kind", *by)
    )
    return markdown(kinds.collect(engine="streaming"))


def of_verdicts(verdicts: pl.LazyFrame) -> dict[str, Any]:
    """Documents by verdict, the drop ratio and the failing rules."""
    counts = verdicts.select(
        *(pl.col("verdict").eq(v).sum().alias(f"num_{v}") for v in ("keep", "drop", "failed")),
        (pl.col("masked_kinds").list.len() > 0).sum().alias("num_to_mask"),
        pl.col("verdict").eq("drop").mean().fill_null(0.0).alias("drop_ratio"),
    ).collect()
    return {
        **counts.row(0, named=True),
        "reasons": markdown(_counts(verdicts, "reasons", "rule")),
    }


def _counts(frame: pl.LazyFrame, column: str, name: str) -> pl.DataFrame:
    """How many documents hold each value of a list column."""
    values = frame.select(pl.col(column).explode().alias(name)).drop_nulls()
    counts = values.group_by(name).agg(documents=pl.len())
    return counts.sort("documents", name, descending=[True, False]).collect()


def markdown(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table."""
    rows = [list(frame.columns), ["---"] * frame.width, *frame.iter_rows()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
