"""A chat checkpoint as the evaluation asks it: answers as text, conversations cut to fit."""

from functools import cached_property
from pathlib import Path
from typing import Any

from carebot_assets.evaluation.consultations import Turn, shorten


class ChatModel:
    """Joins the generator of the training package to the consultations of the evaluation.

    Args:
        model_dir: folder of a checkpoint.
        batch_size: conversations answered at a time.
    """

    def __init__(self, model_dir: Path, batch_size: int) -> None:
        self.model_dir, self.batch_size = model_dir, batch_size
        self.num_shortened = 0

    def generate(self, conversations: list[list[Turn]], max_new_tokens: int) -> list[str]:
        """Answer every conversation, leaving out oldest rounds that do not fit the model."""
        from transformers import AutoConfig

        from carebot_assets.training.generate import generate

        positions = AutoConfig.from_pretrained(self.model_dir).max_position_embeddings
        conversations, self.num_shortened = shorten(
            conversations, self.count_tokens, positions - max_new_tokens
        )
        answers = generate(self.model_dir, conversations, max_new_tokens, self.batch_size)
        return [answer.text for answer in answers]

    def count_tokens(self, conversations: list[list[Turn]]) -> list[int]:
        """Tokens of every conversation with the head of the answer."""
        from carebot_assets.training import chat

        encoded = self._tokenizer.apply_chat_template(
            [chat.messages(turns, self._tokenizer) for turns in conversations],
            chat_template=chat.training_template(self._tokenizer.chat_template),
            add_generation_prompt=True,
            return_dict=True,
        )
        return [len(ids) for ids in encoded["input_ids"]]

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.model_dir)
