"""The launcher: starts a training script in a process of its own and waits for its report.

Under a debugger or a scheduler the scripts of `carebot_assets.training` run just as well without
it. A team with another way to start processes (Slurm, Ray, Kubernetes) overrides `command`.
"""

import json
import os
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

if TYPE_CHECKING:
    from carebot_assets.defs.artifact import Step

LAUNCH_DIR = Path(__file__).parents[1] / "training" / "launch"
LOG_FILE, CAUSE_FILE = "training.log", "cause.txt"
TAIL_LINES = 40


class Launcher(dg.ConfigurableResource):
    """Starts training scripts as the profile's `launcher` section says.

    `dg.PipesSubprocessClient` signals only its direct child and leaves the child's output on the
    screen (or, told not to, in a pipe nobody reads, which blocks at 64 KiB). So the session is
    opened here: the child gets a process group of its own and a log file.
    """

    termination_timeout_seconds: float = 300.0

    def train(self, step: "Step", script: str, config: dict[str, Any]) -> dict[str, Any]:
        """Run `carebot_assets.training.<script>` and return its report.

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
        command = self.command(step.settings.launcher, f"carebot_assets.training.{script}", file)
        started = time.monotonic()
        code = self._run(step, command, work_dir / LOG_FILE)
        if code != 0:
            raise _failure(step.name, code, work_dir)
        report = json.loads((Path(full["output"]) / "report.json").read_text("utf-8"))
        report["seconds"]["wall"] = round(time.monotonic() - started, 2)
        shutil.rmtree(work_dir / "checkpoints", ignore_errors=True)
        return report

    def command(self, settings: LauncherSettings, module: str, config: Path) -> list[str]:
        """The command line, as a list: no shell between this process and the training.

        Several processes on the CPU need torchrun: accelerate's launcher would bring up only one.
        """
        target = ["-m", module, "--config", str(config)]
        if settings.config == "cpu" and settings.num_processes > 1:
            nodes = ["--nnodes", str(settings.num_machines)]
            here = settings.num_processes // settings.num_machines
            processes = ["--nproc_per_node", str(here), "--node_rank", str(settings.machine_rank)]
            where = {
                "--master_addr": settings.main_process_ip,
                "--master_port": settings.main_process_port,
            }
            run = [sys.executable, "-m", "torch.distributed.run", *nodes, *processes]
            return [*run, *_given(where), *target]
        return [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *("--config_file", str(launch_file(settings.config))),
            *("--num_processes", str(settings.num_processes)),
            *("--num_machines", str(settings.num_machines)),
            *("--machine_rank", str(settings.machine_rank)),
            *_given(
                {
                    "--main_process_ip": settings.main_process_ip,
                    "--main_process_port": settings.main_process_port,
                }
            ),
            *target,
        ]

    def environment(self, settings: LauncherSettings) -> dict[str, str]:
        """Variables of the child; what the user has set for threads and cards stays."""
        here = max(1, settings.num_processes // settings.num_machines)
        threads = max(1, len(os.sched_getaffinity(0)) // here)
        values = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
        if settings.config == "cpu":
            # Threads that spin while they wait cost more than they save on a shared machine.
            values |= {"ACCELERATE_USE_CPU": "true", "OMP_WAIT_POLICY": "PASSIVE"}
        quiet = {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
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
        cause = tail[-1] if tail else "no output"
    return dg.Failure(
        f"{name}: training ended with code {code}: {cause} (log: {log})",
        metadata={
            "log": str(log),
            "tail": dg.MetadataValue.md("```\n" + "\n".join(tail) + "\n```"),
        },
    )
