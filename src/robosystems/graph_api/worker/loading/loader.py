"""Loading one file into one table."""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import InvalidRequestError, LoadError, QueryMemoryExceededError
from robosystems.graph_api.domain.load import LoadMode, LoadProgress, LoadReport, OnError
from robosystems.graph_api.worker.loading.copying import copy
from robosystems.graph_api.worker.loading.preparing import Work, prepare
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import RejectLog
from robosystems.graph_api.worker.loading.row_finder import RowFinder
from robosystems.graph_api.worker.loading.staging import Stage
from robosystems.graph_api.worker.loading.target import read_target

REJECTS: Final = "rejects"
"""Directory of files of rejects, in that of the database."""

_GLOB: Final = re.compile(r"[*?\[]")


class DegradedLoad(DegradedCommit):
    """All rows are committed, but the checkpoint after the commit failed.

    Attributes:
        report: What `load_file` would have returned.
        logged: Whether the rows are in the log, and so durable all the same; those of a COPY are not.
    """

    def __init__(self, message: str, report: dict[str, object], *, logged: bool) -> None:
        super().__init__(message)
        self.report = report
        self.logged = logged


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks at a load.

    Attributes:
        check: Called now and then between statements; raises to stop. The deadline is checked besides.
        tell: Told about once a second how far it is.
    """

    check: Callable[[], None] | None = None
    tell: Callable[[LoadProgress], None] | None = None


def load_file(
    connection: EngineConnection, order: LoadOrder, directory: Path, watch: Watch | None = None
) -> dict[str, object]:
    """Load a file into a table in one transaction.

    Appended relationships are always new: loading the same file twice makes them twice. Appended nodes whose key is
    there already are wrong rows. Wrong rows fail the load or are left out, as the order says.

    Args:
        connection: Of the writer lane, with no transaction open. `interrupt()` stops what the engine does.
        order: What to load, and how.
        directory: The database's own: the file lies in its `incoming`, temporary files go to its `tmp`, what was left
            out to its `rejects`.
        watch: Who looks at it.

    Returns:
        The fields of `domain.load.LoadReport`, ready for JSON.

    Raises:
        InvalidRequestError: The order itself is wrong: path, format, delimiter.
        TableNotFoundError: There is no such table.
        LoadError: File and table do not match, or a row is wrong; the context names `reason`, and where there is one
            `row`, `column` and `value`.
        QueryTimeoutError: The deadline passed outside of the engine.
        QueryMemoryExceededError: Engine or conversion ran out of memory.
        StatementInterrupted: `interrupt()` was called.
        EngineSpoiled: One of these happened, and the engine must be reopened before anything else is written.
        DegradedLoad: Everything was loaded, but the checkpoint after it failed.
        GraphApiError: Others as `EngineConnection.run`, for example for a full disk.
    """
    try:
        return _load(connection, order, directory, watch or Watch())
    except MemoryError as error:
        raise QueryMemoryExceededError(
            "The load needed more memory than the database may use. Nothing was loaded. Split the file, or raise the "
            "database's memory."
        ) from error


def _load(connection: EngineConnection, order: LoadOrder, directory: Path, watch: Watch) -> dict[str, object]:
    started = time.monotonic()
    path = _checked_path(order, directory)
    progress = Progress(order.timeout_s, watch.check, watch.tell)
    target = read_target(connection, order)
    rejects = directory / REJECTS if order.on_error is OnError.SKIP else None
    with _temporary_folder(directory) as folder, RejectLog(progress, rejects, order.load_id) as log:
        work = Work(order, target, path, folder, log, progress)
        if order.mode is LoadMode.APPEND and order.on_error is OnError.FAIL:
            return _append(connection, work, started)
        return _merge(connection, work, started)


def _append(connection: EngineConnection, work: Work, started: float) -> dict[str, object]:
    """Load all rows as new ones; the engine itself checks what costs too much to check before."""
    prepared = prepare(work)
    plan = prepared.file.plan
    report = LoadReport(plan.target.table.name, prepared.rows, prepared.rows, plan.filled, plan.ignored, 0.0)
    try:
        if prepared.rows:
            copy(connection, prepared, RowFinder(prepared.file, work.progress), work.progress)
    except DegradedCommit as event:
        raise DegradedLoad(str(event), _fields(report, started), logged=False) from event
    return _fields(report, started)


def _merge(connection: EngineConnection, work: Work, started: float) -> dict[str, object]:
    """Compare all rows with one another and with the table, then do what is to be done."""
    stage = Stage(connection, work)
    rows = stage.sort()
    plan, log = stage.file.plan, work.log
    if rows.new_rows + rows.known_rows + log.count != stage.rows_in_file:
        raise LoadError(
            f"The file has {stage.rows_in_file} rows, but {rows.new_rows} new, {rows.known_rows} known and {log.count} "
            "rejected ones were found. Nothing was loaded.",
            reason="row_count",
        )
    log.keep()
    event: DegradedCommit | None = None
    try:
        deleted = stage.apply()
    except DegradedCommit as degraded:
        event, deleted = degraded, stage.deleted
    except BaseException:
        log.forget()
        raise
    report = LoadReport(
        plan.target.table.name,
        stage.rows_in_file,
        rows.new_rows,
        plan.filled,
        plan.ignored,
        0.0,
        rows_updated=rows.known_rows,
        rows_deleted=deleted,
        rows_skipped=log.count,
        rejects=tuple(log.first),
        rejects_kept=log.kept,
    )
    if event is not None:
        raise DegradedLoad(str(event), _fields(report, started), logged=stage.is_logged) from event
    return _fields(report, started)


def _fields(report: LoadReport, started: float) -> dict[str, object]:
    elapsed_ms = round((time.monotonic() - started) * 1000, 3)
    fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(replace(report, execution_time_ms=elapsed_ms)))
    return fields


def _checked_path(order: LoadOrder, directory: Path) -> Path:
    """Return the real path of the file.

    Raises:
        InvalidRequestError: It is not a file in the database's own `incoming` directory.
    """
    incoming = (directory / "incoming").resolve()
    given = Path(order.path)
    path = given.resolve()
    if path.parent != incoming or given.is_symlink() or not path.is_file():
        raise InvalidRequestError("The file does not lie in the database's incoming directory.")
    if _GLOB.search(str(path)):
        raise InvalidRequestError("The path of the file holds '*', '?' or '[', which the engine takes for a pattern.")
    return path


@contextmanager
def _temporary_folder(directory: Path) -> Generator[Path]:
    """Give a folder in the database's temporary directory; it is removed at the end with all that lies in it."""
    folder = directory.resolve() / "tmp" / f"load-{secrets.token_hex(8)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
