"""How a database is opened: what is checked first, what is tried again, and when it is given up."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.log_note import LOG_FILE, log_is_lost
from robosystems.graph_api.backends.lbug.manifest import Manifest, missing_files
from robosystems.graph_api.backends.lbug.observer import BackendObserver
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory, storage_error
from robosystems.graph_api.backends.lbug.supervisor import TemplateLost, WorkerSupervisor
from robosystems.graph_api.backends.lbug.wire import Ready
from robosystems.graph_api.backends.lbug.worker_process import WorkerListener, WorkerProcess
from robosystems.graph_api.domain.errors import (
    DatabaseLockedError,
    GraphApiError,
    InsufficientStorageError,
    StorageVersionError,
    UnavailableError,
    WorkerCrashedError,
)
from robosystems.graph_api.domain.ids import GraphId

FAILURES_TO_QUARANTINE: Final = 2
"""Failed attempts in a row after which a database is taken for broken."""

KILLS_TO_QUARANTINE: Final = 5
"""The same for attempts that ended by SIGKILL: somebody else sent it, perhaps because the machine lacked memory."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_LOCK_PAUSE_S: Final = 0.5
_TEMPLATE_ATTEMPTS: Final = 5

_NOT_THE_DATABASE: Final = (DatabaseLockedError, StorageVersionError, InsufficientStorageError)
"""Reasons that say nothing about the health of the files: reported as they are, never counted."""


class DatabaseUnusable(Exception):  # noqa: N818 (an event: the owner turns it into a state, and that into errors)
    """Opening will not succeed without somebody's help; the text says why."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """What is to be opened.

    Attributes:
        graph_id: Its name.
        directory: Its files.
        manifest: What should be there.
        in_use: Files in the directory that clients are just sending, or that wait to be loaded.
        listener: Who is told of the worker's end.
        started: Called with each worker before it is waited for.
        is_wanted: Whether to go on; asked before each attempt.
    """

    graph_id: GraphId
    directory: DatabaseDirectory
    manifest: Manifest
    in_use: Collection[Path]
    listener: WorkerListener
    started: Callable[[WorkerProcess], None]
    is_wanted: Callable[[], bool]


class WorkerOpener:
    """Opens databases in worker processes.

    Args:
        config: Times and sizes.
        supervisor: Starts the workers.
        observer: Told of failed attempts.
    """

    def __init__(self, config: LbugBackendConfig, supervisor: WorkerSupervisor, observer: BackendObserver) -> None:
        self._config = config
        self._supervisor = supervisor
        self._observer = observer

    async def open(self, order: OpenOrder) -> tuple[WorkerProcess, Ready]:
        """Return a worker that has opened the database.

        Raises:
            DatabaseUnusable: Repeated attempts failed, or files are missing.
            GraphApiError: It cannot be opened now, for a reason outside its files. No process is left.
        """
        await self._check_files(order)
        patience = _Patience(asyncio.get_running_loop().time() + self._config.lock_wait_s)
        while order.is_wanted():
            try:
                return await self._attempt(order)
            except TemplateLost:
                patience.template_lost()
            except GraphApiError as error:
                if not isinstance(error, _NOT_THE_DATABASE) and type(error) is not UnavailableError:
                    self._observer.open_failed(order.graph_id, error)
                await asyncio.sleep(patience.pause_after(error))
        raise UnavailableError("The database is being closed.")

    async def _attempt(self, order: OpenOrder) -> tuple[WorkerProcess, Ready]:
        config = self._config.worker(order.graph_id.value, order.directory)
        worker = await self._supervisor.launch(config, order.listener)
        order.started(worker)
        return worker, await self._supervisor.opened(worker)

    async def _check_files(self, order: OpenOrder) -> None:
        """See to it that nothing is missing: the engine would take a lost file for a new, empty database."""
        try:
            missing = await asyncio.to_thread(_missing, order)
            if not missing:
                await asyncio.to_thread(order.directory.clear_transient, order.in_use)
                return
        except OSError as error:
            raise storage_error(error) from error
        raise DatabaseUnusable(
            f"{' and '.join(missing)} is missing or empty, although the database holds data. "
            "Put the file back or restore a backup, then retry; or delete the database."
        )


def _missing(order: OpenOrder) -> list[str]:
    """Name the files that should be there and hold something; blocks."""
    missing = missing_files(order.directory, order.manifest)
    if not missing and log_is_lost(order.directory.path):
        missing.append(f"{LOG_FILE} (the write-ahead log)")
    return missing


class _Patience:
    """Decides after each failed attempt whether and when there is another one."""

    def __init__(self, lock_deadline: float) -> None:
        self._lock_deadline = lock_deadline
        self._failures = 0
        self._lost = 0
        self._lock_pause = _FIRST_PAUSE_S

    def template_lost(self) -> None:
        """Count an attempt that never reached the database."""
        self._lost += 1
        if self._lost >= _TEMPLATE_ATTEMPTS:
            raise UnavailableError("No database worker can be started on this node.", retry_after=5.0)

    def pause_after(self, error: GraphApiError) -> float:
        """Return the seconds to wait before the next attempt, or raise if there is none."""
        if isinstance(error, DatabaseLockedError):
            self._lock_pause = min(2 * self._lock_pause, _LONGEST_LOCK_PAUSE_S)
            if asyncio.get_running_loop().time() + self._lock_pause > self._lock_deadline:
                raise error
            return self._lock_pause
        if isinstance(error, _NOT_THE_DATABASE) or type(error) is UnavailableError:
            raise error
        self._failures += 1
        limit = KILLS_TO_QUARANTINE if error.context.get("cause") == "SIGKILL" else FAILURES_TO_QUARANTINE
        if self._failures >= limit:
            raise DatabaseUnusable(_reason(self._failures, error)) from error
        return _FIRST_PAUSE_S * 2 ** (self._failures - 1)


def _reason(failures: int, error: GraphApiError) -> str:
    kind = "" if isinstance(error, WorkerCrashedError) else f" [{error.code}]"
    return f"Opening failed {failures} times in a row. {error.detail}{kind} Restore a backup, then retry, or delete it."
