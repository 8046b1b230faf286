"""Logs of several trainings as one table, without torch: for the asset that compares them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from carebot_assets import tables
from carebot_assets.training import checkpoint
from carebot_assets.training.curves import HELD_OUT

FILE = "sweep.parquet"


def read(folder: Path, arm: str, seed: int) -> pl.DataFrame:
    """The losses of a checkpoint's log, with its arm and seed. Speed is no part of them."""
    log = pl.read_parquet(folder / checkpoint.LOG)
    return log.filter(pl.col("name").eq("loss") | pl.col("name").str.starts_with(HELD_OUT)).select(
        pl.lit(arm).alias("arm"), pl.lit(seed, pl.Int64).alias("seed"), *log.columns
    )


def combine(logs: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Logs one below the other; an empty table for none."""
    return pl.concat([pl.DataFrame(schema=tables.BY_NAME["mix_ratio_search"].schema), *logs])


def take(folder: Path) -> pl.DataFrame:
    """The log that a sweep has left in a folder; the file goes."""
    path = folder / FILE
    log = pl.read_parquet(path)
    path.unlink()
    return log
