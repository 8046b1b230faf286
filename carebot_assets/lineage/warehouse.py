"""A DuckDB file of views over the Parquet tables: nothing is copied."""

from pathlib import Path

from carebot_assets import tables
from carebot_assets.store import DATA, MANIFEST, Store


def build(store: Store, path: Path) -> list[str]:
    """Write a DuckDB file with one view per published table.

    Args:
        store: where the tables lie; the views hold absolute paths below its root.
        path: file to write.

    Returns:
        Names of the views.
    """
    import duckdb

    views = []
    with duckdb.connect(path) as connection:
        for table in tables.ALL:
            depth = "*/" * len(table.partitioned_by)
            base = store.dir(table.name)
            if not any(base.glob(f"{depth}{MANIFEST}")):
                continue
            # Names come from `tables`, never from data; the path is quoted for DuckDB.
            pattern = str(base / f"{depth}{DATA}").replace("'", "''")
            connection.execute(
                f"create view {table.name} as select * from "
                f"read_parquet('{pattern}', hive_partitioning = false)"
            )
            description = table.description.replace("'", "''")
            connection.execute(f"comment on view {table.name} is '{description}'")
            views.append(table.name)
    return views
