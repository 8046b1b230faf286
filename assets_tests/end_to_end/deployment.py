"""A code server, a webserver and a daemon, as processes of their own on 127.0.0.1."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from assets_tests.end_to_end.conftest import BIN, Place

HOST = "127.0.0.1"
PATIENCE = 240.0  # seconds until something that never happens fails the test
POLL = 0.5
MODULE = "carebot_assets.definitions"
# The daemon of `dagster-daemon run` but for its pauses, which are constants of 30 and 5 seconds.
DAEMON = """
from dagster._daemon import controller, sensor
controller.DEFAULT_DAEMON_INTERVAL_SECONDS = sensor.MIN_INTERVAL_LOOP_TIME = 2
from dagster._daemon.cli import main
main()
"""
T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], log: Path | None = None) -> T:
    """The first true answer of a probe; fails after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(POLL)
    tail = log.read_text("utf-8", errors="replace")[-3000:] if log else ""
    raise AssertionError(f"not within {PATIENCE:.0f} s: {what}\n{tail}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


class Deployment:
    """What a browser can do: GraphQL requests to the webserver."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(
            f"http://{HOST}:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return dict(found["data"])

    def locations(self) -> list[dict[str, Any]]:
        query = """query { workspaceOrError { ... on Workspace { locationEntries { name
            locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
        return list(self.ask(query)["workspaceOrError"]["locationEntries"])


@contextmanager
def deployed(place: Place) -> Iterator[Deployment]:
    """Start the three processes on a prepared home; stop them and all they started at the end."""
    ports = code, web = free_port(), free_port()
    workspace = place.folder / "workspace.yaml"
    workspace.write_text(
        f"load_from: [grpc_server: {{host: {HOST}, port: {code}, location_name: carebot_assets}}]"
    )
    where = ["-w", str(workspace)]
    server = ["api", "grpc", "-m", MODULE, "-h", HOST, "-p", str(code)]
    with ExitStack() as stack:
        log = stack.enter_context(_process(place, "code", str(BIN / "dagster"), *server))
        until("code server listens", lambda: listens(code), log)
        command = [str(BIN / "dagster-webserver"), "-h", HOST, "-p", str(web), *where]
        log = stack.enter_context(_process(place, "web", *command))
        stack.enter_context(
            _process(place, "daemon", str(BIN / "python"), "-c", DAEMON, "run", *where)
        )
        until("webserver listens", lambda: listens(web), log)
        yield Deployment(web)
    until("ports are free again", lambda: not any(map(listens, ports)))


@contextmanager
def _process(place: Place, name: str, *command: str) -> Iterator[Path]:
    log = place.folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=place.folder,
            env=place.environ | {"PYTHONWARNINGS": "ignore"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        # Its children share its session; a group that is gone already is as wanted.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
