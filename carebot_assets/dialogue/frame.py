"""What a chat template puts around the turns of a dialogue, and how long turns are in tokens."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MARKS = ["MARK-ONE", "MARK-TWO", "MARK-THREE", "MARK-FOUR"]
ROLES = ("user", "assistant")
BATCH = 20_000


@dataclass(frozen=True)
class Frame:
    """Token ids around the contents: `start` once, `header` and `footer` around each turn.

    `num_learned` is how many of an assistant's footer tokens the model learns to say: up to the end
    of the turn.
    """

    start: list[int]
    header: dict[str, list[int]]
    footer: dict[str, list[int]]
    num_learned: int


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer, from its folder only."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def frame_of(tokenizer: Any) -> Frame:
    """Take a chat template apart by rendering marks.

    Raises:
        ValueError: the tokenizer has no template, or one whose parts depend on the position.
    """
    name = getattr(tokenizer, "name_or_path", "tokenizer")
    one, two, four = (_render(tokenizer, num_turns) for num_turns in (1, 2, 4))
    if not (one and two and four):
        raise ValueError(f"{name}: the chat template does not show every turn once, in order")
    user_footer, assistant_footer = one[-1], two[-1]
    before_answer, before_question = four[1], four[2]
    header = {
        "user": before_question.removeprefix(assistant_footer),
        "assistant": before_answer.removeprefix(user_footer),
    }
    whole = (
        four[0].endswith(header["user"])
        and before_question == assistant_footer + header["user"]
        and before_answer == user_footer + header["assistant"] == four[3]
        and four[4] == assistant_footer
    )
    if not whole:
        raise ValueError(f"{name}: the chat template frames turns differently by position")
    start = four[0].removesuffix(header["user"])
    if not all(start + header[role] for role in ROLES):
        raise ValueError(f"{name}: the chat template puts nothing before a turn")
    until_end, end, _ = assistant_footer.partition(tokenizer.eos_token or "\0")
    return Frame(
        _ids(tokenizer, start),
        {role: _ids(tokenizer, header[role]) for role in ROLES},
        {
            "user": _ids(tokenizer, user_footer),
            "assistant": _ids(tokenizer, assistant_footer),
        },
        len(_ids(tokenizer, until_end + end)) if end else 0,
    )


def tokenise(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Ids of contents. A text that spells a special token does not become one."""
    with _plain(tokenizer.backend_tokenizer) as backend:
        return [
            encoding.ids
            for start in range(0, len(texts), BATCH)
            for encoding in backend.encode_batch_fast(
                texts[start : start + BATCH], add_special_tokens=False
            )
        ]


def measure(dialogues: pl.LazyFrame, tokenizer: Any, max_length: int) -> pl.DataFrame:
    """Lengths of records in the target tokenizer.

    Returns:
        `record_id`, `num_content_tokens` (of the turns' texts), `num_tokens` (with the template)
        and `num_trainable_tokens` (what the assistant says inside the first `max_length` tokens).
    """
    frame = frame_of(tokenizer)
    turns = (
        dialogues.select("record_id", "turns")
        .explode("turns", empty_as_null=False)
        .select("record_id", pl.col("turns").struct.unnest())
        .collect()
    )
    lengths = [len(ids) for ids in tokenise(tokenizer, turns["text"].fill_null("").to_list())]
    around = pl.DataFrame(
        {
            "role": ROLES,
            "header": [len(frame.header[role]) for role in ROLES],
            "footer": [len(frame.footer[role]) for role in ROLES],
            "learned": [0, frame.num_learned],
        }
    )
    size = pl.col("header") + pl.col("content") + pl.col("footer")
    begin = pl.col("size").cum_sum().over("record_id") - pl.col("size") + len(frame.start)
    room = (max_length - begin - pl.col("header")).clip(0)
    said = pl.when(pl.col("role") == "assistant").then(
        pl.min_horizontal(room, pl.col("content") + pl.col("learned"))
    )
    counts = (
        turns.lazy()
        .with_columns(content=pl.Series(lengths, dtype=pl.Int64))
        .join(around.lazy(), on="role", how="left", maintain_order="left")
        .with_columns(size=size.fill_null(pl.col("content")))
        .with_columns(said=said.fill_null(0))
        .group_by("record_id")
        .agg(
            pl.col("content").sum().alias("num_content_tokens"),
            (pl.col("size").sum() + len(frame.start)).alias("num_tokens"),
            pl.col("said").sum().alias("num_trainable_tokens"),
        )
    )
    return (
        dialogues.select("record_id")
        .join(counts, on="record_id", how="left", maintain_order="left")
        .with_columns(pl.exclude("record_id").fill_null(0).cast(pl.Int64))
        .collect()
    )


def _render(tokenizer: Any, num_turns: int) -> list[str]:
    """The template's text before, between and after the marks of alternating turns; nothing if it
    does not show each mark once."""
    marks = MARKS[:num_turns]
    turns = [{"role": ROLES[number % 2], "content": mark} for number, mark in enumerate(marks)]
    parts = re.split("|".join(marks), tokenizer.apply_chat_template(turns, tokenize=False))
    return parts if len(parts) == num_turns + 1 else []


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@contextmanager
def _plain(backend: "Tokenizer") -> "Iterator[Tokenizer]":
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        yield backend
    finally:
        backend.encode_special_tokens = before
