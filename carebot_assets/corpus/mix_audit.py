"""What a mix must fulfil, read from its span table: ratios, ids, sequences filled."""

from collections.abc import Iterator

import polars as pl

from carebot_assets.corpus import mix_plan
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import MixSettings

BATCH_SPANS = 1 << 20


def ratios_hold(spans: pl.LazyFrame, settings: MixSettings) -> Finding:
    """Every stratum has the tokens asked of it, within the tolerance, and so both ratios hold."""
    counts = dict(
        spans.group_by("stratum")
        .agg(pl.col("num_tokens").sum())
        .collect(engine="streaming")
        .sort("stratum")
        .iter_rows()
    )
    total = sum(counts.values())
    wanted = {name: total * share for name, share in mix_plan.shares(settings).items()}
    wrong = [
        f"{name} has {counts.get(name, 0)} tokens instead of {wanted.get(name, 0):.0f}"
        for name in sorted(wanted | counts)
        # A whole token more or less cannot be helped.
        if abs(counts.get(name, 0) - wanted.get(name, 0))
        > max(1.0, settings.tolerance * wanted.get(name, 0))
    ]
    text = "; ".join(wrong) or f"every stratum within {settings.tolerance:.2%} of its tokens"
    found = {f"{name}_share": n / total for name, n in counts.items()}
    return Finding(bool(total) and not wrong, text if total else "the mix is empty", found)


def none_held_out(spans: pl.LazyFrame, held_out: pl.LazyFrame) -> Finding:
    """No held-out document is in the mix."""
    ids = held_out.select("doc_id").collect()["doc_id"]
    leaked = (
        spans.filter(pl.col("doc_id").is_in(ids.implode()))
        .select(pl.col("doc_id").unique())
        .collect(engine="streaming")["doc_id"]
        .sort()
    )
    text = f"{leaked.len()} held-out documents are in the mix"
    return Finding(
        leaked.is_empty(),
        text if leaked.len() else "no held-out document",
        {"num_leaked": leaked.len(), "examples": leaked.head(MAX_OFFENDERS).to_list()},
    )


def tiled(spans: pl.LazyFrame, shape: tuple[int, ...]) -> Finding:
    """The spans, in order, fill every sequence of the token file without gap or overlap, and a
    document goes on where its last span ended."""
    num_sequences, length = shape
    end = num_spans = num_breaks = num_unfit = 0
    last: tuple[str, int, int] | None = None
    for batch in batches(spans, "doc_id", "epoch", "sequence", "position", "start", "num_tokens"):
        place = pl.col("sequence") * length + pl.col("position")
        continues = (pl.col("doc_id") == pl.col("doc_id").shift(1)) & (
            pl.col("epoch") == pl.col("epoch").shift(1)
        )
        before = (pl.col("start") + pl.col("num_tokens")).shift(1)
        checked = batch.select(
            (place != (place + pl.col("num_tokens")).shift(1, fill_value=end)).alias("is_break"),
            (
                (pl.col("num_tokens") < 1)
                | (pl.col("position") + pl.col("num_tokens") > length)
                | (pl.col("start") != pl.when(continues).then(before).otherwise(0))
            ).alias("is_unfit"),
        )
        first = batch.row(0)
        # The first row of a batch may go on with the last document of the batch before it.
        goes_on = last is not None and first[:2] == last[:2] and first[4] == last[2]
        num_unfit += int(checked["is_unfit"].sum()) - int(checked["is_unfit"][0] and goes_on)
        num_breaks += int(checked["is_break"].sum())
        num_spans += batch.height
        doc_id, epoch, sequence, position, start, num_tokens = batch.row(-1)
        end = sequence * length + position + num_tokens
        last = (doc_id, epoch, start + num_tokens)
    passed = not num_breaks and not num_unfit and end == num_sequences * length
    text = (
        f"{num_sequences} sequences of {length} tokens filled by {num_spans} spans"
        if passed
        else f"{num_breaks} gaps or overlaps, {num_unfit} spans that are empty, cross a sequence's "
        f"end or do not go on where their document ended; {end} tokens instead of "
        f"{num_sequences * length}"
    )
    return Finding(
        passed,
        text,
        {"num_spans": num_spans, "num_breaks": num_breaks, "num_unfit": num_unfit, "end": end},
    )


def batches(spans: pl.LazyFrame, *columns: str) -> Iterator[pl.DataFrame]:
    """Rows of a span table in order, a bounded number at a time."""
    for batch in spans.select(columns).collect_batches(chunk_size=BATCH_SPANS):
        if batch.height:
            yield batch
