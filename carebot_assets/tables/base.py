"""What all tables share.

A table is keyed by its first column. Tables of verdicts share `VERDICT_COLUMNS`; `skip` means an
earlier judge had already dropped the document, `failed` that this judge could not decide.
"""

from dataclasses import dataclass

import polars as pl

VERDICTS = ("keep", "drop", "skip", "failed")

# The judges of documents, cheap ones first: each sees only what every earlier one kept.
JUDGES = (
    "rule_verdicts",
    "duplicate_verdicts",
    "contamination_verdicts",
    "domain_verdicts",
    "quality_scores",
)

Columns = dict[str, tuple[pl.DataType | type[pl.DataType], str]]


@dataclass(frozen=True)
class Table:
    """Name, meaning and schema of one table.

    `partitioned_by` names the dimensions of its partitions; `rows_of` the table with which it has
    row parity (same `key` values in the same partition).
    """

    name: str
    description: str
    columns: Columns
    partitioned_by: tuple[str, ...] = ()
    rows_of: str | None = None
    key: tuple[str, ...] = ("doc_id",)

    @property
    def schema(self) -> pl.Schema:
        return pl.Schema({name: dtype for name, (dtype, _) in self.columns.items()})

    @property
    def is_verdict(self) -> bool:
        return VERDICT_COLUMNS.keys() <= self.columns.keys()


DOC_ID: Columns = {"doc_id": (pl.String, "128-bit hash of source and record position, hex")}
DOC: Columns = DOC_ID | {"shard": (pl.String, "shard of the document")}
VERDICT_COLUMNS: Columns = {
    "verdict": (pl.String, "keep, drop, skip (an earlier judge dropped it) or failed"),
    "reasons": (pl.List(pl.String), "all failing rules; empty when kept"),
}
TURNS = pl.List(pl.Struct({"role": pl.String, "text": pl.String}))
SHARD = ("shard",)


def score_columns(*names: str) -> Columns:
    return {name: (pl.Float64, name.replace("_", " ")) for name in names}
