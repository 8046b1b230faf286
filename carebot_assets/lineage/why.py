"""The life of one document: where it came from, every verdict on it, and where it ended."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from carebot_assets.store import Manifest, Store
from carebot_assets.tables import JUDGES

MIXES = {
    "stable_mix": "stable_checkpoint",
    "boost_mix": "boost_checkpoint",
    "one_stage_mix": "one_stage_checkpoint",
}
CORPORA = ("filtered_corpus", "general_corpus")
MIN_PREFIX = 6


@dataclass(frozen=True)
class Judgement:
    """One judge's verdict with the numbers behind it and the run that gave it."""

    judge: str
    verdict: str
    reasons: list[str]
    details: dict[str, Any]
    run_id: str | None


@dataclass(frozen=True)
class Use:
    """Spans of a document in the sequences of one mix."""

    mix: str
    checkpoint: str | None
    sequences: list[int]
    num_tokens: int
    num_epochs: int


@dataclass(frozen=True)
class Life:
    """Everything the store knows of a document."""

    document: dict[str, Any]
    judgements: list[Judgement]
    duplicates: list[str] = field(default_factory=list)
    corpus: str | None = None
    held_out: str | None = None
    uses: list[Use] = field(default_factory=list)


def why(store: Store, doc_id: str) -> Life:
    """Collect the life of a document.

    Args:
        doc_id: full id, or a prefix of at least `MIN_PREFIX` characters that only one has.

    Raises:
        LookupError: no document has that id, or several start with it.
    """
    if len(doc_id) < MIN_PREFIX:
        raise LookupError(f"{doc_id!r} is too short: give at least {MIN_PREFIX} characters")
    found = (
        store.scan("documents").filter(pl.col("doc_id").str.starts_with(doc_id)).head(3).collect()
    )
    if found.is_empty():
        raise LookupError(f"no document with id {doc_id!r} in {store.root}")
    if found.height > 1:
        raise LookupError(f"several documents start with {doc_id!r}: {found['doc_id'].to_list()}")
    document = found.row(0, named=True)
    shard, full_id = document["shard"], document["doc_id"]
    judgements = [
        judgement
        for judge in JUDGES
        if (judgement := _judgement(store, judge, shard, full_id)) is not None
    ]
    return Life(
        document=document,
        judgements=judgements,
        duplicates=_column(store, "duplicate_clusters", "kept_id", full_id, "doc_id"),
        corpus=next((c for c in CORPORA if _rows(store, c, "doc_id", full_id, shard)), None),
        held_out=next(iter(_column(store, "held_out_text", "doc_id", full_id, "stratum")), None),
        uses=[use for mix in MIXES if (use := _use(store, mix, full_id)) is not None],
    )


def _judgement(store: Store, judge: str, shard: str, doc_id: str) -> Judgement | None:
    manifest = store.manifest(judge, shard)
    if manifest is None:
        return None
    rows = _rows(store, judge, "doc_id", doc_id, shard)
    if not rows:
        return None
    row = rows[0]
    details = {
        key: value
        for key, value in row.items()
        if key not in {"doc_id", "shard", "verdict", "reasons"} and value not in (None, [])
    }
    return Judgement(judge, row["verdict"], row["reasons"], details, _run_id(manifest))


def _use(store: Store, mix: str, doc_id: str) -> Use | None:
    if store.manifest(mix) is None:
        return None
    spans = store.scan(mix).filter(pl.col("doc_id") == doc_id).collect()
    if spans.is_empty():
        return None
    checkpoint = store.manifest(MIXES[mix])
    mix_hash = store.require(mix).content_hash
    consumed = checkpoint is not None and checkpoint.inputs.get(mix) == mix_hash
    return Use(
        mix=mix,
        checkpoint=MIXES[mix] if consumed else None,
        sequences=spans["sequence"].unique().sort().to_list(),
        num_tokens=int(spans["num_tokens"].sum()),
        num_epochs=int(spans["epoch"].n_unique()),
    )


def _rows(
    store: Store, table: str, column: str, value: str, shard: str | None = None
) -> list[dict[str, Any]]:
    if store.manifest(table, shard) is None:
        return []
    return store.scan(table, shard).filter(pl.col(column) == value).collect().to_dicts()


def _column(store: Store, table: str, column: str, value: str, wanted: str) -> list[str]:
    return [str(row[wanted]) for row in _rows(store, table, column, value)]


def _run_id(manifest: Manifest) -> str | None:
    return manifest.metadata.get("run_id")
