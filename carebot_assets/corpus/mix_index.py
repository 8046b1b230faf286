"""From any token of a mix to its document, and from any document to its sequences."""

from typing import NamedTuple

import polars as pl


class Origin(NamedTuple):
    """Where a token of a packed sequence comes from: `token` counts from the document's start."""

    doc_id: str
    token: int
    epoch: int
    stratum: str
    source: str


def token_origin(spans: pl.LazyFrame, sequence: int, position: int) -> Origin:
    """The document that a token of a training sequence belongs to.

    Args:
        spans: the mix's table.
        sequence: index of the sequence.
        position: of the token in the sequence.

    Raises:
        LookupError: the mix has no such token.
    """
    inside = pl.col("position").is_between(position - pl.col("num_tokens") + 1, position)
    found = spans.filter(pl.col("sequence") == sequence, inside).collect()
    if found.height != 1:
        raise LookupError(f"the mix has no token {position} in a sequence {sequence}")
    row = found.row(0, named=True)
    token = row["start"] + position - row["position"]
    return Origin(row["doc_id"], token, row["epoch"], row["stratum"], row["source"])


def document_spans(spans: pl.LazyFrame, doc_id: str) -> pl.DataFrame:
    """Every span of a document in the mix, in order: `sequence`, `position`, `start`,
    `num_tokens` and `epoch`; no row where the document is not in it."""
    columns = ("sequence", "position", "start", "num_tokens", "epoch")
    found = spans.filter(pl.col("doc_id") == doc_id).select(columns).collect(engine="streaming")
    return found.sort("sequence", "position")
