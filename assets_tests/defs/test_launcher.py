"""The launcher with small children in place of trainings."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from carebot_assets.defs import launcher as module
from carebot_assets.defs.launcher import Launcher, launch_file
from carebot_assets.settings import LauncherSettings

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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {},
            [
                "accelerate.commands.launch",
                "--config_file",
                "--num_processes",
                "1",
                "m",
                "--config",
                "c.yaml",
            ],
        ),
        ({"num_processes": 2}, ["torch.distributed.run", "--nproc_per_node", "2", "m"]),
        (
            {"config": "deepspeed_zero2", "num_processes": 4},
            ["accelerate.commands.launch", "--config_file", "--num_processes", "4", "-m", "m"],
        ),
        (
            {
                "config": "multi_node",
                "num_machines": 2,
                "machine_rank": 1,
                "main_process_ip": "::1",
            },
            ["--num_machines", "2", "--machine_rank", "1", "--main_process_ip", "::1"],
        ),
    ],
)
def test_the_command_follows_the_settings(settings: dict[str, Any], words: list[str]) -> None:
    command = Launcher().command(LauncherSettings(**settings), "m", Path("c.yaml"))
    assert [word for word in command if word in words] == words or set(words) <= set(command)
    assert all(isinstance(word, str) for word in command)


def test_threads_are_shared_out_and_cards_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    found = Launcher().environment(LauncherSettings(num_processes=2))
    assert found["OMP_NUM_THREADS"] == "4" and found["ACCELERATE_USE_CPU"] == "true"
    assert "CUDA_VISIBLE_DEVICES" not in found
    assert "ACCELERATE_USE_CPU" not in Launcher().environment(LauncherSettings(config="single_gpu"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert Launcher().environment(LauncherSettings())["OMP_NUM_THREADS"] == "3"


def test_launch_files_are_found_by_name_or_path(tmp_path: Path) -> None:
    import yaml

    names = {path.stem for path in module.LAUNCH_DIR.glob("*.yaml")}
    assert names == {"cpu", "single_gpu", "deepspeed_zero2", "deepspeed_zero3", "multi_node"}
    for name in names:
        text = launch_file(name).read_text("utf-8")
        assert yaml.safe_load(text)["compute_environment"] == "LOCAL_MACHINE"
        assert json.dumps(yaml.safe_load(text)).count("/") == 0
    own = tmp_path / "slurm.yaml"
    own.write_text("{}", "utf-8")
    assert launch_file(str(own)) == own
    with pytest.raises(ValueError, match=r"neither one of cpu, deepspeed_zero2.* nor a file"):
        launch_file("gpu")
