"""Launch files: configurations of accelerate that say what trains together, and on what."""

import os
import sys
from pathlib import Path
from typing import Any

import yaml

LAUNCH_DIR = Path(__file__).parent / "launch"
# Fields of a launch file's `deepspeed_config` whose environment variable has another name.
VARIABLES = {"zero3_init_flag": "zero3_init", "deepspeed_config_file": "config_file"}
# Keys of a launch file that say nothing beyond "one process".
PLAIN_KEYS = {
    "compute_environment", "distributed_type", "num_machines", "num_processes", "use_cpu"
}  # fmt: skip


def launch_file(name: str) -> Path:
    """The accelerate configuration of a name in `training/launch/` or of a path.

    Raises:
        ValueError: neither; lists the names there are.
    """
    for path in (LAUNCH_DIR / f"{name}.yaml", Path(name).expanduser()):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in LAUNCH_DIR.glob("*.yaml")))
    raise ValueError(f"setting launcher.config: {name!r} is neither one of {known} nor a file")


def read_launch(name: str) -> dict[str, Any]:
    """The values of a launch file; what it leaves out is one process on a card."""
    path = launch_file(name)
    values = yaml.safe_load(path.read_text("utf-8")) or {}
    if not isinstance(values, dict):
        raise ValueError(f"launch file {path}: expected a mapping")
    return {"distributed_type": "NO", "use_cpu": False} | values


def is_plain(launch: dict[str, Any]) -> bool:
    """Whether one process of it needs nothing that a launcher would set up."""
    return launch["distributed_type"] == "NO" and set(launch) <= PLAIN_KEYS


def deepspeed_on_cpu(launch: dict[str, Any]) -> dict[str, str]:
    """What accelerate's launcher would set for DeepSpeed, which it will not start on the CPU.

    `ACCELERATE_USE_CPU` is unset, whoever has set it: accelerate leaves DeepSpeed out beside it.
    """
    if launch["distributed_type"] != "DEEPSPEED":
        return {}
    values = {
        f"ACCELERATE_DEEPSPEED_{VARIABLES.get(name, name).upper()}": (
            str(value).lower() if isinstance(value, bool) else str(value)
        )
        for name, value in launch.get("deepspeed_config", {}).items()
    }
    # DeepSpeed compiles an extension on first use and looks for ninja on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        "ACCELERATE_USE_DEEPSPEED": "true",
        "ACCELERATE_USE_CPU": "false",
        "DS_ACCELERATOR": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PATH": path,
    } | values
