"""MinHash signatures of documents.

Source: n-gram shingles of 5, 112 hashes in 14 bands of 8 are the settings of FineWeb
(arXiv 2406.17557, 3.4); CareBot says only that duplicates are removed.
"""

from functools import partial
from typing import Any

import polars as pl

from carebot_assets.settings import DuplicateSettings

_COLUMNS = pl.Struct(
    {
        "text_hash": pl.String,
        "num_shingles": pl.Int64,
        "signature": pl.List(pl.UInt32),
        "bands": pl.List(pl.UInt64),
    }
)


def signatures(documents: pl.LazyFrame, settings: DuplicateSettings) -> pl.LazyFrame:
    """What deduplication compares of each document, in order; texts stream in batches."""
    sketch = pl.col("text").map_batches(
        partial(_sketch, settings=settings), return_dtype=_COLUMNS, is_elementwise=True
    )
    columns = ("doc_id", "shard", "source", "lang", "n_chars")
    return documents.select(*columns, sketch.alias("sketch")).unnest("sketch")


def match_probability(jaccard: float, bands: int, rows: int) -> float:
    """Probability that two texts of a given similarity agree in at least one band."""
    return 1.0 - (1.0 - jaccard**rows) ** bands


def summarize(table: pl.LazyFrame, settings: DuplicateSettings) -> dict[str, Any]:
    """Counts of a shard and how likely a pair is found, for the UI."""
    counts = table.select(
        num_signatures=pl.len(),
        num_without_shingles=(pl.col("num_shingles") == 0).sum(),
        mean_shingles=pl.col("num_shingles").mean(),
    )
    probabilities = {
        f"match_probability_at_{jaccard}": match_probability(jaccard, settings.bands, settings.rows)
        for jaccard in (0.7, 0.8, 0.9)
    }
    return counts.collect(engine="streaming").row(0, named=True) | probabilities


def _sketch(text: pl.Series, settings: DuplicateSettings) -> pl.Series:
    import pyarrow as pa

    from carebot_assets.corpus import kernels

    found = kernels.sketch(text, settings.ngram, settings.bands, settings.rows)
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
