"""Resident memory of this process."""

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """The highest that resident memory ever was, in MiB.

    From the kernel where it tells: `ru_maxrss` of a process starts with the peak of its parent.
    """
    if STATUS.is_file():
        [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text("utf-8"), re.MULTILINE)
        return int(kilobytes) / 1024
    # macOS counts bytes, others kilobytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
