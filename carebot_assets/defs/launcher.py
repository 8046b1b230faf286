"""The launcher: starts a training script in a process of its own and waits for its report.

Under a debugger or a scheduler the scripts of `carebot_assets.training` run just as well without
it. A team with another way to start processes (Slurm, Ray, Kubernetes) overrides `command`.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml

from carebot_assets.settings import LauncherSettings
from carebot_assets.training.launch_files import (
    deepspeed_on_cpu,
    is_plain,
    launch_file,
    read_launch,
)

if TYPE_CHECKING:
    from carebot_assets.defs.artifact import Step

LOG_FILE, CAUSE_FILE = "training.log", "cause.txt"
TAIL_LINES = 40
KILLED = (
    "killed from outside, as the system does when memory runs out; lower `batch_size`, or run it "
    "again to go on from the last checkpoint"
)


class Launcher(dg.ConfigurableResource):
    """Starts training scripts as the profile's `launcher` section says.

    `dg.PipesSubprocessClient` signals only its direct child and leaves the child's output on the
    screen (or, told not to, in a pipe nobody reads, which blocks at 64 KiB). So the session is
    opened here: the child gets a process group of its own and a log file.
    """

    termination_timeout_seconds: float = 300.0

    def train(self, step: "Step", script: str, config: dict[str, Any]) -> dict[str, Any]:
        """Run a script of `carebot_assets.training`, or `package.module` of `carebot_assets`, and
        return its report.

        `stage`, `output`, `work_dir`, `seed` and `inputs` of the script's config are filled in
        from the step; whatever `config` gives wins. See `carebot_assets.training.config`.

        Raises:
            dg.Failure: the script failed; names the cause and the log file.
        """
        work_dir = step.work_dir
        full: dict[str, Any] = {
            "stage": step.name,
            "output": step.draft.dir,
            "work_dir": work_dir,
            "seed": step.settings.seed,
            "inputs": step.recipe.input_hashes(step.store, step.partition),
        } | config
        file = work_dir / f"{script}.yaml"
        file.write_text(yaml.safe_dump(json.loads(json.dumps(full, default=str))), "utf-8")
        (work_dir / CAUSE_FILE).unlink(missing_ok=True)
        inside = script if "." in script else f"training.{script}"
        module, settings = f"carebot_assets.{inside}", step.settings.launcher
        for line in self.elsewhere(settings, module, file):
            step.log.info(line)
        started = time.monotonic()
        code = self._run(step, self.command(settings, module, file), work_dir / LOG_FILE)
        if code != 0:
            raise _failure(step.name, code, work_dir)
        report = json.loads((Path(full["output"]) / "report.json").read_text("utf-8"))
        report["seconds"]["wall"] = round(time.monotonic() - started, 2)
        shutil.rmtree(work_dir / "checkpoints", ignore_errors=True)
        return report

    def command(self, settings: LauncherSettings, module: str, config: Path) -> list[str]:
        """The command line, as a list: no shell between this process and the training.

        One plain process needs no launcher, whose imports alone take seconds. Processes on the CPU
        need torchrun: accelerate's launcher would bring up only one of them.
        """
        launch = read_launch(settings.config)
        target = ["-m", module, "--config", str(config)]
        here = settings.num_processes // settings.num_machines
        if settings.num_processes == 1 and is_plain(launch):
            return [sys.executable, *target]
        where = {
            "ip": settings.main_process_ip,
            "port": settings.main_process_port,
        }
        if launch["use_cpu"]:
            # Without an address torchrun finds a free port of its own.
            alone = ["--standalone"] if settings.num_machines == 1 else []
            options: dict[str, Any] = {
                "--nnodes": settings.num_machines,
                "--nproc_per_node": here,
                "--node_rank": settings.machine_rank,
                "--master_addr": where["ip"],
                "--master_port": where["port"],
                # What is asked to stop saves first: not killed before that is done.
                "--shutdown_timeout": round(self.termination_timeout_seconds),
            }
            run = [sys.executable, "-m", "torch.distributed.run"]
            return [*run, *alone, *_given(options), *target]
        options = {
            "--config_file": launch_file(settings.config),
            "--num_processes": settings.num_processes,
            "--num_machines": settings.num_machines,
            "--machine_rank": settings.machine_rank,
            "--main_process_ip": where["ip"],
            "--main_process_port": where["port"],
        }
        return [sys.executable, "-m", "accelerate.commands.launch", *_given(options), *target]

    def elsewhere(self, settings: LauncherSettings, module: str, config: Path) -> list[str]:
        """What a person (or a scheduler) starts on the other machines; they share the store."""
        if settings.num_machines == 1:
            return []
        variables = [f"{name}={value}" for name, value in self.environment(settings).items()]
        lines = []
        for rank in range(settings.num_machines):
            if rank != settings.machine_rank:
                there = settings.model_copy(update={"machine_rank": rank})
                command = shlex.join(["env", *variables, *self.command(there, module, config)])
                lines.append(f"waiting for machine {rank}; start there: {command}")
        return lines

    def environment(self, settings: LauncherSettings) -> dict[str, str]:
        """Variables of the child; what the user has set for threads and cards stays."""
        launch = read_launch(settings.config)
        here = max(1, settings.num_processes // settings.num_machines)
        threads = max(1, len(os.sched_getaffinity(0)) // here)
        values = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
        if launch["use_cpu"]:
            # Threads that spin while they wait cost more than they save on a shared machine.
            values["OMP_WAIT_POLICY"] = "PASSIVE"
            values |= deepspeed_on_cpu(launch) or {"ACCELERATE_USE_CPU": "true"}
        quiet = {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        # DeepSpeed's calls are deprecated in this torch: thousands of lines in the log.
        quiet["PYTHONWARNINGS"] = os.environ.get("PYTHONWARNINGS", "ignore::FutureWarning")
        return values | quiet | {"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}

    def _run(self, step: "Step", command: list[str], log: Path) -> int:
        with (
            log.open("ab") as output,
            dg.open_pipes_session(
                context=step.context,
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            ) as session,
        ):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    **self.environment(step.settings.launcher),
                    **session.get_bootstrap_env_vars(),
                },
            )
            try:
                return process.wait()
            finally:
                self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing running: ask the whole group to save and stop, wait, then insist."""
        deadline = time.monotonic() + self.termination_timeout_seconds
        alive = _signal_group(process.pid, signal.SIGINT)
        while alive and time.monotonic() < deadline:
            time.sleep(0.1)
            process.poll()
            alive = _signal_group(process.pid, 0)
        if alive:
            _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _given(options: dict[str, Any]) -> list[str]:
    return [
        part for name, value in options.items() if value is not None for part in (name, str(value))
    ]


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when nobody of it is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _failure(name: str, code: int, work_dir: Path) -> dg.Failure:
    log = work_dir / LOG_FILE
    lines = log.read_text("utf-8", errors="replace").rstrip().splitlines()
    tail = lines[-TAIL_LINES:]
    try:
        cause = (work_dir / CAUSE_FILE).read_text("utf-8")
    except FileNotFoundError:
        killed = code == -signal.SIGKILL or any("SIGKILL" in line for line in tail)
        cause = KILLED if killed else tail[-1] if tail else "no output"
    return dg.Failure(
        f"{name}: training ended with code {code}: {cause} (log: {log})",
        metadata={
            "log": str(log),
            "tail": dg.MetadataValue.md("```\n" + "\n".join(tail) + "\n```"),
        },
    )
