"""Teachers over the offline server: inside this process, or as a server of its own."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai

from carebot_assets.settings import OfflineTeacherSettings, TeacherSettings
from carebot_assets.teacher.client import Teacher
from carebot_assets.teacher.endpoint import Endpoint
from carebot_assets.teacher.ledger import Ledger
from carebot_assets.teacher.offline.server import create_app
from carebot_assets.teacher.roles import join_labels

LABELS = join_labels(["Health & Medicine", "Sports", "Others"])
PRICES = {"m": {"input": 1.0, "output": 1.0}}
URL = "http://teacher.invalid/v1"


def items(num: int) -> list[dict[str, str]]:
    """Documents of both languages about sports and medicine."""
    texts = ("The team won the football match", "糖尿病患者应监测血糖", "病人头痛发热三天")
    return [{"text": f"{texts[number % 3]} {number}.", "labels": LABELS} for number in range(num)]


def good(number: int) -> str:
    """The label that an item of `items` deserves."""
    return "Sports" if number % 3 == 0 else "Health & Medicine"


class Killed(BaseException):
    """The process is gone; nothing may catch this."""


class Wire(httpx2.ASGITransport):
    """The way to a server in this process; `on_wire(number, when)` may cut it at any request."""

    def __init__(self, app: Any, on_wire: Callable[[int, str], None] | None = None) -> None:
        super().__init__(app=app)
        self.num_requests, self._on_wire = 0, on_wire

    async def handle_async_request(self, request: Any) -> Any:
        number, self.num_requests = self.num_requests, self.num_requests + 1
        if self._on_wire:
            self._on_wire(number, "before")
        response = await super().handle_async_request(request)
        if self._on_wire:
            self._on_wire(number, "after")
        return response


class Served:
    """An offline server inside this process, which outlives the teachers that ask it."""

    def __init__(self, **offline: Any) -> None:
        settings = {"disagreement_rate": 0.0} | offline
        self.app = create_app(OfflineTeacherSettings.model_validate(settings))

    @contextmanager
    def teacher(
        self, ledger: Path, on_wire: Callable[[int, str], None] | None = None, **settings: Any
    ) -> Iterator[tuple[Teacher, Wire]]:
        values: dict[str, Any] = {"base_url": URL, "model": "m", "prices": PRICES,
                                  "batch": {"poll_seconds": 0.001}}  # fmt: skip
        chosen = TeacherSettings.model_validate(values | settings)
        wire = Wire(self.app, on_wire)
        calls = Ledger(ledger)
        client = openai.AsyncOpenAI(
            api_key="k",
            base_url=URL,
            max_retries=chosen.max_retries,
            http_client=httpx2.AsyncClient(transport=wire),
        )
        try:
            with asyncio.Runner() as runner:
                yield Teacher(Endpoint(chosen, client, calls, 1), runner), wire
        finally:
            calls.close()

    def stats(self) -> dict[str, int]:
        async def ask() -> dict[str, int]:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app)) as client:
                found: dict[str, int] = (await client.get(f"{URL}/offline/stats")).json()
                return found

        return asyncio.run(ask())


def stats_at(base_url: str) -> dict[str, int]:
    """What a server of its own has served so far."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{base_url}/offline/stats") as response:
        found: dict[str, int] = json.load(response)
        return found
