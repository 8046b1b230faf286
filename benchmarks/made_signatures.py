"""Texts and signatures made up so that their duplicates are known exactly."""

from pathlib import Path

import numpy as np
import polars as pl

from carebot_assets.corpus import minhash
from carebot_assets.settings import DuplicateSettings


def pairs(apart: int, count: int, seed: int) -> list[pl.LazyFrame]:
    """Two tables of texts that pairwise share exactly 200 shingles of 200 + 2 `apart`."""
    common = 204
    size = common + 2 * apart
    codes = np.arange(count * size).reshape(count, size) % 9_999_991
    codes = np.random.default_rng(seed).permutation(9_999_991)[codes]
    frame = pl.DataFrame({"unit": codes}).select(
        pl.col("unit").cast(pl.Array(pl.String, size)).arr.to_list()
    )
    halves = (range(common + apart), [*range(common), *range(common + apart, size)])
    texts = (pl.col("unit").list.gather(list(half)).list.join(" ") for half in halves)
    about = {name: pl.lit("") for name in ("doc_id", "shard", "source", "lang")}
    return [frame.lazy().select(text=text, n_chars=pl.lit(0), **about) for text in texts]


def write(folder: Path, num_files: int, height: int, settings: DuplicateSettings) -> None:
    """Random signatures in files of `height`; every tenth comes again in the next file, one band
    changed."""
    rng, last = np.random.default_rng(3), None
    num_hashes = settings.bands * settings.rows
    for shard in range(num_files):
        hashes = rng.integers(0, 1 << 32, (height, num_hashes), dtype=np.uint32)
        if last is not None:
            hashes[: height // 10] = last
            hashes[: height // 10, shard % num_hashes] += 1
        last = hashes[-height // 10 :].copy()
        halves = hashes.view(np.uint64).reshape(height, settings.bands, -1)
        ids = [f"{shard:08x}{i:024x}" for i in range(height)]
        pl.DataFrame(
            {
                "doc_id": ids,
                "text_hash": ids,
                "signature": pl.Series(hashes).arr.to_list(),
                "bands": pl.Series(halves.sum(axis=2, dtype=np.uint64)).arr.to_list(),
            }
        ).with_columns(
            **{name: pl.lit("web") for name in ("shard", "source", "lang")},
            score=pl.lit(1.0),
            num_shingles=pl.lit(200),
            method=pl.lit(minhash.method(settings)),
        ).write_parquet(folder / f"{shard:04}.parquet", row_group_size=20_000)
