"""A mix whose token file is ten times what the process may add to its memory.

Most of the growth are Polars' buffers while it reads texts, however many there are; so ten times
the limit are minutes of work, and the test runs where SLOW_TESTS is set.
"""

import os
from pathlib import Path

import pytest

from benchmarks import pretraining_data

pytestmark = pytest.mark.skipif(
    not os.environ.get("SLOW_TESTS"), reason="takes many minutes: set SLOW_TESTS=1"
)
LIMIT_MB = 320


def test_a_mix_of_ten_times_the_memory(tmp_path: Path) -> None:
    answer = pretraining_data.memory(LIMIT_MB, 10, tmp_path)
    assert answer["token_file_mb"] >= 10 * LIMIT_MB - 1
    assert answer["grown_mb"] <= LIMIT_MB and answer["grown_with_checks_mb"] <= LIMIT_MB, answer
    assert answer["passed"], answer["checks"]
