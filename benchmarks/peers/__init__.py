"""Peers' tools, each installed from the registry into an environment of its own and run there.

A peer is a pair of files: `NAME.txt` pins what is installed, `NAME.py` is run by that
environment's Python, reads one JSON object from standard input and prints one JSON object last.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".carebot" / "peers"


def python_of(peer: str) -> Path:
    """Python of a peer's environment, which is made on first use.

    Raises:
        subprocess.CalledProcessError: the installation failed; pip has said why.
    """
    home = ENVIRONMENTS / peer
    python, stamp = home / "bin" / "python", home / ".installed"
    pins = (HERE / f"{peer}.txt").read_text("utf-8")
    if not stamp.is_file() or stamp.read_text("utf-8") != pins:
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(HERE / f"{peer}.txt")], check=True, stdout=sys.stderr)
        stamp.write_text(pins, "utf-8")
    return python


def run(peer: str, request: dict[str, Any]) -> dict[str, Any]:
    """Answer of a peer's script to a request.

    Raises:
        RuntimeError: the script failed; the end of its output is in the message.
    """
    done = subprocess.run(
        [str(python_of(peer)), str(HERE / f"{peer}.py")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"peer {peer} failed: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
