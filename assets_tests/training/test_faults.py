"""Each way to die ends with a sentence for a person and leaves the last checkpoint whole."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assets_tests.training.running import Configure, run, same_weights
from carebot_assets.settings import TrainSettings
from carebot_assets.training import faults, resume
from carebot_assets.training.config import TrainingConfig, TrainingError
from carebot_assets.training.reporter import Reporter

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
PYTHON = [sys.executable, "-W", "ignore", "-m", "carebot_assets.training.pretrain", "--config"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no room to write"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "no room to write"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos"), "no room"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "`keep_checkpoints`"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "lower `batch_size` (4)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "`activation_checkpointing`"),
        (MemoryError(), "out of memory"),
        (OSError(errno.EACCES, "Permission denied"), None),
        (ValueError("shapes do not match"), None),
    ],
)
def test_an_error_is_explained(tmp_path: Path, error: BaseException, words: str | None) -> None:
    train = TrainSettings(max_steps=1, batch_size=4, learning_rate=0.1)
    paths: dict[str, Any] = dict.fromkeys(("model", "data", "output", "work_dir"), tmp_path)
    found = faults.explain(error, TrainingConfig(stage="s", seed=1, **paths), train)
    assert found is None if words is None else words in (found or "")


@pytest.mark.parametrize(
    ("keep", "existing", "enough"),
    [(2, 0, 46e9), (1, 0, 32e9), (2, 2, 18e9), (2, 3, 18e9)],
)
def test_a_full_disk_is_seen_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int, existing: int, enough: float
) -> None:
    """A parameter takes 14 bytes of a checkpoint and 4 of the result."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=enough))
    faults.require_room(tmp_path, 10**9, keep, existing)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=enough - 1e8))
    with pytest.raises(TrainingError, match=rf"need about {enough / 1e9:.1f} GB"):
        faults.require_room(tmp_path, 10**9, keep, existing)


def fail_at(monkeypatch: pytest.MonkeyPatch, step: str, fault: Any) -> None:
    """Call `fault` inside the training loop when it reports a step."""
    say = Reporter.say

    def saying(self: Reporter, text: str) -> None:
        say(self, text)
        if text.startswith(f"step {step}/12 loss"):
            fault()

    monkeypatch.setattr(Reporter, "say", saying)


def test_out_of_memory_is_said_and_the_same_command_goes_on(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    config = pretrain("memory")
    with monkeypatch.context() as patch:
        fail_at(patch, "6", lambda: torch.empty(1 << 46))
        with pytest.raises(SystemExit, match="out of memory: lower `batch_size`") as stop:
            run("pretrain", config, monkeypatch)
    assert "[step 6; checkpoint-4 is kept, the next run goes on from it]" in str(stop.value.code)
    assert same_weights(run("pretrain", config, monkeypatch), trained)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are broken between step 6 and step 7, after the checkpoint of step 4."""
    import torch
    from transformers import Trainer

    config = pretrain("undefined")
    trainers: list[Trainer] = []
    made = Trainer.__init__

    def note(self: Trainer, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        trainers.append(self)

    def break_weights() -> None:
        with torch.no_grad():
            next(trainers[-1].model.parameters()).fill_(float("nan"))

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "__init__", note)
        fail_at(patch, "6", break_weights)
        with pytest.raises(SystemExit, match="the loss is nan at step 8") as stop:
            run("pretrain", config, monkeypatch)
    assert "checkpoint-4 is kept" in str(stop.value.code)
    assert same_weights(run("pretrain", config, monkeypatch), trained)


def test_weights_that_cannot_be_read_are_named(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = shutil.copytree(trained, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"\x00" * 30)
    config = pretrain("unreadable", work_dir=tmp_path / "work")
    config.write_text(
        config.read_text("utf-8").replace("from_scratch: true", "from_scratch: false")
        + f"\nmodel: {broken}\n",
        "utf-8",
    )
    with pytest.raises(SystemExit, match=f"model {broken} does not load"):
        run("pretrain", config, monkeypatch)


def _tmpfs(command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A shell command in a namespace where a file system of its own can be mounted."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command],
        capture_output=True,
        text=True,
        **more,
    )


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(
    trained: Path, pretrain: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file system that the estimate finds large enough: small files weigh more than it says."""
    if not shutil.which("unshare") or _tmpfs(f"mount -t tmpfs none {tmp_path}").returncode:
        pytest.skip("no file system can be mounted here")
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    often = {"save_steps": 1, "keep_checkpoints": 12}
    config = pretrain("full", work_dir=small, train=often)
    size = 23_360 * (14 * 13 + 4) // 1024 + 64
    command = (
        f"mount -t tmpfs -o size={size}k none {small} && {' '.join([*PYTHON, str(config)])};"
        f" code=$?; cp -r {small} {kept}; df {small}; exit $code"
    )
    done = _tmpfs(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 1, done.stderr
    assert "no room to write under" in done.stderr, done.stderr
    left = resume.sealed(kept / "checkpoints")
    assert left and f"{left[-1].name} is kept" in done.stderr
    again = pretrain("full", work_dir=kept, train=often)
    assert same_weights(run("pretrain", again, monkeypatch), trained)
