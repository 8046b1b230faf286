import duckdb

from assets_tests.conftest import rows_of
from carebot_assets.lineage.warehouse import build
from carebot_assets.store import Store


def test_views_read_the_published_tables_in_place(store: Store) -> None:
    for shard in ("web-00000", "web-00001"):
        with store.publish("rule_verdicts", shard) as draft:
            draft.write(rows_of("rule_verdicts", {"doc_id": shard, "verdict": "keep"}))
    path = store.root / "warehouse.duckdb"
    assert build(store, path) == ["rule_verdicts"]
    with store.publish("rule_verdicts", "web-00002") as draft:
        draft.write(rows_of("rule_verdicts", {"doc_id": "later", "verdict": "drop"}))
    with duckdb.connect(path, read_only=True) as connection:
        kept = connection.execute("select doc_id from rule_verdicts where verdict = 'keep'")
        assert kept.fetchall() == [("web-00000",), ("web-00001",)]
        assert connection.execute("select count(*) from rule_verdicts").fetchall() == [(3,)]
