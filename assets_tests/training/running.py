"""Running a training script of a tiny model: in this process, or in one that is killed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

STEPS = 12
WEIGHTS = "model.safetensors"
Configure = Callable[..., Path]


def config_of(folder: Path, **values: Any) -> Path:
    """Configuration file of a small training whose files lie in a folder."""
    train = {"max_steps": STEPS, "batch_size": 4, "learning_rate": 0.01, "log_steps": 2}
    train |= {"eval_steps": 6, "save_steps": 4} | values.pop("train", {})
    full = {"seed": 3, "stage": "stable_checkpoint", "inputs": {"stable_mix": "abc"}}
    full |= {"output": folder / "out", "work_dir": folder / "work", "train": train} | values
    return write_config(folder, full)


def write_config(folder: Path, values: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(values, default=str))), "utf-8")
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


class Killed(BaseException):
    """Stands in for SIGKILL inside this process: no handler of the scripts sees it."""


def run_killed(
    config: Path, monkeypatch: pytest.MonkeyPatch, target: Any, name: str, **at: Any
) -> None:
    """Pre-train until a call of `target.name` for which `at` holds of an argument's attributes."""
    whole = getattr(target, name)

    def call(*args: Any, **more: Any) -> Any:
        result = whole(*args, **more)
        if any(getattr(arg, k, None) == v for arg in args for k, v in at.items()):
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(target, name, call)
        with pytest.raises(Killed):
            run("pretrain", config, monkeypatch)


def same_weights(one: Path, other: Path) -> bool:
    """Whether two checkpoints are equal to the bit."""
    return (one / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()
