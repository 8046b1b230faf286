"""What each judge took out of the corpus, by source, language and reason.

A shard is tallied once (`tally`), its documents joined with the verdicts on them; everything else
adds tallies up, so that memory does not grow with the number of shards.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import polars as pl

from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.tables import BY_NAME, JUDGES, VERDICTS

READING = "documents"
STAGES = pl.Enum([READING, *JUDGES])
UNKNOWN = "unknown"
NO_REASON = "(none)"
CONFIGURED, DEFECT = "configured", "defect"
# Reasons to drop sound text because the profile asks for it; any other names a defect of the text.
CHOSEN = r"^(language|min_tokens|max_tokens|private|domain|quality|benchmark)_"

_TALLY = BY_NAME["shard_tally"]
_TABLE = BY_NAME["quality_funnel"]
_SUMS = ("num_documents", "num_tokens", "tokens_squared", "millipoints", "millipoints_squared")
_IS_SUM = pl.col("reason") == ""


def tally(
    shard: str,
    documents: pl.LazyFrame,
    quarantine: pl.LazyFrame,
    stages: Mapping[str, pl.LazyFrame],
) -> pl.DataFrame:
    """Rows of `shard_tally`: the reading of files first, then the judges in their order.

    Every judge has a row of kept documents for every source and language, be it zero.
    """
    about = documents.select("doc_id", "source", "lang", "n_tokens").collect()
    unread = quarantine.select(
        pl.col("origin").str.extract(r"^([^/]*)/", 1).alias("source"),
        lang=pl.lit(UNKNOWN),
        verdict=pl.lit("drop"),
        reasons=pl.concat_list("error"),
        n_tokens=pl.lit(0, pl.Int64),
    ).collect()
    none = pl.lit([], pl.List(pl.String))
    read = about.with_columns(verdict=pl.lit("keep"), reasons=none)
    parts = [_counted(READING, pl.concat([unread, read.select(unread.columns)]))]
    for name, verdicts in stages.items():
        score = "score" if "score" in verdicts.collect_schema() else pl.lit(None).alias("score")
        judged = verdicts.select("doc_id", "verdict", "reasons", score).collect()
        parts.append(_counted(name, about.join(judged, on="doc_id")))
    rows = pl.concat(parts)
    groups = pl.concat([unread, read], how="diagonal").select("source", "lang").unique()
    kept = groups.join(pl.DataFrame({"stage": [READING, *stages]}), how="cross").select(
        pl.col("stage").cast(STAGES), "source", "lang", verdict=pl.lit("keep"), reason=pl.lit("")
    )
    missing = kept.join(rows, on=_TALLY.key, how="anti")
    rows = pl.concat([rows, missing], how="diagonal").with_columns(
        pl.col(_SUMS).fill_null(0), shard=pl.lit(shard)
    )
    return rows.sort(_TALLY.key).select(_column(name) for name in _TALLY.columns)


def _counted(stage: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Sums over the documents of each verdict, and over those with each reason."""
    if "score" not in rows.columns:
        rows = rows.with_columns(score=pl.lit(None))
    tokens, points = pl.col("n_tokens"), (pl.col("score").cast(pl.Float64) * 1000).round()
    is_out = pl.col("verdict").is_in(["drop", "failed"])
    named = rows.filter(is_out).explode("reasons", empty_as_null=True)
    keys = ("source", "lang", "verdict", "reason")
    return pl.concat(
        some.group_by(keys).agg(
            num_documents=pl.len().cast(pl.Int64),
            num_tokens=tokens.sum(),
            tokens_squared=(tokens * tokens).sum(),
            millipoints=points.sum().cast(pl.Int64),
            millipoints_squared=(points * points).sum().cast(pl.Int64),
        )
        for some in (
            rows.with_columns(reason=pl.lit("")),
            named.with_columns(reason=pl.col("reasons").fill_null(NO_REASON)),
        )
    ).with_columns(stage=pl.lit(stage, STAGES))


def added(tallies: pl.LazyFrame) -> pl.DataFrame:
    """The tallies of all shards as one, in the order of the judges."""
    total = tallies.group_by(_TALLY.key).agg(pl.col(_SUMS).sum()).collect(engine="streaming")
    return total.with_columns(pl.col("stage").cast(STAGES)).sort(_TALLY.key)


def sources(tallies: pl.LazyFrame) -> pl.LazyFrame:
    """The source of every shard: a shard reads files of one source only."""
    return tallies.select("shard", "source").unique()


def funnel(total: pl.DataFrame) -> pl.DataFrame:
    """Rows of `quality_funnel`; a document dropped for two reasons counts in both."""
    is_out = pl.col("verdict").is_in(["drop", "failed"])
    cause = (
        pl.when(pl.col("verdict") != "drop")
        .then(pl.lit(""))
        .when(pl.col("reason").str.contains(CHOSEN))
        .then(pl.lit(CONFIGURED))
        .otherwise(pl.lit(DEFECT))
    )
    table = total.filter(is_out != _IS_SUM).sort(_TABLE.key).with_columns(cause=cause)
    return table.select(_column(name) for name in _TABLE.columns)


def _column(name: str) -> pl.Expr:
    """A column as it is stored: stages are ordered only while they are counted."""
    return pl.col(name).cast(pl.String) if name == "stage" else pl.col(name)


def totals(total: pl.DataFrame, *by: str) -> pl.DataFrame:
    """One row a stage (and a value of `by`): documents of each verdict, each counted once, and
    the tokens of those kept."""
    is_kept = pl.col("verdict") == "keep"
    count = pl.col("num_documents")
    return (
        total.filter(_IS_SUM)
        .group_by(*by, "stage")
        .agg(
            *(count.filter(pl.col("verdict") == v).sum().alias(v) for v in VERDICTS),
            tokens_kept=pl.col("num_tokens").filter(is_kept).sum(),
        )
        .sort(*by, "stage")
    )


def conserved(total: pl.DataFrame) -> Finding:
    """Every judge accounts for every document of every source and language, and judges exactly
    what the one before it kept."""
    problems = []
    by_group = totals(total, "source", "lang").partition_by("source", "lang", as_dict=True)
    for (source, lang), found in by_group.items():
        chain = list(found.iter_rows(named=True))
        num_read = chain[0]["keep"]
        for before, row in pairwise(chain):
            accounted = sum(row[verdict] for verdict in VERDICTS)
            judged = accounted - row["skip"]
            where = f"{row['stage']} ({source}, {lang})"
            if accounted != num_read:
                problems.append(f"{where} accounts for {accounted} of {num_read}")
            if judged != before["keep"]:
                problems.append(f"{where} judged {judged}, {before['stage']} kept {before['keep']}")
    kept = totals(total)["keep"]
    num_read, num_left = (int(kept[0]), int(kept[-1])) if len(kept) else (0, 0)
    text = "; ".join(problems[:MAX_OFFENDERS])
    text = text or f"{num_read} documents accounted for, {num_left} left"
    counts = {"num_documents": num_read, "num_left": num_left, "num_problems": len(problems)}
    return Finding(not problems, text, counts)


def matches(table: pl.DataFrame, stages: Mapping[str, pl.LazyFrame]) -> Finding:
    """The funnel's documents are those of the verdict tables, counted anew."""
    keys = ["stage", "verdict", "reason"]
    anew = pl.concat(
        verdicts.select("verdict", "reasons")
        .explode("reasons", empty_as_null=True)
        .group_by("verdict", reason="reasons")
        .agg(found=pl.len().cast(pl.Int64))
        .with_columns(stage=pl.lit(name))
        for name, verdicts in stages.items()
    ).collect(engine="streaming")
    is_out = pl.col("verdict").is_in(["drop", "failed"])
    reason = pl.coalesce("reason", pl.when(is_out).then(pl.lit(NO_REASON)).otherwise(pl.lit("")))
    mine = (
        table.filter(pl.col("stage") != READING).group_by(keys).agg(pl.col("num_documents").sum())
    )
    both = mine.join(anew.with_columns(reason), on=keys, how="full", coalesce=True).fill_null(0)
    wrong = both.filter(pl.col("num_documents") != pl.col("found")).sort(keys)
    listed = wrong["stage"].unique().sort().to_list()
    text = f"differs from the verdicts at {listed}" if listed else "same counts as the verdicts"
    examples = wrong.head(MAX_OFFENDERS).to_dicts()
    return Finding(not listed, text, {"num_wrong": wrong.height, "examples": examples})


def fills_the_corpus(table: pl.DataFrame, corpus: pl.LazyFrame) -> Finding:
    """The last judge's kept documents and tokens are those of the filtered corpus."""
    last = table.filter(pl.col("stage") == JUDGES[-1], pl.col("verdict") == "keep")
    keys = ["source", "lang"]
    found = corpus.group_by(keys).agg(documents=pl.len(), tokens=pl.col("n_tokens").sum())
    both = last.join(found.collect(engine="streaming"), on=keys, how="full", coalesce=True)
    wrong = both.fill_null(0).filter(
        (pl.col("num_documents") != pl.col("documents"))
        | (pl.col("num_tokens") != pl.col("tokens"))
    )
    listed = [f"{source} {lang}" for source, lang in wrong.select(keys).sort(keys).iter_rows()]
    text = (
        f"filtered_corpus holds other documents than were kept of {', '.join(listed)}"
        if listed
        else f"filtered_corpus holds the {last['num_documents'].sum()} documents that were kept"
    )
    return Finding(not listed, text, {"num_wrong": len(listed)})


def summarize(total: pl.DataFrame, table: pl.DataFrame) -> dict[str, Any]:
    """Counts for the UI."""
    left = totals(total)
    drops = table.filter(pl.col("verdict") == "drop").group_by("cause")
    by_cause = dict(drops.agg(pl.col("num_documents").sum()).iter_rows())
    return {
        "num_documents": int(left["keep"][0]),
        "num_left": int(left["keep"][-1]),
        "num_drops_configured": by_cause.get(CONFIGURED, 0),
        "num_drops_for_defects": by_cause.get(DEFECT, 0),
    }
