"""A whole encoder is trained, kept as safetensors, and read back by the rater below its head."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from assets_tests.training import running
from assets_tests.training.conftest import write_encoder
from carebot_assets.raters.encoder import open_encoder
from carebot_assets.raters.head import TUNED_DIR, tuned
from carebot_assets.settings import EncoderSettings
from carebot_assets.training import encoder as subject

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


def train(
    tmp_path: Path, encoder: Path, rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> tuple[Path, dict[str, Any]]:
    """Train in this process; the folder of the checkpoints and the trainer's last state."""
    tmp_path.mkdir(exist_ok=True)
    values = config(tmp_path, encoder, rows) | more
    running.run("encoder", running.write_config(tmp_path, values), monkeypatch)
    checkpoints = tmp_path / "work" / "checkpoints"
    last = max(checkpoints.iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))
    return checkpoints, json.loads((last / "trainer_state.json").read_text("utf-8"))


def two_kinds(num: int, num_words: int, own: float, rare: float, seed: int) -> pl.DataFrame:
    """Texts of both languages and kinds; `own` of the words are of the text's kind."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < rare).astype(int)
    kinds = [np.where(rng.random(num_words) < own, t, 1 - t) for t in targets]
    texts = [" ".join(rng.choice(WORDS[int(k)]) for k in of_text) for of_text in kinds]
    return pl.DataFrame({"text": texts, "target": targets, "validation": np.arange(num) % 4 == 0})


@pytest.mark.usefixtures("one_cpu_thread")
def test_training_stops_early_and_the_best_encoder_is_kept(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the training labels is wrong: once they are learned by heart, validation is worse
    and worse."""
    rows = two_kinds(160, num_words=6, own=1.0, rare=0.5, seed=0)
    wrong = pl.Series(np.random.default_rng(1).random(160) < 0.33) & ~rows["validation"]
    rows = rows.with_columns(target=pl.when(wrong).then(1 - pl.col("target")).otherwise("target"))
    checkpoints, state = train(tmp_path, tiny_encoder, rows, monkeypatch)
    losses = {e["step"]: e["eval_loss"] for e in state["log_history"] if "eval_loss" in e}
    best = min(losses, key=lambda step: losses[step])
    assert best == state["best_global_step"]
    # Looked at three times more, and not once after that.
    assert [step for step in losses if step > best] == sorted(losses)[-subject.PATIENCE :]
    report = json.loads((tmp_path / TUNED_DIR / "report.json").read_text("utf-8"))
    assert report["steps"] == max(losses) < state["max_steps"] / 2
    assert report["best_validation_loss"] == losses[best]
    kept = load_file(tmp_path / TUNED_DIR / "model.safetensors")
    for step, is_same in ((best, True), (max(losses), False)):
        found = load_file(checkpoints / f"checkpoint-{step}" / "model.safetensors")
        assert is_same == all(
            torch.equal(kept[name], found[f"encoder.0.model.{name}"]) for name in kept
        )


@pytest.mark.usefixtures("one_cpu_thread")
def test_a_rare_class_is_learned_as_well(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One text of twelve is of the rare class, and which one is not sure: to name it never is right
    most often. Weighted by class, it is named about as often as the other."""
    rows = two_kinds(960, num_words=6, own=0.65, rare=1 / 12, seed=0)
    fresh = two_kinds(600, num_words=6, own=0.65, rare=0.5, seed=1)
    plan = {"epochs": 6, "batch_size": 32, "learning_rate": 0.002}
    recalls = {}
    for name in ("weighted", "alike"):
        with monkeypatch.context() as patch:
            if name == "alike":
                patch.setattr(subject, "class_weights", lambda *_: None)
            checkpoints, state = train(tmp_path / name, tiny_encoder, rows, monkeypatch, train=plan)
        rater = subject.Rater(SentenceTransformer(str(tiny_encoder), device="cpu"), 2)
        best = checkpoints / f"checkpoint-{state['best_global_step']}"
        rater.load_state_dict(load_file(best / "model.safetensors"))
        tokens = rater.encoder.tokenizer(fresh["text"].to_list(), padding=True, return_tensors="pt")
        with torch.inference_mode():
            guess = rater(torch.tensor(fresh["target"]), **tokens)["logits"].argmax(1).numpy()
        truth = fresh["target"].to_numpy()
        recalls[name] = [float((guess == label)[truth == label].mean()) for label in (0, 1)]
    assert recalls["alike"][1] < 0.3
    assert min(recalls["weighted"]) > 0.5


@pytest.mark.parametrize(
    ("targets", "weights"),
    [
        ([0, 0, 0, 1], [2 / 3, 2.0]),
        # Nothing of the middle one: two classes share the rows.
        ([2, 0, 0, 0, 0, 2, 0, 0], [4 / 6, 0.0, 2.0]),
        ([1, 0, 2], [1.0, 1.0, 1.0]),
    ],
)
def test_classes_weigh_by_inverse_frequency(targets: list[int], weights: list[float]) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    found = subject.class_weights(pl.Series(targets), len(weights))
    assert found.tolist() == pytest.approx(weights)
    present = sorted(set(targets))
    balanced = compute_class_weight("balanced", classes=np.array(present), y=targets)
    assert found[present].tolist() == pytest.approx(list(balanced))


def test_a_loss_is_weighted_in_a_batch_of_one_class_too(tiny_encoder: Path) -> None:
    """By hand: the mean over rows of weight times cross-entropy, log 2 where outputs are equal."""
    encoder = SentenceTransformer(str(tiny_encoder), device="cpu")
    tokens = encoder.tokenizer(["fever 发热", "goal"], padding=True, return_tensors="pt")
    for labels, weights, expected in (
        ([1, 1], None, np.log(2)),
        ([1, 1], [0.5, 3.0], 3.0 * np.log(2)),
        ([0, 1], [0.5, 3.0], 1.75 * np.log(2)),
    ):
        rater = subject.Rater(encoder, 2, None if weights is None else torch.tensor(weights))
        torch.nn.init.zeros_(rater.head.weight)
        torch.nn.init.zeros_(rater.head.bias)
        found = rater(torch.tensor(labels), **tokens)["loss"].item()
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("one_cpu_thread")
def test_the_seed_decides_and_not_what_was_drawn_before(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, weights = two_kinds(64, num_words=4, own=0.8, rare=0.5, seed=0), []
    for name, seed, before in (("one", 3, 1), ("again", 3, 2), ("other", 4, 1)):
        torch.manual_seed(before)
        train(tmp_path / name, tiny_encoder, rows, monkeypatch, seed=seed)
        weights.append((tmp_path / name / TUNED_DIR / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.usefixtures("one_cpu_thread")
def test_the_encoder_sees_tokens_and_nothing_of_the_trainer(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trainer that hands over a number of rows multiplies the loss by that of processes."""
    seen: set[str] = set()
    forward = SentenceTransformer.forward

    def note(self: Any, tokens: dict[str, Any], **more: Any) -> Any:
        seen.update(tokens)
        return forward(self, tokens, **more)

    monkeypatch.setattr(SentenceTransformer, "forward", note)
    rows = two_kinds(32, num_words=4, own=1.0, rare=0.5, seed=0)
    train(tmp_path, tiny_encoder, rows, monkeypatch, num_labels=1)
    assert seen == {"input_ids", "attention_mask"}


@pytest.mark.usefixtures("one_cpu_thread")
def test_nothing_to_validate_on_is_said(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.DataFrame({"text": ["fever"], "target": [0], "validation": [False]})
    with pytest.raises(SystemExit, match="none to validate on"):
        train(tmp_path, tiny_encoder, rows, monkeypatch)
