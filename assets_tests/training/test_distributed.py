"""Several processes on the CPU train what one trains: DDP, DeepSpeed ZeRO-2 and ZeRO-3.

All start from the same weights and see the same global batches; sums are made in another order, so
losses agree within 1e-4 nats. DeepSpeed compiles an extension for over a minute when it is first
used: the tests run where SLOW_TESTS is set.
"""

import json
import os
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
import yaml

from assets_tests.training.conftest import write_encoder
from assets_tests.training.running import Configure, run, write_config
from assets_tests.training.test_encoder import WORDS, two_kinds
from assets_tests.training.test_encoder import config as encoder_config
from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import LauncherSettings
from carebot_assets.training import checkpoint
from carebot_assets.training.launch_files import launch_file

pytestmark = pytest.mark.skipif(
    not os.environ.get("SLOW_TESTS"), reason="takes minutes: set SLOW_TESTS=1"
)
TOLERANCE = 1e-4
MODULE = "carebot_assets.training.pretrain"
ENGINES = {
    "cpu": "DistributedDataParallel",
    "cpu_zero2": "DeepSpeedEngine (ZeRO stage 2)",
    "zero3": "DeepSpeedEngine (ZeRO stage 3)",
}


@pytest.fixture
def configure(pretrain: Configure, trained: Path, tokens_file: Path, tmp_path: Path) -> Configure:
    """Going on from trained weights, with an epoch of whole batches, two sequences a process."""
    whole = tmp_path / "tokens.npy"
    np.save(whole, np.load(tokens_file)[:36])

    def config(name: str, batch_size: int = 2) -> Path:
        return pretrain(
            name,
            model=trained,
            from_scratch=False,
            data=whole,
            train={"batch_size": batch_size},
            isolate_documents=False,
            work_dir=tmp_path / name / "work",
            output=tmp_path / name / "out",
        )

    return config


def settings_of(name: str, folder: Path, **more: Any) -> LauncherSettings:
    if name == "zero3":
        file = folder / "zero3.yaml"
        values = yaml.safe_load(launch_file("deepspeed_zero3").read_text("utf-8"))
        file.write_text(yaml.safe_dump(values | {"use_cpu": True}), "utf-8")
        name = str(file)
    return LauncherSettings(config=name, num_processes=2, **more)


def start(
    settings: LauncherSettings, config: Path, module: str = MODULE
) -> "subprocess.Popen[str]":
    launcher = Launcher()
    return subprocess.Popen(
        launcher.command(settings, module, config),
        env={**os.environ, **launcher.environment(settings), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def curve(folder: Path) -> pl.DataFrame:
    log = pl.read_parquet(folder / checkpoint.LOG)
    return log.filter(pl.col("name").eq("loss") | pl.col("name").str.starts_with("held_out_"))


def assert_same_curve(folder: Path, other: Path) -> None:
    both = curve(folder).join(curve(other), on=["step", "name"], suffix="_other")
    assert both.height == curve(other).height > 15
    gap = (both["value"] - both["value_other"]).abs().max()
    assert gap <= TOLERANCE, gap


@pytest.mark.parametrize("name", ENGINES)
def test_two_processes_train_what_one_trains(
    name: str, configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = run("pretrain", configure("alone", batch_size=4), monkeypatch)
    config = configure("both")
    process = start(settings_of(name, tmp_path), config)
    _, said = process.communicate()
    assert process.returncode == 0, said
    together = tmp_path / "both" / "out"
    manifest = checkpoint.read_manifest(together)
    assert manifest["engine"] == ENGINES[name] and manifest["num_processes"] == 2
    assert checkpoint.read_manifest(alone)["engine"] == "none"
    assert_same_curve(together, alone)
    assert checkpoint.loads_and_is_finite(together).passed


@pytest.mark.parametrize("name", ["cpu_zero2"])
def test_one_of_two_processes_is_killed(
    name: str, configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = run("pretrain", configure("alone", batch_size=4), monkeypatch)
    config, settings = configure("killed"), settings_of(name, tmp_path)
    process = start(settings, config)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 6/"):
            children = psutil.Process(process.pid).children()
            children[-1].kill()
            break
    _, said = process.communicate()
    assert process.returncode != 0 and "SIGKILL" in said
    assert not any(child.is_running() for child in children)
    again = start(settings, config)
    _, said = again.communicate()
    assert again.returncode == 0, said
    folder = tmp_path / "killed" / "out"
    assert json.loads((folder / "report.json").read_text("utf-8"))["resumed_from"] is not None
    assert_same_curve(folder, alone)


def test_two_machines_meet(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are this one; what is started on the second is what the first one's log says."""
    alone = run("pretrain", configure("alone", batch_size=4), monkeypatch)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"main_process_ip": "127.0.0.1", "main_process_port": port}
    settings = settings_of("cpu", tmp_path, num_machines=2, **meeting)
    config = configure("machines")
    first = start(settings, config)
    (line,) = Launcher().elsewhere(settings, MODULE, config)
    second = subprocess.Popen(shlex.split(line.partition("start there: ")[2]))
    _, said = first.communicate()
    assert (first.returncode, second.wait()) == (0, 0), said
    assert_same_curve(tmp_path / "machines" / "out", alone)


def test_two_processes_fine_tune_an_encoder_as_one_does(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "bert", [" ".join(words) for words in WORDS.values()])
    losses = []
    for number, batch_size in ((1, 16), (2, 8)):
        folder = tmp_path / str(number)
        folder.mkdir()
        # Whole batches: what is left over would be filled up.
        values = encoder_config(folder, encoder, two_kinds(128, 6, own=0.9, rare=0.5, seed=1))
        values["train"] = {"epochs": 2, "batch_size": batch_size, "learning_rate": 0.0005}
        settings = LauncherSettings(config="cpu", num_processes=number)
        process = start(settings, write_config(folder, values), "carebot_assets.training.encoder")
        _, said = process.communicate()
        assert process.returncode == 0, said
        last = max((folder / "work" / "checkpoints").iterdir(), key=lambda p: p.stat().st_mtime)
        state = json.loads((last / "trainer_state.json").read_text("utf-8"))
        losses.append([row["eval_loss"] for row in state["log_history"] if "eval_loss" in row])
    assert len(losses[0]) == len(losses[1]) > 5
    assert np.abs(np.subtract(*losses)).max() <= TOLERANCE
