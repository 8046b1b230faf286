"""Peak memory: it grows with what a process holds, and stays when it is freed."""

import subprocess
import sys
from pathlib import Path

import pytest

from carebot_assets import memory

HOLD = """
from carebot_assets.memory import peak_mb
before = peak_mb()
held = bytearray(b"x") * (200 << 20)
del held
print(peak_mb() - before)
"""


def test_the_peak_stays_when_memory_is_freed() -> None:
    out = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, check=True)
    assert 190 <= float(out.stdout) <= 250


def test_a_child_does_not_start_with_the_peak_of_its_parent() -> None:
    held = bytearray(b"x") * (300 << 20)
    ask = "from carebot_assets.memory import peak_mb; print(peak_mb())"
    out = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert float(out.stdout) < 100 < len(held) >> 20 < memory.peak_mb()


def test_without_the_kernel_s_word_the_library_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = memory.peak_mb()
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    assert memory.peak_mb() >= told - 1
