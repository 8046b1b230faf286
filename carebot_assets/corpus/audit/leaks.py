"""No benchmark text: the n-grams of items and documents compared as strings, not as rolled hashes.

The rule is that of `contamination` (see there for its reasons), but a passage is verbatim here, no
word changed, and one n-gram longer. What breaks it holds one of a few pairs of the item's n-grams
(`_anchors`), letter for letter but for what separates words; only documents that do (`sieve`) are
taken apart. That loses none of them.
"""

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl

from carebot_assets import parquet
from carebot_assets.corpus.audit.plain import letters, simplified, units
from carebot_assets.corpus.protected import item_parts
from carebot_assets.expectations import MAX_OFFENDERS, Finding
from carebot_assets.settings import ContaminationSettings

if TYPE_CHECKING:
    from carebot_assets.corpus.audit.sieve import Pairs

ANCHOR_CHARS = 32


def no_benchmark_text(
    corpus: pl.LazyFrame, items: pl.LazyFrame, settings: ContaminationSettings
) -> Finding:
    """No document holds a benchmark item's question, or much of any of its parts."""
    from carebot_assets.corpus.audit import sieve

    grams, wanted = _known(items.collect().write_ipc(None).getvalue(), settings)
    sizes = {settings.ngram_zh, settings.ngram_en}
    suspicious = corpus.select("text", key="doc_id").map_batches(
        lambda batch: batch.filter(sieve.holding(batch["text"], wanted)), streamable=True
    )
    num_suspects = 0
    offenders: list[str] = []
    for suspects in parquet.groups(suspicious):
        num_suspects += suspects.height
        found = pl.concat(_grams(suspects.lazy(), n) for n in sorted(sizes))
        shared = found.select("key", "gram").join(grams.lazy(), on="gram").unique().collect().lazy()
        over = pl.concat([_whole(shared), _passages(shared)])
        offenders += over.select(pl.col("key").unique().sort()).collect()["key"].to_list()
    text = (
        f"{len(offenders)} documents hold a benchmark item"
        if offenders
        else "no document holds a benchmark item"
    )
    counts = {
        "num_documents": int(corpus.select(pl.len()).collect().item()),
        "num_contaminated": len(offenders),
        "num_suspects": num_suspects,
        "examples": offenders[:MAX_OFFENDERS],
    }
    return Finding(not offenders, text, counts)


@lru_cache(maxsize=1)
def _known(items: bytes, settings: ContaminationSettings) -> tuple[pl.DataFrame, "Pairs"]:
    """N-grams and anchors of the items, which are the same for every shard."""
    from carebot_assets.corpus.audit import sieve

    frame = pl.read_ipc(BytesIO(items)).lazy()
    is_zh = pl.col("lang") == "zh"
    grams = pl.concat(
        [
            _of_items(frame.filter(is_zh), settings.ngram_zh, settings.min_hits_zh, settings),
            _of_items(frame.filter(~is_zh), settings.ngram_en, settings.min_hits_en, settings),
        ]
    )
    return grams.drop("words"), sieve.pairs(_anchors(grams))


def _anchors(grams: pl.DataFrame) -> pl.DataFrame:
    """Pairs of n-grams, as their letters, of which one at least is in what breaks the rule.

    A whole has all of its n-grams, so also the first and the last specific one. A passage has
    `limit` in a row, so also one at a place that a quarter of it divides and, three quarters of it
    further on, another.
    """
    specific = grams.filter("is_specific")
    wholes = specific.filter(pl.col("num_grams") > 0).group_by("item_id", "target")
    position, step = pl.col("position"), pl.max_horizontal(1, pl.col("limit") // 4)
    first = specific.filter(position % step == 0).with_columns(
        next=position + pl.col("limit") - step
    )
    passages = first.join(specific, left_on=("item_id", "next"), right_on=("item_id", "position"))
    pairs = [
        wholes.agg(one=pl.col("words").first(), other=pl.col("words").last()),
        passages.select(one="words", other="words_right"),
    ]
    words = (letters(pl.col(name)).str.head(ANCHOR_CHARS) for name in ("one", "other"))
    return pl.concat(pair.select("one", "other") for pair in pairs).select(words).unique()


def _whole(shared: pl.LazyFrame) -> pl.LazyFrame:
    """Documents that have every n-gram of a question, or of it with its options."""
    return (
        shared.filter(pl.col("num_grams") > 0)
        .group_by("key", "item_id", "target")
        .agg(pl.col("gram").n_unique(), pl.col("num_grams").first())
        .filter(pl.col("gram") == pl.col("num_grams"))
        .select("key")
    )


def _passages(shared: pl.LazyFrame) -> pl.LazyFrame:
    """Documents that have many specific n-grams of an item, each next to the one before it."""
    is_apart = pl.col("position").diff().over("key", "item_id") != 1
    return (
        shared.filter("is_specific")
        .sort("key", "item_id", "position")
        .with_columns(passage=is_apart.fill_null(True).cum_sum())
        .group_by("key", "passage")
        .agg(pl.col("gram").n_unique(), pl.col("limit").first())
        .filter(pl.col("gram") >= pl.col("limit"))
        .select("key")
    )


def _of_items(
    items: pl.LazyFrame, n: int, hits: int, settings: ContaminationSettings
) -> pl.DataFrame:
    """N-grams of every item: of its `question`, of it with its options (`main`), of each `other`
    part. `num_grams` is how many there are of what counts as a whole, else 0; `limit` how many in a
    row are a passage: fewer in what counts as a whole, where they may be most of it."""
    stem, options, others = item_parts()
    main = pl.concat_str(stem, options, separator="\n")
    texts = {
        "question": items.select("item_id", text=stem),
        "main": items.select("item_id", text=main),
        "other": items.select("item_id", text=others).explode("text").drop_nulls("text"),
    }
    everything = pl.concat([texts["main"], texts["other"]])
    rows = pl.concat(frame.with_columns(target=pl.lit(name)) for name, frame in texts.items())
    grams = _grams(rows.rename({"item_id": "key"}), n, _common_runs(everything, n, settings))
    least = max(n, settings.min_item_units)
    is_told = (
        (pl.col("num_units") >= least) & pl.col("is_specific").any() & (pl.col("target") != "other")
    )
    most = (pl.col("num_units") * settings.min_item_share).ceil().cast(pl.Int64) - n + 1
    # What stands for the item is the question, or it with its options where that says nothing.
    told = (pl.col("target") == "question") & (pl.col("num_grams") > 0)
    stem = told | ((pl.col("target") == "main") & ~told.any().over("item_id"))
    nearly = pl.when(stem & (pl.col("num_grams") > 0)).then(pl.max_horizontal(most, -(-hits // 2)))
    return (
        grams.rename({"key": "item_id"})
        # A step more from text to text: no passage lies across two.
        .with_columns(position=pl.int_range(pl.len()) + pl.col("row"))
        .with_columns(
            num_grams=pl.when(is_told).then(pl.col("gram").n_unique()).otherwise(0)
            .over("item_id", "target")
        )
        .with_columns(limit=pl.min_horizontal(hits, nearly) + 1)
        .drop("row", "num_units")
        .collect()
    )  # fmt: skip


def _common_runs(
    texts: pl.LazyFrame, n: int, settings: ContaminationSettings
) -> tuple[int, pl.LazyFrame]:
    """Runs of units, numbers aside, that more items have than a specific one may."""
    k = min(settings.phrase_units, n)
    runs = _grams(texts.rename({"item_id": "key"}).with_columns(target=pl.lit("")), k, masked=True)
    counts = runs.group_by("gram").agg(pl.col("key").n_unique().alias("num_items"))
    return k, counts.filter(pl.col("num_items") > settings.max_items_per_phrase).select("gram")


def _grams(
    texts: pl.LazyFrame,
    n: int,
    common: tuple[int, pl.LazyFrame] | None = None,
    masked: bool = False,
) -> pl.LazyFrame:
    """Windows of `n` units of every text, in order, as hashed strings.

    With `common` runs, `is_specific` says which windows are not made of such runs only.
    """
    words = units(pl.col("text"))
    rows = texts.with_row_index("row").with_columns(unit=words).drop("text")
    # A single ASCII character is a label of an option, a number in a list or an article.
    rows = rows.with_columns(
        pl.col("unit").list.eval(pl.element().filter(pl.element().str.len_bytes() > 1))
    )
    rows = rows.with_columns(num_units=pl.col("unit").list.len()).explode("unit")
    rows = rows.with_columns(simplified(pl.col("unit")))
    number = pl.when(pl.col("unit").str.contains(r"^[0-9]+$")).then(pl.lit("0")).otherwise("unit")
    rows = rows.with_columns(number.alias("masked"))
    same = pl.col("row").shift(1 - n) == pl.col("row")
    words = _joined("masked" if masked else "unit", n)
    found = rows.with_columns(gram=words.hash(3))
    if common is not None:
        k, runs = common
        found = (
            found.with_columns(words=words, run=_joined("masked", k).hash(3))
            .join(runs.with_columns(is_common=pl.lit(True)), left_on="run", right_on="gram",
                  how="left", maintain_order="left")
            .with_columns(
                is_specific=pl.col("is_common").is_null().cast(pl.Int8)
                .rolling_max(n - k + 1).shift(k - n).cast(pl.Boolean)
            )
        )  # fmt: skip
    return found.filter(same).drop("unit", "masked", "run", "is_common", strict=False)


def _joined(unit: str, n: int) -> pl.Expr:
    return pl.concat_str(*(pl.col(unit).shift(-i) for i in range(n)), separator=" ")
