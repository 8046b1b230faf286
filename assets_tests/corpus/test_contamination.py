"""What is protected of a benchmark item, and which documents are dropped for it."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from assets_tests.corpus.slow_contamination import SMALL, evidence_by_item
from carebot_assets import tables
from carebot_assets.corpus import audit, contamination, protected
from carebot_assets.settings import ContaminationSettings

SETTINGS = ContaminationSettings()
EN = (
    "A 54-year-old woman with hypertension comes to the clinic because of three days of fever"
    " and a cough that brings up rust-coloured sputum; her brother kept pigeons in the attic"
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


def judge(
    texts: list[str],
    items: pl.DataFrame = ITEMS,
    earlier: list[str] | None = None,
    settings: ContaminationSettings = SETTINGS,
) -> pl.DataFrame:
    ids = [f"{i:032x}" for i in range(len(texts))]
    frame = pl.LazyFrame({"doc_id": ids, "shard": "s", "text": texts})
    verdict = pl.LazyFrame({"doc_id": ids, "verdict": earlier or ["keep"] * len(texts)})
    ngrams = protected.ngrams(items.lazy(), settings)
    return contamination.verdicts(frame, verdict, ngrams.lazy(), settings).collect()


def words(first: int, last: int) -> str:
    return " ".join(EN.split()[first:last])


TRADITIONAL = (
    "男性，58歲，突發胸骨後壓榨樣疼痛3小時，伴大汗，心電圖示V1至V4導聯ST段抬高，最可能的診斷是"
)


@pytest.mark.parametrize(
    ("text", "evidence", "item"),
    [
        (FILLER_EN, None, None),
        (FILLER_ZH, None, None),
        (f"{FILLER_EN}\n{EN}\n{FILLER_EN}", "whole", "medqa/0"),
        (f"{FILLER_EN} {EN.upper()}!", "whole", "medqa/0"),
        (f"{FILLER_EN} {EN.replace(' ', ' / ')}", "whole", "medqa/0"),
        (f"{FILLER_EN} {EN.replace('54', '45')}", "whole", "medqa/0"),  # nearly: another age
        (f"{FILLER_ZH}{ZH.replace('，', '；')}", "whole", "cmb/0"),
        (f"{FILLER_ZH}{ZH.replace('V1', 'Ｖ１')}", "whole", "cmb/0"),
        (f"{FILLER_ZH}{TRADITIONAL}", "whole", "cmb/0"),
        (f"{FILLER_EN} {words(0, 5)} {FILLER_EN}", None, None),
        (f"{FILLER_EN} {words(0, 14)} {FILLER_EN}", None, "medqa/0"),
        (f"{FILLER_EN} {FILLER_EN} {words(4, 18)} {FILLER_EN}", None, "medqa/0"),
        (f"{FILLER_ZH}突发胸骨后压榨样疼痛3小时{FILLER_ZH}", None, "cmb/0"),
        (f"{FILLER_ZH}{'、'.join(OPTIONS_ZH[:2])}{FILLER_ZH}", None, "cmb/0"),
        ("What is this? " + FILLER_EN, None, None),  # too short to be protected
    ],
)
def test_verdict(text: str, evidence: str | None, item: str | None) -> None:
    row = judge([text]).row(0, named=True)
    assert (row["evidence"], row["item_id"]) == (evidence, item)
    assert row["verdict"] == ("drop" if evidence else "keep")
    assert row["reasons"] == ([contamination.RULE] if evidence else [])


@pytest.mark.parametrize(
    ("num_words", "evidence"),
    [(SETTINGS.min_hits_en + 6, None), (SETTINGS.min_hits_en + 7, "window")],
)
def test_a_passage_is_a_window_from_its_least_length_on(
    num_words: int, evidence: str | None
) -> None:
    passage = [f"w{i}" for i in range(90)]
    item = {"item_id": "a", "suite": "a", "lang": "en", "question": " ".join(passage)}
    text = " ".join(["filler text", *passage[30 : 30 + num_words], "more of it"])
    row = judge([text], rows_of("benchmark_items", item)).row(0, named=True)
    assert (row["evidence"], row["num_hits"]) == (evidence, num_words - 7)
    assert row["item_share"] == pytest.approx(num_words / 90)


def test_short_questions_count_only_whole() -> None:
    question = "下列哪项不是糖皮质激素"
    item = {"item_id": "a", "suite": "a", "lang": "zh", "question": question}
    short = rows_of("benchmark_items", item)
    texts = [
        f"{FILLER_ZH}{question}？",
        f"{FILLER_ZH}{question[:-1]}？酶",
        f"{FILLER_ZH}{question[1:]}",
    ]
    assert judge(texts, short)["evidence"].to_list() == ["whole", None, None]


def test_set_phrases_are_no_evidence_whatever_their_numbers() -> None:
    phrase = (
        "Her pulse is {}/min respirations are {}/min and blood pressure is {}/80 mm Hg on room air"
    )
    vignette = "".join(f" q{{0}}x{i}" for i in range(30))
    many = rows_of(
        "benchmark_items",
        *(
            {
                "item_id": f"{i}",
                "suite": "a",
                "lang": "en",
                "question": vignette.format(i) + ". " + phrase.format(60 + i, 12 + i, 110 + i),
            }
            for i in range(SETTINGS.max_items_per_phrase + 1)
        ),
    )
    lax = SETTINGS.model_copy(update={"min_hits_en": 5})
    text = f"{FILLER_EN} {phrase.format(63, 15, 113)} {FILLER_EN}"
    assert judge([text], many, settings=lax)["evidence"].to_list() == [None]
    assert judge([text], many[1:], settings=lax)["evidence"].to_list() == ["window"]
    assert judge([many["question"][0]], many, settings=lax)["evidence"].to_list() == ["whole"]


def test_rows_and_order_are_kept_and_dropped_documents_skipped() -> None:
    found = judge([EN, FILLER_EN, EN, ZH], earlier=["drop", "keep", "keep", "failed"])
    assert found["verdict"].to_list() == ["skip", "keep", "drop", "skip"]
    assert found["num_hits"].to_list() == [None, None, 24, None]
    assert found["item_share"][2] == 1.0
    assert dict(found.schema) == dict(tables.BY_NAME["contamination_verdicts"].schema)
    assert contamination.summarize(found.lazy()) == {
        "num_dropped": 1,
        "num_dropped_by_suite": {"medqa": 1},
        "num_dropped_by_evidence": {"whole": 1},
    }


QUIZ = {
    "en": ("First organ to fail in sepsis?", ["kidney cortex", "left liver lobe", "lung"]),
    "zh": ("沙丁胺醇治疗", ["痛风石", "支气管痉挛", "胆结石"]),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_question_too_short_alone_is_found_with_its_options(lang: str) -> None:
    question, options = QUIZ[lang]
    item = {"item_id": "m#1", "suite": "m", "lang": lang, "question": question, "options": options}
    lettered = "\n".join(f"{letter}. {o}" for letter, o in zip("ABC", options, strict=True))
    numbered = " ".join(f"({n}) {o}" for n, o in enumerate(options, 1))
    texts = [f"{question}\n{lettered}", f"1. {question} {numbered}", question, lettered]
    found = judge(
        [f"Quiz. {text}\n{FILLER_EN}" for text in texts], rows_of("benchmark_items", item)
    )
    assert found["evidence"].to_list() == ["whole", "whole", None, None]


def test_a_consultation_is_found_by_its_first_turn_or_much_of_the_others() -> None:
    first, answer = (
        "医生我最近三天一直咳嗽还有点发低烧是怎么回事",
        "".join(map(chr, range(0x5000, 0x5040))),
    )
    turns = [{"role": "user", "text": first}, {"role": "assistant", "text": answer}]
    item = {"item_id": "a", "suite": "cmtmedqa", "lang": "zh", "turns": turns}
    texts = [f"{FILLER_ZH}{first}", f"{FILLER_ZH}{answer[:40]}", f"{FILLER_ZH}{answer[:20]}"]
    found = judge(texts, rows_of("benchmark_items", item))
    assert found["evidence"].to_list() == ["whole", "window", None]


PIECES = ["aa bb cc dd", "cc 12 dd 患", "患 者 x bb", "bb 34 aa aa", "dd", "者 cc 12 12 ee ff"]
WORDS = st.lists(st.sampled_from(PIECES), max_size=5)
TEXT = WORDS.map(" ".join)
ITEM = st.tuples(TEXT, st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=1))


@hypothesis_settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXT, max_size=3), items=st.lists(ITEM, max_size=5))
def test_overlaps_equal_those_found_word_by_word(
    texts: list[str], items: list[tuple[str, list[str], list[str]]]
) -> None:
    table = rows_of(
        "benchmark_items",
        *(
            {
                "item_id": str(i),
                "suite": "a",
                "lang": "en",
                "question": question,
                "options": options,
                "turns": [{"role": "user", "text": text} for text in others],
            }
            for i, (question, options, others) in enumerate(items)
        ),
    )
    ngrams = protected.ngrams(table.lazy(), SMALL)
    found = contamination.Index(ngrams, SMALL).overlaps(pl.Series(texts, dtype=pl.String))
    rows = found.select("text", pl.col("item_id").cast(pl.Int64), "evidence").rows()
    assert {(text, item): evidence for text, item, evidence in rows} == {
        (row, item): evidence
        for row, text in enumerate(texts)
        for item, evidence in evidence_by_item(text, items).items()
    }
    # What the audit finds, the judge finds: its limits are wider.
    documents = pl.LazyFrame({"doc_id": [str(i) for i in range(len(texts))], "text": texts})
    documents = documents.cast(pl.String)
    audited = audit.no_benchmark_text(documents, table.lazy(), SMALL).metadata["examples"]
    assert {int(one) for one in audited} <= {text for text, _, evidence in rows if evidence}


def test_known_overlaps_of_public_data_are_found(shared_data) -> None:
    """Records known to repeat a MedQA question (many windows of 50 letters) are dropped."""
    path = shared_data / "benchmarks/medqa_us_4opt_test/phrases_no_exclude_test.jsonl"
    items = rows_of(
        "benchmark_items",
        *(
            {
                "item_id": str(i),
                "suite": "medqa",
                "lang": "en",
                "question": row["question"],
                "options": list(row["options"].values()),
            }
            for i, row in enumerate(map(json.loads, path.read_text("utf-8").splitlines()))
        ),
    )
    known = pl.read_ndjson(shared_data / "_truth/benchmark_overlap.jsonl", infer_schema_length=None)
    known = known.filter(
        pl.col("dataset") == "medec_ms_test",
        pl.col("windows_hit") >= 15,
        pl.col("benchmark").list.contains("medqa_us_4opt_test"),
    )
    file = shared_data / "sft_sources/medec_ms_test" / known["file"][0]
    texts = pl.read_csv(file, infer_schema=False)[known["index_here"].unique().to_list()]["Text"]
    found = judge(texts.to_list(), items)
    assert (found["verdict"] == "drop").mean() == 1.0
    vignettes = shared_data / "sft_sources/mediq_vignettes/all_dev_good.jsonl"
    rows = map(json.loads, vignettes.read_text("utf-8").splitlines())
    others = judge([" ".join([*row["context"], row["question"]]) for row in rows], items)
    assert (others["verdict"] == "drop").sum() <= 1  # exam phrases, but for one
