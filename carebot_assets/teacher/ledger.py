"""Log of every teacher call, which doubles as the cache.

A call is known by the hash of all that decides its answer: prompt, model, parameters, round. Good
answers are reused for ever, failed ones are asked again. It is a log: nothing that differs from run
to run (latency, time, number of attempts) may go from here into a table.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carebot_assets.store import hash_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    model TEXT NOT NULL,
    round INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    answer TEXT,
    error TEXT,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    usd REAL NOT NULL,
    latency_seconds REAL NOT NULL,
    attempts INTEGER NOT NULL,
    asked_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_by_role ON calls (role);
"""
# A failed call that is asked again keeps what the failure had cost.
_RECORD = """
INSERT INTO calls (key, role, model, round, status, answer, error, input_tokens, output_tokens,
                   usd, latency_seconds, attempts)
VALUES (:key, :role, :model, :round, :status, :answer, :error, :input_tokens, :output_tokens,
        :usd, :latency_seconds, :attempts)
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, answer = excluded.answer, error = excluded.error,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    usd = usd + excluded.usd, latency_seconds = latency_seconds + excluded.latency_seconds,
    attempts = attempts + excluded.attempts, asked_at = CURRENT_TIMESTAMP
"""
# Below SQLite's oldest limit on the variables of one statement.
_LOOKUP_BATCH = 900


def call_key(model: str, messages: list[dict[str, str]], parameters: Any, round: int) -> str:
    """Identity of a call."""
    return hash_json({"model": model, "messages": messages, "with": parameters, "round": round})


@dataclass(frozen=True)
class Call:
    """One call as it is logged."""

    key: str
    role: str
    model: str
    round: int
    status: str
    value: dict[str, Any] | None
    error: str | None
    input_tokens: int
    output_tokens: int
    usd: float
    latency_seconds: float = 0.0
    attempts: int = 1


class Ledger:
    """The calls in one SQLite file; several processes may write at the same time.

    Every call is committed by itself: with a write-ahead log that is a fraction of a millisecond,
    and a killed run has lost nothing that was paid for.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{path} is not a call ledger: {error}") from None

    def close(self) -> None:
        self._db.close()

    def known(self, keys: Iterable[str]) -> dict[str, Call]:
        """Good answers there already are, by key."""
        wanted = list(dict.fromkeys(keys))
        found = {}
        for start in range(0, len(wanted), _LOOKUP_BATCH):
            batch = wanted[start : start + _LOOKUP_BATCH]
            marks = ",".join("?" * len(batch))
            rows = self._db.execute(
                "SELECT key, role, model, round, status, answer, error, input_tokens,"
                f" output_tokens, usd FROM calls WHERE status = 'ok' AND key IN ({marks})",
                batch,
            )
            for key, role, model, number, status, answer, *rest in rows:
                found[key] = Call(key, role, model, number, status, json.loads(answer), *rest)
        return found

    def record(self, call: Call) -> None:
        """Log a call."""
        answer = None if call.value is None else json.dumps(call.value, ensure_ascii=False)
        row = {name: getattr(call, name) for name in Call.__dataclass_fields__ if name != "value"}
        self._db.execute(_RECORD, row | {"answer": answer})

    def spent(self) -> float:
        """US dollars spent on all calls so far, failed ones too."""
        return float(self._db.execute("SELECT COALESCE(SUM(usd), 0) FROM calls").fetchone()[0])

    def totals(self, role: str | None = None) -> dict[str, float]:
        """Calls, failures, tokens and cost, of one role or of all."""
        row = self._db.execute(
            "SELECT COUNT(*), COALESCE(SUM(status = 'failed'), 0), COALESCE(SUM(input_tokens), 0),"
            " COALESCE(SUM(output_tokens), 0), COALESCE(SUM(usd), 0) FROM calls"
            " WHERE :role IS NULL OR role = :role",
            {"role": role},
        ).fetchone()
        names = ("num_calls", "num_failed", "num_input_tokens", "num_output_tokens", "cost_usd")
        return dict(zip(names, row, strict=True))
