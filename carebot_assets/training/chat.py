"""How a dialogue becomes tokens: the chat template and the labels of the assistant's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
Turns = Sequence[dict[str, str]]

# `generation` marks what the model says: those tokens, the end of text included, carry the loss.
TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "<|assistant|>\n{% generation %}{{ message['content'] | trim }}{{ eos_token }}"
    "{% endgeneration %}\n"
    "{%- else -%}<|{{ message['role'] }}|>\n{{ message['content'] | trim }}\n{% endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>\n{% endif -%}"
)


def training_template(template: str | None) -> str:
    """A template that marks the assistant's words: the tokenizer's own where it does, else ours."""
    return template if template and "{% generation %}" in template else TEMPLATE


@dataclass(frozen=True)
class Encoded:
    """Token ids of dialogues, with labels on the assistant's tokens only.

    Attributes:
        rows: `input_ids` and `labels` of every dialogue that has a token to learn from.
        kept: positions of those dialogues in the input.
        num_truncated: dialogues cut at the maximum length.
        num_untrainable: dialogues without an assistant token inside it.
    """

    rows: list[dict[str, list[int]]]
    kept: list[int]
    num_truncated: int
    num_untrainable: int


def messages(turns: Turns, tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, str]]:
    """Turns in the template's form. Text that spells a special token is split by a space, so that
    no dialogue can speak as another role."""
    special = [token for token in tokenizer.all_special_tokens if len(token) > 1]

    def plain(text: str) -> str:
        for token in special:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    return [{"role": turn["role"], "content": plain(turn["text"])} for turn in turns]


def encode(
    tokenizer: "PreTrainedTokenizerBase", dialogues: Sequence[Turns], max_length: int
) -> Encoded:
    """Tokenise dialogues; nothing is cut or left out without being counted."""
    if not dialogues:
        return Encoded([], [], 0, 0)
    encoded: Any = tokenizer.apply_chat_template(
        [messages(turns, tokenizer) for turns in dialogues],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    rows, kept, num_truncated = [], [], 0
    pairs = zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
    for position, (ids, mask) in enumerate(pairs):
        num_truncated += len(ids) > max_length
        labels = [i if m else IGNORED for i, m in zip(ids, mask, strict=True)][:max_length]
        if any(label != IGNORED for label in labels):
            rows.append({"input_ids": ids[:max_length], "labels": labels})
            kept.append(position)
    return Encoded(rows, kept, num_truncated, len(dialogues) - len(rows))
