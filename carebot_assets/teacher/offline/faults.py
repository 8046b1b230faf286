"""Misbehaviour on purpose: which request is struck by which fault, and how often."""

import hashlib
from collections import Counter

from carebot_assets.settings import FaultSettings


class Faults:
    """Decides by hash, so that a run against the same settings meets the same faults."""

    def __init__(self, settings: FaultSettings) -> None:
        self.settings = settings
        self._struck: Counter[tuple[str, str]] = Counter()

    def strikes(self, kind: str, identity: str) -> bool:
        """Whether a request (told from others by `identity`) fails this time.

        Args:
            kind: the setting's name without `_ratio`.
            identity: what stays the same when a request is repeated.
        """
        ratio = getattr(self.settings, f"{kind}_ratio")
        if not ratio or _draw(kind, identity) >= ratio:
            return False
        self._struck[kind, identity] += 1
        return self._struck[kind, identity] <= self.settings.num_times


def _draw(kind: str, identity: str) -> float:
    digest = hashlib.sha256(f"{kind}\0{identity}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) / 2**64
