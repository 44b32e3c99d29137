"""Opening what a node remembers: one directory, two files of SQLite, one of lines."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.state.audit_file import AuditFile
from robosystems.graph_api.state.base import AuditLog, KeyStore, OutcomeStore
from robosystems.graph_api.state.sqlite_file import SqliteFile
from robosystems.graph_api.state.sqlite_keys import KEY_TABLES, SqliteKeyStore
from robosystems.graph_api.state.sqlite_outcomes import OUTCOME_TABLES, SqliteOutcomeStore

STATE_DIRECTORY: Final = ".node"
"""Name of the directory beside those of the databases; no graph id begins with a dot."""

_DIRECTORY_MODE: Final = 0o700


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """What a node remembers beside its graphs."""

    keys: KeyStore
    outcomes: OutcomeStore
    audit: AuditLog


@asynccontextmanager
async def open_node_memory(base_path: Path) -> AsyncGenerator[NodeMemory]:
    """Open everything below a base path that this process alone uses.

    Raises:
        UnavailableError: A file is damaged, in use, or cannot be made.
        OSError: The directory cannot be made.
    """
    directory = base_path / STATE_DIRECTORY
    await asyncio.to_thread(_make, directory)
    async with AsyncExitStack() as stack:
        keys = await _open(SqliteFile(directory / "keys.sqlite", KEY_TABLES), stack)
        outcomes = await _open(SqliteFile(directory / "idempotency.sqlite", OUTCOME_TABLES), stack)
        yield NodeMemory(SqliteKeyStore(keys), SqliteOutcomeStore(outcomes), AuditFile(directory / "audit.jsonl"))


async def _open(file: SqliteFile, stack: AsyncExitStack) -> SqliteFile:
    """Open a file until the stack is left."""
    await file.open()
    stack.push_async_callback(file.close)
    return file


def _make(directory: Path) -> None:
    """Make the directory, for the owner only, and its name durable. Blocking."""
    directory.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    directory.chmod(_DIRECTORY_MODE)
    for path in (directory, directory.parent):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
