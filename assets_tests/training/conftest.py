"""A tiny model and a little bilingual text, made once for all training tests."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from carebot_assets.corpus import packing
from carebot_assets.settings import ScratchModel, TrainSettings
from carebot_assets.training import scratch

ZH = [f"患者{i}岁，发热咳嗽三天，建议多喝水并及时就医，复查血常规。" for i in range(30)]
EN = [f"Patient {i} has had fever and cough for three days and should rest." for i in range(30)]
GENERAL = [f"The match number {i} ended late in the evening after a long rain." for i in range(30)]
LENGTH = 32


@pytest.fixture(scope="session")
def start_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration and tokenizer of a model without weights."""
    folder = tmp_path_factory.mktemp("start")
    train = TrainSettings(max_steps=1, batch_size=1, learning_rate=1.0)
    sizes = {"vocab_size": 500, "hidden_size": 32, "layers": 1, "heads": 2}
    model = ScratchModel(**sizes, intermediate_size=48, tokens=1, train=train)
    scratch.write_model(folder, [*ZH, *EN, *GENERAL], model, 256)
    return folder


@pytest.fixture(scope="session")
def tokens_file(start_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text packed to sequences."""
    folder = tmp_path_factory.mktemp("tokens")
    pool = packing.Pool(start_dir, folder / "pool.u32")
    _, lengths = pool.append([*ZH, *EN, *GENERAL])
    count = int(lengths.sum()) // LENGTH
    flat = np.fromfile(pool.path, np.uint32)[: count * LENGTH]
    np.save(folder / "tokens.npy", flat.reshape(count, LENGTH))
    return folder / "tokens.npy"


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts that losses are measured on."""
    path = tmp_path_factory.mktemp("held") / "held_out.parquet"
    strata = {"medical_zh": ZH[0], "medical_en": EN[0], "general": GENERAL[0]}
    pl.DataFrame([{"stratum": s, "text": t} for s, t in strata.items()]).write_parquet(path)
    return path
