"""Whatever stops a training, the same command goes on and ends where it would have ended."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets_tests.training.running import (
    STEPS,
    Configure,
    Killed,
    run,
    run_killed,
    same_weights,
)
from carebot_assets.training import checkpoint, resume
from carebot_assets.training.reporter import Reporter
from carebot_assets.training.watch import Watch

pytestmark = pytest.mark.usefixtures("one_cpu_thread")


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("step", "resumed"), [(1, None), (4, None), (5, 4), (7, 4), (9, 8), (11, 8), (12, 8)]
)
def test_a_killed_run_ends_at_the_same_weights(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch, step: int, resumed: int
) -> None:
    """Killed after the optimiser's step and before anything is saved; equal to the bit."""
    config = pretrain(f"killed-{step}")
    run_killed(config, monkeypatch, Watch, "on_step_end", global_step=step)
    again = run("pretrain", config, monkeypatch)
    name = f"checkpoint-{resumed}" if resumed else None
    assert report_of(again)["resumed_from"] == name
    assert same_weights(again, trained)
    assert checkpoint.read_manifest(again)["losses"] == checkpoint.read_manifest(trained)["losses"]
    curve, whole = (
        pl.read_parquet(folder / checkpoint.LOG).filter(
            ~pl.col("name").is_in(["tokens_per_second", "memory_mb"])
            & ~pl.col("name").str.starts_with("train_")
        )
        for folder in (again, trained)
    )
    assert curve.equals(whole)


def test_kill_9_of_the_process(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pretrain("killed")
    command = [sys.executable, "-m", "carebot_assets.training.pretrain", "--config", str(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    # The checkpoint of step 4 is complete before step 6 reports.
    for line in process.stderr:
        if line.startswith("step 6/"):
            process.kill()
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = run("pretrain", config, monkeypatch)
    assert report_of(again)["resumed_from"] is not None
    assert same_weights(again, trained)


@pytest.mark.parametrize("written", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_a_run_killed_while_it_saves_takes_the_checkpoint_before(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    config = pretrain(f"torn-{written}")

    sealing = resume.seal

    def tear(folder: Path) -> None:
        if folder.name == "checkpoint-8":
            path = folder / written
            path.write_bytes(path.read_bytes()[:100])
            raise Killed
        sealing(folder)

    with monkeypatch.context() as patch:
        patch.setattr(resume, "seal", tear)
        with pytest.raises(Killed):
            run("pretrain", config, monkeypatch)
    again = run("pretrain", config, monkeypatch)
    assert report_of(again)["resumed_from"] == "checkpoint-4"
    assert same_weights(again, trained)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "seal"])
def test_a_damaged_checkpoint_is_set_aside(
    trained: Path,
    pretrain: Configure,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    config = pretrain(f"damaged-{damage}")
    run_killed(config, monkeypatch, Watch, "on_step_end", global_step=11)
    folder = config.parent / "work" / "checkpoints" / "checkpoint-8"
    path = folder / ("seal.json" if damage == "seal" else "model.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "flip":
            path.write_bytes(content)
        case "remove":
            path.unlink()
        case _:
            path.write_bytes(content[:-5])
    again = run("pretrain", config, monkeypatch)
    said = capsys.readouterr().err
    assert "checkpoint-8 is damaged" in said and path.name in said
    assert "resuming from checkpoint-4" in said
    assert folder.with_name("damaged-checkpoint-8").is_dir()
    assert same_weights(again, trained)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_same_command_goes_on(
    trained: Path,
    pretrain: Configure,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    config = pretrain(f"stopped-{number.name}")

    def say(self: Reporter, text: str) -> None:
        if text.startswith("step 6/12 loss"):
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "say", say)
        with pytest.raises(SystemExit) as stop:
            run("pretrain", config, monkeypatch)
    assert stop.value.code == 130
    assert f"stopped by {number.name} at step 7 of 12; saved" in capsys.readouterr().err
    again = run("pretrain", config, monkeypatch)
    assert report_of(again)["resumed_from"] == "checkpoint-7"
    assert same_weights(again, trained)


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_checkpoints_are_kept(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    config = pretrain(f"keep-{keep}", train={"keep_checkpoints": keep, "save_steps": 3})
    run("pretrain", config, monkeypatch)
    left = resume.checkpoints(config.parent / "work" / "checkpoints")
    assert [p.name for p in left] == [f"checkpoint-{s}" for s in range(3, STEPS + 1, 3)][-keep:]
    assert all(resume.damage(path) is None for path in left)


def test_the_best_checkpoint_outlives_its_turn(tmp_path: Path) -> None:
    from types import SimpleNamespace

    args = SimpleNamespace(output_dir=str(tmp_path), world_size=1)
    best = str(tmp_path / "checkpoint-1")
    for step in range(1, 5):
        (tmp_path / f"checkpoint-{step}").mkdir()
        state = SimpleNamespace(
            global_step=step, is_world_process_zero=True, best_model_checkpoint=best
        )
        resume.Sealing(2).on_save(args, state, None)
    assert [p.name[-1] for p in resume.checkpoints(tmp_path)] == ["1", "3", "4"]
