"""What is protected of a benchmark item, and which documents are dropped for it."""

import json

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from carebot_assets import tables
from carebot_assets.corpus import canaries, contamination
from carebot_assets.settings import ContaminationSettings

SETTINGS = ContaminationSettings()
EN = (
    "A 54-year-old woman with hypertension comes to the clinic because of three days of fever"
    " and a cough"
)
ZH = "男性，58岁，突发胸骨后压榨样疼痛3小时，伴大汗，心电图示V1至V4导联ST段抬高，最可能的诊断是"
OPTIONS_ZH = ["急性前壁心肌梗死", "急性心包炎", "主动脉夹层", "肺栓塞"]
ITEMS = rows_of(
    "benchmark_items",
    {
        "item_id": "medqa/0",
        "suite": "medqa",
        "lang": "en",
        "question": EN,
        "options": ["Flu", "TB"],
    },
    {"item_id": "cmb/0", "suite": "cmb", "lang": "zh", "question": ZH, "options": OPTIONS_ZH},
    {"item_id": "mmlu/0", "suite": "mmlu", "lang": "en", "question": "What is this?"},
)
FILLER_EN = (
    "Ordinary text about the weather and the garden that nobody asked about in any examination."
)
FILLER_ZH = "今天天气晴朗，公园里有许多人在散步，孩子们在湖边放风筝，老人们坐在树下聊天。"


def judge(texts: list[str], items: pl.DataFrame = ITEMS, earlier: list[str] | None = None):
    ids = [f"{i:032x}" for i in range(len(texts))]
    frame = pl.LazyFrame({"doc_id": ids, "shard": "s", "text": texts})
    verdict = pl.LazyFrame({"doc_id": ids, "verdict": earlier or ["keep"] * len(texts)})
    ngrams = contamination.ngrams(items.lazy(), SETTINGS)
    return contamination.verdicts(frame, verdict, ngrams.lazy(), SETTINGS).collect()


def words(first: int, last: int) -> str:
    return " ".join(EN.split()[first:last])


@pytest.mark.parametrize(
    ("text", "verdict", "item"),
    [
        (FILLER_EN, "keep", None),
        (FILLER_ZH, "keep", None),
        (f"{FILLER_EN}\n{EN}\n{FILLER_EN}", "drop", "medqa/0"),
        (f"{FILLER_EN} {EN.upper()}!", "drop", "medqa/0"),
        (f"{FILLER_ZH}{ZH.replace('，', '；')}", "drop", "cmb/0"),
        (f"{FILLER_ZH}{ZH.replace('V1', 'Ｖ１')}", "drop", "cmb/0"),
        (f"{FILLER_EN} {words(0, 10)} {FILLER_EN}", "keep", None),
        (f"{FILLER_EN} {words(4, 17)} {FILLER_EN}", "keep", "medqa/0"),  # one 13-gram
        (f"{FILLER_EN} {words(4, 18)} {FILLER_EN}", "drop", "medqa/0"),  # two
        (f"{FILLER_ZH}突发胸骨后压榨样疼痛3小时{FILLER_ZH}", "keep", "cmb/0"),  # one 13-gram
        (f"{FILLER_ZH}突发胸骨后压榨样疼痛3小时，伴大汗，心电{FILLER_ZH}", "drop", "cmb/0"),
        ("What is this? " + FILLER_EN, "keep", None),  # too short to be protected
    ],
)
def test_verdict(text: str, verdict: str, item: str | None) -> None:
    row = judge([text]).row(0, named=True)
    assert (row["verdict"], row["item_id"]) == (verdict, item)
    assert row["reasons"] == ([contamination.RULE] if verdict == "drop" else [])


def test_short_items_count_as_a_whole() -> None:
    short = rows_of(
        "benchmark_items",
        {"item_id": "a", "suite": "a", "lang": "zh", "question": "下列哪项不是糖皮质激素"},
    )
    assert judge([f"{FILLER_ZH}下列哪项不是糖皮质激素？"], short)["verdict"].to_list() == ["drop"]
    assert judge([f"{FILLER_ZH}下列哪项不是糖皮质？激酶"], short)["verdict"].to_list() == ["keep"]


def test_phrases_of_many_items_drop_nothing() -> None:
    phrase = "下列各项关于该病的临床表现和实验室检查的叙述中，哪一项是不正确的"
    many = pl.concat(
        rows_of(
            "benchmark_items",
            {
                "item_id": f"{i}",
                "suite": "a",
                "lang": "zh",
                "question": "".join(chr(0x4E00 + i * 50 + j) for j in range(30)) + phrase,
            },
        )
        for i in range(SETTINGS.max_items_per_ngram + 1)
    )
    assert judge([phrase + FILLER_ZH], many)["verdict"].to_list() == ["keep"]
    assert judge([phrase + FILLER_ZH], many[1:])["verdict"].to_list() == ["drop"]


def test_rows_and_order_are_kept_and_dropped_documents_skipped() -> None:
    found = judge([EN, FILLER_EN, EN, ZH], earlier=["drop", "keep", "keep", "failed"])
    assert found["verdict"].to_list() == ["skip", "keep", "drop", "skip"]
    assert found["num_hits"].to_list() == [None, None, 8, None]
    assert found["item_share"][2] == 1.0
    assert dict(found.schema) == dict(tables.BY_NAME["contamination_verdicts"].schema)
    assert contamination.summarize(found.lazy()) == {
        "num_dropped": 1,
        "num_dropped_by_suite": {"medqa": 1},
    }


LETTERED = {
    "en": "Which organ is the first to fail in untreated sepsis of the elderly?",
    "zh": "处方中含沙丁胺醇的患者最可能存在哪一种情况",
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_leak_with_lettered_or_missing_options_is_found(lang: str) -> None:
    question = LETTERED[lang]
    options = {"en": ["kidney", "liver", "lung"], "zh": ["痛风石", "支气管痉挛", "胆结石"]}[lang]
    item = {"item_id": "m#1", "suite": "medqa", "lang": lang, "question": question}
    table = contamination.ngrams(
        rows_of("benchmark_items", item | {"options": options}).lazy(), SETTINGS
    )
    lettered = "\n".join(f"{letter}. {o}" for letter, o in zip("ABC", options, strict=True))
    for page in (f"{question}\n{lettered}", question, f"{lettered}\n"):
        documents = pl.LazyFrame({"doc_id": ["d"], "shard": ["s"], "text": [f"Quiz. {page}"]})
        alive = pl.LazyFrame({"doc_id": ["d"], "verdict": ["keep"]})
        [verdict] = contamination.verdicts(documents, alive, table.lazy(), SETTINGS).collect()[
            "verdict"
        ]
        assert verdict == ("drop" if question in page else "keep")


def test_what_is_protected() -> None:
    turns = [{"role": "user", "text": "咳嗽三天"}, {"role": "assistant", "text": "多喝水"}]
    items = rows_of(
        "benchmark_items",
        {"item_id": "1", "suite": "pubmedqa", "lang": "en", "context": "abstract", "question": "q"},
        {"item_id": "2", "suite": "cmb_clin", "lang": "zh", "context": "case", "question": "q"},
        {"item_id": "3", "suite": "cmb", "lang": "zh", "question": "q", "options": ["a", "b"]},
        {"item_id": "4", "suite": "cmtmedqa", "lang": "zh", "turns": turns},
    )
    texts = items.select(contamination.item_fields()).to_series().to_list()
    assert texts == [["q"], ["case", "q"], ["q", "a", "b"], ["咳嗽三天", "多喝水"]]


def test_ngrams_table() -> None:
    table = contamination.ngrams(ITEMS.lazy(), SETTINGS)
    assert dict(table.schema) == dict(tables.BY_NAME["benchmark_ngrams"].schema)
    assert table.select("ngram", "item_id").is_unique().all()
    found = contamination.summarize_ngrams(table.lazy(), ITEMS.lazy())
    assert (found["num_protected_items"], found["num_items_left_out"]) == (2, 1)
    assert contamination.ngrams(ITEMS.clear().lazy(), SETTINGS).is_empty()


def test_canaries() -> None:
    documents = pl.LazyFrame({"text": [FILLER_EN, FILLER_ZH]})
    ngrams = contamination.ngrams(ITEMS.lazy(), SETTINGS).lazy()
    found = canaries.recall(documents, ITEMS.lazy(), ngrams, SETTINGS)
    assert found.passed
    assert found.metadata["num_canaries"] == 2
    lost = ngrams.with_columns(ngram=pl.col("ngram") + 1)
    broken = canaries.recall(documents, ITEMS.lazy(), lost, SETTINGS)
    assert not broken.passed
    assert broken.metadata["missed"] == ["cmb/0", "medqa/0"]
    assert not canaries.recall(documents, ITEMS.lazy(), ngrams.clear(), SETTINGS).passed
    assert canaries.recall(documents, ITEMS.clear().lazy(), ngrams.clear(), SETTINGS).passed


def test_known_overlaps_of_public_data_are_found(shared_data) -> None:
    """Records known to repeat a MedQA question (two windows of 50 letters or more) are dropped."""
    path = shared_data / "benchmarks/medqa_us_4opt_test/phrases_no_exclude_test.jsonl"
    items = rows_of(
        "benchmark_items",
        *(
            {"item_id": str(i), "suite": "medqa", "lang": "en", "question": row["question"]}
            for i, row in enumerate(map(json.loads, path.read_text("utf-8").splitlines()))
        ),
    )
    known = pl.read_ndjson(shared_data / "_truth/benchmark_overlap.jsonl", infer_schema_length=None)
    known = known.filter(
        pl.col("dataset") == "medec_ms_test",
        pl.col("windows_hit") >= 30,
        pl.col("benchmark").list.contains("medqa_us_4opt_test"),
    )
    file = shared_data / "sft_sources/medec_ms_test" / known["file"][0]
    texts = pl.read_csv(file, infer_schema=False)[known["index_here"].unique().to_list()]["Text"]
    found = judge(texts.to_list(), items)
    assert (found["verdict"] == "drop").mean() == 1.0
