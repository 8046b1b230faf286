"""What each judge took out of the corpus, by source, language and reason."""

import base64
import io
from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from carebot_assets.expectations import Finding
from carebot_assets.tables import BY_NAME, VERDICTS

_KEY = BY_NAME["quality_funnel"].key


def funnel(documents: pl.LazyFrame, stages: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Rows of `quality_funnel` in the order of the judges; a document dropped for two reasons
    counts in both."""
    about = documents.select("doc_id", "source", "lang", "n_tokens")
    parts = [
        about.join(verdicts.select("doc_id", "verdict", "reasons"), on="doc_id")
        .explode("reasons", empty_as_null=True)
        .group_by(
            stage=pl.lit(name),
            source="source",
            lang="lang",
            verdict="verdict",
            reason=pl.col("reasons").fill_null(""),
        )
        .agg(num_documents=pl.len().cast(pl.Int64), num_tokens=pl.col("n_tokens").sum())
        .sort(_KEY)
        for name, verdicts in stages.items()
    ]
    return pl.concat(parts).collect(engine="streaming")


def totals(documents: pl.LazyFrame, stages: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """One row a judge: documents of each verdict, and tokens of those kept; in front of them
    `documents`, which keeps everything."""
    tokens = documents.select("doc_id", "n_tokens")
    everything = tokens.select("doc_id", verdict=pl.lit("keep"))
    parts = [
        verdicts.select("doc_id", "verdict")
        .join(tokens, on="doc_id", how="left")
        .select(
            pl.lit(name).alias("stage"),
            *(pl.col("verdict").eq(v).sum().cast(pl.Int64).alias(v) for v in VERDICTS),
            pl.col("n_tokens").filter(pl.col("verdict") == "keep").sum().alias("tokens_kept"),
        )
        for name, verdicts in {"documents": everything, **stages}.items()
    ]
    return pl.concat(parts).collect(engine="streaming")


def conserved(totals: pl.DataFrame) -> Finding:
    """Every judge accounts for every document, and sees exactly what the one before it kept."""
    rows = list(totals.iter_rows(named=True))
    total = rows[0]["keep"]
    problems = []
    for before, row in pairwise(rows):
        accounted = sum(row[verdict] for verdict in VERDICTS)
        if accounted != total:
            problems.append(f"{row['stage']} accounts for {accounted} of {total}")
        if accounted - row["skip"] != before["keep"]:
            judged = accounted - row["skip"]
            problems.append(
                f"{row['stage']} judged {judged}, {before['stage']} kept {before['keep']}"
            )
    left = rows[-1]["keep"]
    text = "; ".join(problems) or f"{total} documents accounted for, {left} left"
    return Finding(not problems, text, {"num_documents": total, "num_left": left})


def matches(table: pl.DataFrame, totals: pl.DataFrame) -> Finding:
    """The funnel's kept documents and tokens are those of the verdict tables."""
    kept = table.filter(pl.col("verdict") == "keep").group_by("stage")
    mine = kept.agg(pl.col("num_documents").sum(), pl.col("num_tokens").sum())
    both = totals[1:].join(mine, on="stage", how="left").fill_null(0)
    wrong = both.filter(
        (pl.col("keep") != pl.col("num_documents"))
        | (pl.col("tokens_kept") != pl.col("num_tokens"))
    )
    stages = wrong["stage"].to_list()
    text = f"differs from the verdicts at {stages}" if stages else "same counts as the verdicts"
    return Finding(not stages, text, {"num_wrong_stages": len(stages)})


def as_markdown(totals: pl.DataFrame) -> str:
    """The totals as a Markdown table."""
    lines = [totals.columns, ["---"] * totals.width, *totals.rows()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def plot(totals: pl.DataFrame) -> str:
    """Documents left after each judge and dropped by it, as a Markdown image."""
    from matplotlib.figure import Figure

    stages, left = totals["stage"].to_list(), totals["keep"].to_list()
    lost = [0, *(before - after for before, after in pairwise(left))]
    figure = Figure(figsize=(7, 0.5 * len(stages) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(stages, left, color="#2a7f62", label="left")
    axes.barh(stages, lost, left=left, color="#d9a5a0", label="dropped here")
    for position, count in enumerate(left):
        axes.text(count, position, f" {count:,}", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("documents")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    buffer = io.BytesIO()
    # Without this the version of matplotlib is part of the picture.
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return f"![funnel](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
