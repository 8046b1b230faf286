"""The scripts on a tiny model: in this process where that will do, as a subprocess to be killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from assets_tests.training.conftest import EN, ZH
from carebot_assets import tables
from carebot_assets.training import checkpoint
from carebot_assets.training.reporter import Reporter

STEPS = 12
Launch = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_cpu_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    torch.set_num_threads(1)


def config_of(folder: Path, **values: Any) -> Path:
    train = {"max_steps": STEPS, "batch_size": 4, "learning_rate": 0.01, "log_steps": 2}
    train |= {"eval_steps": 6, "save_steps": 4} | values.pop("train", {})
    full = {"seed": 3, "stage": "stable_checkpoint", "inputs": {"stable_mix": "abc"}}
    full |= {"output": folder / "out", "work_dir": folder / "work", "train": train} | values
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(full, default=str))), "utf-8")
    return path


def run(module: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run a script in this process; returns its output folder."""
    import importlib

    from carebot_assets.training import config as configs
    from carebot_assets.training import session

    script = importlib.import_module(f"carebot_assets.training.{module}")
    monkeypatch.setattr(sys, "argv", [module, "--config", str(config)])
    session.run_script(getattr(configs, f"{module.capitalize()}Config"), script.train)
    return Path(yaml.safe_load(config.read_text("utf-8"))["output"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def pretrain(
    shared: Path, start_dir: Path, tokens_file: Path, held_out: Path
) -> Callable[..., Path]:
    def config(name: str, **values: Any) -> Path:
        given = {"model": start_dir, "data": tokens_file, "held_out": held_out}
        return config_of(shared / name, **given, from_scratch=True, **values)

    return config


@pytest.fixture
def trained(shared: Path, pretrain: Launch, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of an undisturbed run."""
    folder = shared / "whole" / "out"
    return folder if folder.is_dir() else run("pretrain", pretrain("whole"), monkeypatch)


def test_pretraining_leaves_a_sound_checkpoint_and_a_log(trained: Path) -> None:
    assert {name: f.passed for name, f in checkpoint.inspect(trained).items()} == {
        "loads_and_is_finite": True,
        "manifest_complete": True,
        "loss_fell": True,
    }
    names = {path.name for path in trained.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    log = pl.read_parquet(trained / "training_log.parquet")
    assert log.schema == tables.BY_NAME["training_log"].schema
    assert log.select("step", "name").is_duplicated().sum() == 0
    steps = log.filter(pl.col("name") == "held_out_medical_zh_loss")["step"].to_list()
    assert steps == [0, 6, 12]
    report = json.loads((trained / "report.json").read_text("utf-8"))
    assert STEPS * 3 * 32 < report["tokens"] <= STEPS * 4 * 32
    assert report["tokens_per_second"] > 0


def test_a_killed_run_goes_on_and_ends_at_the_same_loss(
    trained: Path, pretrain: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pretrain("killed")
    command = [sys.executable, "-m", "carebot_assets.training.pretrain", "--config", str(config)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    # The checkpoint of step 4 is complete before step 6 reports.
    for line in process.stderr:
        if line.startswith("step 6/"):
            process.kill()
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    again = run("pretrain", config, monkeypatch)
    assert json.loads((again / "report.json").read_text("utf-8"))["resumed_from"] is not None
    assert checkpoint.read_manifest(again)["losses"] == checkpoint.read_manifest(trained)["losses"]
    name = "model.safetensors"
    assert (again / name).read_bytes() == (trained / name).read_bytes()


def test_a_signal_saves_and_stops_and_the_same_command_goes_on(
    trained: Path,
    pretrain: Launch,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = pretrain("stopped")

    def say(self: Reporter, text: str) -> None:
        if text.startswith("step 6/12 loss"):
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "say", say)
        with pytest.raises(SystemExit) as stop:
            run("pretrain", config, monkeypatch)
    assert stop.value.code == 130
    assert "stopped by SIGTERM at step 7 of 12; saved" in capsys.readouterr().err
    again = run("pretrain", config, monkeypatch)
    assert json.loads((again / "report.json").read_text("utf-8"))["resumed_from"] == "checkpoint-7"
    name = "model.safetensors"
    assert (again / name).read_bytes() == (trained / name).read_bytes()


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"train": {"learning_rate": 1e30, "max_grad_norm": 1e30}}, "lower `learning_rate`"),
        ({"train": {"max_steps": 0}}, "train.max_steps: Input should be greater than"),
        ({"data": "/nowhere/tokens.npy"}, "No such file"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_says_why(
    pretrain: Launch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: Any, cause: str
) -> None:
    config = (
        pretrain("broken", work_dir=tmp_path, **({"seed": 4} | values))
        if ("data" not in values)
        else config_of(tmp_path, model=tmp_path, **values)
    )
    with pytest.raises(SystemExit, match=cause.replace("`", ".")):
        run("pretrain", config, monkeypatch)


def test_tokens_of_another_tokenizer_are_refused(
    pretrain: Launch, start_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.save(tmp_path / "other.npy", np.full((4, 8), 99_999, np.uint32))
    config = config_of(
        tmp_path / "c", model=start_dir, data=tmp_path / "other.npy", from_scratch=True
    )
    with pytest.raises(SystemExit, match="packed with another tokenizer"):
        run("pretrain", config, monkeypatch)


def test_fine_tuning_and_preferences_follow(
    trained: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turns(*texts: str) -> list[dict[str, str]]:
        return [{"role": r, "text": t} for r, t in zip(["user", "assistant"] * 2, texts)]  # noqa: B905

    rows = [
        {"record_id": f"r{i:02}", "turns": turns(zh, en), "verdict": "keep", "split": "sft"}
        for i, (zh, en) in enumerate(zip(ZH, EN, strict=True))
    ]
    rows[0]["verdict"], rows[1]["split"] = "drop", "preference"
    rows.append({**rows[2], "record_id": "long", "turns": turns("word " * 400, "never seen")})
    pl.DataFrame(rows).write_parquet(tmp_path / "sft.parquet")
    pairs = [
        {"record_id": f"p{i}", "prompt": turns(zh), "chosen": "See a doctor soon.",
         "rejected": "No idea at all.", "verdict": "keep"}
        for i, zh in enumerate(ZH[:8])
    ]  # fmt: skip
    pl.DataFrame(pairs).write_parquet(tmp_path / "dpo.parquet")
    small = {"max_steps": 6, "max_length": 96, "save_steps": 6}

    config = config_of(
        tmp_path / "sft", model=trained, data=tmp_path / "sft.parquet", held_out=held_out,
        stage="sft_checkpoint", train=small,
    )  # fmt: skip
    sft = run("sft", config, monkeypatch)
    report = json.loads((sft / "report.json").read_text("utf-8"))
    assert report["counts"]["num_dialogues"] == 29
    assert report["counts"]["num_truncated"] == report["counts"]["num_untrainable"] == 1
    assert checkpoint.read_manifest(sft)["objective"] == ["sft"]
    assert all(finding.passed for finding in checkpoint.inspect(sft).values())

    config = config_of(
        tmp_path / "dpo", model=sft, data=tmp_path / "dpo.parquet", held_out=held_out,
        stage="dpo_checkpoint", train=small | {"learning_rate": 0.001},
    )  # fmt: skip
    dpo = run("dpo", config, monkeypatch)
    report = json.loads((dpo / "report.json").read_text("utf-8"))
    assert report["last"]["rewards/accuracies"] == 1.0
    assert report["last"]["rewards/margins"] > 0
    assert all(finding.passed for finding in checkpoint.inspect(dpo).values())

    from carebot_assets.training.generate import generate

    asked = [turns(ZH[3]), turns("fever"), turns(ZH[4] * 2)]
    batched = generate(sft, asked, max_new_tokens=8, batch_size=2)
    single = [generate(sft, [one], max_new_tokens=8)[0] for one in asked]
    assert batched == single
    assert all(0 <= answer.num_tokens <= 8 for answer in batched)
    with pytest.raises(ValueError, match="256 positions"):
        generate(sft, asked, max_new_tokens=250)
