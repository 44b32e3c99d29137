"""Loading one file into one table."""

import re
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import (
    InvalidRequestError,
    LoadError,
    QueryMemoryExceededError,
    QueryTimeoutError,
)
from robosystems.graph_api.domain.load import FileFormat, LoadReport
from robosystems.graph_api.worker.loading.copying import Prepared, copy
from robosystems.graph_api.worker.loading.csv_file import CsvSource
from robosystems.graph_api.worker.loading.ndjson_file import NdjsonSource
from robosystems.graph_api.worker.loading.parquet_file import ParquetSource
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target
from robosystems.graph_api.worker.loading.row_finder import LoadedFile, RowFinder
from robosystems.graph_api.worker.loading.spool import Spool, column_name
from robosystems.graph_api.worker.loading.target import read_target
from robosystems.graph_api.worker.loading.transport import needs_cast
from robosystems.graph_api.worker.loading.values import FileSource

_GLOB: Final = re.compile(r"[*?\[]")


class DegradedLoad(DegradedCommit):
    """All rows are committed, but the checkpoint after the commit failed.

    Attributes:
        report: What `load_file` would have returned.
    """

    def __init__(self, message: str, report: dict[str, object]) -> None:
        super().__init__(message)
        self.report = report


def load_file(
    connection: EngineConnection, order: LoadOrder, directory: Path, *, check: Callable[[], None] | None = None
) -> dict[str, object]:
    """Load a file into a table: all of its rows, or none.

    Relationships are appended: loading the same file twice makes them twice. Nodes whose key is there already fail.

    Args:
        connection: Of the writer lane, with no transaction open. `interrupt()` stops what the engine does.
        order: What to load, and how.
        directory: The database's own: the file lies in its `incoming`, temporary files go to its `tmp`.
        check: Called now and then between statements; raises to stop. The deadline is checked besides.

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
        return _load(connection, order, directory, check)
    except MemoryError as error:
        raise QueryMemoryExceededError(
            "The load needed more memory than the database may use. Nothing was loaded. Split the file, or raise the "
            "database's memory."
        ) from error


def _load(
    connection: EngineConnection, order: LoadOrder, directory: Path, check: Callable[[], None] | None
) -> dict[str, object]:
    started = time.monotonic()
    path = _checked_path(order, directory)
    stop = _Stop(started + order.timeout_s, order.timeout_s, check)
    target = read_target(connection, order)
    with _temporary_file(directory) as temporary:
        prepared = _prepare(order, target, path, temporary, stop)
        report = LoadReport(
            table=target.table.name,
            rows_loaded=prepared.rows,
            columns=prepared.file.plan.filled,
            ignored_columns=prepared.file.plan.ignored,
            execution_time_ms=0.0,
        )
        try:
            if prepared.rows:
                stop()
                copy(connection, prepared, RowFinder(prepared.file, stop))
        except DegradedCommit as event:
            raise DegradedLoad(str(event), _fields(report, started)) from event
    return _fields(report, started)


class _Stop:
    """Raises when the time is up or somebody wants the load to end."""

    def __init__(self, deadline: float, timeout_s: float, check: Callable[[], None] | None) -> None:
        self._deadline = deadline
        self._timeout_s = timeout_s
        self._check = check

    def __call__(self) -> None:
        if self._check is not None:
            self._check()
        if time.monotonic() > self._deadline:
            raise QueryTimeoutError(f"The load did not finish within {self._timeout_s:g} seconds. Nothing was loaded.")


def _fields(report: LoadReport, started: float) -> dict[str, object]:
    elapsed_ms = round((time.monotonic() - started) * 1000, 3)
    return {
        **asdict(report),
        "columns": list(report.columns),
        "ignored_columns": list(report.ignored_columns),
        "execution_time_ms": elapsed_ms,
    }


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
def _temporary_file(directory: Path) -> Generator[Path]:
    """Give a path in the database's temporary directory; what lies there at the end is removed."""
    temporary = directory.resolve() / "tmp"
    temporary.mkdir(exist_ok=True)
    path = temporary / f"load-{secrets.token_hex(8)}.parquet"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _prepare(order: LoadOrder, target: Target, path: Path, temporary: Path, stop: _Stop) -> Prepared:
    """Check the file against the table, and convert it unless the engine can read it as it is."""
    source: FileSource
    match order.format:
        case FileFormat.PARQUET:
            source = ParquetSource.open(path, order, target)
            casts = source.casts_if_read_by_engine()
            if casts is not None:
                return _as_it_is(source, path, casts)
        case FileFormat.CSV:
            source = CsvSource(path, order, target, stop)
        case FileFormat.NDJSON:
            source = NdjsonSource(path, order, target, stop)
        case _:
            known = ", ".join(FileFormat)
            raise InvalidRequestError(f"format {order.format[:20]!r} is not known: use one of {known}.")
    return _converted(source, temporary, stop)


def _as_it_is(source: ParquetSource, path: Path, casts: tuple[bool, ...]) -> Prepared:
    plan = source.plan()
    slots = _checked_slots(plan)
    return Prepared(
        LoadedFile(
            path,
            tuple(slot.source for slot in slots),
            tuple(slot.type if cast else None for slot, cast in zip(slots, casts, strict=True)),
            plan,
        ),
        source.row_count,
    )


def _converted(source: FileSource, temporary: Path, stop: _Stop) -> Prepared:
    slots = _checked_slots(source.plan())
    rows = Spool(temporary, slots, stop).write(source.batches(slots))
    plan = source.final_plan()
    columns = tuple(column_name(slots.index(slot)) for slot in plan.slots)
    casts = tuple(slot.type if needs_cast(slot.type) else None for slot in plan.slots)
    return Prepared(LoadedFile(temporary, columns, casts, plan), rows)


def _checked_slots(plan: LoadPlan) -> tuple[Slot, ...]:
    if not plan.slots:
        raise LoadError(f"The file has no column that table {plan.target.table.name!r} takes.", reason="no_columns")
    return plan.slots
