"""Labelling over HTTP while the server misbehaves, and while the labelling process is killed."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assets_tests.teacher.endpoints import good, items, stats_at
from carebot_assets.settings import OfflineTeacherSettings, TeacherSettings
from carebot_assets.teacher.client import TeacherError, open_teacher
from carebot_assets.teacher.offline.process import offline_server

NUM = 40


def settings(base_url: str, **more: Any) -> TeacherSettings:
    return TeacherSettings.model_validate(
        {"base_url": base_url, "model": "m", "timeout_seconds": 5.0} | more
    )


@pytest.mark.parametrize(
    ("faults", "more"),
    [
        ({"rate_limit_ratio": 0.5, "num_times": 3}, {}),
        ({"server_error_ratio": 0.5, "num_times": 3}, {}),
        ({"hang_ratio": 0.1}, {"timeout_seconds": 3.0}),
        ({"broken_response_ratio": 0.3}, {}),
        ({"truncated_ratio": 0.5, "num_times": 2}, {}),
        ({"invalid_ratio": 0.5, "num_times": 2}, {}),
        ({"slow_seconds": 0.02, "rate_limit_ratio": 0.2, "server_error_ratio": 0.2,
          "truncated_ratio": 0.2, "invalid_ratio": 0.2}, {}),
    ],
)  # fmt: skip
def test_a_misbehaving_server(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faults: dict[str, Any],
    more: dict[str, Any],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    offline = OfflineTeacherSettings.model_validate({"disagreement_rate": 0, "faults": faults})
    with (
        offline_server(offline) as url,
        open_teacher(settings(url, **more), tmp_path / "l.sqlite", 1) as teacher,
    ):
        teacher.ask("quality_score", [{"text": "warm", "domain": "up"}])  # it has read its words
        for _ in range(2):
            answers = teacher.ask("domain_label", items(NUM))
            assert [a.value and a.value["label"] for a in answers] == [good(n) for n in range(NUM)]
        assert stats_at(url) == {"num_served": NUM + 1, "num_repeated": 0}
        assert teacher.ledger.totals()["num_failed"] == 0


def test_a_server_that_never_recovers_stops_the_run_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    faults = {"rate_limit_ratio": 1.0, "num_times": 10**6, "retry_after_seconds": 0.01}
    offline = OfflineTeacherSettings.model_validate({"faults": faults})
    with (
        offline_server(offline) as url,
        open_teacher(settings(url, max_retries=1, concurrency=2), tmp_path / "l", 1) as teacher,
        pytest.raises(TeacherError, match=r"nobody answers at .* each tried 2 times.*on purpose"),
    ):
        teacher.ask("domain_label", items(NUM))


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[4]]
from assets_tests.teacher.endpoints import items
from assets_tests.teacher.test_faults import settings
from carebot_assets.teacher.client import open_teacher
more = {"transport": sys.argv[3], "concurrency": int(sys.argv[5]), "batch": {"poll_seconds": 0.01,
        "max_requests": 10}}
with open_teacher(settings(sys.argv[1], **more), Path(sys.argv[2]), 1) as teacher:
    answers = teacher.ask_rounds("domain_label", items(60), [1, 2])
    given = [answer for one in answers for answer in one]
    print(sum(a.status == "ok" for a in given), sum(a.cached for a in given), flush=True)
"""
CONCURRENCY = 4


@pytest.mark.parametrize("transport", ["direct", "batch"])
def test_a_labelling_process_killed_for_real_resumes(tmp_path: Path, transport: str) -> None:
    """kill -9 in the middle: what the ledger has is never asked again. Direct calls in flight are
    lost with the process, at most as many as are made at the same time; batches are found again."""
    path, root = tmp_path / "l.sqlite", str(Path(__file__).parents[2])
    offline = OfflineTeacherSettings.model_validate(
        {"disagreement_rate": 0, "faults": {"slow_seconds": 0.01}}
    )
    environment = os.environ | {"OPENAI_API_KEY": "k"}
    with offline_server(offline) as url:
        command = [sys.executable, "-c", CHILD, url, str(path), transport, root, str(CONCURRENCY)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
            while child.poll() is None and _num_logged(path) < 10:
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        logged = _num_logged(path)
        assert 10 <= logged < 120
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["120", str(logged)], done.stderr
        # All that was ever answered: a call of the killed process may be so long after it.
        stats = stats_at(url)
    assert stats["num_served"] == 120 + stats["num_repeated"]
    assert stats["num_repeated"] <= (CONCURRENCY if transport == "direct" else 0)


def _num_logged(path: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
