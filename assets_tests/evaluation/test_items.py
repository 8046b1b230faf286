import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from carebot_assets.evaluation import items as subject
from carebot_assets.evaluation.__main__ import main
from carebot_assets.evaluation.adapters import ADAPTERS
from carebot_assets.settings import SuiteSource

MEDQA = {
    "question": "Which drug?",
    "options": {"A": "aspirin", "B": "heparin", "C": "none", "D": "all"},
    "answer_idx": "B",
}
MEDMCQA = {"question": "Q", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": 4}
CMB = {
    "exam_type": "医师考试",
    "exam_class": "执业医师",
    "question": "正确的是",
    "option": {"A": "甲", "B": "乙", "C": "丙", "D": "丁", "E": "", "F": "戊"},
    "answer": "ABF",
}
PUBMEDQA = {"QUESTION": "Does it?", "CONTEXTS": ["One.", "Two."], "final_decision": "maybe"}
CMTMEDQA = {
    "instruction": "谢谢",
    "output": "不客气",
    "history": [["头痛", "多久了？"], ["三天", "休息"]],
}
CMB_CLIN = {
    "title": "腹痛",
    "description": "男，49岁。",
    "QA_pairs": [
        {"question": "诊断？", "solution": "疝"},
        {"question": "治疗？", "answer": "手术"},
    ],
}


def source(adapter: str, **more: Any) -> SuiteSource:
    return SuiteSource(path="", adapter=adapter, lang="zh", **more)


def load(adapter: str, file: Path, **more: Any) -> pl.DataFrame:
    return subject.load_suite("s", source(adapter, **more), file)


def write(path: Path, text: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
    return path


@pytest.mark.parametrize(
    ("adapter", "text", "expected"),
    [
        (
            "medqa",
            json.dumps(MEDQA),
            {"answer": "B", "options": ["aspirin", "heparin", "none", "all"]},
        ),
        ("medmcqa", json.dumps(MEDMCQA), {"answer": "D", "options": ["1", "2", "3", "4"]}),
        ("mmlu", 'Q?,"a, b",c,d,e,A\n', {"answer": "A", "options": ["a, b", "c", "d", "e"]}),
        (
            "cmmlu",
            ",Question,A,B,C,D,Answer\n7,问,甲,乙,丙,丁,C\n",
            {"answer": "C", "question": "问"},
        ),
        ("ceval", "id,question,A,B,C,D,answer\n0,问,甲,乙,丙,丁,D\n", {"answer": "D"}),
        ("cmb", [CMB], {"answer": "ABF", "subject": "医师考试/执业医师"}),
        ("pubmedqa", {"1": PUBMEDQA}, {"answer": "maybe", "context": "One.\nTwo."}),
    ],
)
def test_a_choice_record_of_every_publisher(
    tmp_path: Path, adapter: str, text: Any, expected: dict[str, Any]
) -> None:
    file = write(tmp_path / "anatomy_test.x", text)
    frame = load(adapter, file)
    row = frame.row(0, named=True)
    assert row["item_id"] == "s/anatomy_test#0"
    assert {key: row[key] for key in expected} == expected
    assert row["turns"] is None and frame.height == 1
    if ADAPTERS[adapter].subject_of_file:
        assert row["subject"] == "anatomy"


def test_consultations_become_turns(tmp_path: Path) -> None:
    safety = {"instruct": "能用冷水避孕吗", "output": "不能"}
    frame = load("cmtmedqa", write(tmp_path / "c.json", [safety, CMTMEDQA]))
    assert frame["item_id"].to_list() == ["s/c#1"]
    texts = [turn["text"] for turn in frame["turns"][0]]
    assert texts == ["头痛", "多久了？", "三天", "休息", "谢谢", "不客气"]
    clinic = load("cmb_clin", write(tmp_path / "d.json", [CMB_CLIN])).row(0, named=True)
    assert clinic["turns"][0]["text"] == "以下是一位病人的病例：\n男，49岁。\n诊断？"
    assert [turn["text"] for turn in clinic["turns"][1:]] == ["疝", "治疗？", "手术"]
    assert clinic["context"] == "男，49岁。" and clinic["options"] is None


def test_the_official_answers_beside_a_file_decide(tmp_path: Path) -> None:
    file = write(tmp_path / "ori_pqal.json", {"1": PUBMEDQA, "2": PUBMEDQA})
    write(tmp_path / "test_ground_truth.json", {"2": "yes"})
    frame = load("pubmedqa", file)
    assert frame.select("item_id", "answer").rows() == [("s/ori_pqal#1", "yes")]
    unanswered = {k: v for k, v in CMB.items() if k != "answer"} | {"id": 5}
    file = write(tmp_path / "CMB-test.json", [unanswered])
    with pytest.raises(ValueError, match="record 0: no key 'answer'"):
        load("cmb", file)
    write(tmp_path / "CMB-test-choice-answer.json", [{"id": 5, "answer": "B"}])
    assert load("cmb", file)["answer"].to_list() == ["B"]


@pytest.mark.parametrize(
    ("adapter", "text", "reason"),
    [
        ("medqa", json.dumps(MEDQA) + '\n{"question": "Q"}', "record 1: no key 'options'"),
        ("medqa", json.dumps(MEDQA) + "\n{broken", "record 1 is not JSON"),
        ("medqa", json.dumps(MEDQA | {"answer_idx": "E"}), "answer 'E' is none of A, B, C, D"),
        ("medqa", json.dumps(MEDQA | {"options": {"A": "a", "C": "c"}}), "consecutive letters"),
        ("medqa", json.dumps(MEDQA | {"question": "  "}), "question is blank"),
        ("medqa", "[1]", "record 0"),
        ("medmcqa", json.dumps(MEDMCQA | {"cop": 0}), "cop is 0, expected 1, 2, 3 or 4"),
        ("mmlu", "Q?,a,b,c,A\n", "5 columns, expected question, A, B, C, D, answer"),
        ("cmmlu", ",Question,A,B,C,D,Answer\n0,问,甲\n", "record 0: expected text, found None"),
        ("ceval", "id,question,A,B,C,D,answer\n0,问,甲,乙,丙,丁,\n", "answer '' is none of"),
        ("cmb", [CMB | {"answer": "BA"}], "letters of answer 'BA' are not in order"),
        ("cmb", [CMB | {"answer": "E"}], "the text of the right option E is blank"),
        ("cmb", {}, "expected a JSON array, found dict"),
        ("pubmedqa", {"1": PUBMEDQA | {"final_decision": "unsure"}}, "expected yes, no or maybe"),
        ("cmtmedqa", [CMTMEDQA | {"history": [["a"]]}], "record 0: not enough values"),
        ("cmtmedqa", [CMTMEDQA | {"output": ""}], "doctor's turn is blank"),
        ("cmb_clin", [CMB_CLIN | {"QA_pairs": []}], "record 0"),
    ],
)
def test_a_malformed_record_is_named(tmp_path: Path, adapter: str, text: Any, reason: str) -> None:
    file = write(tmp_path / "part.json", text)
    with pytest.raises(ValueError, match=r"suite s: .*part\.json") as error:
        load(adapter, file)
    assert reason in str(error.value)


@given(st.text(), st.sampled_from(sorted(ADAPTERS)))
def test_any_text_gives_items_or_a_value_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, adapter: str
) -> None:
    file = write(
        tmp_path_factory.getbasetemp() / "fuzz.json", text.encode("utf-8", "replace").decode()
    )
    try:
        frame = load(adapter, file)
    except ValueError as error:
        assert str(error).startswith("suite s: ")
    else:
        assert frame.height and frame["item_id"].n_unique() == frame.height


def test_unknown_adapters_files_and_subjects_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown adapter 'mcq', known are medqa"):
        load("mcq", tmp_path / "x")
    with pytest.raises(ValueError, match="no file matches"):
        load("medqa", tmp_path / "*.jsonl")
    write(tmp_path / "virology_test.csv", "Q?,a,b,c,d,A\n")
    with pytest.raises(ValueError, match=r"no items of the subjects \['anatomy'\]"):
        load("mmlu", tmp_path / "*.csv", subjects=["anatomy", "virology"])
    write(tmp_path / "dev" / "virology_test.csv", "Q?,a,b,c,d,A\n")
    with pytest.raises(ValueError, match=r"several files named \['virology_test'\]"):
        load("mmlu", tmp_path / "**" / "*.csv")


def test_subjects_choose_files(tmp_path: Path) -> None:
    for name in ("anatomy", "law"):
        write(tmp_path / f"{name}_test.csv", "Q?,a,b,c,d,A\n")
    frame = load("mmlu", tmp_path / "*.csv", subjects=["anatomy"])
    assert frame["item_id"].to_list() == ["s/anatomy_test#0"]


def test_a_limit_draws_by_hash_and_keeps_the_order(tmp_path: Path) -> None:
    file = write(tmp_path / "t.jsonl", "\n".join([json.dumps(MEDQA)] * 50))
    small, large = (load("medqa", file, limit=n)["item_id"].to_list() for n in (5, 20))
    every = load("medqa", file)["item_id"].to_list()
    assert len(small) == 5 and set(small) < set(large) < set(every)
    assert [i for i in every if i in set(large)] == large != every[:20]


def test_only_items_with_one_right_option_are_asked(items: pl.DataFrame) -> None:
    frame = subject.with_choices(items.lazy()).select("item_id", "choices").collect()
    assert dict(frame.rows()) == {
        "medqa/t#0": ["A", "B", "C", "D"],
        "medqa/t#1": ["A", "B", "C", "D"],
        "cmb/t#0": ["A", "B"],
        "pubmedqa/t#0": ["yes", "no", "maybe"],
    }


def test_export_writes_what_is_asked(items: pl.DataFrame, tmp_path: Path) -> None:
    path = subject.export(items.lazy().filter(pl.col("suite") == "cmb"), tmp_path)
    assert path == tmp_path / "cmb" / "test.jsonl"
    assert [json.loads(line)["item_id"] for line in path.read_text().splitlines()] == ["cmb/t#0"]
    with pytest.raises(ValueError, match="questions of one suite, found"):
        subject.export(items.lazy(), tmp_path)


@pytest.mark.parametrize(
    ("adapter", "subjects", "count"),
    [
        ("medqa", [], 1273),
        ("mmlu", ["anatomy", "medical_genetics"], 235),
        ("mmlu", ["law"], None),
        ("toyhom", [], None),
    ],
)
def test_published_counts(adapter: str, subjects: list[str], count: int | None) -> None:
    assert subject.published_count(adapter, subjects) == count


def test_the_command_writes_the_file_lm_eval_reads(tmp_path: Path) -> None:
    file = write(tmp_path / "t.jsonl", "\n".join([json.dumps(MEDQA)] * 3))
    arguments = ["medqa", "--adapter", "medqa", "--lang", "en", "--files", str(file)]
    out = main([*arguments, "--out", str(tmp_path / "out"), "--limit", "2"])
    assert out == tmp_path / "out" / "medqa" / "test.jsonl"
    assert len(out.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("adapter", "files", "count", "more"),
    [
        ("medqa", "benchmarks/medqa_us_4opt_test/*.jsonl", 874, {}),
        ("medmcqa", "benchmarks/medmcqa_dev/dev.json", 2938, {}),
        (
            "mmlu",
            "benchmarks/mmlu/test/*.csv",
            787,
            {"subjects": list(subject.PUBLISHED_COUNTS["mmlu"])},
        ),
        ("cmmlu", "benchmarks/cmmlu/test/*.csv", 222, {"subjects": ["anatomy", "virology"]}),
        ("pubmedqa", "benchmarks/pubmedqa/ori_pqal.json", 371, {}),
        ("cmtmedqa", "sft_sources/cmtmedqa_test/*.json", 689, {}),
    ],
)
def test_the_publishers_files(
    shared_data: Path, adapter: str, files: str, count: int, more: dict[str, Any]
) -> None:
    assert load(adapter, shared_data / files, **more).height == count


def test_a_file_of_cases_without_reference_answers_is_refused(shared_data: Path) -> None:
    with pytest.raises(ValueError, match="record 0: no key 'description'"):
        load("cmb_clin", shared_data / "benchmarks/cmb_clin_cases/CMB-cases.json")


def test_shipped_items_are_protected_too(tmp_path: Path) -> None:
    mine = rows_of("benchmark_items", {"item_id": "a#0", "suite": "a", "question": "known?"}).lazy()
    assert subject.with_shipped(mine, tmp_path).collect().equals(mine.collect())
    (tmp_path / "a").mkdir()
    rows = [
        {"item_id": "a#0", "suite": "a", "question": q, "options": ["x"]}
        for q in ("known?", "new?")
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "a" / "sample.jsonl").write_text(lines, "utf-8")
    found = subject.with_shipped(mine, tmp_path).collect()
    assert found["item_id"].to_list() == ["a#0", f"{tmp_path.name}/a#0"]
    assert found["question"].to_list() == ["known?", "new?"]
    assert subject.with_shipped(mine).collect().height > 100
