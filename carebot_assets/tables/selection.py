"""Tables of what the judges leave: the corpora, and what was dropped, shard by shard."""

import polars as pl

from carebot_assets.tables.base import DOC, SHARD, Columns, Table

# What the corpora that come out of the judges share.
PUBLISHED: Columns = DOC | {
    "source": (pl.String, "name of the source"),
    "license": (pl.String, "licence"),
    "lang": (pl.String, "language"),
    "text": (pl.String, "text, private information masked"),
    "n_tokens": (pl.Int64, "estimated tokens"),
    "label": (pl.String, "domain, null where the prefilter stopped it"),
    "p_medical": (pl.Float64, "probability of the medical labels, null where it was stopped"),
}

TABLES = [
    Table(
        "filtered_corpus",
        "Medical documents that every judge kept",
        PUBLISHED
        | {
            "quality": (pl.Float64, "quality score"),
            "tier": (pl.String, "very_high or high"),
        },
        SHARD,
    ),
    Table(
        "general_corpus",
        "Documents that every judge kept but for being of another domain",
        PUBLISHED,
        SHARD,
    ),
    Table(
        "shard_tally",
        "What each judge did to a shard, by source, language and reason; every number is a sum",
        {
            "shard": (pl.String, "shard"),
            "stage": (pl.String, "documents (the reading of files) or a judge"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language; unknown of records that could not be read"),
            "verdict": (pl.String, "keep, drop, skip or failed"),
            "reason": (pl.String, "rule; empty: all documents of the verdict, each counted once"),
            "num_documents": (pl.Int64, "documents (one with two reasons counts in both)"),
            "num_tokens": (pl.Int64, "estimated tokens"),
            "tokens_squared": (pl.Int64, "sum of the squares of the documents' tokens"),
            "millipoints": (pl.Int64, "sum of the quality scores, in thousandths"),
            "millipoints_squared": (pl.Int64, "sum of their squares"),
        },
        SHARD,
        key=("stage", "source", "lang", "verdict", "reason"),
    ),
    Table(
        "quality_funnel",
        "Documents and tokens dropped by each judge, by source, language and reason",
        {
            "stage": (pl.String, "documents (the reading of files) or a judge"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language; unknown of records that could not be read"),
            "verdict": (pl.String, "keep, drop, skip or failed"),
            "reason": (pl.String, "rule, empty for documents kept"),
            "cause": (pl.String, "of a drop: configured (what the profile asks for) or defect"),
            "num_documents": (pl.Int64, "documents (one with two reasons counts in both)"),
            "num_tokens": (pl.Int64, "estimated tokens"),
        },
        key=("stage", "source", "lang", "verdict", "reason"),
    ),
    Table(
        "shard_drift",
        "How a shard's documents of a language differ from those of its source's other shards",
        {
            "shard": (pl.String, "shard"),
            "source": (pl.String, "name of the source"),
            "lang": (pl.String, "language"),
            "num_documents": (pl.Int64, "documents of the language"),
            "num_peers": (pl.Int64, "shards of source and language large enough to be compared"),
            "lang_ratio": (pl.Float64, "the language among the shard's documents"),
            "unreadable_ratio": (pl.Float64, "quarantined among the shard's records"),
            "mean_tokens": (pl.Float64, "estimated tokens a document"),
            "mean_quality": (pl.Float64, "quality score of the documents that were scored"),
            "drop_ratios": (
                pl.List(pl.Struct({"stage": pl.String, "ratio": pl.Float64})),
                "of each judge: dropped among the documents that it judged",
            ),
            "reason_ratios": (
                pl.List(pl.Struct({"stage": pl.String, "reason": pl.String, "ratio": pl.Float64})),
                "of each reason: documents that have it among those that its judge judged",
            ),
            "deviations": (
                pl.List(
                    pl.Struct(
                        {
                            "measure": pl.String,
                            "value": pl.Float64,
                            "usual": pl.Float64,
                            "score": pl.Float64,
                        }
                    )
                ),
                "measures that deviate: value, median of the shards, robust z-score",
            ),
        },
        key=("shard", "lang"),
    ),
    Table(
        "held_out_text",
        "Documents kept out of every mix, for losses during training",
        DOC
        | {
            "stratum": (pl.String, "medical_zh, medical_en or general"),
            "lang": (pl.String, "language"),
            "text": (pl.String, "text"),
        },
    ),
]
