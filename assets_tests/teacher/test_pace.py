import asyncio
import logging

import pytest

from carebot_assets.teacher.pace import Pace
from carebot_assets.teacher.progress import Progress


@pytest.mark.parametrize(("per_minute", "waits"), [(60, [1.0, 2.0, 3.0]), (None, [])])
def test_requests_keep_their_distance(per_minute: int | None, waits: list[float]) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def four() -> None:
        pace = Pace(per_minute, clock=lambda: 100.0, sleep=sleep)
        await asyncio.gather(*(pace() for _ in range(4)))

    asyncio.run(four())
    assert slept == waits


def test_a_place_that_was_not_used_is_gone() -> None:
    now, slept = [0.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> None:
        pace = Pace(60, clock=lambda: now[0], sleep=sleep)
        await pace()
        now[0] = 500.0
        for _ in range(2):
            await pace()

    asyncio.run(run())
    assert slept == [1.0]


def test_progress_says_done_failed_cost_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    log = logging.getLogger("progress-test")
    with caplog.at_level(logging.INFO, log.name):
        progress = Progress(log, "labels", 40, 0, clock=lambda: now[0])
        for number in range(40):
            now[0] += 1.0
            progress.add(failed=number == 3, usd=0.5)
    lines = [record.message for record in caplog.records]
    assert len(lines) == 10
    assert lines[0] == (
        "labels: 4 of 40 done, 1 failed, 2.00 US dollars in this run, 0:00:04 so far, 0:00:36 left"
    )
    assert "40 of 40" in lines[-1]


def test_a_slow_run_is_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    log = logging.getLogger("progress-test")
    with caplog.at_level(logging.INFO, log.name):
        progress = Progress(log, "labels", 1000, 500, clock=lambda: now[0])
        progress.note("too early")
        for _ in range(3):
            now[0] += 31.0
            progress.add(failed=False, usd=0.0)
        now[0] += 31.0
        progress.note("batch b is in_progress")
    lines = [record.message for record in caplog.records]
    assert len(lines) == 4 and "501 of 1000" in lines[0] and "0:00:31 so far" in lines[0]
    assert lines[-1] == "labels: batch b is in_progress"
