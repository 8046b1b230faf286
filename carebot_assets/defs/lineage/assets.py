"""Assets of the lineage stage."""

from typing import Any

from carebot_assets.defs.artifact import Step, artifact
from carebot_assets.lineage.warehouse import build


@artifact(inputs=["quality_funnel", "scorecard"], kinds={"duckdb"}, memo=False)
def warehouse(step: Step) -> dict[str, Any]:
    """DuckDB file with a view over every table of the store.

    Open it with `duckdb <store>/warehouse/warehouse.duckdb` and query; the views read the Parquet
    files in place, so nothing is copied.
    """
    path = step.draft.dir / "warehouse.duckdb"
    views = build(step.store, path)
    return {"num_views": len(views), "views": views, "num_bytes": path.stat().st_size}
