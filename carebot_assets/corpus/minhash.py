"""MinHash signatures of documents.

Source: n-gram shingles of 5, 112 hashes in 14 bands of 8 are the settings of FineWeb
(arXiv 2406.17557, 3.4); CareBot says only that duplicates are removed.
"""

from functools import partial
from math import ceil, comb
from typing import Any

import polars as pl

from carebot_assets.settings import DuplicateSettings

# Raised when the same settings give other signatures.
VERSION = 1
_COLUMNS = pl.Struct(
    {
        "text_hash": pl.String,
        "num_shingles": pl.Int64,
        "signature": pl.List(pl.UInt32),
        "bands": pl.List(pl.UInt64),
    }
)


def method(settings: DuplicateSettings) -> str:
    """What must be equal in two signatures that are compared."""
    bands = f"{settings.bands}x{settings.rows}"
    return f"minhash-{VERSION} n={settings.ngram} bands={bands} seed={settings.hash_seed}"


def signatures(
    documents: pl.LazyFrame, settings: DuplicateSettings, measures: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """What deduplication compares of each document, in order; texts stream in batches.

    Args:
        documents: rows of `documents`.
        settings: shingles and hashes, and the column that decides who survives.
        measures: rows of `text_measures`, where that column may be theirs.

    Raises:
        ValueError: neither table has such a column of numbers.
    """
    sketch = pl.col("text").map_batches(
        partial(_sketch, settings=settings), return_dtype=_COLUMNS, is_elementwise=True
    )
    return (
        _with_score(documents, settings.best_by, measures)
        .select(
            *("doc_id", "shard", "source", "lang", "score"),
            pl.lit(method(settings)).alias("method"),
            sketch.alias("sketch"),
        )
        .unnest("sketch")
    )


def match_probability(jaccard: float, bands: int, rows: int) -> float:
    """Probability that two texts of a given similarity agree in at least one band."""
    return 1.0 - (1.0 - jaccard**rows) ** bands


def removal_probability(jaccard: float, settings: DuplicateSettings) -> float:
    """Probability that they also agree in `min_similarity` of all hashes, so that one goes.

    Exact: of the ways in which `k` of the hashes agree, those are subtracted that fill no band,
    the coefficient of x**k in ((1 + x)**rows - x**rows)**bands.
    """
    width = settings.bands * settings.rows
    short = [comb(settings.rows, i) for i in range(settings.rows)]
    missed = [1]
    for _ in range(settings.bands):
        product = [0] * (len(missed) + len(short) - 1)
        for i, left in enumerate(missed):
            for j, right in enumerate(short):
                product[i + j] += left * right
        missed = product
    missed += [0] * (width + 1 - len(missed))
    return sum(
        (comb(width, k) - missed[k]) * jaccard**k * (1.0 - jaccard) ** (width - k)
        for k in range(ceil(settings.min_similarity * width - 1e-9), width + 1)
    )


def parameters(settings: DuplicateSettings) -> dict[str, Any]:
    """What the result depends on, and how likely a pair of a given similarity is found."""
    found: dict[str, Any] = {
        "ngram": settings.ngram,
        "num_hashes": settings.bands * settings.rows,
        "bands": settings.bands,
        "rows": settings.rows,
        "hash_seed": settings.hash_seed,
        "min_similarity": settings.min_similarity,
    }
    for jaccard in (0.7, 0.8, 0.9):
        matched = match_probability(jaccard, settings.bands, settings.rows)
        found[f"match_probability_at_{jaccard}"] = round(matched, 6)
        removed = removal_probability(jaccard, settings)
        found[f"removal_probability_at_{jaccard}"] = round(removed, 6)
    return found


def summarize(table: pl.LazyFrame, settings: DuplicateSettings) -> dict[str, Any]:
    """Counts of a shard and how likely a pair is found, for the UI."""
    counts = table.select(
        num_signatures=pl.len(),
        num_without_shingles=(pl.col("num_shingles") == 0).sum(),
        mean_shingles=pl.col("num_shingles").mean(),
    )
    return counts.collect(engine="streaming").row(0, named=True) | parameters(settings)


def _with_score(
    documents: pl.LazyFrame, best_by: str, measures: pl.LazyFrame | None
) -> pl.LazyFrame:
    name = best_by.removeprefix("-")
    sign = -1.0 if best_by.startswith("-") else 1.0
    numbers: set[str] = set()
    for table in (documents, measures):
        if table is None:
            continue
        schema = table.collect_schema()
        numbers |= {column for column, dtype in schema.items() if dtype.is_numeric()}
        if name not in numbers:
            continue
        score = (pl.col(name) * sign).cast(pl.Float64).alias("score")
        if table is documents:
            return documents.with_columns(score)
        scores = table.select("doc_id", score)
        return documents.join(scores, on="doc_id", how="left", maintain_order="left")
    raise ValueError(
        f"duplicates.best_by: {name!r} is no column of numbers in documents or text_measures;"
        f" there are {', '.join(sorted(numbers))}"
    )


def _sketch(text: pl.Series, settings: DuplicateSettings) -> pl.Series:
    import pyarrow as pa

    from carebot_assets.corpus import kernels

    found = kernels.sketch(text, settings.ngram, settings.bands, settings.rows, settings.hash_seed)
    digests = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(text), [None, pa.py_buffer(found.fingerprint.astype(">u8").tobytes())]
    )
    frame = pl.DataFrame(
        {
            "text_hash": pl.Series(pl.from_arrow(digests)).cast(pl.Binary).bin.encode("hex"),
            "num_shingles": found.num_shingles,
            "signature": pl.Series(found.signature).arr.to_list(),
            "bands": pl.Series(found.bands).arr.to_list(),
        },
    )
    return frame.to_struct(text.name)
