import polars as pl

from carebot_assets.raters import long_tail
from carebot_assets.tables import BY_NAME
from carebot_assets.teacher.client import Answer

SEEDS = pl.LazyFrame(
    {
        "label": ["Sports"] * 5 + ["AI"] * 2 + [None],
        "status": ["agreed"] * 6 + ["disagreed", "failed"],
    }
)
LABELS = ["Sports", "AI", "Law"]


def answer(text: str | None, title: str = "t") -> Answer:
    value = None if text is None else {"title": title, "text": text}
    return Answer("ok" if value else "failed", value, None, False, 1, 1, 0.0)


def test_what_is_lacking_is_asked_for_in_both_languages() -> None:
    asked = long_tail.items(SEEDS, LABELS, 4)
    assert [item["label"] for item in asked] == ["AI"] * 3 + ["Law"] * 4
    assert [item["language"] for item in asked] == ["zh", "en", "zh"] + ["zh", "en"] * 2
    assert len({tuple(item.values()) for item in asked}) == 7
    assert long_tail.items(SEEDS, LABELS, 0) == []


def test_what_is_wrong_is_rejected_and_everything_is_marked() -> None:
    asked = long_tail.items(SEEDS, LABELS, 3)  # AI in zh and en, Law in zh, en and zh
    texts = ["神经网络", "神经网络训练", "法院判决", None, "法院判决"]
    table = long_tail.table(asked, [answer(text) for text in texts], "m")
    assert table["status"].to_list() == ["written", "rejected", "written", "failed", "rejected"]
    table = table.select(list(BY_NAME["domain_long_tail"].columns))
    assert long_tail.is_marked(table.lazy()).passed and table["doc_id"].is_unique().all()
    assert not long_tail.is_marked(table.with_columns(synthetic=False).lazy()).passed
    rows = long_tail.training_rows(table.lazy()).collect()
    assert rows["synthetic"].all() and rows["text"].null_count() == 0
    assert not long_tail.fills(table.lazy(), SEEDS, LABELS, 3).passed
    assert long_tail.fills(table.lazy(), SEEDS, ["Sports"], 3).passed
    assert not long_tail.not_among(table.lazy()).passed
    assert long_tail.not_among(pl.LazyFrame({"doc_id": ["0a", "1b"]})).passed
