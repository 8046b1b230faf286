"""How far a long run of calls is, said often enough to be watched and rarely enough to be read."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

# A line after every tenth of the items, and no longer silence than this.
SHARES = 10
MAX_SILENCE_SECONDS = 30.0


class Progress:
    """Counts answers and writes lines into a log, which on a Dagster run is the run's page.

    Args:
        log: where to; None for silence.
        title: what is asked for.
        num_items: all items.
        num_done: those that had answers before.
        clock: seconds.
    """

    def __init__(
        self,
        log: logging.Logger | None,
        title: str,
        num_items: int,
        num_done: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._title, self._num_items, self._clock = log, title, num_items, clock
        self.num_done = self._num_before = num_done
        self.num_failed, self.usd = 0, 0.0
        self._started = self._said = clock()
        self._next = self._num_before + max(1, (num_items - num_done) // SHARES)

    def add(self, *, failed: bool, usd: float) -> None:
        """Count one item that has come to its end."""
        self.num_done += 1
        self.num_failed += failed
        self.usd += usd
        late = self._clock() - self._said >= MAX_SILENCE_SECONDS
        if late or self.num_done >= self._next or self.num_done == self._num_items:
            self._next = self.num_done + max(1, (self._num_items - self._num_before) // SHARES)
            self.say(self.line())

    def note(self, text: str) -> None:
        """Say something else, unless something was said just now."""
        if self._clock() - self._said >= MAX_SILENCE_SECONDS:
            self.say(f"{self._title}: {text}")

    def say(self, line: str) -> None:
        self._said = self._clock()
        if self._log is not None:
            self._log.info(line)

    def line(self) -> str:
        """Done, failed, cost, time, and how long the rest will take at this rate."""
        seconds = self._clock() - self._started
        num_asked = self.num_done - self._num_before
        left = seconds / num_asked * (self._num_items - self.num_done) if num_asked else None
        rest = "unknown time" if left is None else _duration(left)
        return (
            f"{self._title}: {self.num_done} of {self._num_items} done, {self.num_failed} failed, "
            f"{self.usd:.2f} US dollars in this run, {_duration(seconds)} so far, {rest} left"
        )


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
