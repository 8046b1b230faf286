"""One request to a teacher for many answers: cache, concurrency, repairs and the budget."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from carebot_assets.settings import TeacherSettings
from carebot_assets.teacher import roles
from carebot_assets.teacher.answers import Answer, BudgetExceeded, TeacherError
from carebot_assets.teacher.ledger import Call, Ledger, call_key
from carebot_assets.teacher.offline.process import offline_version

# An answer that is not what was asked for is sent back this often with a note of what is wrong.
REPAIRS = 2
MAX_ERROR_CHARS = 300

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Endpoint:
    """Where and how a teacher is asked.

    Attributes:
        client: an `openai.AsyncOpenAI`.
        seed: base of the sampling seed; each round adds its number.
    """

    settings: TeacherSettings
    client: Any
    ledger: Ledger
    seed: int

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars of so many tokens."""
        return (
            input_tokens * self.settings.usd_per_million_input_tokens
            + output_tokens * self.settings.usd_per_million_output_tokens
        ) / 1e6


class Job:
    """One `ask`: what is open, what is answered, what is reserved of the budget."""

    def __init__(
        self,
        endpoint: Endpoint,
        role: str,
        items: Sequence[Mapping[str, str]],
        round: int,
        on_progress: Progress | None,
    ) -> None:
        self.endpoint, self.role, self.round, self.on_progress = endpoint, role, round, on_progress
        settings = endpoint.settings
        self.parameters: dict[str, Any] = {
            "seed": endpoint.seed + round,
            "max_completion_tokens": settings.max_output_tokens,
        }
        if settings.temperature is not None:
            self.parameters["temperature"] = settings.temperature
        mind = [offline_version(), settings.offline.disagreement_rate] * settings.is_offline
        self.keys: list[str] = []
        self.items: dict[str, Mapping[str, str]] = {}
        self.messages: dict[str, list[dict[str, str]]] = {}
        for item in items:
            messages = roles.render(role, item, max_chars=settings.max_chars)
            schema = roles.response_format(role, item)
            key = call_key(settings.model, messages, [self.parameters, schema, *mind], round)
            self.keys.append(key)
            self.items[key], self.messages[key] = item, messages
        known = endpoint.ledger.known(self.keys)
        self.answers = {key: _answer(call, cached=True) for key, call in known.items()}
        self.open = [key for key in self.items if key not in known]
        self.num_unreachable = 0

    async def run(self) -> None:
        """Ask everything open with bounded concurrency, stopping at the first fatal error."""
        queue = iter(list(self.open))
        workers = min(self.endpoint.settings.concurrency, len(self.open))
        self.spent = self.endpoint.ledger.spent()
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
        return tokens, self.endpoint.price(tokens, self.endpoint.settings.max_output_tokens)

    def _afford(self, key: str) -> bool:
        cost = self.worst_case(key)[1]
        if self._over_budget(cost):
            self.fatal = self.fatal or BudgetExceeded(
                f"teacher.budget_usd = {self.endpoint.settings.budget_usd:g}: "
                f"{self.spent:.4f} US dollars are spent, {self.reserved:.4f} reserved for calls "
                f"under way and the next call may cost {cost:.4f}. {len(self.answers)} of "
                f"{len(self.items)} items of role {self.role!r} have answers, kept in "
                "the ledger; raise the budget to go on"
            )
            return False
        self.reserved += cost
        return True

    def _over_budget(self, cost: float) -> bool:
        """Whether so much more than is spent and reserved would break the budget."""
        budget = self.endpoint.settings.budget_usd
        return budget is not None and self.spent + self.reserved + cost > budget

    async def _settle(self, key: str) -> None:
        try:
            call = await self._call(key)
        except TeacherError as error:
            self.fatal = self.fatal or error
            return
        finally:
            self.reserved -= self.worst_case(key)[1]
        self.spent += call.usd
        self.endpoint.ledger.record(call)
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
                if self._over_budget(self.endpoint.price(used_in, used_out)):
                    break
                note = f"That is not a valid answer: {error}. Answer again, as JSON of the schema."
                messages += [
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": note},
                ]
        return Call(
            key=key,
            role=self.role,
            model=self.endpoint.settings.model,
            round=self.round,
            status="failed" if value is None else "ok",
            value=value,
            error=None if value is not None else error,
            input_tokens=used_in,
            output_tokens=used_out,
            usd=self.endpoint.price(used_in, used_out),
            latency_seconds=time.monotonic() - started,
            attempts=attempts,
        )

    async def _complete(
        self, messages: list[dict[str, str]], schema: dict[str, Any]
    ) -> tuple[str, int, int]:
        import openai

        settings = self.endpoint.settings
        try:
            completion = await self.endpoint.client.chat.completions.create(
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
        settings = self.endpoint.settings
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
