"""Mixes: which documents, how many tokens of each kind and language, packed to sequences.

A mix has four strata, primary and secondary text in Chinese and in English. Documents are taken in
an order given by a hash of their id, so the choice depends on the seed and not on shards or files.
Everything runs out of core but for a few numbers a document: texts are read and tokenised in
batches into a pool file, and sequences are gathered from there.

Source: CareBot 1.2 (stable stage medical : general = 19 : 1 and zh : en = 1 : 9 in tokens; boost
stage best medical : instruction text = 1 : 1 and zh : en = 4 : 6).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from carebot_assets import tables
from carebot_assets.corpus import packing
from carebot_assets.corpus.mix_sources import KINDS
from carebot_assets.settings import MixSettings

FIRST_ROUND = 256
BATCH_DOCUMENTS = 4096


def asked_tokens(settings: MixSettings) -> dict[str, int]:
    """Tokens asked of each stratum that is asked for at all."""
    kinds = {"primary": settings.primary_share, "secondary": 1 - settings.primary_share}
    langs = {"zh": settings.zh_share, "en": 1 - settings.zh_share}
    asked = {
        f"{kind}_{lang}": round(settings.tokens * share * lang_share)
        for kind, share in kinds.items()
        for lang, lang_share in langs.items()
    }
    return {stratum: tokens for stratum, tokens in asked.items() if tokens > 0}


def build_mix(
    primary: pl.LazyFrame,
    secondary: pl.LazyFrame | None,
    settings: MixSettings,
    *,
    model_dir: Path,
    sequence_length: int,
    seed: int,
    folder: Path,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Choose documents, tokenise and pack them; writes `tokens.npy` into `folder`.

    A stratum with too little text repeats its documents up to `max_epochs` times; if that is not
    enough the whole mix shrinks so that the ratios still hold. The document that crosses a
    stratum's budget is cut there, and the tail that does not fill a sequence is left out; both are
    counted.

    Args:
        primary: documents with `doc_id`, `source`, `lang`, `text` and `n_tokens` (an estimate).
        secondary: likewise; may be None when nothing is asked of it.
        settings: tokens and ratios.
        model_dir: checkpoint whose tokenizer is used.
        sequence_length: tokens of a packed sequence.
        seed: of the order.
        folder: receives the token file.

    Returns:
        The span table and the receipts (JSON).

    Raises:
        ValueError: a stratum that is asked for has no document, or the mix is below one sequence.
    """
    asked = asked_tokens(settings)
    documents = _documents(primary, secondary, asked)
    strata = _strata(documents, asked, seed)
    pool = packing.Pool(model_dir, folder / "pool.u32")
    try:
        while batch := [part for stratum in strata.values() if (part := stratum.next_round())]:
            _read(documents, batch, pool)
        scale, limit = _scale(strata, settings.max_epochs)
        uses = pl.concat(s.uses(int(s.asked * scale)) for s in strata.values())
        # Another hash than that of the choice, or the last documents chosen would come last.
        order = pl.concat_str(pl.col("doc_id"), pl.col("epoch"), separator="#").hash(seed + 1)
        uses = uses.sort(order, "doc_id", "epoch")
        spans = packing.spans(uses["num_tokens"].to_numpy(), sequence_length)
        if spans["sequence"].size == 0:
            raise ValueError(
                f"the mix has {uses['num_tokens'].sum()} tokens, which is less than one sequence "
                f"of {sequence_length}; raise its setting `tokens` or add text"
            )
        starts = uses["pool_start"].to_numpy()[spans["use"]] + spans["start"]
        packing.gather(
            pool.path, starts, spans["num_tokens"], sequence_length, folder / "tokens.npy"
        )
    finally:
        pool.path.unlink(missing_ok=True)
    table = _span_table(spans, uses)
    receipts = _receipts(table, strata, uses, sequence_length, scale, limit)
    return table, receipts


@dataclass
class _Stratum:
    """Documents of one kind and language in hash order, tokenised from the front as needed."""

    name: str
    asked: int
    index: pl.DataFrame
    read: int = 0
    pool_start: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    lengths: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def exhausted(self) -> bool:
        return self.read == self.index.height

    @property
    def available(self) -> int:
        """Tokens of all documents; those not read are estimated from those that are."""
        estimates = self.index["estimate"]
        rate = int(self.lengths.sum()) / int(estimates[: self.read].sum())
        return int(self.lengths.sum()) + int(rate * int(estimates[self.read :].sum()))

    def next_round(self) -> tuple["_Stratum", pl.DataFrame] | None:
        """The documents to read next, if the budget is not covered yet."""
        missing = self.asked - int(self.lengths.sum())
        if missing <= 0 or self.exhausted:
            return None
        count = FIRST_ROUND
        if self.read:
            estimates = self.index["estimate"].to_numpy()
            rate = self.lengths.sum() / estimates[: self.read].sum()
            ahead = estimates[self.read :].cumsum() * rate
            count = int(np.searchsorted(ahead, missing * 1.02)) + 1
        return self, self.index[self.read : self.read + count]

    def uses(self, target: int) -> pl.DataFrame:
        """Documents from the front, repeated if need be, the last one cut at the target."""
        epochs = -(-target // int(self.lengths.sum()))
        lengths = np.tile(self.lengths, epochs)
        ends = lengths.cumsum()
        count = int(np.searchsorted(ends, target)) + 1 if target else 0
        used = lengths[:count].copy()
        if count:
            used[-1] -= ends[count - 1] - target
        document = np.arange(count) % self.read
        return (
            self.index[document]
            .select("doc_id", "source", "stratum")
            .with_columns(
                epoch=pl.Series(np.arange(count) // self.read),
                pool_start=pl.Series(self.pool_start[document]),
                num_tokens=pl.Series(used),
                full_tokens=pl.Series(lengths[:count]),
            )
        )


def _documents(
    primary: pl.LazyFrame, secondary: pl.LazyFrame | None, asked: dict[str, int]
) -> pl.LazyFrame:
    given = zip(KINDS, (primary, secondary), strict=True)
    return pl.concat(
        frame.select(
            "doc_id",
            "source",
            "text",
            pl.col("n_tokens").cast(pl.Int64).clip(1).alias("estimate"),
            pl.concat_str(pl.lit(kind), "lang", separator="_").alias("stratum"),
        )
        for kind, frame in given
        if frame is not None
    ).filter(pl.col("stratum").is_in(list(asked)))


def _strata(documents: pl.LazyFrame, asked: dict[str, int], seed: int) -> dict[str, _Stratum]:
    index = (
        documents.select("doc_id", "source", "stratum", "estimate")
        .sort(pl.col("doc_id").hash(seed), "doc_id")
        .collect()
        .partition_by("stratum", as_dict=True, maintain_order=True)
    )
    for stratum, tokens in asked.items():
        if (stratum,) not in index:
            raise ValueError(
                f"mix stratum {stratum} has no documents: {tokens} tokens are missing; add text "
                "or change the mix settings `primary_share` and `zh_share`"
            )
    return {name: _Stratum(name, tokens, index[(name,)]) for name, tokens in asked.items()}


def _read(
    documents: pl.LazyFrame, batch: list[tuple[_Stratum, pl.DataFrame]], pool: packing.Pool
) -> None:
    """Tokenise one round of documents of several strata in a single pass over the text."""
    wanted = pl.concat(part.select("doc_id", "stratum") for _, part in batch).with_row_index("row")
    starts = np.zeros(wanted.height, np.int64)
    lengths = np.zeros(wanted.height, np.int64)
    texts = documents.join(wanted.lazy(), on=["doc_id", "stratum"]).select("row", "text")
    for chunk in texts.collect_batches(chunk_size=BATCH_DOCUMENTS, maintain_order=True):
        rows = chunk["row"].to_numpy()
        starts[rows], lengths[rows] = pool.append(chunk["text"].to_list())
    done = 0
    for stratum, part in batch:
        mine = slice(done, done + part.height)
        stratum.pool_start = np.concatenate([stratum.pool_start, starts[mine]])
        stratum.lengths = np.concatenate([stratum.lengths, lengths[mine]])
        stratum.read += part.height
        done += part.height


def _scale(strata: dict[str, _Stratum], max_epochs: float) -> tuple[float, str | None]:
    """How much of the mix can be had with every stratum in proportion, and what limits it."""
    reach = {s.name: s.available * max_epochs / s.asked for s in strata.values() if s.exhausted}
    limit = min(reach, key=lambda name: (reach[name], name), default=None)
    return (reach[limit], limit) if limit and reach[limit] < 1 else (1.0, None)


def _span_table(spans: dict[str, np.ndarray], uses: pl.DataFrame) -> pl.DataFrame:
    schema = tables.BY_NAME["stable_mix"].schema
    return (
        uses[spans["use"]]
        .select("doc_id", "epoch", "stratum", "source")
        .with_columns(
            **{k: pl.Series(spans[k]) for k in ("sequence", "position", "start", "num_tokens")}
        )
        .select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    )


def _receipts(
    spans: pl.DataFrame,
    strata: dict[str, _Stratum],
    uses: pl.DataFrame,
    sequence_length: int,
    scale: float,
    limit: str | None,
) -> dict[str, Any]:
    achieved = spans.group_by("stratum").agg(
        pl.col("num_tokens").sum().alias("achieved"),
        pl.col("num_tokens").filter(pl.col("epoch") > 0).sum().alias("repeated"),
        pl.col("doc_id").n_unique().alias("num_documents"),
    )
    counts = {row["stratum"]: row for row in achieved.iter_rows(named=True)}
    nothing = {"achieved": 0, "repeated": 0, "num_documents": 0}
    by_source = spans.group_by("stratum", "source").agg(pl.col("num_tokens").sum())
    num_packed = int(spans["num_tokens"].sum())
    return {
        "sequence_length": sequence_length,
        "num_sequences": num_packed // sequence_length,
        "num_tokens": num_packed,
        "num_tail_tokens": int(uses["num_tokens"].sum()) - num_packed,
        "num_cut_tokens": int((uses["full_tokens"] - uses["num_tokens"]).sum()),
        "scale": scale,
        "limited_by": limit,
        "strata": [
            {"stratum": name, "asked": stratum.asked, "available": stratum.available}
            | {k: v for k, v in counts.get(name, nothing).items() if k != "stratum"}
            for name, stratum in strata.items()
        ],
        "sources": by_source.sort("stratum", "source").to_dicts(),
    }
