"""The LLM that labels, writes and judges, behind one synchronous call.

`open_teacher` gives a `Teacher` over any OpenAI-compatible endpoint or, where a profile names none,
over the offline heuristic server started for the occasion: the same protocol and code path.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from carebot_assets.settings import TeacherSettings
from carebot_assets.teacher import roles
from carebot_assets.teacher.ledger import Call, Ledger, call_key
from carebot_assets.teacher.offline.process import offline_server, offline_version

# An answer that is not what was asked for is sent back this often with a note of what is wrong.
REPAIRS = 2
MAX_ERROR_CHARS = 300

Progress = Callable[[int, int], None]


class TeacherError(ValueError):
    """The teacher cannot be asked at all: no key, no access, nobody answers."""


class BudgetExceeded(TeacherError):
    """The budget would not cover another call; what was answered so far is in the ledger."""


@dataclass(frozen=True)
class Answer:
    """The teacher's answer to one item; `usd` and tokens are what it cost when it was asked."""

    status: Literal["ok", "failed"]
    value: dict[str, Any] | None
    error: str | None
    cached: bool
    input_tokens: int
    output_tokens: int
    usd: float


def summarize(answers: Sequence[Answer]) -> dict[str, float]:
    """Counts, tokens and cost of answers, for an artifact's metadata; cached ones cost nothing."""
    asked = [answer for answer in answers if not answer.cached]
    return {
        "num_answers": len(answers),
        "num_calls": len(asked),
        "num_cached": len(answers) - len(asked),
        "num_failed": sum(answer.status == "failed" for answer in answers),
        "num_input_tokens": sum(answer.input_tokens for answer in asked),
        "num_output_tokens": sum(answer.output_tokens for answer in asked),
        "cost_usd": round(sum(answer.usd for answer in asked), 6),
    }


class Teacher:
    """Asks for structured answers, many at a time, each remembered in the ledger.

    Args:
        settings: endpoint, model, prices and limits.
        ledger: where calls are logged and looked up.
        client: an `openai.AsyncOpenAI`.
        runner: event loop that all calls share, so that connections stay open between them.
        seed: base of the sampling seed; each round adds its number.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        ledger: Ledger,
        client: Any,
        runner: asyncio.Runner,
        seed: int,
    ) -> None:
        self.model = settings.model
        self.is_offline = settings.is_offline
        self.ledger = ledger
        self._settings = settings
        self._client = client
        self._runner = runner
        self._seed = seed

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
        job = _Job(self, role, items, round, on_progress)
        if job.open:
            self._runner.run(job.run())
        return [job.answers[key] for key in job.keys]

    def estimate(
        self, role: str, items: Sequence[Mapping[str, str]], *, round: int = 0
    ) -> dict[str, float]:
        """What `ask` would cost at most, without asking: calls, tokens and US dollars."""
        job = _Job(self, role, items, round, None)
        costs = [job.worst_case(key) for key in job.open]
        return {
            "num_calls": len(costs),
            "num_cached": len(job.keys) - len(costs),
            "num_input_tokens": sum(tokens for tokens, _ in costs),
            "cost_usd": sum(usd for _, usd in costs),
        }

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars of so many tokens."""
        return (
            input_tokens * self._settings.usd_per_million_input_tokens
            + output_tokens * self._settings.usd_per_million_output_tokens
        ) / 1e6


class _Job:
    """One `ask`: what is open, what is answered, what is reserved of the budget."""

    def __init__(
        self,
        teacher: Teacher,
        role: str,
        items: Sequence[Mapping[str, str]],
        round: int,
        on_progress: Progress | None,
    ) -> None:
        self.teacher, self.role, self.round, self.on_progress = teacher, role, round, on_progress
        settings = teacher._settings
        self.parameters: dict[str, Any] = {
            "seed": teacher._seed + round,
            "max_completion_tokens": settings.max_output_tokens,
        }
        if settings.temperature is not None:
            self.parameters["temperature"] = settings.temperature
        mind = [offline_version(), settings.offline.disagreement_rate] if teacher.is_offline else []
        self.keys: list[str] = []
        self.items: dict[str, Mapping[str, str]] = {}
        self.messages: dict[str, list[dict[str, str]]] = {}
        for item in items:
            messages = roles.render(role, item, max_chars=settings.max_chars)
            schema = roles.response_format(role, item)
            key = call_key(teacher.model, messages, [self.parameters, schema, *mind], round)
            self.keys.append(key)
            self.items[key], self.messages[key] = item, messages
        known = teacher.ledger.known(self.keys)
        self.answers = {key: _answer(call, cached=True) for key, call in known.items()}
        self.open = [key for key in self.items if key not in known]
        self.num_unreachable = 0

    async def run(self) -> None:
        """Ask everything open with bounded concurrency, stopping at the first fatal error."""
        queue = iter(list(self.open))
        workers = min(self.teacher._settings.concurrency, len(self.open))
        self.spent = self.teacher.ledger.spent()
        self.reserved = 0.0
        self.fatal: TeacherError | None = None

        async def work() -> None:
            # Calls in flight are finished and logged when another worker met a fatal error.
            for key in queue:
                if self.fatal is None and self._afford(key):
                    await self._settle(key)
                if self.fatal is not None:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
        if self.fatal is not None:
            raise self.fatal

    def worst_case(self, key: str) -> tuple[int, float]:
        """Estimated input tokens and highest price of a call.

        Three bytes of UTF-8 a token is about one token a Chinese character, and more than English
        text needs.
        """
        text = "".join(message["content"] for message in self.messages[key])
        tokens = len(text.encode("utf-8", "replace")) // 3
        return tokens, self.teacher.price(tokens, self.teacher._settings.max_output_tokens)

    def _afford(self, key: str) -> bool:
        budget = self.teacher._settings.budget_usd
        cost = self.worst_case(key)[1]
        if budget is not None and self.spent + self.reserved + cost > budget:
            self.fatal = self.fatal or BudgetExceeded(
                f"teacher.budget_usd = {budget:g}: {self.spent:.4f} US dollars are spent, "
                f"{self.reserved:.4f} reserved for calls under way and the next call may cost "
                f"{cost:.4f}. {len(self.answers)} of {len(self.items)} items of role "
                f"{self.role!r} have answers, kept in the ledger; raise the budget to go on"
            )
            return False
        self.reserved += cost
        return True

    async def _settle(self, key: str) -> None:
        try:
            call = await self._call(key)
        except TeacherError as error:
            self.fatal = self.fatal or error
            return
        finally:
            self.reserved -= self.worst_case(key)[1]
        self.spent += call.usd
        self.teacher.ledger.record(call)
        self.answers[key] = _answer(call, cached=False)
        if self.on_progress:
            self.on_progress(len(self.answers), len(self.items))

    async def _call(self, key: str) -> Call:
        """One item's answer, invalid ones sent back with a note; a failure is an answer too."""
        item = self.items[key]
        schema = roles.response_format(self.role, item)
        model = roles.role_named(self.role).answer_model(item)
        messages = list(self.messages[key])
        used_in = used_out = attempts = 0
        value: dict[str, Any] | None = None
        error: str | None = None
        started = time.monotonic()
        while value is None and attempts <= REPAIRS:
            attempts += 1
            try:
                text, tokens_in, tokens_out = await self._complete(messages, schema)
            except _CallFailed as failure:
                error = str(failure)
                break
            used_in, used_out = used_in + tokens_in, used_out + tokens_out
            try:
                value = model.model_validate_json(text, strict=False).model_dump()
            except ValidationError as invalid:
                error = _explain(invalid)
                note = f"That is not a valid answer: {error}. Answer again, as JSON of the schema."
                messages += [
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": note},
                ]
        return Call(
            key=key,
            role=self.role,
            model=self.teacher.model,
            round=self.round,
            status="failed" if value is None else "ok",
            value=value,
            error=None if value is not None else error,
            input_tokens=used_in,
            output_tokens=used_out,
            usd=self.teacher.price(used_in, used_out),
            latency_seconds=time.monotonic() - started,
            attempts=attempts,
        )

    async def _complete(
        self, messages: list[dict[str, str]], schema: dict[str, Any]
    ) -> tuple[str, int, int]:
        import openai

        settings = self.teacher._settings
        try:
            completion = await self.teacher._client.chat.completions.create(
                model=settings.model, messages=messages, response_format=schema, **self.parameters
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            # The body of the refusal may repeat the key: only its status is passed on.
            raise TeacherError(
                f"the teacher at {settings.base_url} refuses access (HTTP {error.status_code}); "
                f"check the key in the environment variable {settings.api_key_variable}"
            ) from None
        except openai.NotFoundError:
            raise TeacherError(
                f"the teacher at {settings.base_url} knows no model {settings.model!r}; check "
                "teacher.base_url and teacher.model"
            ) from None
        except openai.APIConnectionError as error:
            self._note_unreachable()
            raise _CallFailed(f"not reached: {error.message}"[:MAX_ERROR_CHARS]) from None
        except openai.APIError as error:
            raise _CallFailed(error.message[:MAX_ERROR_CHARS]) from None
        self.num_unreachable = 0
        usage = completion.usage
        text = (completion.choices[0].message.content if completion.choices else None) or ""
        return text, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0

    def _note_unreachable(self) -> None:
        """Give up when nobody has answered for a while instead of failing item by item."""
        self.num_unreachable += 1
        settings = self.teacher._settings
        if self.num_unreachable >= 2 * settings.concurrency:
            raise TeacherError(
                f"nobody answers at {settings.base_url or 'the offline teacher'}: the last "
                f"{self.num_unreachable} calls, each tried {settings.max_retries + 1} times, "
                "ended without a connection"
            )


class _CallFailed(Exception):
    """This call has no answer; others may have."""


def _answer(call: Call, *, cached: bool) -> Answer:
    status: Literal["ok", "failed"] = "ok" if call.status == "ok" else "failed"
    return Answer(
        status, call.value, call.error, cached, call.input_tokens, call.output_tokens, call.usd
    )


def _explain(error: ValidationError) -> str:
    items = [
        f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}"
        for e in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(items)[:MAX_ERROR_CHARS]


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
                yield Teacher(settings, ledger, client, runner, seed)
            finally:
                runner.run(client.close())
    finally:
        ledger.close()
