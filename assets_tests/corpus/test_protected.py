from assets_tests.conftest import rows_of
from assets_tests.corpus.test_contamination import EN, ITEMS, SETTINGS, judge
from carebot_assets import tables
from carebot_assets.corpus import protected


def test_what_is_protected() -> None:
    turns = [{"role": "user", "text": "咳嗽三天"}, {"role": "assistant", "text": "多喝水"}]
    items = rows_of(
        "benchmark_items",
        {"item_id": "1", "suite": "pubmedqa", "lang": "en", "context": "abstract", "question": "q"},
        {"item_id": "2", "suite": "cmb_clin", "lang": "zh", "context": "case", "question": "q"},
        {"item_id": "3", "suite": "cmb", "lang": "zh", "question": "q", "options": ["a", "b"]},
        {"item_id": "4", "suite": "cmtmedqa", "lang": "zh", "turns": turns},
    )
    assert items.select(*protected.item_parts()).rows() == [
        ("q", "", []),
        ("q", "", ["case"]),
        ("q", "a\nb", []),
        ("咳嗽三天", "", ["多喝水"]),
    ]


def test_table_of_ngrams() -> None:
    table = protected.ngrams(ITEMS.lazy(), SETTINGS)
    assert dict(table.schema) == dict(tables.BY_NAME["benchmark_ngrams"].schema)
    assert table.select("item_id", "position").is_unique().all()
    found = protected.summarize(table.lazy(), ITEMS.lazy())
    assert (found["num_protected_items"], found["num_items_left_out"]) == (2, 1)
    assert "| mmlu | 1 | 0 | 1 |" in found["suites"]
    empty = protected.ngrams(ITEMS.clear().lazy(), SETTINGS)
    assert dict(empty.schema) == dict(table.schema)
    assert judge([EN], ITEMS.clear())["verdict"].to_list() == ["keep"]
