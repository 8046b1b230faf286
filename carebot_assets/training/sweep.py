"""Several pre-trainings in one process, for comparisons: only what they logged is kept.

Starting a process for each would cost more than a small training itself. A killed sweep goes on
with the run it was at.
"""

import json
import shutil
import time

from carebot_assets.training import checkpoint, pretrain, session, sweep_log
from carebot_assets.training.config import SweepConfig, TrainingError
from carebot_assets.training.reporter import Reporter


def train(config: SweepConfig, reporter: Reporter) -> None:
    """Do every run that is not done yet, then write all their logs as one table."""
    started = time.monotonic()
    for number, run in enumerate(config.runs, 1):
        if (run.output / checkpoint.REPORT).is_file():
            continue
        reporter.say(f"run {number}/{len(config.runs)}: {run.stage}, seed {run.seed}")
        run.work_dir.mkdir(parents=True, exist_ok=True)
        try:
            pretrain.train(run, reporter)
        except TrainingError as error:
            raise TrainingError(f"{run.stage}, seed {run.seed}: {error}") from error
        shutil.rmtree(run.work_dir)
        for path in run.output.glob("*.safetensors*"):
            path.unlink()
    config.output.mkdir(parents=True, exist_ok=True)
    logs = [sweep_log.read(run.output, run.stage, run.seed) for run in config.runs]
    sweep_log.combine(logs).write_parquet(config.output / sweep_log.FILE)
    report = {
        "stage": config.stage,
        "num_runs": len(config.runs),
        "seconds": {"training": round(time.monotonic() - started, 2)},
    }
    (config.output / checkpoint.REPORT).write_text(json.dumps(report, indent=1), "utf-8")
    reporter.send({"report": report})


if __name__ == "__main__":
    session.run_script(SweepConfig, train)
