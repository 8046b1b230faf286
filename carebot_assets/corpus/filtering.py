"""The corpora that come out of the judges: medical and general text, private information masked."""

from typing import Any

import polars as pl

from carebot_assets.corpus import private
from carebot_assets.corpus.chain import survivors

NOT_MEDICAL = "domain_not_medical_v1"


def publishable(documents: pl.LazyFrame, rules: pl.LazyFrame) -> pl.LazyFrame:
    """Documents that pass the rules, in order, with the text that may leave the raw shard."""
    kinds = rules.select("doc_id", "masked_kinds")
    passing = survivors(documents, rules)
    joined = passing.join(kinds, on="doc_id", how="left", maintain_order="left")
    masked = pl.struct("text", "masked_kinds").map_batches(
        _mask, return_dtype=pl.String, is_elementwise=True
    )
    return joined.with_columns(text=masked).drop("masked_kinds")


def filtered(
    documents: pl.LazyFrame,
    rules: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    contamination: pl.LazyFrame,
    domain: pl.LazyFrame,
    quality: pl.LazyFrame,
) -> pl.LazyFrame:
    """Rows of `filtered_corpus`: documents of a shard that every judge kept, in order."""
    scores = quality.select("doc_id", "tier", quality="score")
    clean = publishable(survivors(documents, duplicates, contamination, domain, quality), rules)
    return (
        _with_domain(clean, domain)
        .join(scores, on="doc_id", how="left", maintain_order="left")
        .select(*_COLUMNS, "quality", "tier")
    )


def general(
    documents: pl.LazyFrame,
    rules: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    contamination: pl.LazyFrame,
    domain: pl.LazyFrame,
) -> pl.LazyFrame:
    """Rows of `general_corpus`: clean documents dropped only because they are not medical."""
    is_other = (pl.col("verdict") == "drop") & (pl.col("reasons") == pl.lit([NOT_MEDICAL]))
    others = domain.filter(is_other).with_columns(verdict=pl.lit("keep"))
    clean = publishable(survivors(documents, duplicates, contamination, others), rules)
    return _with_domain(clean, domain).select(*_COLUMNS)


def summarize(table: pl.LazyFrame) -> dict[str, Any]:
    """Documents and tokens of a corpus, by language."""
    by_lang = (
        table.group_by("lang")
        .agg(num_documents=pl.len(), num_tokens=pl.col("n_tokens").sum())
        .sort("lang")
        .collect(engine="streaming")
    )
    return {
        f"{name}_{lang}": count
        for lang, *counts in by_lang.iter_rows()
        for name, count in zip(("num_documents", "num_tokens"), counts, strict=True)
    }


_COLUMNS = (
    "doc_id", "shard", "source", "license", "lang", "text", "n_tokens", "label", "p_medical"
)  # fmt: skip


def _mask(rows: pl.Series) -> pl.Series:
    return private.mask(rows.struct.field("text"), rows.struct.field("masked_kinds"))


def _with_domain(documents: pl.LazyFrame, domain: pl.LazyFrame) -> pl.LazyFrame:
    labels = domain.select("doc_id", "label", "p_medical")
    return documents.join(labels, on="doc_id", how="left", maintain_order="left")
