import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from carebot_assets.settings import TrainSettings
from carebot_assets.training import checkpoint, curves, snapshot
from carebot_assets.training.config import TrainingConfig

LOSSES = {
    "before": {"medical_zh": 4.0, "medical_en": 3.0, "general": 2.0},
    "after": {"medical_zh": 3.0, "medical_en": 2.0, "general": 2.2},
}


@pytest.fixture
def folder(tmp_path: Path, start_dir: Path) -> Path:
    """A checkpoint folder as a training leaves it, with made-up weights."""
    from safetensors.numpy import save_file

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((start_dir / name).read_bytes())
    rows = json.loads((start_dir / "config.json").read_text("utf-8"))["vocab_size"]
    weights = {"model.embed_tokens.weight": np.ones((rows, 4), np.float32)}
    save_file(weights | {"half": np.ones(3, np.float16)}, tmp_path / "model.safetensors")
    config = TrainingConfig(
        stage="stable_checkpoint",
        model=start_dir,
        data=tmp_path,
        output=tmp_path,
        work_dir=tmp_path,
        seed=1,
        inputs={"stable_mix": "abc"},
    )
    report = {"steps": 5, "num_parameters": rows * 4 + 3, "losses": LOSSES}
    train = TrainSettings(max_steps=5, batch_size=1, learning_rate=0.1)
    history = [{"step": 1, "loss": 2.0}, {"step": 1, "loss": 1.5, "epoch": 0.1}]
    checkpoint.write(config, train, history, report, ["medical_zh", "medical_en"])
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = checkpoint.read_manifest(folder)
    change(manifest)
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest), "utf-8")


def test_a_sound_checkpoint_passes(folder: Path) -> None:
    findings = checkpoint.inspect(folder)
    assert all(finding.passed for finding in findings.values()), findings
    log = pl.read_parquet(folder / checkpoint.LOG)
    assert log.rows() == [(1, "loss", 1.5)]
    assert curves.plot(log).startswith("![losses](data:image/png;base64,")


@pytest.mark.parametrize(
    ("bad", "dtype"), [(np.nan, np.float32), (np.inf, np.float64), (-np.inf, np.float16)]
)
def test_values_that_are_no_numbers_are_found(folder: Path, bad: float, dtype: Any) -> None:
    from safetensors.numpy import save_file

    values = np.ones(9, dtype)
    assert checkpoint.not_finite(_saved(folder / "a.safetensors", values)) == []
    values[4] = bad
    save_file({"late": values}, folder / "b.safetensors")
    finding = checkpoint.loads_and_is_finite(folder)
    assert not finding.passed and "b.safetensors: late is not finite" in finding.description


def _saved(path: Path, values: np.ndarray) -> Path:
    from safetensors.numpy import save_file

    save_file({"x": values}, path)
    return path


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "config.json").unlink(), "does not load"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer does not load"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 20), "does not load"),
        (lambda f: (f / "model.safetensors").unlink(), "no safetensors file"),
        (lambda f: rewrite(f, lambda m: m.update(num_parameters=7)), "instead of 7"),
    ],
)
def test_what_does_not_load_is_said(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder)
    finding = checkpoint.loads_and_is_finite(folder)
    assert not finding.passed and words in finding.description


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("packages"), "packages"),
        (lambda m: m.update(seed=None), "seed"),
        (lambda m: m["inputs"].update(stable_mix=""), "inputs.stable_mix"),
    ],
)
def test_a_gap_in_the_manifest_is_named(folder: Path, change: Any, words: str) -> None:
    rewrite(folder, change)
    finding = checkpoint.manifest_complete(folder)
    assert not finding.passed and words in finding.description
    (folder / checkpoint.MANIFEST).unlink()
    assert not checkpoint.manifest_complete(folder).passed
    assert not checkpoint.loss_fell(folder).passed


@pytest.mark.parametrize(
    ("after", "passed"), [(2.9, True), (3.0, False), (3.1, False), (float("nan"), False)]
)
def test_a_loss_has_to_fall(folder: Path, after: float, passed: bool) -> None:
    rewrite(folder, lambda m: m["losses"]["after"].update(medical_en=after))
    assert checkpoint.loss_fell(folder).passed is passed


@pytest.mark.parametrize(
    ("base", "maximum", "passed"),
    [(2.0, 0.5, True), (2.0, 0.1, False), (1.5, 0.5, False), (None, 9.0, False)],
)
def test_forgetting_is_measured_from_the_base_model(
    folder: Path, base: float | None, maximum: float, passed: bool
) -> None:
    """The stage itself rose from 2.0 to 2.2, whatever came before it."""
    finding = checkpoint.general_loss_rise(folder, base, maximum)
    assert finding.passed is passed
    assert finding.metadata["of_stage"] == pytest.approx(0.2)


@pytest.mark.parametrize(("after", "passed"), [(9.0, True), (float("nan"), False)])
def test_a_control_may_get_worse_but_not_undefined(
    folder: Path, after: float, passed: bool
) -> None:
    rewrite(folder, lambda m: m.update(objective=[]))
    rewrite(folder, lambda m: m["losses"]["after"].update(medical_zh=after))
    assert checkpoint.loss_fell(folder).passed is passed


def test_a_loss_that_was_not_measured_fails(folder: Path) -> None:
    rewrite(folder, lambda m: m["losses"]["after"].clear())
    assert not checkpoint.loss_fell(folder).passed
    assert not checkpoint.general_loss_rise(folder, 2.0, 9.0).passed


def test_a_snapshot_is_taken_over_with_a_manifest(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.bin").write_bytes(b"pickle")
    output = tmp_path / "taken"
    output.mkdir()
    found = snapshot.take(folder, output, "some/model", "abc123", 1)
    assert found["revision"] == "abc123" and found["num_parameters"] > 0
    assert all(finding.passed for finding in checkpoint.inspect(output).values())
    assert checkpoint.general_loss_rise(output, None, 0.0).passed
    assert not (output / "evil.bin").exists()
    assert "generation" in (output / "chat_template.jinja").read_text("utf-8")


def test_a_snapshot_without_safetensors_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no \*\.safetensors weights"):
        snapshot.take(folder, tmp_path, "some/model", None, 1)
