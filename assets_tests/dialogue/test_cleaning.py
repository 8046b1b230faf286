from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import TEXTS, record, turns_of
from carebot_assets.dialogue import cleaning
from carebot_assets.dialogue.adapters import read
from carebot_assets.settings import DialogueSource, InstructionSettings, SftSettings

QUESTION, ANSWER, ENGLISH, REPLY = TEXTS
SETTINGS = InstructionSettings(
    min_tokens=8, sft=SftSettings(max_steps=1, batch_size=1, learning_rate=1.0, max_length=400)
)


def phone_numbers(texts: pl.Series) -> pl.Series:
    is_found = texts.str.contains(r"1[3-9]\d{9}")
    return (
        is_found.to_frame("x")
        .select(pl.when("x").then(pl.lit(["phone"])).otherwise(pl.lit([], pl.List(pl.String))))
        .to_series()
    )


def decide(tokenizer: Any, *rows: dict[str, object], source: str = "a", **settings: Any) -> Any:
    benchmark = rows_of(
        "benchmark_items",
        {"item_id": "b#0", "question": "Which vitamin prevents SCURVY in sailors?"},
        {"item_id": "b#1", "question": "好吗"},
        {"item_id": "c#0", "turns": turns_of("医生，我的舌头上起了泡，是怎么回事？", "不要紧")},
    )
    return cleaning.decide(
        rows_of("sft_dialogues", *rows).lazy(),
        source,
        benchmark.lazy(),
        tokenizer,
        SETTINGS.model_copy(update=settings),
        phone_numbers,
        lambda texts: texts.str.contains("LEAKED PASSAGE"),
    )


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        ((QUESTION, ANSWER), []),
        ((ENGLISH, REPLY), []),
        (TEXTS, []),
        ((QUESTION,), ["roles_v1", "untrainable_v1"]),
        ((), ["roles_v1", "too_short_v1", "untrainable_v1"]),
        ((QUESTION, "  "), ["empty_turn_v1"]),
        ((QUESTION, "我给您介绍一个色情网站看看吧"), ["unsafe_pornography_v1"]),
        ((ENGLISH, "You idiot, burn the place and punch that nurse!"),
         ["unsafe_violence_v1", "unsafe_bias_v1"]),
        ((ENGLISH, "Pornography addiction and a stab wound are treated by doctors."), []),
        ((QUESTION, "请先打医生电话，白痴一词是旧的医学用语。"), []),
        ((QUESTION, "作为AI语言模型，我不能回答这个问题。"), ["refusal_v1"]),
        ((ENGLISH, "As an AI language model I cannot say."), ["refusal_v1"]),
        ((QUESTION + "电话13800138000", ANSWER), ["private_information_v1"]),
        (("Tell me: which vitamin prevents scurvy, in sailors", REPLY), ["benchmark_overlap_v2"]),
        (("医生我的舌头上起了泡是怎么回事", ANSWER), ["benchmark_overlap_v2"]),
        (("你好吗，医生？头痛", ANSWER), []),
        ((ENGLISH, REPLY + " LEAKED PASSAGE"), ["benchmark_overlap_v2"]),
        (("好", "是"), ["too_short_v1"]),
        ((QUESTION, ANSWER * 20), ["too_long_v1"]),
        ((QUESTION * 30, ANSWER), ["too_long_v1", "untrainable_v1"]),
    ],
)  # fmt: skip
def test_every_reason(tokenizer: Any, texts: tuple[str, ...], reasons: list[str]) -> None:
    [verdict] = decide(tokenizer, record("1", *texts)).to_dicts()
    assert verdict["reasons"] == reasons
    assert verdict["verdict"] == ("drop" if reasons else "keep")


def test_roles_that_do_not_alternate(tokenizer: Any) -> None:
    turns = [{"role": "assistant", "text": ANSWER}, *turns_of(QUESTION, ANSWER)]
    [verdict] = decide(tokenizer, record("1", turns=turns)).to_dicts()
    assert verdict["reasons"] == ["roles_v1"]


def test_a_question_is_not_found_across_two_turns(tokenizer: Any) -> None:
    texts = ("Which vitamin prevents", REPLY, "scurvy in sailors?", REPLY)
    assert decide(tokenizer, record("1", *texts))["verdict"].to_list() == ["keep"]


def test_the_first_source_by_name_keeps_a_duplicate(tokenizer: Any) -> None:
    rows = [
        record("a1", QUESTION, ANSWER),
        record("a2", QUESTION, ANSWER),
        record("a3", QUESTION, ANSWER + "多喝水。"),
        record("b1", QUESTION, ANSWER, source="b"),
        record("b2", ENGLISH, REPLY, source="b"),
        record("c1", ENGLISH, REPLY, source="c"),
    ]
    verdicts = {s: decide(tokenizer, *rows, source=s)["reasons"].to_list() for s in "abc"}
    assert verdicts == {
        "a": [[], ["duplicate_v1"], []],
        "b": [["duplicate_v1"], []],
        "c": [["duplicate_v1"]],
    }


def test_choice_questions_with_different_keys_are_all_dropped(tokenizer: Any) -> None:
    rows = [
        record(n, ENGLISH, f"{k}. {REPLY}", kind="choice", answer_key=k, source=s)
        for n, k, s in (("1", "A", "a"), ("2", "B", "b"))
    ]
    rows.append(record("3", ENGLISH, REPLY))
    assert decide(tokenizer, *rows)["reasons"].to_list() == [["conflicting_key_v1"], []]
    assert decide(tokenizer, *rows, source="b")["reasons"].to_list() == [["conflicting_key_v1"]]


def test_lengths_and_summary(tokenizer: Any) -> None:
    rows = [record("1", QUESTION, ANSWER), record("2", *TEXTS), record("3", QUESTION, "")]
    verdicts = decide(tokenizer, *rows)
    assert verdicts["num_tokens"].to_list()[0] > verdicts["num_trainable_tokens"].to_list()[0] > 0
    dialogues = rows_of("sft_dialogues", *rows).lazy()
    report = cleaning.summarize(verdicts.lazy(), dialogues, max_length=60)
    assert (report["num_kept"], report["num_untrainable"]) == (2, 0)
    assert report["num_over_length"] == int((verdicts["num_tokens"] > 60).sum()) > 0
    assert report["num_kept_by_kind"] == {"multi": 1, "single": 1}
    assert "| empty_turn_v1 | 1 | 33.3% |" in report["reasons"]


def test_an_empty_source(tokenizer: Any) -> None:
    assert decide(tokenizer, record("1", QUESTION, ANSWER), source="z").is_empty()


def test_real_copies_are_found_across_sources(shared_data: Any, tokenizer: Any) -> None:
    """CareGPT's test file holds the same Huatuo-26M items in another layout."""
    folder = shared_data / "sft_sources"
    files = {
        "first": folder / "huatuo26m_test/huatuo26M_test.json",
        "second": folder / "caregpt_test_duplicate/test_datasets.jsonl",
    }
    source = DialogueSource(path="*", adapter="huatuo26m")
    everything = pl.concat(read(name, source, [file])[0] for name, file in files.items())
    verdicts = cleaning.decide(
        everything.lazy(),
        "second",
        rows_of("benchmark_items").lazy(),
        tokenizer,
        SETTINGS,
        phone_numbers,
        lambda texts: texts.str.contains("LEAKED PASSAGE"),
    )
    copies = verdicts["reasons"].list.contains("duplicate_v1").mean()
    assert copies is not None and copies > 0.99
