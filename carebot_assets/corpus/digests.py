"""Hashes of source files, remembered as long as a file looks the same.

What is remembered of a part of a file holds while its size and its time or tag of change stay as
they are; of a local file also its inode and the time of change of its status, which no program can
set back. A change that alters none of these goes unseen until its shard is read: reading hashes
the bytes again.
"""

import json
import time
from pathlib import Path

from carebot_assets.corpus import locations

FILE = "digests.json"
# A file changed so shortly before it was hashed may change again within its time stamp's grain.
_SETTLED_NS = 2_000_000_000


class Digests:
    """Hash and number of line feeds of parts of files.

    Args:
        known: file that `save` wrote, where there is one.
    """

    def __init__(self, known: Path | None = None) -> None:
        self._known: dict[str, list[str | int]] = {}
        if known is not None and known.is_file():
            self._known = json.loads(known.read_text("utf-8"))
        self._found: dict[str, list[str | int]] = {}
        self.num_read = 0

    def of(self, location: str, start: int, stop: int) -> tuple[str, int]:
        """SHA-256 of bytes `start` to `stop` of a file, and the number of line feeds in them."""
        key, state = f"{start}-{stop} {location}", locations.state(location)
        mark, sha256, num_lines = self._known.get(key, ("", "", 0))
        if not state.mark or mark != state.mark:
            now = time.time_ns()
            sha256, num_lines = locations.digest(location, start, stop)
            self.num_read += 1
            if now - state.changed_ns < _SETTLED_NS:
                return sha256, num_lines
        self._found[key] = [state.mark, sha256, num_lines]
        return str(sha256), int(num_lines)

    def save(self, path: Path) -> None:
        """Write what was asked for, no more, so that files that went are forgotten."""
        path.write_text(json.dumps(self._found, indent=0, sort_keys=True), "utf-8")
