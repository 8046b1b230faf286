"""What a mix must fulfil, read from its span table alone, and its receipts for a person."""

from typing import Any

import polars as pl

from carebot_assets.corpus.mix_sources import KINDS, LANGS
from carebot_assets.expectations import Finding
from carebot_assets.settings import MixSettings


def ratios(spans: pl.LazyFrame) -> dict[str, float | None]:
    """Shares in tokens: of primary text, and of Chinese inside each kind that is there."""
    counts = dict(spans.group_by("stratum").agg(pl.col("num_tokens").sum()).collect().iter_rows())
    total = {kind: sum(counts.get(f"{kind}_{lang}", 0) for lang in LANGS) for kind in KINDS}
    both = sum(total.values())
    found: dict[str, float | None] = {"primary_share": total["primary"] / both if both else None}
    for kind in KINDS:
        share = counts.get(f"{kind}_zh", 0) / total[kind] if total[kind] else None
        found[f"{kind}_zh_share"] = share
    return found


def ratios_hold(spans: pl.LazyFrame, settings: MixSettings) -> Finding:
    """Both ratios of the mix are as asked, within the tolerance."""
    found = ratios(spans)
    wanted = {"primary_share": settings.primary_share}
    if settings.primary_share > 0:
        wanted["primary_zh_share"] = settings.zh_share
    if settings.primary_share < 1:
        wanted["secondary_zh_share"] = settings.zh_share
    wrong = []
    for name, asked in wanted.items():
        value = found[name]
        if value is None or abs(value - asked) > settings.tolerance:
            shown = "missing" if value is None else f"{value:.4f}"
            wrong.append(f"{name} {shown} instead of {asked:.4f}")
    text = "; ".join(wrong) or f"ratios within {settings.tolerance:g} of those asked"
    return Finding(not wrong, text, {k: v for k, v in found.items() if v is not None})


def none_held_out(spans: pl.LazyFrame, held_out: pl.LazyFrame) -> Finding:
    """No held-out document is in the mix."""
    leaked = spans.join(held_out, on="doc_id", how="semi").select(pl.col("doc_id").unique().sort())
    ids = leaked.collect()["doc_id"]
    text = f"{ids.len()} held-out documents are in the mix" if ids.len() else "no held-out document"
    return Finding(ids.is_empty(), text, {"num_leaked": ids.len(), "examples": ids[:20].to_list()})


def tiled(spans: pl.LazyFrame, shape: tuple[int, ...]) -> Finding:
    """The spans fill every sequence of the token file without gap or overlap."""
    num_sequences, length = shape
    end = pl.col("position") + pl.col("num_tokens")
    before = end.shift(1, fill_value=0).over("sequence")
    found = (
        spans.sort("sequence", "position")
        .select(
            (pl.col("position") != before).sum().alias("num_breaks"),
            (pl.col("num_tokens") < 1).sum().alias("num_empty"),
            (end.max().over("sequence") != length).sum().alias("num_unfilled"),
            pl.col("sequence").n_unique().alias("num_sequences"),
            pl.col("sequence").max().alias("last"),
        )
        .collect()
        .row(0, named=True)
    )
    counted = found["num_sequences"] == num_sequences and found["last"] == num_sequences - 1
    bad = found["num_breaks"] + found["num_empty"] + found["num_unfilled"]
    passed = counted and not bad
    text = (
        f"{num_sequences} sequences of {length} tokens filled"
        if passed
        else (
            f"{found['num_breaks']} gaps or overlaps, {found['num_empty']} empty spans, "
            f"{found['num_unfilled']} spans in unfilled sequences, {found['num_sequences']} "
            f"sequences instead of {num_sequences}"
        )
    )
    return Finding(passed, text, found | {"num_sequences": num_sequences})


def receipts_table(receipts: dict[str, Any]) -> str:
    """The receipts of a mix as a Markdown table, and a line when the mix had to shrink."""
    names = ("stratum", "asked", "available", "achieved", "repeated", "num_documents")
    lines = ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 1) + "|"]
    lines += [
        "| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in receipts["strata"]
    ]
    if receipts["limited_by"]:
        lines += ["", f"Shrunk to {receipts['scale']:.1%} for want of {receipts['limited_by']}."]
    return "\n".join(lines)


def summary(receipts: dict[str, Any]) -> dict[str, Any]:
    """Numbers of the receipts for an asset's metadata."""
    names = ("num_sequences", "num_tokens", "num_tail_tokens", "num_cut_tokens", "scale")
    return {
        **{name: receipts[name] for name in names},
        "limited_by": receipts["limited_by"],
        "receipts": receipts_table(receipts),
        "sources": receipts["sources"],
    }


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
