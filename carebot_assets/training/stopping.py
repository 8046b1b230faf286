"""Signals that ask a training to stop: noted, so that it can save first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def noted(note: Callable[[str], None]) -> Iterator[None]:
    """SIGINT and SIGTERM are told to `note` by name instead of killing the process."""

    def handle(number: int, _: Any) -> None:
        note(signal.Signals(number).name)

    old = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
