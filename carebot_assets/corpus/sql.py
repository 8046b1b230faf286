"""Queries over frames, in a DuckDB that lives in memory as long as the process."""

from functools import lru_cache
from typing import Any

import polars as pl


@lru_cache(maxsize=1)
def _database() -> Any:
    import duckdb

    return duckdb.connect(config={"threads": 1})


def query(sql: str, **frames: pl.DataFrame) -> pl.DataFrame:
    """Result of a query that calls the frames by their argument names; row order is kept."""
    with _database().cursor() as cursor:
        for name, frame in frames.items():
            cursor.register(name, frame)
        return pl.DataFrame(cursor.sql(sql).pl())
