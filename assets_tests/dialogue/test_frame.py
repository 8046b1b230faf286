from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of
from assets_tests.dialogue.conftest import TEXTS, record
from carebot_assets.dialogue.frame import frame_of, load_tokenizer, measure, tokenise
from carebot_assets.training.chat import IGNORED, encode

CHATML = (
    "{{ bos_token or '' }}{% for m in messages %}<|user|>{{ m['role'] }}\n{{ m['content'] }}"
    "<|endoftext|>\n{% endfor %}"
)


@pytest.fixture
def other(model_dir: Any) -> Any:
    """A tokenizer of its own, for templates that are not the project's."""
    return load_tokenizer(model_dir)


def test_the_template_is_taken_apart(tokenizer: Any) -> None:
    frame = frame_of(tokenizer)
    assert tokenizer.decode(frame.header["user"]) == "<|user|>\n"
    assert tokenizer.decode(frame.header["assistant"]) == "<|assistant|>\n"
    assert tokenizer.decode(frame.footer["assistant"]).rstrip() == "<|endoftext|>"
    assert (frame.start, frame.num_learned) == ([], 1)


def test_another_template(other: Any) -> None:
    other.chat_template = CHATML
    frame = frame_of(other)
    assert other.decode(frame.header["assistant"]) == "<|user|>assistant\n"
    assert frame.footer["user"] == frame.footer["assistant"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("<>{{ messages[0]['content'] }}", "does not show every turn once"),
        ("{% for m in messages %}{{ m['content'] }}|{% endfor %}", "nothing before a turn"),
        (
            "{% for m in messages %}<{{ loop.index }}>{{ m['content'] }}{% endfor %}",
            "differently by position",
        ),
    ],
)
def test_templates_that_cannot_be_used(other: Any, template: str, message: str) -> None:
    other.chat_template = template
    with pytest.raises(ValueError, match=message):
        frame_of(other)


def test_a_spelled_special_token_stays_text(tokenizer: Any) -> None:
    [ids] = tokenise(tokenizer, ["a <|endoftext|> b"])
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids) == "a <|endoftext|> b"
    assert tokenizer("<|endoftext|>")["input_ids"] == [tokenizer.eos_token_id], "and only then"


@pytest.mark.parametrize("max_length", [8, 40, 60, 1000])
def test_lengths_are_those_of_the_training(tokenizer: Any, max_length: int) -> None:
    rows = [
        record("1", TEXTS[0], TEXTS[1]),
        record("2", *TEXTS),
        record("3", "hi\nthere", "line one.\nline two"),
        record("4"),
    ]
    lengths = measure(rows_of("sft_dialogues", *rows).lazy(), tokenizer, max_length)
    assert lengths["record_id"].to_list() == ["1", "2", "3", "4"]
    for row, length in zip(rows[:3], lengths.to_dicts(), strict=False):
        whole = encode(tokenizer, [row["turns"]], 10_000).rows[0]["input_ids"]  # type: ignore[list-item]
        assert length["num_tokens"] == len(whole)
        cut = encode(tokenizer, [row["turns"]], max_length).rows  # type: ignore[list-item]
        learned = sum(label != IGNORED for label in cut[0]["labels"]) if cut else 0
        assert length["num_trainable_tokens"] == learned
        assert length["num_content_tokens"] < length["num_tokens"]
    assert lengths.row(3) == ("4", 0, 0, 0)


def test_no_records(tokenizer: Any) -> None:
    assert measure(pl.LazyFrame(schema=rows_of("sft_dialogues").schema), tokenizer, 9).is_empty()
