"""The corpora that come out of the judges: medical and general text, private information masked."""

from typing import Any

import polars as pl

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
    """Ids that all of the judges kept, with the masks to put into their texts; no order."""
    kept = rules.filter(_IS_KEPT).select("doc_id", "masks")
    for judge in judges:
        kept = kept.join(judge.filter(_IS_KEPT).select("doc_id"), on="doc_id", how="semi")
    return kept


def _published(documents: pl.LazyFrame, kept: pl.LazyFrame) -> pl.LazyFrame:
    """The kept documents, in their order, masked."""
    masked = pl.struct("text", "masks").map_batches(
        lambda batch: private.mask_at(batch.struct.field("text"), batch.struct.field("masks")),
        return_dtype=pl.String,
        is_elementwise=True,
    )
    found = documents.join(kept, on="doc_id", maintain_order="left")
    return found.with_columns(text=masked).drop("masks")
