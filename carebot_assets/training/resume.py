"""Checkpoints a training can go on from: sealed when complete, verified before they are used.

A checkpoint without a seal is what a kill or a full disk left half-written; it is removed. One
whose files no longer match its seal is damaged; it is set aside, and the one before it is used.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

SEAL = "seal.json"
DAMAGED = "damaged-"


class Sealing(TrainerCallback):
    """Seals every checkpoint once all processes have written it, then removes the oldest.

    Stands in for the trainer's own rotation, which removes a good checkpoint before the next one is
    known to be whole.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if args.world_size > 1:
            torch.distributed.barrier()
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir)
        seal(folder / f"checkpoint-{state.global_step}")
        for path in sealed(folder)[: -self.keep]:
            if str(path) != state.best_model_checkpoint:
                shutil.rmtree(path)


def seal(folder: Path) -> None:
    """Note the size and hash of every file: from now on the checkpoint counts as whole."""
    files = {
        str(p.relative_to(folder)): _print_of(p) for p in sorted(folder.rglob("*")) if p.is_file()
    }
    draft = folder.with_name(f"{folder.name}.{SEAL}")
    draft.write_text(json.dumps(files, indent=1), "utf-8")
    os.replace(draft, folder / SEAL)


def damage(folder: Path) -> str | None:
    """What is wrong with a sealed checkpoint, None where nothing is."""
    try:
        files: dict[str, list[Any]] = json.loads((folder / SEAL).read_text("utf-8"))
    except ValueError:
        return f"{SEAL} cannot be read"
    for name, promised in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if _print_of(path) != promised:
            return f"{name} has changed since it was written"
    return None


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoint folders of a training, oldest first."""
    found = [p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()]
    return sorted(found, key=lambda p: int(p.name.rpartition("-")[2]))


def sealed(folder: Path) -> list[Path]:
    """Those that were written to their end."""
    return [path for path in checkpoints(folder) if (path / SEAL).is_file()]


def last_good(folder: Path, say: Callable[[str], None] = print) -> Path | None:
    """The newest checkpoint that is whole; all processes of a training get the same answer."""
    chosen: list[Path | None] = [None]
    if int(os.environ.get("RANK", "0")) == 0:
        chosen = [_find(folder, say)]
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(chosen)
    return chosen[0]


def _find(folder: Path, say: Callable[[str], None]) -> Path | None:
    for path in reversed(checkpoints(folder)):
        if not (path / SEAL).is_file():
            say(f"{path.name} was not written to its end: removed")
            shutil.rmtree(path)
            continue
        wrong = damage(path)
        if wrong is None:
            return path
        aside = path.with_name(DAMAGED + path.name)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        say(f"{path.name} is damaged ({wrong}): set aside as {aside}, the one before it is used")
    return None


def _print_of(path: Path) -> list[Any]:
    with path.open("rb") as handle:
        return [path.stat().st_size, hashlib.file_digest(handle, "sha256").hexdigest()]
