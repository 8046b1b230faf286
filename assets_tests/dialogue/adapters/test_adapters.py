import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.dialogue.adapters.conftest import Read
from carebot_assets.dialogue.adapters import read
from carebot_assets.settings import DialogueSource


def spoken(frame: pl.DataFrame, row: int = 0) -> list[tuple[str, str]]:
    return [(turn["role"][0], turn["text"]) for turn in frame["turns"][row]]


def test_toyhom(load: Read) -> None:
    text = (
        "department,title,ask,answer\n"
        "心血管科,能吃党参吗,高血压能吃党参吗？,可以。\n"
        '内科,头痛,"三天了\n很难受",休息。\n'
        "内科,无,发烧怎么办,多喝水。\n"
        "内科,只有题目,,看医生。\n"
        "内科,题,问,\n"
    )
    frame, bad = load("toyhom", text.encode("gb18030"), "a.csv")
    assert spoken(frame, 0) == [("u", "高血压能吃党参吗？"), ("a", "可以。")]
    assert spoken(frame, 1) == [("u", "头痛\n三天了\n很难受"), ("a", "休息。")]
    assert spoken(frame, 2)[0] == ("u", "发烧怎么办")
    assert spoken(frame, 3)[0] == ("u", "只有题目")
    assert spoken(frame, 4)[1] == ("a", ""), "an empty answer is for the verdicts to drop"
    assert bad.is_empty()
    assert frame["department"].to_list() == ["心血管科", "内科", "内科", "内科", "内科"]
    english, _ = load("toyhom", b"department,title,question,answer\nx,cough,why,rest\n", "b.csv")
    assert spoken(english) == [("u", "cough\nwhy"), ("a", "rest")]


def test_cmtmedqa(load: Read) -> None:
    frame, bad = load(
        "cmtmedqa",
        [
            {
                "id": "x1",
                "cate1": "nan",
                "instruction": "谢谢",
                "input": "",
                "output": "不客气",
                "history": [["病人：头痛", "医生:多久了？"], ["三天", "休息"]],
            },
            {"instruct": " 我被诅咒了？", "output": " 不是。"},
            {"instruction": "q", "output": "a", "history": [["only one"]]},
            {"instruction": "q", "output": "a", "history": "none"},
            {"instruction": "q", "history": []},
            "text",
        ],
    )
    assert spoken(frame, 0) == [
        ("u", "头痛"),
        ("a", "多久了？"),
        ("u", "三天"),
        ("a", "休息"),
        ("u", "谢谢"),
        ("a", "不客气"),
    ]
    assert frame["kind"].to_list() == ["multi", "single"]
    assert frame["department"].to_list() == [None, None]
    assert spoken(frame, 1) == [("u", "我被诅咒了？"), ("a", "不是。")]
    assert bad["error"].to_list() == [
        "history is no list of pairs",
        "history is no list of pairs",
        "no text in field output",
        "no text in field instruction, output",
    ]
    assert bad["origin"].to_list() == [f"src/a.json#{n}" for n in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    "one",
    [
        {"instruction": ["怎么办"], "output": ["休息"]},
        {"questions": [["怎么办", "如何是好"]], "answers": ["休息"]},
        {"question": "怎么办", "answer": "休息", "label": "内科"},
    ],
)
def test_huatuo26m_shapes(load: Read, one: dict[str, Any]) -> None:
    frame, bad = load("huatuo26m", [one])
    assert spoken(frame) == [("u", "怎么办"), ("a", "休息")]
    assert frame["department"].to_list() == [one.get("label")]
    assert bad.is_empty()


def test_huatuo26m_refuses_links(load: Read) -> None:
    _, bad = load("huatuo26m", [{"questions": ["q"], "answers": ["https://a.example/1"]}])
    assert bad["error"].to_list() == ["the answer is a link, not a text"]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("Drink water. Regards, Chat Doctor.", "Drink water."),
        ("Drink water\nTake care. ChatDoctor", "Drink water."),
        ("Hi, Thanks for your question on Healthcare Magic. Drink water.", "Drink water."),
        ("Welcome to Chat Doctor. Drink water. Dr. Chat Doctor, ", "Drink water."),
        ("Ask Chat Doctor about the dose first.", "Ask Chat Doctor about the dose first."),
        ("Chat Doctor.", ""),
    ],
)
def test_chatdoctor_signatures_are_stripped(load: Read, answer: str, kept: str) -> None:
    stock = "If you are a doctor, please answer the medical questions based on the description."
    frame, _ = load(
        "chatdoctor", [{"instruction": stock, "input": "I am thirsty", "output": answer}]
    )
    assert spoken(frame) == [("u", "I am thirsty"), ("a", kept)]


def test_chatdoctor_keeps_instructions_that_say_something(load: Read) -> None:
    frame, bad = load(
        "chatdoctor",
        [
            {"instruction": "Answer yes or no.", "input": "Is it a cold?", "output": "yes"},
            {"input": "x", "answer_icliniq": "y"},
            {"instruction": "x", "input": ""},
        ],
    )
    assert spoken(frame, 0)[0] == ("u", "Answer yes or no.\nIs it a cold?")
    assert spoken(frame, 1) == [("u", "x"), ("a", "y")]
    assert bad["error"].to_list() == ["no text in field output"]


def test_medqa(load: Read) -> None:
    options = {"A": "rest", "B": "surgery", "C": "aspirin"}
    lines = [
        {"question": "What helps?", "options": options, "answer": "surgery", "answer_idx": "B"},
        {"question": "What helps?", "options": options, "answer": "aspirin"},
        {"question": "What helps?", "options": list(options.values()), "answer_idx": "c"},
        {"question": "什么有效？", "options": {"A": "休息", "B": "手术"}, "answer_idx": "A"},
        {"question": "What helps?", "options": options, "answer_idx": "E"},
        {"question": "What helps?", "options": {"A": "rest"}, "answer_idx": "A"},
        {"question": "What helps?", "options": options},
    ]
    frame, bad = load("medqa", "\n".join(map(json.dumps, lines)).encode(), "a.jsonl")
    assert frame["kind"].to_list() == ["choice"] * 4
    assert frame["answer_key"].to_list() == ["B", "C", "C", "A"]
    assert frame["lang"].to_list() == ["en", "en", "en", "zh"]
    assert spoken(frame) == [
        ("u", "Question: What helps?\nA. rest\nB. surgery\nC. aspirin\nAnswer:"),
        ("a", "B. surgery"),
    ]
    assert spoken(frame, 3)[0][1] == "题目：什么有效？\nA. 休息\nB. 手术\n答案是："
    assert bad["error"].to_list() == [
        "answer E is not among the options",
        "fewer than two options",
        "no text in field answer",
    ]


def test_cmb_keeps_letters_beside_blank_options(load: Read) -> None:
    question = {"exam_subject": "内科", "question": "选哪些？", "question_type": "多项选择题"}
    frame, bad = load(
        "cmb",
        [
            {**question, "option": {"A": "甲", "B": " ", "C": "丙", "D": "丁"}, "answer": "DA"},
            {**question, "option": {"Ａ": "甲", "C": "丙"}, "answer": "Ｃ"},
            {**question, "option": {"A": "甲", "B": ""}, "answer": "B"},
            {**question, "option": {"A": "甲", "B": "", "C": "丙"}, "answer": "AB"},
        ],
    )
    assert spoken(frame) == [
        (
            "u",
            "以下是一道多项选择题，请直接给出正确答案的选项。\n题目：选哪些？\n"
            "A. 甲\nC. 丙\nD. 丁\n答案是：",
        ),
        ("a", "A. 甲\nD. 丁"),
    ]
    assert frame["answer_key"].to_list() == ["AD", "C"]
    assert frame["options"].to_list() == [["甲", "", "丙", "丁"], ["甲", "", "丙"]]
    assert bad["error"].to_list() == [
        "fewer than two options",
        "answer AB is not among the options",
    ]


def test_meddialog_merges_bursts_and_trims_what_has_no_answer(load: Read) -> None:
    frame, bad = load(
        "meddialog",
        [
            [
                "医生：在的",
                "病人：头痛",
                "医生：多久",
                "医生：发烧吗",
                "病人:三天",
                "医生：休息",
                "病人：谢谢",
            ],
            {"utterances": ["Patient: I cough.", "Doctor: Since when?"]},
            ["病人：有人吗"],
            ["头痛", "医生：休息"],
            [],
            {"dialogue": "none"},
        ],
    )
    assert spoken(frame, 0) == [
        ("u", "头痛"),
        ("a", "多久\n发烧吗"),
        ("u", "三天"),
        ("a", "休息"),
    ]
    assert spoken(frame, 1) == [("u", "I cough."), ("a", "Since when?")]
    assert bad["error"].to_list() == [
        "no question with an answer",
        "an utterance without 病人：/医生： or Patient:/Doctor: in front",
        "no question with an answer",
        "not a list of utterances",
    ]


def test_chatmed_unwraps_its_prompt(load: Read) -> None:
    lines = [
        {"query": "<s>问：\n头痛怎么办\n答：\n", "response": "休息。</s>"},
        {"query": "头痛怎么办", "response": "答：休息。"},
    ]
    frame, _ = load("chatmed", "\n".join(map(json.dumps, lines)).encode())
    assert [spoken(frame, row) for row in (0, 1)] == [[("u", "头痛怎么办"), ("a", "休息。")]] * 2


REAL = [
    ("toyhom", "toyhom_internal_medicine/sample_internal_medicine.csv", 2674),
    ("cmtmedqa", "cmtmedqa_test/CMtMedQA_test.json", 790),
    ("huatuo26m", "huatuo26m_test/huatuo26M_test.json", 2080),
    ("huatuo26m", "caregpt_test_duplicate/test_datasets.jsonl", 687),
    ("chatdoctor", "chatdoctor5k/chatdoctor5k.json", 1257),
    ("chatmed", "chatmed_consult_test/ChatMed-Consult_test.json", 295),
]


@pytest.mark.parametrize(("adapter", "file", "num_records"), REAL)
def test_real_files(shared_data: Path, adapter: str, file: str, num_records: int) -> None:
    path = shared_data / "sft_sources" / file
    frame, bad = read("src", DialogueSource(path="*", adapter=adapter), [path])
    assert (frame.height, bad.height) == (num_records, 0)
    texts = frame["turns"].explode().struct.field("text")
    assert texts.str.strip_chars().eq(texts).all()
    assert not texts.str.contains(r"^(?:病人|医生|问|答)[：:]").any()
    assert set(frame["lang"]) == {"en" if adapter == "chatdoctor" else "zh"}
