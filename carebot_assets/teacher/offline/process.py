"""The offline server as a child process that cannot outlive its parent.

The parent binds and listens, so connections queue up from the first moment and there is nothing to
wait for; the child inherits the socket. It stops when its standard input closes, which happens
also when the parent is killed.
"""

import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from carebot_assets.settings import OfflineTeacherSettings

HOST = "127.0.0.1"
STOP_SECONDS = 10.0
MIND = ("heuristics.py", "orders.py", "evidence.py", "evidence.yaml", "quality.py", "marks.yaml",
        "consultation.py", "compose.py", "../language.py")  # fmt: skip


@cache
def offline_version() -> str:
    """Hash of all that decides the offline teacher's answers; part of a call's identity."""
    files = [Path(__file__).parent / name for name in MIND]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:12]


@contextmanager
def offline_server(settings: OfflineTeacherSettings) -> Iterator[str]:
    """Base URL of a server that runs during the block.

    Raises:
        ValueError: the configured port is in use.
    """
    with _listen(settings.port) as listener:
        port = listener.getsockname()[1]
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "carebot_assets.teacher.offline.server",
                f"--fd={listener.fileno()}",
                f"--settings={settings.model_dump_json()}",
            ],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"http://{HOST}:{port}/v1"
    finally:
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=512)
    except OSError as error:
        raise ValueError(
            f"the offline teacher cannot listen on {HOST}:{port} ({error.strerror}); choose "
            "another teacher.offline.port, or 0 for any free one"
        ) from None
