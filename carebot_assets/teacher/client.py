"""The LLM that labels, writes and judges, behind one synchronous call.

`open_teacher` gives a `Teacher` over any OpenAI-compatible endpoint or, where a profile names none,
over the offline heuristic server started for the occasion: the same protocol and code path.
"""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path

from carebot_assets.settings import TeacherSettings
from carebot_assets.teacher.answers import Answer, BudgetExceeded, TeacherError, summarize
from carebot_assets.teacher.batches import Batches
from carebot_assets.teacher.direct import Direct
from carebot_assets.teacher.endpoint import Endpoint
from carebot_assets.teacher.job import Job
from carebot_assets.teacher.ledger import Call, Ledger
from carebot_assets.teacher.offline.process import offline_server
from carebot_assets.teacher.pace import Pace
from carebot_assets.teacher.roles import role_named

__all__ = [
    "Answer",
    "BudgetExceeded",
    "Teacher",
    "TeacherError",
    "open_teacher",
    "read_ledger",
    "summarize",
]


class Teacher:
    """Asks for structured answers, many at a time, each remembered in the ledger.

    Args:
        endpoint: where and how to ask.
        runner: event loop that all calls share, so that connections stay open between them; None
            where nothing is asked.
    """

    def __init__(self, endpoint: Endpoint, runner: asyncio.Runner | None) -> None:
        self.model = endpoint.settings.model
        self.is_offline = endpoint.settings.is_offline
        self.ledger = endpoint.ledger
        self._endpoint = endpoint
        self._runner = runner

    @property
    def description(self) -> str:
        """Who answers, for people: an offline stand-in must never pass for a model."""
        return f"offline heuristic teacher ({self.model})" if self.is_offline else self.model

    def ask(
        self,
        role: str,
        items: Sequence[Mapping[str, str]],
        *,
        round: int = 0,
        log: logging.Logger | None = None,
    ) -> list[Answer]:
        """Answers to all items, in their order.

        Args:
            role: one of `roles.ROLES`.
            items: the role's fields, one mapping an item; equal items are asked once.
            round: independent repetitions have different numbers.
            log: told how far a long run is.

        Raises:
            ValueError: unknown role or wrong fields.
            BudgetExceeded: the budget is used up.
            TeacherError: the endpoint refuses or nobody answers.
        """
        return self.ask_rounds(role, items, [round], log=log)[0]

    def ask_rounds(
        self,
        role: str,
        items: Sequence[Mapping[str, str]],
        rounds: Sequence[int],
        *,
        log: logging.Logger | None = None,
    ) -> list[list[Answer]]:
        """Answers of several rounds, asked together; otherwise like `ask`."""
        job = Job(self._endpoint, role, items, rounds, log)
        if job.open:
            if self._runner is None:
                raise ValueError("this teacher was opened to read its ledger, not to be asked")
            batched = self._endpoint.settings.transport == "batch"
            self._runner.run((Batches(job) if batched else Direct(job)).run())
        return [[job.answers[key] for key in keys] for keys in job.keys]

    def estimate(
        self, role: str, items: Sequence[Mapping[str, str]], rounds: Sequence[int] = (0,)
    ) -> dict[str, float]:
        """What asking would cost, without asking: calls, tokens and US dollars.

        `cost_usd` is with answers as long as they may be, `expected_usd` with answers as long as
        those in the ledger or, before there are any, as is usual for the role.
        """
        job = Job(self._endpoint, role, items, rounds)
        num_input = sum(job.input_tokens(key) for key in job.open)
        num_output = ceil(self.usual_output_tokens(role) * len(job.open))
        return {
            "num_calls": len(job.open),
            "num_cached": len(job.items) - len(job.open),
            "num_input_tokens": num_input,
            "num_output_tokens": num_output,
            "expected_usd": self._endpoint.price(num_input, num_output),
            "cost_usd": sum(job.worst_case(key) for key in job.open),
        }

    def usual_output_tokens(self, role: str) -> float:
        """Length of an answer: as in the ledger, or as is usual for the role."""
        mean = self.ledger.mean_output_tokens(role, self.model)
        return role_named(role).usual_output_tokens if mean is None else mean

    def price(self, num_input: float, num_output: float) -> float:
        """US dollars of so many tokens."""
        return self._endpoint.price(num_input, num_output)

    def failures(
        self, role: str, items: Sequence[Mapping[str, str]], rounds: Sequence[int] = (0,)
    ) -> list[list[Call | None]]:
        """The failed call of each item in each round, None where there is none."""
        job = Job(self._endpoint, role, items, rounds)
        failed = self.ledger.known(job.items, "failed")
        return [[failed.get(key) for key in keys] for keys in job.keys]


@contextmanager
def open_teacher(settings: TeacherSettings, ledger: Path, seed: int) -> Iterator[Teacher]:
    """A teacher for the length of a `with` block.

    Args:
        settings: without `base_url` the offline server is started and stopped.
        ledger: SQLite file of the calls.
        seed: base of the sampling seed.

    Raises:
        TeacherError: the environment variable with the key is not set.
    """
    key = "offline"
    if not settings.is_offline:
        key = os.environ.get(settings.api_key_variable, "")
        if not key:
            raise TeacherError(
                f"teacher.base_url is {settings.base_url} but the environment variable "
                f"{settings.api_key_variable} (teacher.api_key_variable) is not set; an endpoint "
                "without access control accepts any value"
            )
        with _connected(settings, str(settings.base_url), key, ledger, seed) as teacher:
            yield teacher
        return
    with (
        offline_server(settings.offline) as base_url,
        _connected(settings, base_url, key, ledger, seed) as teacher,
    ):
        yield teacher


@contextmanager
def read_ledger(settings: TeacherSettings, ledger: Path, seed: int) -> Iterator[Teacher]:
    """A teacher that estimates and lists, for which no endpoint is needed."""
    calls = Ledger(ledger)
    try:
        yield Teacher(Endpoint(settings, None, calls, seed), None)
    finally:
        calls.close()


@contextmanager
def _connected(
    settings: TeacherSettings, base_url: str, key: str, path: Path, seed: int
) -> Iterator[Teacher]:
    import openai

    ledger = Ledger(path)
    # The offline server is on this machine: a proxy of the environment must not see its calls.
    http = openai.DefaultAsyncHttpxClient(
        trust_env=not settings.is_offline,
        event_hooks={"request": [Pace(settings.requests_per_minute)]},
    )
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        max_retries=settings.max_retries,
        timeout=settings.timeout_seconds,
        http_client=http,
    )
    try:
        with asyncio.Runner() as runner:
            try:
                yield Teacher(Endpoint(settings, client, ledger, seed), runner)
            finally:
                runner.run(client.close())
    finally:
        ledger.close()
