"""The corpora that come out of the judges: medical and general text, private information masked."""

from typing import Any

import polars as pl

from carebot_assets import parquet
from carebot_assets.corpus import private


def publishable(documents: pl.LazyFrame, rules: pl.LazyFrame) -> pl.LazyFrame:
    """Documents that pass the rules, in order, with the text that may leave the raw shard."""
    return _published(documents, _kept(rules))


def filtered(
    documents: pl.LazyFrame,
    rules: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    contamination: pl.LazyFrame,
    domain: pl.LazyFrame,
    quality: pl.LazyFrame,
) -> pl.LazyFrame:
    """Rows of `filtered_corpus`: documents of a shard that every judge kept, in order."""
    labels = domain.filter(_IS_KEPT).select("doc_id", "label", "p_medical")
    scores = quality.filter(_IS_KEPT).select("doc_id", "tier", quality="score")
    kept = _kept(rules, duplicates, contamination).join(labels, on="doc_id")
    published = _published(documents, kept.join(scores, on="doc_id"))
    return published.select(*_COLUMNS, "quality", "tier")


def general(
    documents: pl.LazyFrame,
    rules: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    contamination: pl.LazyFrame,
    domain: pl.LazyFrame,
) -> pl.LazyFrame:
    """Rows of `general_corpus`: clean documents dropped only because they are not medical."""
    # A drop by this judge always means another domain: by the classifier or its prefilter.
    others = domain.filter(pl.col("verdict") == "drop").select("doc_id", "label", "p_medical")
    kept = _kept(rules, duplicates, contamination).join(others, on="doc_id")
    return _published(documents, kept).select(*_COLUMNS)


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


_IS_KEPT = pl.col("verdict") == "keep"


def _kept(rules: pl.LazyFrame, *judges: pl.LazyFrame) -> pl.LazyFrame:
    """Ids that all of the judges kept, with the private information to mask; no order."""
    kept = rules.filter(_IS_KEPT).select("doc_id", "masked_kinds")
    for judge in judges:
        kept = kept.join(judge.filter(_IS_KEPT).select("doc_id"), on="doc_id", how="semi")
    return kept


def _published(documents: pl.LazyFrame, kept: pl.LazyFrame) -> pl.LazyFrame:
    """The kept documents, in their order, masked.

    Texts to mask are few and taken out of the stream: to start all the detectors costs as much as
    some hundred texts, so that it should not happen for every batch.
    """
    listed = kept.filter(pl.col("masked_kinds").list.len() > 0).select("doc_id", "masked_kinds")
    found = documents.select("doc_id", "text").join(listed, on="doc_id", maintain_order="left")
    masked = pl.concat(
        group.select("doc_id", masked=private.mask(group["text"], group["masked_kinds"]))
        for group in (found.clear().collect(), *parquet.groups(found))
    )
    return (
        documents.join(kept.drop("masked_kinds"), on="doc_id", maintain_order="left")
        .join(masked.lazy(), on="doc_id", how="left", maintain_order="left")
        .with_columns(text=pl.coalesce("masked", "text"))
        .drop("masked")
    )
