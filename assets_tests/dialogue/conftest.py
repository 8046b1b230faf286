"""A tiny chat model and makers of records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carebot_assets.dialogue.frame import load_tokenizer
from carebot_assets.settings import ScratchModel, TrainSettings
from carebot_assets.training.scratch import write_model

TEXTS = [
    "我最近总是头痛，还有点恶心，请问是怎么回事？",
    "您好，头痛的原因很多，建议先测量血压，注意休息。",
    "I have had a headache for three days. What should I do?",
    "Please rest, drink enough water and measure your blood pressure.",
]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random two-layer Llama with the project's chat template, 96 positions."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("model")
    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=0.1)
    shape = ScratchModel(
        vocab_size=400,
        hidden_size=32,
        layers=2,
        heads=2,
        intermediate_size=64,
        tokens=1,
        train=train,
    )
    write_model(folder, TEXTS, shape, max_positions=96)
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    # Untrained logits are nearly flat; wider weights make every wrong token count.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(model_dir: Path) -> Any:
    return load_tokenizer(model_dir)


def turns_of(*texts: str) -> list[dict[str, str]]:
    """Turns that the user begins."""
    return [
        {"role": ("user", "assistant")[number % 2], "text": text}
        for number, text in enumerate(texts)
    ]


MakeRecord = Callable[..., dict[str, object]]


def record(record_id: str, *texts: str, **fields: object) -> dict[str, object]:
    """A row of `sft_dialogues`; keys are equal where the texts are."""
    row: dict[str, object] = {
        "record_id": record_id,
        "source": "a",
        "lang": "zh",
        "kind": "single" if len(texts) < 3 else "multi",
        "turns": turns_of(*texts),
        "question_key": texts[0] if texts else "",
        "pair_key": f"{texts[0]}|{texts[-1]}" if texts else "",
        "origin": f"a/file#{record_id}",
    }
    return row | fields
