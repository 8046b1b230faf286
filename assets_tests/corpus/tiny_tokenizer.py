"""A small bilingual tokenizer for tests of mixes."""

from pathlib import Path

from carebot_assets.settings import ScratchModel, TrainSettings
from carebot_assets.training import scratch

ZH = [f"患者{i}岁，发热咳嗽三天，建议多喝水并及时就医。" for i in range(12)]
EN = [f"Patient {i} has had fever and cough for three days." for i in range(12)]


def write_tokenizer(folder: Path, vocab_size: int = 400) -> Path:
    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    model = ScratchModel(vocab_size=vocab_size, tokens=1, train=train)
    scratch.write_model(folder, [*ZH, *EN], model, 64)
    return folder
