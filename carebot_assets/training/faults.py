"""What a training dies of, in words that say what to do about it."""

import errno
import shutil
from pathlib import Path

from carebot_assets.settings import TrainSettings
from carebot_assets.training.config import TrainingConfig, TrainingError

# Weights, gradients' moments and, in mixed precision, the weights once more.
STATE_BYTES_PER_PARAMETER = 14
RESULT_BYTES_PER_PARAMETER = 4

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
# torch's writer does not pass on the reason: it finds the file shorter than what it wrote.
_NO_ROOM = ("no space left on device", "disk quota exceeded", "file too large", "inline_container")
_NO_ROOM_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explain(error: BaseException, config: TrainingConfig, train: TrainSettings) -> str | None:
    """A sentence for a person about an error whose own text does not say what to do, else None."""
    text = str(error).lower()
    if (isinstance(error, OSError) and error.errno in _NO_ROOM_CODES) or _any(_NO_ROOM, text):
        free = _size(shutil.disk_usage(config.work_dir).free)
        return (
            f"no room to write under {config.work_dir} ({free} free: {_first_line(error)}); "
            "free some, or lower `keep_checkpoints`"
        )
    if isinstance(error, MemoryError) or _any(_NO_MEMORY, text):
        return (
            f"out of memory: lower `batch_size` ({train.batch_size}) and raise "
            f"`gradient_accumulation` ({train.gradient_accumulation}), turn on "
            f"`activation_checkpointing`, or shorten the sequences ({_first_line(error)})"
        )
    return None


def require_room(folder: Path, num_parameters: int, keep: int, num_existing: int) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        TrainingError: says what is needed and what there is.
    """
    states = max(1, keep + 1 - num_existing)
    needed = num_parameters * (STATE_BYTES_PER_PARAMETER * states + RESULT_BYTES_PER_PARAMETER)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingError(
            f"{folder} has {_size(free)} free; checkpoints of {num_parameters:,} parameters, "
            f"{keep} kept and one being written, need about {_size(needed)}: free some, or "
            "lower `keep_checkpoints`"
        )


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"


def _any(parts: tuple[str, ...], text: str) -> bool:
    return any(part in text for part in parts)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
