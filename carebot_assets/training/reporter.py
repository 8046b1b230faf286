"""Where a training says how it is going: to Dagster where it runs under it, else to the screen."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_BOOTSTRAP = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")


@dataclass
class Reporter:
    """Speaks for the first process only; `pipes` is the open Dagster Pipes context, if any."""

    speaks: bool
    pipes: Any = None

    def say(self, text: str) -> None:
        """One line for a person; under Dagster it is in the run's events and the log file."""
        if self.speaks:
            print(text, file=sys.stderr, flush=True)
        if self.pipes is not None:
            self.pipes.log.info(text)

    def send(self, values: dict[str, Any]) -> None:
        """Numbers for the asset that started the training."""
        if self.pipes is not None:
            self.pipes.report_custom_message(json.loads(json.dumps(values)))


@contextmanager
def open_reporter() -> Iterator[Reporter]:
    """The reporter of this process. Only rank 0 opens the channel: two writers would garble it."""
    speaks = int(os.environ.get("RANK", "0")) == 0
    under_dagster = all(name in os.environ for name in _BOOTSTRAP)
    if not (speaks and under_dagster):
        for name in _BOOTSTRAP:
            os.environ.pop(name, None)
        yield Reporter(speaks)
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield Reporter(True, pipes)
