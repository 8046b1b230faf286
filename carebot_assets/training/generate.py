"""Answers of a checkpoint to dialogues: greedy, in batches, left-padded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carebot_assets.training import chat


@dataclass(frozen=True)
class Answer:
    """What the model said: the text, its tokens, and whether it ended by itself."""

    text: str
    num_tokens: int
    finished: bool


def generate(
    model_dir: Path,
    conversations: Sequence[chat.Turns],
    max_new_tokens: int,
    batch_size: int = 16,
) -> list[Answer]:
    """Answer every conversation, in the given order.

    Args:
        model_dir: folder of a checkpoint with a chat template.
        conversations: turns (`role`, `text`) up to the question.
        max_new_tokens: longest answer.
        batch_size: conversations at a time; those of like length share a batch.

    Raises:
        ValueError: the question alone fills the model's positions.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
    tokenizer.chat_template = chat.training_template(tokenizer.chat_template)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "auto" if device == "cuda" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(model_dir, dtype=dtype).to(device).eval()
    prompts = [
        tokenizer.apply_chat_template(
            chat.messages(turns, tokenizer), add_generation_prompt=True, return_dict=True
        )["input_ids"]
        for turns in conversations
    ]
    room = getattr(model.config, "max_position_embeddings", None)
    longest = max(map(len, prompts), default=0)
    if room is not None and longest + max_new_tokens > room:
        raise ValueError(
            f"a conversation of {longest} tokens and {max_new_tokens} new ones exceed the "
            f"{room} positions of {model_dir}; lower `max_new_tokens` or shorten the prompts"
        )
    answers: list[Answer | None] = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
    for low in range(0, len(order), batch_size):
        batch = order[low : low + batch_size]
        inputs = tokenizer.pad({"input_ids": [prompts[i] for i in batch]}, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **inputs.to(device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )[:, inputs["input_ids"].shape[1] :].tolist()
        for i, ids in zip(batch, output, strict=True):
            finished = tokenizer.eos_token_id in ids
            said = ids[: ids.index(tokenizer.eos_token_id)] if finished else ids
            text = tokenizer.decode(said, skip_special_tokens=True).strip()
            answers[i] = Answer(text, len(said), finished)
    return [answer for answer in answers if answer is not None]
