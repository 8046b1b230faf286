"""ConFilter against a reference that renders text and runs two forwards a turn."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import record
from carebot_assets import tables
from carebot_assets.dialogue import confilter
from carebot_assets.dialogue.frame import Frame, frame_of
from carebot_assets.dialogue.sequences import Turn, conditioned_sequences, direct_sequences
from carebot_assets.expectations import conforms

LONG = "头痛的原因很多，建议测量血压"
RECORDS = [
    record("1", "头痛怎么办呢医生", "多久了，还发烧吗", "三天", "请注意休息，多喝水"),
    record("2", "I cough", LONG, "What should I do now?", "Please rest and drink water."),
    record("3", "headache for three days", "drink enough water"),
    record("4", "<|assistant|>头痛很久了", "Please <|endoftext|> rest", "好", "好的"),
]
MIN_TOKENS = 4


def reference(
    model_dir: Path, turns: list[dict[str, str]], limit: int
) -> list[tuple[float, float]]:
    """Losses of the turns that count, from rendered text, one model call each."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()

    def plain(text: str) -> list[int]:
        tokenizer.backend_tokenizer.encode_special_tokens = True
        try:
            return list(tokenizer.backend_tokenizer.encode(text).ids)
        finally:
            tokenizer.backend_tokenizer.encode_special_tokens = False

    def around(role: str) -> list[list[int]]:
        mark = [{"role": role, "content": "MARK"}]
        parts = tokenizer.apply_chat_template(mark, tokenize=False).split("MARK")
        return [tokenizer(part)["input_ids"] for part in parts]

    def ids_of(part: list[dict[str, str]], open_role: str | None) -> list[int]:
        ids: list[int] = []
        for turn in part:
            before, after = around(turn["role"])
            ids += before + plain(turn["text"]) + after
        return ids + (around(open_role)[0] if open_role else [])

    def loss(context: list[int], content: list[int]) -> float:
        with torch.no_grad():
            logits = model(torch.tensor([context + content])).logits[0].double()
        logs = torch.log_softmax(logits, -1)
        places = range(len(context), len(context) + len(content))
        picked = [logs[p - 1, (context + content)[p]].item() for p in places]
        return -sum(picked) / len(picked)

    found = []
    for number, turn in enumerate(turns[1:], start=1):
        content = plain(turn["text"])
        history = turns[:number]
        while history and len(ids_of([*history, turn], None)) > limit:
            history = history[1:]
        if len(content) < MIN_TOKENS or not history:
            continue
        found.append(
            (
                loss(ids_of(history, turn["role"]), content),
                loss(ids_of([], turn["role"]), content),
            )
        )
    return found


@pytest.fixture(scope="module")
def scores(model_dir: Path) -> pl.DataFrame:
    dialogues = rows_of("sft_dialogues", *RECORDS).lazy()
    return confilter.score(dialogues, model_dir, "hash", MIN_TOKENS, token_budget=64)


def test_agrees_with_two_forwards_a_turn(model_dir: Path, scores: pl.DataFrame) -> None:
    assert conforms(tables.BY_NAME["confilter_scores"], scores.lazy()).passed
    worst = 0.0
    for row, given in zip(scores.to_dicts(), RECORDS, strict=True):
        expected = reference(model_dir, given["turns"], limit=96)  # type: ignore[arg-type]
        assert len(row["conditioned_loss"]) == len(expected)
        for got, want in zip(
            zip(row["conditioned_loss"], row["direct_loss"], strict=True), expected, strict=True
        ):
            worst = max(worst, *(abs(g - w) for g, w in zip(got, want, strict=True)))
        ratios = [c / d for c, d in expected]
        assert row["cf"] == pytest.approx(sum(ratios) / len(ratios), abs=1e-4)
        assert row["cf_min"] == pytest.approx(min(ratios), abs=1e-4)
        assert row["cf_max"] == pytest.approx(max(ratios), abs=1e-4)
    assert worst <= 1e-4


def test_only_turns_with_history_and_some_length_count(scores: pl.DataFrame) -> None:
    num_turns = scores["num_tokens"].list.len().to_list()
    assert num_turns[2] == 1, "one round: the answer alone has a history"
    assert num_turns[3] < 3, "a turn of one token does not count"
    assert scores["num_tokens"].list.min().min() >= MIN_TOKENS


@pytest.mark.parametrize("budget", [1, 4096])
def test_batching_changes_nothing(model_dir: Path, scores: pl.DataFrame, budget: int) -> None:
    dialogues = rows_of("sft_dialogues", *RECORDS).lazy()
    again = confilter.score(dialogues, model_dir, "hash", MIN_TOKENS, token_budget=budget)
    assert (again["cf"] - scores["cf"]).abs().max() < 1e-5  # type: ignore[operator]


def test_a_dialogue_longer_than_the_model_loses_its_oldest_turns(model_dir: Path) -> None:
    turns = [
        "头痛怎么办呢",
        "多久了，还发烧吗",
        "三天了没有发烧",
        LONG,
        "I rest and drink",
        "好的，注意休息",
    ]
    dialogue = record("1", *turns, *turns)
    table = confilter.score(
        rows_of("sft_dialogues", dialogue).lazy(), model_dir, "hash", MIN_TOKENS
    )
    expected = reference(model_dir, dialogue["turns"], limit=96)  # type: ignore[arg-type]
    got = table["conditioned_loss"][0].to_list()
    assert got == pytest.approx([c for c, _ in expected], abs=1e-4)


def test_no_turn_counts(model_dir: Path) -> None:
    rows = [record("1", LONG, "好"), record("2", LONG, LONG * 20)]
    table = confilter.score(rows_of("sft_dialogues", *rows).lazy(), model_dir, "hash", MIN_TOKENS)
    assert table["cf"].to_list() == [None, None]
    assert table["conditioned_loss"].to_list() == [[], []]
    report = confilter.summarize(table.lazy(), (0.3, 1.0))
    assert (report["num_undefined"], report["in_band_ratio"]) == (2, 0.0)


def test_the_same_words_again_lower_the_ratio_of_a_copying_model() -> None:
    """Worked example of the docstring, through the table."""
    records = rows_of("sft_dialogues", record("1", "q", "a")).select("record_id", "source")
    turns = [Turn(0, "user", [1, 2], False), Turn(0, "assistant", [3, 4], True)]
    table = confilter._table(records, turns, {1: 1.5}, {1: 2.5}, "hash")
    assert table["cf"].to_list() == [pytest.approx(0.6)]


def test_windows_keep_as_much_history_as_fits() -> None:
    frame = Frame([9], {"user": [7], "assistant": [8]}, {"user": [], "assistant": [0]}, 1)
    turns = [Turn(0, ("user", "assistant")[n % 2], [n] * 3, n > 0) for n in range(5)]
    # Sizes: user 4, assistant 5, and one token of start.
    windows = conditioned_sequences(turns, frame, limit=14)
    assert [[span.turn for span in window.spans] for window in windows] == [[1, 2], [3, 4]]
    assert windows[1].ids == [9, 7, 2, 2, 2, 8, 3, 3, 3, 0, 7, 4, 4, 4]
    windows = conditioned_sequences(turns, frame, limit=10)
    assert [[span.turn for span in window.spans] for window in windows] == [[1], [2], [3], [4]]
    assert windows[3].ids == [9, 8, 3, 3, 3, 0, 7, 4, 4, 4]
    [whole] = conditioned_sequences(turns, frame, limit=100)
    assert [span.turn for span in whole.spans] == [1, 2, 3, 4]
    assert conditioned_sequences(turns, frame, limit=5) == []


def test_frame_of_the_model_is_used(tokenizer: Any) -> None:
    frame = frame_of(tokenizer)
    turns = [Turn(0, "user", [1], False), Turn(0, "assistant", [2, 3], True)]
    [sequence] = direct_sequences(turns, frame, 96)
    assert sequence.ids == [*frame.header["assistant"], 2, 3]
