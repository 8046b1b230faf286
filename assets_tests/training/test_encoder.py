"""A whole encoder is trained, kept as safetensors, and read back by the rater below its head."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from assets_tests.training.conftest import write_encoder
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import TUNED_DIR, tuned
from carebot_assets.settings import EncoderSettings

WORDS = {
    0: ["fever", "doctor", "blood", "发热", "医生"],
    1: ["goal", "coach", "league", "球队", "比赛"],
}


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("bert"), [" ".join(w) for w in WORDS.values()])


def run(config: dict[str, object], folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "encoder.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(config, default=str))), "utf-8")
    command = [sys.executable, "-m", "carebot_assets.training.encoder", "--config", str(file)]
    env = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=env)


def config(tmp_path: Path, encoder: Path, rows: pl.DataFrame) -> dict[str, object]:
    data, output = tmp_path / "seeds.parquet", tmp_path / TUNED_DIR
    rows.write_parquet(data)
    return {
        "stage": "domain_classifier", "model": encoder, "data": data, "output": output,
        "work_dir": tmp_path / "work", "seed": 3, "num_labels": 2, "max_tokens": 32,
        "train": {"epochs": 12, "batch_size": 16, "learning_rate": 0.005},
    }  # fmt: skip


def test_an_encoder_learns_and_is_used(tiny_encoder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 120)
    texts = [" ".join(rng.choice(WORDS[int(t)], 4)) for t in targets]
    rows = pl.DataFrame({"text": texts, "target": targets}).with_columns(
        validation=pl.int_range(120) % 4 == 0
    )
    done = run(config(tmp_path, tiny_encoder, rows), tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / TUNED_DIR / "report.json").read_text("utf-8"))
    assert report["best_validation_loss"] < 0.4 and report["steps"] > 0
    assert list((tmp_path / TUNED_DIR).rglob("*.safetensors"))
    assert not list((tmp_path / TUNED_DIR).rglob("*.bin"))
    settings = EncoderSettings(
        backend="sentence_transformers", model=str(tiny_encoder), dtype="float32", fine_tune={}
    )
    before = open_encoder(settings).encode(texts)
    after = open_encoder(tuned(settings, tmp_path)).encode(texts)
    apart = [
        np.linalg.norm(v[targets == 0].mean(axis=0) - v[targets == 1].mean(axis=0))
        for v in (before, after)
    ]
    assert apart[1] > apart[0]


def test_nothing_to_validate_on_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = pl.DataFrame({"text": ["fever"], "target": [0], "validation": [False]})
    done = run(config(tmp_path, tiny_encoder, rows), tmp_path)
    assert done.returncode == 1 and "none to validate on" in done.stderr
