"""A small SQLite file that one thread writes, for all that wait at once.

Every change is durable when its caller goes on, and a commit costs a wait for the disk. So the thread takes everything
that waits into one transaction: thirty-two callers wait for one or two commits, not for thirty-two.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from robosystems.graph_api.domain.errors import DiskFullError, GraphApiError, UnavailableError

_MOST_TOGETHER: Final = 256
_FILE_MODE: Final = 0o600
_STOP_WAIT_S: Final = 10.0

Result = TypeVar("Result")


class _Job(Generic[Result]):
    """One change that waits: what to do, and whom to tell."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Result], future: asyncio.Future[Result]) -> None:
        self.work = work
        self.future = future
        self.result: Result | None = None
        self.error: Exception | None = None


class SqliteFile:
    """One file with one writer. Belongs to the event loop that opens it.

    Args:
        path: The file; it is made with its tables if it is missing, readable by its owner only.
        tables: Statements that make the tables, each of which has no effect where they are.
    """

    def __init__(self, path: Path, tables: tuple[str, ...]) -> None:
        self._path = path
        self._tables = tables
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False

    async def open(self) -> None:
        """Open the file and start the thread.

        Raises:
            UnavailableError: It is damaged, in use, or cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        self._connection = await asyncio.to_thread(self._connect)
        self._open = True
        self._thread = threading.Thread(target=self._serve, name=f"state-{self._path.stem}", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Finish what waits, then close. Idempotent."""
        if self._thread is None:
            return
        self._open = False
        self._jobs.put(None)
        thread, self._thread = self._thread, None
        await asyncio.to_thread(thread.join, _STOP_WAIT_S)

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a change in the thread and return its result once it is durable.

        The work may raise errors of the service; it is undone then, alone.

        Raises:
            UnavailableError: The file cannot be read or written, or is closed; nothing was changed.
            DiskFullError: There is no room; nothing was changed.
        """
        if not self._open or self._loop is None:
            raise UnavailableError(f"{self._path.name} is closed.")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._jobs.put(_Job(work, future))
        return await future

    def _connect(self) -> sqlite3.Connection:
        """Open the file, with everything that makes a commit durable."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1.0)
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"{self._path.name} cannot be opened: {error}.") from error
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # No second process, and no file of shared memory.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")  # What is forgotten is not in the file any more.
            for statement in self._tables:
                connection.execute(statement)
        except sqlite3.Error as error:
            connection.close()
            raise UnavailableError(
                f"{self._path.name} cannot be used: {error}. Put a copy of it back; without it the node forgets it all."
            ) from error
        return connection

    def _serve(self) -> None:
        """Commit what waits, until told to stop."""
        connection = self._connection
        assert connection is not None  # noqa: S101 - opened before the thread started
        batch: list[_Job[Any]] = []
        try:
            going = True
            while going:
                batch, going = self._gather()
                _commit(connection, batch)
                self._tell(batch)
                batch = []
        finally:
            self._open = False
            connection.close()
            while not self._jobs.empty():
                job = self._jobs.get_nowait()
                batch += [job] if job is not None else []
            for job in batch:
                job.error = UnavailableError(f"{self._path.name} is closed.")
            self._tell(batch)

    def _gather(self) -> tuple[list[_Job[Any]], bool]:
        """Wait for work, take what waits; return it, and whether to go on after it."""
        batch: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= _MOST_TOGETHER:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _tell(self, batch: list[_Job[Any]]) -> None:
        """Hand results over to the event loop."""
        if batch and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_deliver, batch)


def _deliver(batch: list[_Job[Any]]) -> None:
    """Wake those who wait."""
    for job in batch:
        if job.future.done():
            continue  # Its caller was cancelled.
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _commit(connection: sqlite3.Connection, batch: list[_Job[Any]]) -> None:
    """Run changes in one transaction; one that fails is undone alone."""
    if not batch:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in batch:
            _run(connection, job)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for job in batch:
            job.error = job.error or _storage_error(error)


def _run(connection: sqlite3.Connection, job: _Job[Any]) -> None:
    """Run one change of a transaction."""
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except (sqlite3.Error, GraphApiError) as error:
        job.error = _storage_error(error) if isinstance(error, sqlite3.Error) else error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _storage_error(error: sqlite3.Error) -> GraphApiError:
    """Return the domain error for a refusal of SQLite."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return DiskFullError("The disk of this node is full; nothing was changed.")
    return UnavailableError(f"The node's own records cannot be written: {error}.", retry_after=5.0)
