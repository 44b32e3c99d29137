"""Opening a database: the lock of its directory, its file, and what to do about a damaged log."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig
from robosystems.graph_api.domain.errors import (
    DatabaseBrokenError,
    DatabaseLockedError,
    GraphApiError,
    QueryMemoryExceededError,
)

DATABASE_FILE: Final = "graph.lbug"
LOCK_FILE: Final = "lock"

_LOCK_WAIT_S: Final = 2.0
_LOCK_RETRY_S: Final = 0.02
_LOG_SUFFIXES: Final = (".wal", ".wal.checkpoint")
_COMPANION_SUFFIXES: Final = (*_LOG_SUFFIXES, ".shadow")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database.

    Attributes:
        engine: The engine.
        possible_loss: Sentences about rows that may have been lost; empty as a rule.
    """

    engine: Engine
    possible_loss: tuple[str, ...] = ()


def lock_directory(directory: Path) -> int:
    """Take the lock of a database's directory for as long as the descriptor stays open; return the descriptor.

    The engine's own lock vanishes as soon as its process opens the file a second time, so this one counts.

    Raises:
        DatabaseLockedError: Another process has held it for two seconds.
        OSError: The directory is missing or not writable.
    """
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                os.close(descriptor)
                raise DatabaseLockedError(
                    "Another process has the database open. Stop the other server, or wait until it has closed it.",
                    retry_after=_LOCK_WAIT_S,
                ) from None
            time.sleep(_LOCK_RETRY_S)
        else:
            return descriptor


def open_database(config: EngineConfig, nice: int) -> Opened:
    """Open the database, repairing a damaged write-ahead log if need be.

    The engine's threads get the nice value `nice`: they do the long work only.

    Raises:
        StorageVersionError: The file is of another storage version.
        DatabaseBrokenError: The file is damaged beyond its log.
        GraphApiError: Others as the engine says.
    """
    try:
        return Opened(_on_niced_thread(lambda: Engine.open(config), nice))
    except (DatabaseBrokenError, QueryMemoryExceededError) as error:
        # A damaged log shows in many ways: a checksum, an impossible type, an allocation of an absurd length. So any
        # failure may be its fault, if there is one; if it was not, opening fails again.
        if not _has_log(config.path):
            raise
        kept = _set_log_aside(config.path)
        try:
            engine = _on_niced_thread(lambda: Engine.open(config, recover=True), nice)
        except GraphApiError:
            _discard(kept)
            raise error from None
        return Opened(engine, (_loss(kept, error),))


def _has_log(path: Path) -> bool:
    logs = (Path(f"{path}{suffix}") for suffix in _LOG_SUFFIXES)
    return any(log.exists() and log.stat().st_size > 0 for log in logs)


def _set_log_aside(path: Path) -> list[Path]:
    """Copy the log and its companions aside; return the copies.

    Raises:
        OSError: The disk refused; no copy is left, and the log is as it was.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    sources = [source for suffix in _COMPANION_SUFFIXES if (source := Path(f"{path}{suffix}")).exists()]
    kept = [source.with_name(f"{source.name}.torn-{moment}") for source in sources]
    try:
        for source, copy in zip(sources, kept, strict=True):
            shutil.copyfile(source, copy)
    except OSError:
        _discard(kept)
        raise
    return kept


def _discard(copies: list[Path]) -> None:
    for copy in copies:
        copy.unlink(missing_ok=True)


def _loss(kept: list[Path], error: GraphApiError) -> str:
    said = error.detail if isinstance(error, DatabaseBrokenError) else "A record of the log has an impossible length."
    return (
        "The write-ahead log was damaged and has been replayed up to the damage; commits after it are lost. "
        f"Copies of the damaged files are kept as {', '.join(copy.name for copy in kept)}. The engine said: {said}"
    )


def _on_niced_thread(open_it: Callable[[], Engine], nice: int) -> Engine:
    """Open on a thread with the given nice value; threads that the engine starts inherit it."""
    opened: list[Engine] = []
    failed: list[GraphApiError] = []

    def work() -> None:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        try:
            opened.append(open_it())
        except GraphApiError as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="open")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return opened[0]
