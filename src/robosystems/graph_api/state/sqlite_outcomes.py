"""Outcomes of requests in a small SQLite file."""

import json
import sqlite3
import time
from collections.abc import Collection
from typing import Any, Final

from robosystems.graph_api.domain.idempotency import Outcome, RequestIdentity, Retention
from robosystems.graph_api.state.base import OutcomeStore
from robosystems.graph_api.state.sqlite_file import SqliteFile

OUTCOME_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS outcomes(
        id INTEGER PRIMARY KEY, owner TEXT NOT NULL, graph_id TEXT NOT NULL, incarnation TEXT NOT NULL,
        key TEXT NOT NULL, request TEXT NOT NULL, begun_at REAL NOT NULL, done INTEGER NOT NULL DEFAULT 0,
        body_digest BLOB NOT NULL DEFAULT x'', status INTEGER NOT NULL DEFAULT 0,
        headers TEXT NOT NULL DEFAULT '[]', size INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0,
        body BLOB) STRICT""",
    "CREATE UNIQUE INDEX IF NOT EXISTS outcomes_by_name ON outcomes(owner, graph_id, incarnation, key)",
    "CREATE INDEX IF NOT EXISTS outcomes_by_graph ON outcomes(graph_id)",
    "CREATE INDEX IF NOT EXISTS outcomes_by_age ON outcomes(begun_at, kept)",
)
"""Tables of the file."""

_BEGIN: Final = """
    INSERT OR IGNORE INTO outcomes(owner, graph_id, incarnation, key, request, begun_at) VALUES (?, ?, ?, ?, ?, ?)"""
_LOOK: Final = """
    SELECT request, done, body_digest, status, headers, body, size FROM outcomes
    WHERE owner = ? AND graph_id = ? AND incarnation = ? AND key = ?"""
_FINISH: Final = """
    UPDATE outcomes SET done = 1, body_digest = ?, status = ?, headers = ?, size = ?, kept = ?, body = ?
    WHERE owner = ? AND graph_id = ? AND incarnation = ? AND key = ?"""
_RELEASE: Final = "DELETE FROM outcomes WHERE owner = ? AND graph_id = ? AND incarnation = ? AND key = ?"
_MOST_AT_ONCE: Final = 2_000
"""Rows that one purge forgets: others wait for the same thread."""

_ROW_BYTES: Final = 512
"""What a row costs beside its body, about."""


class SqliteOutcomeStore(OutcomeStore):
    """The port over a file that has `OUTCOME_TABLES`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def begin(self, identity: RequestIdentity, request: str) -> Outcome | None:
        """Note that a request begins, unless it is known already."""
        name = _name(identity)
        now = time.time()

        def work(connection: sqlite3.Connection) -> Outcome | None:
            inserted = connection.execute(_BEGIN, (*name, request, now))
            if inserted.rowcount:
                return None
            row = connection.execute(_LOOK, name).fetchone()
            return _outcome(row)

        return await self._file.run(work)

    async def finish(self, identity: RequestIdentity, outcome: Outcome) -> None:
        """Note what a request ended with."""
        kept = outcome.size + _ROW_BYTES if outcome.body is not None else _ROW_BYTES
        headers = json.dumps(outcome.headers)
        values = (outcome.body_digest, outcome.status, headers, outcome.size, kept, outcome.body)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_FINISH, (*values, *_name(identity)))

        await self._file.run(work)

    async def release(self, identity: RequestIdentity) -> None:
        """Forget a request that changed nothing."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_RELEASE, _name(identity))

        await self._file.run(work)

    async def forget(self, graph_id: str) -> None:
        """Forget the requests of a database."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM outcomes WHERE graph_id = ?", (graph_id,))

        await self._file.run(work)

    async def purge(self, retention: Retention, in_progress: Collection[RequestIdentity]) -> int:
        """Forget what is too old or too much."""
        protected = {_name(identity) for identity in in_progress}
        oldest = time.time() - retention.max_age_s

        def work(connection: sqlite3.Connection) -> int:
            doomed = _too_old(connection, oldest) + _too_many(connection, retention) + _too_large(connection, retention)
            chosen = {row[0]: row[1:] for row in doomed if row[1:] not in protected}
            ids = sorted(chosen)[:_MOST_AT_ONCE]
            connection.executemany("DELETE FROM outcomes WHERE id = ?", [(number,) for number in ids])
            return len(ids)

        return await self._file.run(work)


def _too_old(connection: sqlite3.Connection, oldest: float) -> list[tuple[Any, ...]]:
    """Return id and name of what is older than it may be."""
    return connection.execute(
        "SELECT id, owner, graph_id, incarnation, key FROM outcomes WHERE begun_at < ? ORDER BY begun_at LIMIT ?",
        (oldest, _MOST_AT_ONCE),
    ).fetchall()


def _too_many(connection: sqlite3.Connection, retention: Retention) -> list[tuple[Any, ...]]:
    """Return id and name of the oldest of those owners that have more than they may."""
    doomed: list[tuple[Any, ...]] = []
    greedy = connection.execute(
        "SELECT owner, COUNT(*) FROM outcomes GROUP BY owner HAVING COUNT(*) > ?", (retention.max_owner_records,)
    ).fetchall()
    for owner, count in greedy:
        doomed += connection.execute(
            "SELECT id, owner, graph_id, incarnation, key FROM outcomes WHERE owner = ? ORDER BY id LIMIT ?",
            (owner, min(count - retention.max_owner_records, _MOST_AT_ONCE)),
        )
    return doomed


def _too_large(connection: sqlite3.Connection, retention: Retention) -> list[tuple[Any, ...]]:
    """Return id and name of the oldest, until what is left is no more than it may be."""
    (total,) = connection.execute("SELECT COALESCE(SUM(kept), 0) FROM outcomes").fetchone()
    doomed: list[tuple[Any, ...]] = []
    if total <= retention.max_bytes:
        return doomed
    rows = connection.execute(
        "SELECT id, owner, graph_id, incarnation, key, kept FROM outcomes ORDER BY id LIMIT ?", (_MOST_AT_ONCE,)
    )
    for row in rows:
        if total <= retention.max_bytes:
            break
        total -= row[-1]
        doomed.append(row[:-1])
    return doomed


def _name(identity: RequestIdentity) -> tuple[str, str, str, str]:
    """Return an identity as the columns of the unique index."""
    return identity.owner, identity.graph_id, identity.incarnation, identity.key


def _outcome(row: tuple[Any, ...]) -> Outcome:
    """Return a row as what is known."""
    request, done, body_digest, status, headers, body, size = row
    return Outcome(
        request=request,
        done=bool(done),
        body_digest=bytes(body_digest),
        status=status,
        headers=tuple((name, value) for name, value in json.loads(headers)),
        body=bytes(body) if body is not None else None,
        size=size,
    )
