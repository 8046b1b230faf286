"""Small suites, answers and a judge that needs no server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.conftest import rows_of


@dataclass
class FakeAnswer:
    status: str
    value: Mapping[str, Any] | None


class FakeJudge:
    """Grades by the length of the answer; fails where the answer says so."""

    model = "fake-judge"
    description = "fake judge"

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []

    def ask(
        self, role: str, items: Sequence[Mapping[str, str]], *, round: int = 0, log: Any = None
    ) -> list[FakeAnswer]:
        assert role == "judge_consultation" and round == 0
        self.asked += items
        return [self._grade(item["answer"]) for item in items]

    def _grade(self, answer: str) -> FakeAnswer:
        if "fail" in answer:
            return FakeAnswer("failed", None)
        grade = 9 if "nonsense" in answer else min(5, 1 + len(answer))
        names = ("fluency", "relevance", "completeness", "proficiency")
        return FakeAnswer("ok", dict.fromkeys(names, grade))


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def items() -> pl.DataFrame:
    """Two choice suites, one with a question of several right letters, and a consultation."""
    choice: dict[str, Any] = {"suite": "medqa", "lang": "en", "question": "Which drug?"}
    exam: dict[str, Any] = {"suite": "cmb", "lang": "zh", "question": "下列哪项正确？"}
    turns = [
        {"role": "user", "text": "头痛三天。"},
        {"role": "assistant", "text": "有发热吗？"},
        {"role": "user", "text": "没有。"},
        {"role": "assistant", "text": "多休息。"},
    ]
    return rows_of(
        "benchmark_items",
        {"item_id": "medqa/t#0", **choice, "options": ["x", "y", "z", "w"], "answer": "B"},
        {"item_id": "medqa/t#1", **choice, "options": ["x", "y", "z", "w"], "answer": "D"},
        {"item_id": "cmb/t#0", **exam, "options": ["甲", "乙", ""], "answer": "A"},
        {"item_id": "cmb/t#1", **exam, "options": ["甲", "乙", "丙"], "answer": "AC"},
        {
            "item_id": "pubmedqa/t#0",
            "suite": "pubmedqa",
            "lang": "en",
            "question": "Does it?",
            "context": "It does.",
            "options": ["yes", "no", "maybe"],
            "answer": "yes",
        },
        {"item_id": "cmtmedqa/t#0", "suite": "cmtmedqa", "lang": "zh", "turns": turns},
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of a few thousand random weights with a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Question: A. B. C. D. Answer: yes no maybe"] * 3, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=32,
        max_position_embeddings=320,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
