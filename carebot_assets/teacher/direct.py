"""Calls one by one, many at the same time. Waiting and repeating are the `openai` client's."""

import asyncio
import time
from typing import Any

from carebot_assets.teacher.answers import TeacherError
from carebot_assets.teacher.job import MAX_ERROR_CHARS, REPAIRS, Job
from carebot_assets.teacher.ledger import Call


class Direct:
    """One job over chat completions."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._settings = job.endpoint.settings
        self._fatal: TeacherError | None = None
        self._num_refused = 0

    async def run(self) -> None:
        """Ask everything open with bounded concurrency, stopping at the first fatal error."""
        job = self._job
        queue = iter(list(job.open))
        job.spent = job.endpoint.ledger.spent()

        async def work() -> None:
            # Calls in flight are finished and logged when another worker met a fatal error.
            for key in queue:
                if self._fatal is None:
                    await self._settle(key)
                if self._fatal is not None:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._settings.concurrency, len(job.open))):
                group.create_task(work())
        if self._fatal is not None:
            raise self._fatal

    async def _settle(self, key: str) -> None:
        job = self._job
        cost = job.worst_case(key)
        if job.over_budget(cost):
            self._fatal = self._fatal or job.out_of_budget(key)
            return
        job.reserved += cost
        try:
            call = await self._call(key)
        except TeacherError as error:
            self._fatal = self._fatal or error
            return
        finally:
            job.reserved -= cost
        job.spent += call.usd
        job.endpoint.ledger.record(call)
        job.settle(call)

    async def _call(self, key: str) -> Call:
        """One item's answer, invalid ones sent back with a note; a failure is an answer too."""
        job = self._job
        used_in = used_out = attempts = 0
        invalid: list[tuple[str, str]] = []
        value: dict[str, Any] | None = None
        error: str | None = None
        started = time.monotonic()
        while value is None and attempts <= REPAIRS:
            attempts += 1
            try:
                text, tokens_in, tokens_out = await self._complete(job.request(key, invalid))
            except _CallFailed as failure:
                error = str(failure)
                break
            used_in, used_out = used_in + tokens_in, used_out + tokens_out
            value, error = job.read(key, text)
            if error is not None:
                invalid.append((text, error))
                if job.over_budget(job.endpoint.price(used_in, used_out)):
                    break
        return job.call(
            key,
            value,
            error,
            input_tokens=used_in,
            output_tokens=used_out,
            latency_seconds=time.monotonic() - started,
            attempts=attempts,
        )

    async def _complete(self, request: dict[str, Any]) -> tuple[str, int, int]:
        import openai

        # Given as it is: the client would walk through all of the schema again for every call.
        extra = {"response_format": request.pop("response_format")}
        create = self._job.endpoint.client.chat.completions.create
        try:
            with self._job.endpoint.refusals():
                completion = await create(**request, extra_body=extra)
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as e:
            self._note_refused(e.message[:MAX_ERROR_CHARS])
            raise _CallFailed(f"not answered: {e.message}"[:MAX_ERROR_CHARS]) from None
        except openai.APIError as error:
            raise _CallFailed(error.message[:MAX_ERROR_CHARS]) from None
        self._num_refused = 0
        usage = completion.usage
        text = (completion.choices[0].message.content if completion.choices else None) or ""
        return text, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0

    def _note_refused(self, error: str) -> None:
        """Give up when nobody has answered for a while instead of failing item by item."""
        self._num_refused += 1
        settings = self._settings
        if self._num_refused >= 2 * settings.concurrency:
            raise TeacherError(
                f"nobody answers at {settings.base_url or 'the offline teacher'}: the last "
                f"{self._num_refused} calls, each tried {settings.max_retries + 1} times, ended "
                f"without an answer ({error}); what was answered before is in the ledger"
            )


class _CallFailed(Exception):
    """This call has no answer; others may have."""
