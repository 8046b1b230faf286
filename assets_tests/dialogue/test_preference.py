from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import turns_of
from carebot_assets import tables
from carebot_assets.dialogue import objective, preference
from carebot_assets.dialogue.adapters.base import LETTERS
from carebot_assets.expectations import accounted, conforms


def said(text: str) -> Any:
    return SimpleNamespace(status="ok", value={"answer": text})


def judged(winner: str) -> Any:
    return SimpleNamespace(status="ok", value={"winner": winner})


FAILED: Any = SimpleNamespace(status="failed", value=None)


def prompt(record_id: str, *texts: str, **fields: object) -> dict[str, object]:
    row = {"record_id": record_id, "kind": "single", "lang": "zh", "prompt": turns_of(*texts)}
    return row | fields


def test_prompts_are_a_sample_of_the_held_out_records() -> None:
    rows = [
        {
            "record_id": f"{n * 997 % 1000:08x}",
            "verdict": "keep" if n % 5 else "drop",
            "split": "preference" if n % 2 else "sft",
            "kind": "multi",
            "lang": "en",
            "turns": turns_of("q1", "a1", f"q{n}", f"a{n}"),
        }
        for n in range(40)
    ]
    chosen = rows_of("sft_set", *rows)
    everything = preference.prompts(chosen.lazy(), 1000)
    assert conforms(tables.BY_NAME["preference_prompts"], everything.lazy()).passed
    assert everything["record_id"].to_list() == [
        r["record_id"] for n, r in enumerate(rows) if n % 5 and n % 2
    ]
    assert everything["reference"][0] == "a1" and everything["prompt"][0][-1]["text"] == "q1"
    few = preference.prompts(chosen.lazy(), 5)
    assert few.height == 5 and set(few["record_id"]) < set(everything["record_id"])


def test_the_transcript_names_speakers_in_the_language() -> None:
    frame = rows_of(
        "preference_prompts",
        prompt("1", "头痛", "多久了", "三天"),
        prompt("2", "I cough", lang="en"),
    )
    assert preference.answer_items(frame) == [
        {"dialogue": "病人: 头痛\n医生: 多久了\n病人: 三天"},
        {"dialogue": "Patient: I cough"},
    ]


SUBJECTIVE: list[tuple[str, Any, Any, Any, str, list[str], str | None]] = [
    ("mine", said("theirs"), judged("a"), judged("b"), "keep", [], "teacher"),
    ("mine", said("theirs"), judged("b"), judged("a"), "keep", [], "model"),
    ("mine", said("theirs"), judged("a"), judged("a"), "drop", ["judge_inconsistent_v1"], None),
    ("mine", said("theirs"), judged("tie"), judged("a"), "drop", ["judge_inconsistent_v1"], None),
    ("mine", said("theirs"), judged("tie"), judged("tie"), "drop", ["judge_tie_v1"], None),
    ("mine", said("theirs"), FAILED, judged("b"), "failed", ["judge_failed_v1"], None),
    ("mine", FAILED, None, None, "failed", ["doctor_answer_failed_v1"], None),
    (" ", said("theirs"), None, None, "drop", ["empty_response_v1"], None),
    ("same ", said("same"), None, None, "drop", ["same_answers_v1"], None),
]


def test_every_outcome_of_the_judge() -> None:
    prompts = rows_of("preference_prompts", *(prompt(str(n), "q") for n in range(len(SUBJECTIVE))))
    answers = [SimpleNamespace(text=case[0], num_tokens=3, finished=True) for case in SUBJECTIVE]
    responses = preference.responses(prompts, answers, "hash")
    assert conforms(tables.BY_NAME["chat_responses"], responses.lazy()).passed
    report = preference.summarize_responses(responses.lazy())
    assert (report["num_responses"], report["num_empty"]) == (9, 1)

    compared = preference.candidates(prompts, responses, [case[1] for case in SUBJECTIVE])
    asked = compared.filter("is_judged")
    assert asked.height == 6
    assert preference.judge_items(asked, swapped=False)[0] == {
        "dialogue": "病人: q",
        "answer_a": "theirs",
        "answer_b": "mine",
    }
    assert preference.judge_items(asked, swapped=True)[0]["answer_a"] == "mine"
    votes = [case[2:4] for case in SUBJECTIVE if case[2] is not None]
    subjective = preference.subjective_pairs(
        compared, [one for one, _ in votes], [two for _, two in votes]
    )
    table = preference.pairs(
        prompts, subjective, objective.objective_pairs(rows_of("preference_prompts")), "me"
    ).select(tables.BY_NAME["dpo_pairs"].schema.names())
    assert conforms(tables.BY_NAME["dpo_pairs"], table.lazy()).passed
    assert accounted(table.lazy()).passed
    assert table.select("verdict", "reasons", "chosen_from").rows() == [c[4:] for c in SUBJECTIVE]
    assert table.select("chosen", "rejected").rows()[:3] == [
        ("theirs", "mine"),
        ("mine", "theirs"),
        (None, None),
    ]
    assert table["votes"].to_list()[2] == ["teacher", "model"]
    report = preference.summarize(table.lazy())
    assert report["order_consistency_ratio"] == pytest.approx(3 / 5)
    assert report["length_ratio"] == 1.0
    assert report["num_subjective_failed"] == 2
    assert "| judge_inconsistent_v1 | 2 |" in report["reasons"]


def choice(record_id: str, key: str, options: list[str]) -> dict[str, object]:
    return prompt(record_id, "q", kind="choice", answer_key=key, options=options)


def test_objective_pairs() -> None:
    rows = [choice(f"{0:08x}{n:08x}", "B", ["one", "two", "", "four"]) for n in range(8)] + [
        choice("f" * 16, "A", ["only", ""])
    ]
    prompts = rows_of("preference_prompts", *rows)
    pairs = objective.objective_pairs(prompts)
    assert set(pairs["chosen"][:8]) == {"B. two"}
    assert set(pairs["rejected"][:8]) == {"A. one", "D. four"}, "any wrong one, never a blank"
    assert pairs["rejected"].to_list() == objective.objective_pairs(prompts)["rejected"].to_list()
    empty = preference.subjective_pairs(
        preference.candidates(prompts.clear(), rows_of("chat_responses"), []), [], []
    )
    table = preference.pairs(prompts, empty, pairs, "me")
    assert table["verdict"].to_list() == ["keep"] * 8 + ["drop"]
    assert table["reasons"].to_list()[-1] == ["no_wrong_option_v1"]
    assert set(table["kind"]) == {"objective"} and table["teacher"].null_count() == 9


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.booleans(), min_size=2, max_size=8).filter(lambda right: sum(right) > 0),
)
def test_several_right_options_differ_by_one_letter(number: int, right: list[bool]) -> None:
    key = "".join(letter for letter, is_right in zip(LETTERS, right, strict=False) if is_right)
    options = [f"option {n}" for n in range(len(right))]
    pair = objective.objective_pairs(
        rows_of("preference_prompts", choice(f"{0:08x}{number:08x}", key, options))
    ).row(0, named=True)
    chosen, rejected = (
        {line[0] for line in (pair[side] or "").split("\n") if line}
        for side in ("chosen", "rejected")
    )
    assert chosen == set(key)
    assert rejected and rejected <= set(LETTERS[: len(right)])
    if len(key) == 1:
        assert len(rejected) == 1 and rejected != chosen
    else:
        assert len(chosen ^ rejected) == 1


def test_nothing_judged() -> None:
    table = pl.LazyFrame(schema=tables.BY_NAME["dpo_pairs"].schema)
    assert preference.order_consistency(table) is None
    assert preference.length_ratio(table) is None
