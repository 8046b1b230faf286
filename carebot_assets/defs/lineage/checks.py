"""Checks of the lineage stage."""

import polars as pl

from carebot_assets.defs.checking import Shelf, check
from carebot_assets.expectations import Finding


@check("warehouse", blocking=True)
def views_answer(shelf: Shelf) -> Finding:
    """Every view can be queried and has the rows of its table."""
    import duckdb

    path = shelf.store.path("warehouse") / "warehouse.duckdb"
    wrong = {}
    with duckdb.connect(path, read_only=True) as connection:
        for view in shelf.manifest().metadata["views"]:
            row = connection.execute(f"select count(*) from {view}").fetchone()
            expected = shelf.store.scan(view).select(pl.len()).collect().item()
            if row is None or row[0] != expected:
                wrong[view] = {"view": row and row[0], "table": expected}
    text = "every view answers" if not wrong else f"views differ from their tables: {sorted(wrong)}"
    return Finding(not wrong, text, {"num_wrong": len(wrong), "wrong": wrong})
