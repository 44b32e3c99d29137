"""Keys in a small SQLite file. It holds digests, never secrets."""

import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from robosystems.graph_api.domain.access import GraphSet, KeyRecord, Scope
from robosystems.graph_api.state.base import KeyStore
from robosystems.graph_api.state.sqlite_file import SqliteFile

KEY_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS keys(
        key_id TEXT PRIMARY KEY, digest BLOB NOT NULL, name TEXT NOT NULL, scope TEXT NOT NULL, graphs TEXT,
        created_at TEXT NOT NULL, created_by TEXT NOT NULL, expires_at TEXT, disabled INTEGER NOT NULL,
        last_used_at TEXT) STRICT""",
    "CREATE TABLE IF NOT EXISTS secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
)
"""Tables of the file."""

_SELECT: Final = """
    SELECT key_id, digest, name, scope, graphs, created_at, created_by, expires_at, disabled, last_used_at
    FROM keys ORDER BY key_id"""
_PUT: Final = """
    INSERT OR REPLACE INTO keys(
        key_id, digest, name, scope, graphs, created_at, created_by, expires_at, disabled, last_used_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SIGNING: Final = "signing"
_SECRET_BYTES: Final = 32


class SqliteKeyStore(KeyStore):
    """The port over a file that has `KEY_TABLES`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def load(self) -> Sequence[KeyRecord]:
        """Return all keys."""

        def work(connection: sqlite3.Connection) -> list[KeyRecord]:
            rows = connection.execute(_SELECT)
            return [_record(row) for row in rows]

        return await self._file.run(work)

    async def signing_secret(self) -> bytes:
        """Return the secret; made once."""
        fresh = secrets.token_bytes(_SECRET_BYTES)

        def work(connection: sqlite3.Connection) -> bytes:
            connection.execute("INSERT OR IGNORE INTO secrets(name, value) VALUES (?, ?)", (_SIGNING, fresh))
            (value,) = connection.execute("SELECT value FROM secrets WHERE name = ?", (_SIGNING,)).fetchone()
            return bytes(value)

        return await self._file.run(work)

    async def put(self, record: KeyRecord) -> None:
        """Keep a key."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, _row(record))

        await self._file.run(work)

    async def remove(self, key_id: str) -> None:
        """Forget a key."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM keys WHERE key_id = ?", (key_id,))

        await self._file.run(work)

    async def touch(self, last_used: Mapping[str, datetime]) -> None:
        """Note when keys were used."""
        rows = [(when.isoformat(), key_id) for key_id, when in last_used.items()]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE keys SET last_used_at = ? WHERE key_id = ?", rows)

        await self._file.run(work)


def _row(record: KeyRecord) -> tuple[object, ...]:
    """Return a key as a row."""
    return (
        record.key_id,
        record.digest,
        record.name,
        record.scope.value,
        json.dumps(record.graphs.patterns) if record.graphs is not None else None,
        record.created_at.isoformat(),
        record.created_by,
        _text(record.expires_at),
        int(record.disabled),
        _text(record.last_used_at),
    )


def _record(row: tuple[Any, ...]) -> KeyRecord:
    """Return a row as a key."""
    key_id, digest, name, scope, graphs, created_at, created_by, expires_at, disabled, last_used_at = row
    return KeyRecord(
        key_id=key_id,
        digest=bytes(digest),
        name=name,
        scope=Scope(scope),
        graphs=GraphSet.parse(json.loads(graphs)) if graphs is not None else None,
        created_at=datetime.fromisoformat(created_at),
        created_by=created_by,
        expires_at=_moment(expires_at),
        disabled=bool(disabled),
        last_used_at=_moment(last_used_at),
    )


def _text(moment: datetime | None) -> str | None:
    """Return a moment as text."""
    return moment.astimezone(UTC).isoformat() if moment is not None else None


def _moment(text: str | None) -> datetime | None:
    """Return text as a moment."""
    return datetime.fromisoformat(text) if text is not None else None
