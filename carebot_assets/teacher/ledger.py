"""Log of every teacher call, which doubles as the cache, and of the batches under way.

A call is known by the hash of all that decides its answer: prompt, model, parameters, round. Good
answers are reused for ever, failed ones are asked again. It is a log: nothing that differs from run
to run (latency, time, number of attempts) may go from here into a table.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
CREATE TABLE IF NOT EXISTS batches (
    name TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    role TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('planned', 'open', 'done', 'failed', 'lost')),
    remote_id TEXT,
    reserved_usd REAL NOT NULL,
    planned_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_items (
    key TEXT NOT NULL,
    batch TEXT NOT NULL,
    PRIMARY KEY (batch, key)
) WITHOUT ROWID;
"""
# Columns that came later than the first ledgers, which hold answers that were paid for.
_ADDED = ("prompt_hash", "parameters", "transport")
# A failed call that is asked again keeps what the failure had cost.
_RECORD = """
INSERT INTO calls (key, role, model, round, status, answer, error, input_tokens, output_tokens,
                   usd, latency_seconds, attempts, prompt_hash, parameters, transport)
VALUES (:key, :role, :model, :round, :status, :answer, :error, :input_tokens, :output_tokens,
        :usd, :latency_seconds, :attempts, :prompt_hash, :parameters, :transport)
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, answer = excluded.answer, error = excluded.error,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    usd = usd + excluded.usd, latency_seconds = latency_seconds + excluded.latency_seconds,
    attempts = attempts + excluded.attempts, transport = excluded.transport,
    asked_at = CURRENT_TIMESTAMP
"""
_COLUMNS = (
    "key, role, model, round, status, answer, error, input_tokens, output_tokens, usd,"
    " latency_seconds, attempts, prompt_hash, parameters, transport"
)
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
    prompt_hash: str | None = None
    parameters: str | None = None
    transport: str | None = None


@dataclass(frozen=True)
class Batch:
    """Calls handed in together; `remote_id` is None until the endpoint is known to have them."""

    name: str
    role: str
    keys: tuple[str, ...]
    reserved_usd: float
    planned_at: float
    remote_id: str | None = None


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
            present = {row[1] for row in self._db.execute("PRAGMA table_info(calls)")}
            for column in _ADDED:
                if column not in present:
                    self._db.execute(f"ALTER TABLE calls ADD COLUMN {column} TEXT")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{path} is not a call ledger: {error}") from None

    def close(self) -> None:
        self._db.close()

    def known(self, keys: Iterable[str], status: str = "ok") -> dict[str, Call]:
        """The calls there already are, by key: good ones, or with `status` the failed ones."""
        found = {}
        for batch in _slices(dict.fromkeys(keys)):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM calls WHERE status = ? AND key IN ({_marks(batch)})",
                [status, *batch],
            )
            for key, role, model, number, state, answer, *rest in rows:
                value = None if answer is None else json.loads(answer)
                found[key] = Call(key, role, model, number, state, value, *rest)
        return found

    def record(self, call: Call) -> None:
        """Log a call."""
        answer = None if call.value is None else json.dumps(call.value, ensure_ascii=False)
        row = {name: getattr(call, name) for name in Call.__dataclass_fields__ if name != "value"}
        self._db.execute(_RECORD, row | {"answer": answer})

    def spent(self) -> float:
        """US dollars spent on all calls so far, failed ones too, and promised to open batches."""
        query = (
            "SELECT (SELECT COALESCE(SUM(usd), 0) FROM calls) + (SELECT"
            " COALESCE(SUM(reserved_usd), 0) FROM batches WHERE status IN ('planned', 'open'))"
        )
        return float(self._db.execute(query).fetchone()[0])

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

    def roles(self) -> list[str]:
        """Roles with calls, in alphabetical order."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT role FROM calls ORDER BY 1")]

    def mean_output_tokens(self, role: str, model: str) -> float | None:
        """Tokens of an answer as experience has it; None without any."""
        query = "SELECT AVG(output_tokens) FROM calls WHERE role = ? AND model = ? AND status='ok'"
        mean = self._db.execute(query, [role, model]).fetchone()[0]
        return None if mean is None else float(mean)

    def plan_batch(self, batch: Batch, base_url: str) -> None:
        """Log a batch before anything is sent: whatever happens next, it can be looked for."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO batches VALUES (?, ?, ?, 'planned', NULL, ?, ?)",
                [batch.name, base_url, batch.role, batch.reserved_usd, batch.planned_at],
            )  # fmt: skip
            rows = [(key, batch.name) for key in batch.keys]
            self._db.executemany("INSERT INTO batch_items VALUES (?, ?)", rows)

    def batch_created(self, name: str, remote_id: str) -> None:
        self._db.execute(
            "UPDATE batches SET status = 'open', remote_id = ? WHERE name = ?", [remote_id, name]
        )

    def batch_closed(self, name: str, status: str) -> None:
        """Log that a batch has come to nothing; its calls are open again."""
        with self._transaction():
            self._close(name, status)

    def batch_fetched(self, name: str, calls: Sequence[Call]) -> list[Call]:
        """Log calls of an ended batch, all or nothing; those that nobody had fetched before.

        The batch is done when the last of its calls is logged: another job may have asked for some.
        """
        with self._transaction():
            fresh = [call for call in calls if self._take(name, call.key)]
            for call in fresh:
                self.record(call)
            rest = self._db.execute("SELECT 1 FROM batch_items WHERE batch = ? LIMIT 1", [name])
            if rest.fetchone() is None:
                self._close(name, "done")
        return fresh

    def _take(self, name: str, key: str) -> bool:
        query = "DELETE FROM batch_items WHERE batch = ? AND key = ?"
        return self._db.execute(query, [name, key]).rowcount == 1

    def _close(self, name: str, status: str) -> None:
        self._db.execute("UPDATE batches SET status = ? WHERE name = ?", [status, name])
        self._db.execute("DELETE FROM batch_items WHERE batch = ?", [name])

    def open_batches(
        self, base_url: str | None = None, keys: Iterable[str] | None = None
    ) -> list[Batch]:
        """Batches not yet fetched, oldest first: all, or those of an endpoint with these calls."""
        rows = self._db.execute(
            "SELECT name, role, reserved_usd, planned_at, remote_id FROM batches"
            " WHERE status IN ('planned', 'open') AND (:url IS NULL OR base_url = :url)"
            " ORDER BY planned_at, name",
            {"url": base_url},
        ).fetchall()
        wanted = None if keys is None else set(keys)
        found = []
        for name, role, usd, planned_at, remote_id in rows:
            items = self._db.execute("SELECT key FROM batch_items WHERE batch = ?", [name])
            held = tuple(sorted(row[0] for row in items))
            if wanted is None or not wanted.isdisjoint(held):
                found.append(Batch(name, role, held, usd, planned_at, remote_id))
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        with ExitStack() as undo:
            undo.callback(self._db.execute, "ROLLBACK")
            yield
            undo.pop_all()
        self._db.execute("COMMIT")


def _slices(keys: Iterable[str]) -> Iterator[list[str]]:
    wanted = list(keys)
    for start in range(0, len(wanted), _LOOKUP_BATCH):
        yield wanted[start : start + _LOOKUP_BATCH]


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
