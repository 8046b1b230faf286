"""The launcher with small children in place of trainings."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from carebot_assets.defs import launcher as module
from carebot_assets.defs.launcher import Launcher
from carebot_assets.settings import LauncherSettings
from carebot_assets.training.launch_files import LAUNCH_DIR, launch_file

CHILD = """
import json, sys, yaml
from dagster_pipes import open_dagster_pipes
config = yaml.safe_load(open(sys.argv[1]))
with open_dagster_pipes() as pipes:
    print("noise on the screen")
    pipes.report_custom_message({"step": 1, "loss": 2.0})
    json.dump({"seconds": {}, "config": config}, open(config["output"] + "/report.json", "w"))
"""
FAILING = "import sys; print('reading'); sys.exit('ValueError: no text in stratum')"
ORPHAN = (
    "import json, subprocess, sys, yaml\n"
    "config = yaml.safe_load(open(sys.argv[1]))\n"
    "json.dump({'seconds': {}}, open(config['output'] + '/report.json', 'w'))\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "print(child.pid, file=open(config['output'] + '/orphan', 'w'))\n"
)

# Asked to stop, it saves (or, stubborn, does nothing); it has a child of its own.
CANCELLED = """
import os, signal, subprocess, sys, yaml
out = yaml.safe_load(open(sys.argv[1]))["output"]
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
def save(*_):
    print("step 7", file=open(out + "/saved", "w"))
    sys.exit(130)
signal.signal(signal.SIGINT, signal.SIG_IGN if {stubborn} else save)
print(os.getpid(), child.pid, file=open(out + "/pids.part", "w"), flush=True)
os.rename(out + "/pids.part", out + "/pids")
while True:
    signal.pause()
"""


class Fake(Launcher):
    code: str = CHILD

    def command(self, settings: LauncherSettings, module: str, config: Path) -> list[str]:
        return [sys.executable, "-c", self.code, str(config)]


def train(tmp_path: Path, launcher: Launcher, **config: Any) -> Any:
    """Train inside a real asset run; returns the report or raises what the asset raised."""
    work, out = tmp_path / "work", tmp_path / "out"
    for folder in (work / "checkpoints", out):
        folder.mkdir(parents=True)
    found: list[dict[str, Any]] = []

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        step = SimpleNamespace(
            name="checkpoint",
            context=context,
            work_dir=work,
            draft=SimpleNamespace(dir=out),
            settings=SimpleNamespace(seed=7, launcher=LauncherSettings()),
            recipe=SimpleNamespace(input_hashes=lambda store, partition: {"mix": "abc"}),
            store=None,
            partition=None,
        )
        found.append(launcher.train(step, "pretrain", config))  # type: ignore[arg-type]
        return dg.MaterializeResult()

    result = dg.materialize(
        [checkpoint],
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    if not result.success:
        error = result.get_step_failure_events()[0].step_failure_data
        if error.user_failure_data is None:
            raise RuntimeError(error.error.to_string())
        raise dg.Failure(error.user_failure_data.description, error.user_failure_data.metadata)
    return found[0]


def test_a_script_gets_its_config_and_gives_its_report(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = train(tmp_path, Fake(), model=tmp_path / "model", seed=8)
    config = report["config"]
    assert config["model"] == str(tmp_path / "model") and config["seed"] == 8
    assert config["stage"] == "checkpoint" and config["inputs"] == {"mix": "abc"}
    assert report["seconds"]["wall"] > 0
    assert "noise" in (tmp_path / "work" / module.LOG_FILE).read_text("utf-8")
    assert "noise" not in capfd.readouterr().out
    assert not (tmp_path / "work" / "checkpoints").exists()


def test_a_failed_script_is_a_failure_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(dg.Failure) as failure:
        train(tmp_path, Fake(code=FAILING))
    text = failure.value.description or ""
    assert "code 1: ValueError: no text in stratum" in text and module.LOG_FILE in text
    assert "reading" in str(failure.value.metadata["tail"].value)
    assert (tmp_path / "work" / "checkpoints").exists()


def test_the_cause_beats_what_launchers_print_after_it(tmp_path: Path) -> None:
    (tmp_path / "cause").write_text("TrainingError: the loss is nan", "utf-8")
    code = (
        "import pathlib, shutil, sys; work = pathlib.Path(sys.argv[1]).parent;"
        f"shutil.copy({str(tmp_path / 'cause')!r}, work / 'cause.txt');"
        "sys.exit('CalledProcessError: returned non-zero')"
    )
    with pytest.raises(dg.Failure, match="the loss is nan"):
        train(tmp_path, Fake(code=code))


def test_nothing_is_left_running(tmp_path: Path) -> None:
    import psutil

    train(tmp_path, Fake(code=ORPHAN))
    pid = int((tmp_path / "out" / "orphan").read_text("utf-8"))
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_cancelled_run_saves_and_leaves_no_orphan(tmp_path: Path, stubborn: bool) -> None:
    """As the UI cancels: the step's process gets SIGINT while the training runs."""
    import psutil

    pids = tmp_path / "out" / "pids"

    def cancel() -> None:
        while not pids.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=cancel)
    thread.start()
    timeout = 0.5 if stubborn else 60.0
    launcher = Fake(
        code=CANCELLED.replace("{stubborn}", str(stubborn)), termination_timeout_seconds=timeout
    )
    with pytest.raises(RuntimeError, match="Interrupted"):
        train(tmp_path, launcher)
    thread.join()
    assert (tmp_path / "out" / "saved").exists() is not stubborn
    for pid in map(int, pids.read_text("utf-8").split()):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_that_the_system_killed_is_said(tmp_path: Path) -> None:
    code = "import os, signal; print('step 3', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(dg.Failure, match="killed from outside, as the system does when memory"):
        train(tmp_path, Fake(code=code))


MACHINES = {"num_machines": 2, "main_process_ip": "10.0.0.1", "main_process_port": 29501}


@pytest.mark.parametrize(
    ("settings", "launcher", "words"),
    [
        ({}, "carebot_assets.m", []),
        ({"config": "single_gpu"}, "carebot_assets.m", []),
        ({"num_processes": 2}, "torch.distributed.run", ["--standalone", "--nproc_per_node 2"]),
        (
            {"config": "cpu_zero2", "num_processes": 1},
            "torch.distributed.run",
            ["--nproc_per_node 1", "--shutdown_timeout 300"],
        ),
        (
            {"num_processes": 4, "machine_rank": 1} | MACHINES,
            "torch.distributed.run",
            ["--nnodes 2 --nproc_per_node 2 --node_rank 1", "--master_addr 10.0.0.1"],
        ),
        (
            {"config": "deepspeed_zero2", "num_processes": 4},
            "accelerate.commands.launch",
            ["--config_file", "--num_processes 4"],
        ),
        (
            {"config": "multi_node", "num_processes": 16, "machine_rank": 1} | MACHINES,
            "accelerate.commands.launch",
            ["--num_machines 2 --machine_rank 1", "--main_process_ip 10.0.0.1"],
        ),
    ],
)
def test_the_command_follows_the_settings(
    settings: dict[str, Any], launcher: str, words: list[str]
) -> None:
    command = Launcher().command(LauncherSettings(**settings), "carebot_assets.m", Path("c.yaml"))
    assert all(isinstance(word, str) for word in command)
    line = " ".join(command)
    assert command[:3] == [sys.executable, "-m", launcher]
    assert line.endswith("-m carebot_assets.m --config c.yaml")
    assert all(word in line for word in words), line
    if launcher == "torch.distributed.run":
        assert ("--standalone" in line) == ("num_machines" not in settings)


def test_what_runs_on_the_other_machines_is_said() -> None:
    settings = LauncherSettings(num_processes=2, **MACHINES)
    (line,) = Launcher().elsewhere(settings, "m", Path("/shared store/c.yaml"))
    assert line.startswith("waiting for machine 1; start there: env OMP_NUM_THREADS=")
    assert "ACCELERATE_USE_CPU=true" in line and "--node_rank 1" in line
    assert line.endswith("-m m --config '/shared store/c.yaml'")
    assert Launcher().elsewhere(LauncherSettings(), "m", Path("c.yaml")) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_processes": 3} | MACHINES, "multiple of num_machines"),
        ({"num_processes": 2, "machine_rank": 2} | MACHINES, "machine_rank is 0 to 1"),
        ({"num_processes": 2, "num_machines": 2}, "need main_process_ip and main_process_port"),
    ],
)
def test_machines_that_cannot_meet_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LauncherSettings(**settings)


def test_threads_are_shared_out_and_cards_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    found = Launcher().environment(LauncherSettings(num_processes=2))
    assert found["OMP_NUM_THREADS"] == "4" and found["ACCELERATE_USE_CPU"] == "true"
    assert "CUDA_VISIBLE_DEVICES" not in found
    assert "ACCELERATE_USE_CPU" not in Launcher().environment(LauncherSettings(config="single_gpu"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Launcher().environment(LauncherSettings())["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_on_the_cpu_is_told_what_accelerate_tells_it_on_cards(
    stage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables are accelerate's own, of the launch file of the same stage."""
    import yaml
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env

    file = launch_file(f"deepspeed_zero{stage}")
    words = ["--config_file", str(file), "--main_process_port", "0", "script.py"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(words))
    args.deepspeed_fields_from_accelerate_config = ""
    _, theirs = prepare_deepspeed_cmd_env(args)

    own = tmp_path / "cpu.yaml"
    own.write_text(yaml.safe_dump(yaml.safe_load(file.read_text("utf-8")) | {"use_cpu": True}))
    ours = Launcher().environment(LauncherSettings(config=str(own), num_processes=2))
    assert ours.pop("ACCELERATE_USE_CPU") == "false" and ours["DS_ACCELERATOR"] == "cpu"
    asked = {k: v for k, v in ours.items() if k.startswith("ACCELERATE_")}
    assert asked["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == str(stage)
    assert asked == {name: theirs[name] for name in asked}


def test_launch_files_are_found_by_name_or_path(tmp_path: Path) -> None:
    import yaml

    names = {path.stem for path in LAUNCH_DIR.glob("*.yaml")}
    assert names == {
        "cpu", "cpu_zero2", "single_gpu", "deepspeed_zero2", "deepspeed_zero3", "multi_node"
    }  # fmt: skip
    for name in names:
        text = launch_file(name).read_text("utf-8")
        assert yaml.safe_load(text)["compute_environment"] == "LOCAL_MACHINE"
        assert json.dumps(yaml.safe_load(text)).count("/") == 0
    own = tmp_path / "slurm.yaml"
    own.write_text("{}", "utf-8")
    assert launch_file(str(own)) == own
    with pytest.raises(
        ValueError, match=r"neither one of cpu, cpu_zero2, deepspeed_zero2.* nor a file"
    ):
        launch_file("gpu")
