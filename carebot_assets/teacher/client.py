"""The LLM that labels, writes and judges, behind one synchronous call.

`open_teacher` gives a `Teacher` over any OpenAI-compatible endpoint or, where a profile names none,
over the offline heuristic server started for the occasion: the same protocol and code path.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from carebot_assets.settings import TeacherSettings
from carebot_assets.teacher.answers import Answer, BudgetExceeded, TeacherError, summarize
from carebot_assets.teacher.job import Endpoint, Job, Progress
from carebot_assets.teacher.ledger import Ledger
from carebot_assets.teacher.offline.process import offline_server

__all__ = ["Answer", "BudgetExceeded", "Teacher", "TeacherError", "open_teacher", "summarize"]


class Teacher:
    """Asks for structured answers, many at a time, each remembered in the ledger.

    Args:
        endpoint: where and how to ask.
        runner: event loop that all calls share, so that connections stay open between them.
    """

    def __init__(self, endpoint: Endpoint, runner: asyncio.Runner) -> None:
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
        on_progress: Progress | None = None,
    ) -> list[Answer]:
        """Answers to all items, in their order.

        Args:
            role: one of `roles.ROLES`.
            items: the role's fields, one mapping an item; equal items are asked once.
            round: independent repetitions have different numbers.
            on_progress: called with (items done, items in all) after every answer.

        Raises:
            ValueError: unknown role or wrong fields.
            BudgetExceeded: the budget is used up.
            TeacherError: the endpoint refuses or nobody answers.
        """
        job = Job(self._endpoint, role, items, round, on_progress)
        if job.open:
            self._runner.run(job.run())
        return [job.answers[key] for key in job.keys]

    def estimate(
        self, role: str, items: Sequence[Mapping[str, str]], *, round: int = 0
    ) -> dict[str, float]:
        """What `ask` would cost at most, without asking: calls, tokens and US dollars."""
        job = Job(self._endpoint, role, items, round, None)
        costs = [job.worst_case(key) for key in job.open]
        return {
            "num_calls": len(costs),
            "num_cached": len(job.keys) - len(costs),
            "num_input_tokens": sum(tokens for tokens, _ in costs),
            "cost_usd": sum(usd for _, usd in costs),
        }


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
def _connected(
    settings: TeacherSettings, base_url: str, key: str, path: Path, seed: int
) -> Iterator[Teacher]:
    import openai

    ledger = Ledger(path)
    # The offline server is on this machine: a proxy of the environment must not see its calls.
    http = openai.DefaultAsyncHttpxClient(trust_env=not settings.is_offline)
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
