"""The promises of `filtered_corpus`, tested again by other means than those that kept them.

Nothing here uses the compiled kernels or the verdicts: texts are compared as texts, and n-grams
are strings of units that regular expressions find.
"""

import polars as pl

from carebot_assets.corpus import private
from carebot_assets.corpus.contamination import item_fields
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import ContaminationSettings, RuleSettings

BATCH_DOCUMENTS = 4000

_CJK = r"\x{3040}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}\x{F900}-\x{FAFF}\x{20000}-\x{3FFFF}"
_UNIT = rf"[{_CJK}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{_CJK}]]+"
_FULL_WIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}


def no_private_information(corpus: pl.LazyFrame, rules: RuleSettings) -> Finding:
    """No text holds a kind of private information that the profile masks or drops."""
    forbidden = sorted(k for k, action in rules.private_information.items() if action != "keep")
    kinds = pl.col("text").map_batches(
        private.find, return_dtype=pl.List(pl.String), is_elementwise=True
    )
    found = (
        corpus.select("doc_id", kind=kinds.list.set_intersection(forbidden))
        .explode("kind", empty_as_null=False)
        .drop_nulls("kind")
        .collect(engine="streaming")
    )
    counts = dict(found.group_by("kind").len().sort("kind").iter_rows())
    listed = ", ".join(f"{kind} in {count}" for kind, count in counts.items())
    text = f"documents with {listed}" if counts else "no private information found"
    examples = found["doc_id"].unique().sort().head(MAX_OFFENDERS).to_list()
    return Finding(not counts, text, {"num_found": counts, "examples": examples})


def no_duplicate_text(corpus: pl.LazyFrame) -> Finding:
    """No two documents have the same text but for white space."""
    plain = pl.col("text").str.replace_all(r"[\s\p{Z}]+", "")
    groups = corpus.group_by(plain.hash(), plain.str.len_bytes().alias("size")).agg("doc_id")
    repeated = groups.filter(pl.col("doc_id").list.len() > 1).select("doc_id")
    found = repeated.sort(pl.col("doc_id").list.min()).collect(engine="streaming")["doc_id"]
    text = f"{len(found)} texts occur more than once" if len(found) else "every text occurs once"
    return Finding(
        found.is_empty(),
        text,
        {"num_repeated": len(found), "examples": found.head(MAX_OFFENDERS).to_list()},
    )


def no_benchmark_text(
    corpus: pl.LazyFrame, items: pl.LazyFrame, settings: ContaminationSettings
) -> Finding:
    """No document shares as much with a benchmark item as the limits forbid."""
    grams = _item_grams(items, settings)
    sizes = sorted({settings.ngram_zh, settings.ngram_en})
    offenders: list[str] = []
    num_documents = 0
    for batch in corpus.select("doc_id", "text").collect_batches(chunk_size=BATCH_DOCUMENTS):
        num_documents += batch.height
        shared = pl.concat(
            _grams(batch.lazy(), size).join(grams.lazy(), on="gram") for size in sizes
        ).unique()
        over = (
            shared.group_by("doc_id", "item_id")
            .agg(pl.len(), pl.col("size", "min_hits").first())
            .filter(
                (pl.col("len") >= pl.col("min_hits"))
                | (pl.col("len") / pl.col("size") >= settings.min_item_share)
            )
        )
        offenders += over.select(pl.col("doc_id").unique().sort()).collect()["doc_id"].to_list()
    text = (
        f"{len(offenders)} of {num_documents} documents overlap with a benchmark item"
        if offenders
        else f"none of {num_documents} documents overlaps with a benchmark item"
    )
    examples = offenders[:MAX_OFFENDERS]
    return Finding(not offenders, text, {"num_contaminated": len(offenders), "examples": examples})


def _item_grams(items: pl.LazyFrame, settings: ContaminationSettings) -> pl.DataFrame:
    """Windows of every item with their number and the hits that its language allows.

    A field too short for a window counts as one n-gram that this audit does not look for.
    """
    is_zh = pl.col("lang") == "zh"
    parts = []
    for chosen, size, hits in (
        (is_zh, settings.ngram_zh, settings.min_hits_zh),
        (~is_zh, settings.ngram_en, settings.min_hits_en),
    ):
        fields = (
            items.filter(chosen)
            .select(doc_id="item_id", text=item_fields())
            .explode("text")
            .drop_nulls("text")
        )
        length = _units().list.len()
        is_short = (length >= settings.min_item_units) & (length < size)
        short = fields.group_by("doc_id").agg(num_short=is_short.sum())
        grams = _grams(fields, size).join(short, on="doc_id").with_columns(min_hits=hits)
        parts.append(grams)
    is_phrase = pl.len().over("gram") > settings.max_items_per_ngram
    return (
        pl.concat(parts)
        .rename({"doc_id": "item_id"})
        .filter(~is_phrase | is_phrase.all().over("item_id"))
        .with_columns(size=pl.len().over("item_id") + pl.col("num_short"))
        .drop("num_short")
        .collect()
    )


def _units() -> pl.Expr:
    folded = pl.col("text").str.replace_many(_FULL_WIDTH).str.to_lowercase()
    return folded.str.extract_all(_UNIT)


def _grams(texts: pl.LazyFrame, size: int) -> pl.LazyFrame:
    """Distinct windows of `size` units of every text, as strings."""
    units = texts.with_row_index("row").select("row", "doc_id", unit=_units())
    shifted = (pl.col("unit").shift(-i) for i in range(size))
    inside = pl.col("row").shift(1 - size) == pl.col("row")
    return (
        units.filter(pl.col("unit").list.len() >= size)
        .explode("unit")
        .with_columns(gram=pl.concat_str(*shifted, separator=" "))
        .filter(inside)
        .select("doc_id", "gram")
        .unique()
    )
