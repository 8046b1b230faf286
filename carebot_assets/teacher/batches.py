"""Calls handed in as files and fetched hours later: the Batch API of the OpenAI protocol.

A batch is in the ledger before it is sent, under a name that it carries as metadata, so that after
a kill at any point it is found again instead of being paid for twice. What a batch answered and
that it has been fetched are logged in one transaction.
"""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from carebot_assets.teacher.answers import TeacherError
from carebot_assets.teacher.job import MAX_ERROR_CHARS, REPAIRS, Job
from carebot_assets.teacher.ledger import Batch, Call

ENDPOINT = "/v1/chat/completions"
WINDOW = "24h"
MARK = "carebot_batch"
ENDED = {"completed", "failed", "expired", "cancelled"}
# A batch cannot be older at the endpoint than in the ledger, but for clocks that differ.
CLOCK_SKEW_SECONDS = 3600.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 60.0


class Batches:
    """One job over batches."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._settings = job.endpoint.settings
        self._ledger, self._client = job.endpoint.ledger, job.endpoint.client
        self._num_unanswered: Counter[str] = Counter()
        self._invalid: dict[str, list[tuple[str, str]]] = {}

    async def run(self) -> None:
        """Take up what an earlier run had handed in, hand in the rest, and fetch everything."""
        import openai

        try:
            with self._job.endpoint.refusals():
                try:
                    await self._run()
                except openai.NotFoundError:
                    raise TeacherError(
                        f"{self._job.endpoint.url} has no Batch API, or has lost a file of it "
                        "(HTTP 404); teacher.transport: direct needs none"
                    ) from None
        except openai.APIError as error:
            raise TeacherError(
                f"the batch transport at {self._job.endpoint.url} failed: "
                f"{error.message[:MAX_ERROR_CHARS]}; batches under way are in the ledger and are "
                "taken up by the next run"
            ) from None

    async def _run(self) -> None:
        job, under_way = self._job, await self._taken_up()
        job.reserved = sum(batch.reserved_usd for batch in under_way)
        job.spent = self._ledger.spent() - job.reserved
        handed_in = {key for batch in under_way for key in batch.keys}
        waiting = [key for key in job.open if key not in handed_in]
        while waiting or under_way:
            while waiting and len(under_way) < self._settings.batch.max_open:
                batch = self._plan(waiting)
                if batch is None:
                    break
                under_way.append(await self._hand_in(batch))
            if not under_way:
                raise job.out_of_budget(waiting[0])
            still_under_way = []
            for batch in under_way:
                again = await self._poll(batch)
                if again is None:
                    still_under_way.append(batch)
                else:
                    job.reserved -= batch.reserved_usd
                    waiting += again
            if len(still_under_way) == len(under_way):
                await asyncio.sleep(self._settings.batch.poll_seconds)
            under_way = still_under_way

    async def _taken_up(self) -> list[Batch]:
        """Batches with calls of this job that an earlier run had handed in."""
        under_way = []
        for batch in self._ledger.open_batches(self._job.endpoint.url, self._job.open):
            if batch.remote_id is None:
                remote_id = await self._find(batch)
                if remote_id is None:  # killed before it was handed in
                    self._ledger.batch_closed(batch.name, "lost")
                    continue
                batch = self._named(batch, remote_id)
            under_way.append(batch)
        return under_way

    def _plan(self, waiting: list[str]) -> Batch | None:
        """Take calls off the list for one batch, as many as limits and budget allow."""
        limits = self._settings.batch
        keys: list[str] = []
        size = cost = 0.0
        while waiting and len(keys) < limits.max_requests:
            key = waiting[0]
            size += len(self._line(key))
            more = self._job.worst_case(key)
            if (keys and size > limits.max_file_mb * 1e6) or self._job.over_budget(cost + more):
                break
            cost += more
            keys.append(waiting.pop(0))
        if not keys:
            return None
        self._job.reserved += cost
        batch = Batch(uuid.uuid4().hex, self._job.role.name, tuple(keys), cost, time.time())
        self._ledger.plan_batch(batch, self._job.endpoint.url)
        return batch

    def _line(self, key: str) -> bytes:
        body = self._job.request(key, self._invalid.get(key, ()))
        line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    async def _hand_in(self, batch: Batch) -> Batch:
        data = b"".join(map(self._line, batch.keys))
        file = await self._client.files.create(file=(f"{batch.name}.jsonl", data), purpose="batch")
        return self._named(batch, await self._create(batch, file.id))

    async def _create(self, batch: Batch, file_id: str) -> str:
        """Make the batch once. The client's own repeating would make a second one where only the
        reply to the first was lost, so each failure is followed by a look whether it is there."""
        import openai

        once = self._client.with_options(max_retries=0)
        wait = FIRST_WAIT_SECONDS
        for tries_left in range(self._settings.max_retries, -1, -1):
            try:
                remote = await once.batches.create(
                    input_file_id=file_id,
                    endpoint=ENDPOINT,
                    completion_window=WINDOW,
                    metadata={MARK: batch.name},
                )
                return str(remote.id)
            except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError):
                if found := await self._find(batch):
                    return found
                if not tries_left:
                    raise
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        raise AssertionError("unreachable")

    def _named(self, batch: Batch, remote_id: str) -> Batch:
        self._ledger.batch_created(batch.name, remote_id)
        self._job.progress.say(f"batch {remote_id}: {len(batch.keys)} requests handed in")
        return replace(batch, remote_id=remote_id)

    async def _find(self, batch: Batch) -> str | None:
        """Id of the batch at the endpoint, if it is there."""
        async for remote in self._client.batches.list(limit=100):
            if (remote.metadata or {}).get(MARK) == batch.name:
                return str(remote.id)
            if remote.created_at < batch.planned_at - CLOCK_SKEW_SECONDS:
                return None
        return None

    async def _poll(self, batch: Batch) -> list[str] | None:
        """Calls to ask again after a batch has ended; None while it has not."""
        import openai

        try:
            remote = await self._client.batches.retrieve(batch.remote_id)
        except openai.NotFoundError:
            return self._lost(batch)
        if remote.status not in ENDED:
            counts = remote.request_counts
            done = f", {counts.completed} of {counts.total} done" if counts else ""
            self._job.progress.note(f"batch {batch.remote_id} is {remote.status}{done}")
            return None
        if remote.status == "failed":
            problems = "; ".join(
                f"{e.code}: {e.message}"
                for e in (remote.errors.data if remote.errors else []) or []
            )
            self._ledger.batch_closed(batch.name, "failed")
            raise TeacherError(
                f"the endpoint refused batch {batch.remote_id} of {len(batch.keys)} requests as a "
                f"whole: {problems[:MAX_ERROR_CHARS] or 'no reason given'}"
            )
        lines = [
            line
            for file_id in (remote.output_file_id, remote.error_file_id)
            if file_id
            for line in _lines((await self._client.files.content(file_id)).content)
        ]
        seconds = float((remote.completed_at or remote.expired_at or 0) - remote.created_at)
        return self._collect(batch, lines, remote.status, max(0.0, seconds))

    def _lost(self, batch: Batch) -> list[str]:
        if not self._settings.is_offline:
            raise TeacherError(
                f"{self._job.endpoint.url} does not know batch {batch.remote_id}, which has "
                f"{len(batch.keys)} requests under way: is this another account's key? If the "
                f"batch is gone for good, `carebot labels --forget {batch.name}` asks them again"
            )
        # The offline server keeps its batches in memory, and its answers cost nothing.
        self._ledger.batch_closed(batch.name, "lost")
        return [key for key in batch.keys if key in self._job.items]

    def _collect(
        self, batch: Batch, lines: list[dict[str, Any]], status: str, seconds: float
    ) -> list[str]:
        """Log the answers of an ended batch; the calls that have none and are asked again."""
        calls: dict[str, Call] = {}
        again: list[str] = []
        mine = set(batch.keys) & self._job.items.keys()
        for line in lines:
            key = str(line.get("custom_id"))
            if key not in mine or key in calls:  # strangers, and a second line for the same call
                continue
            calls[key], is_open = self._read(key, line, f"batch {batch.remote_id}", seconds)
            again += [key] * is_open
        for key in sorted(mine - calls.keys()):
            line = {"error": {"code": status, "message": f"no answer in a batch that {status}"}}
            calls[key], is_open = self._read(key, line, f"batch {batch.remote_id}", seconds)
            again += [key] * is_open
        for call in self._ledger.batch_fetched(batch.name, list(calls.values())):
            self._job.spent += call.usd
            if call.key not in again:
                self._job.settle(call)
        return again

    def _read(
        self, key: str, line: dict[str, Any], transport: str, seconds: float
    ) -> tuple[Call, bool]:
        """The call behind a line of output or errors, and whether it is to be asked again."""
        response = line.get("response") or {}
        body = response.get("body") or {}
        code = response.get("status_code")
        value, error, is_open = None, None, False
        if code == 200 and body.get("choices"):
            text = body["choices"][0]["message"].get("content") or ""
            value, error = self._job.read(key, text)
            if error is not None:
                invalid = self._invalid.setdefault(key, [])
                invalid.append((text, error))
                is_open = len(invalid) <= REPAIRS
        else:
            problem = line.get("error") or body.get("error") or {}
            error = str(problem.get("message") or f"HTTP {code} without an answer")
            self._num_unanswered[key] += 1
            refused = code is not None and 400 <= code < 500 and code not in (408, 409, 429)
            is_open = not refused and self._num_unanswered[key] <= self._settings.max_retries
        usage = body.get("usage") or {}
        call = self._job.call(
            key,
            value,
            None if error is None else error[:MAX_ERROR_CHARS],
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            latency_seconds=seconds,
            transport=transport,
        )
        return call, is_open


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Objects of a JSONL file; a line that is none (a file cut off) answers nothing."""
    for line in content.split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
