"""Loading one file into one table."""

import re
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection, StatementInterrupted
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    InvalidRequestError,
    LoadError,
    QueryTimeoutError,
    StatementError,
)
from robosystems.graph_api.domain.load import FileFormat, LoadReport
from robosystems.graph_api.domain.schema import ColumnType, RelationshipTable
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.csv_file import CsvSource
from robosystems.graph_api.worker.loading.diagnosis import Diagnosis, LoadedFile
from robosystems.graph_api.worker.loading.ndjson_file import NdjsonSource
from robosystems.graph_api.worker.loading.parquet_file import ParquetSource
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target
from robosystems.graph_api.worker.loading.spool import Spool, column_name
from robosystems.graph_api.worker.loading.target import read_target
from robosystems.graph_api.worker.loading.transport import needs_cast
from robosystems.graph_api.worker.loading.values import FileSource

_GLOB: Final = re.compile(r"[*?\[]")
_KEYWORDS: Final = frozenset({"from", "to"})
"""Properties of these names get the keys of the end points from a COPY, whatever the file has for them."""


class DegradedLoad(DegradedCommit):
    """All rows are committed, but the checkpoint after the commit failed.

    Attributes:
        report: What `load_file` would have returned.
    """

    def __init__(self, message: str, report: dict[str, object]) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A Parquet file that the engine reads rightly.

    Attributes:
        file: The file, and what of it goes where.
        casts: For each slot, the type that the engine has to cast it to.
        rows: Rows in the file.
    """

    file: LoadedFile
    casts: tuple[ColumnType | None, ...]
    rows: int


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
        StatementInterrupted: `interrupt()` was called.
        DegradedLoad: Everything was loaded, but the disk is full.
        GraphApiError: Others as `EngineConnection.run`, for example for a full disk.
    """
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
                _copy(connection, prepared, stop)
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


def _prepare(order: LoadOrder, target: Target, path: Path, temporary: Path, stop: _Stop) -> _Prepared:
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


def _as_it_is(source: ParquetSource, path: Path, casts: tuple[bool, ...]) -> _Prepared:
    plan = source.plan()
    slots = _checked_slots(plan)
    return _Prepared(
        LoadedFile(path, tuple(slot.source for slot in slots), plan),
        tuple(slot.type if cast else None for slot, cast in zip(slots, casts, strict=True)),
        source.row_count,
    )


def _converted(source: FileSource, temporary: Path, stop: _Stop) -> _Prepared:
    slots = _checked_slots(source.plan())
    rows = Spool(temporary, slots, stop).write(source.batches(slots))
    plan = source.final_plan()
    columns = tuple(column_name(slots.index(slot)) for slot in plan.slots)
    casts = tuple(slot.type if needs_cast(slot.type) else None for slot in plan.slots)
    return _Prepared(LoadedFile(temporary, columns, plan), casts, rows)


def _checked_slots(plan: LoadPlan) -> tuple[Slot, ...]:
    if not plan.slots:
        raise LoadError(f"The file has no column that table {plan.target.table.name!r} takes.", reason="no_columns")
    return plan.slots


def _copy(connection: EngineConnection, prepared: _Prepared, stop: _Stop) -> None:
    """Load the prepared file in one transaction, and check that every row arrived."""
    stop()
    try:
        _run(connection, statements.BEGIN)
        _copy_within(connection, prepared)
        _run(connection, statements.COMMIT)
    except DegradedCommit:
        raise
    except StatementError as refusal:
        _roll_back(connection)
        raise Diagnosis(connection, prepared.file, stop).explain(refusal) from refusal
    except BaseException:
        _roll_back(connection)
        raise


def _copy_within(connection: EngineConnection, prepared: _Prepared) -> None:
    plan = prepared.file.plan
    table = plan.target.table
    renamed = _names_in_the_way(plan.target)
    before = _count(connection, plan.target)
    for old, new in renamed.items():
        _run(connection, statements.rename(table.name, old, new))
    _run(connection, _copy_statement(prepared, renamed))
    for old, new in renamed.items():
        _run(connection, statements.rename(table.name, new, old))
    arrived = _count(connection, plan.target) - before
    if arrived != prepared.rows:
        raise LoadError(
            f"The file should have {prepared.rows} rows, but the database read {arrived}. Nothing was loaded.",
            reason="row_count",
        )


def _copy_statement(prepared: _Prepared, renamed: dict[str, str]) -> CypherText:
    plan = prepared.file.plan
    target = plan.target
    values = [
        statements.from_file(name, cast) for name, cast in zip(prepared.file.columns, prepared.casts, strict=True)
    ]
    columns = [*plan.filled, *(column.name for column in plan.defaults)]
    return statements.copy(
        target.table.name,
        [renamed.get(name, name) for name in columns],
        [*values, *map(statements.default_value, plan.defaults)],
        prepared.file.path,
        target.pair if target.several_pairs else None,
    )


def _names_in_the_way(target: Target) -> dict[str, str]:
    """Return properties that have to be called differently during the load, with their names for that time."""
    if not isinstance(target.table, RelationshipTable):
        return {}
    taken = {column.name.lower() for column in target.table.columns}
    renamed: dict[str, str] = {}
    for name in sorted(_KEYWORDS.intersection(column.name for column in target.table.columns)):
        other = f"{name}_property"
        while other in taken:
            other += "_"
        taken.add(other)
        renamed[name] = other
    return renamed


def _count(connection: EngineConnection, target: Target) -> int:
    if isinstance(target.table, RelationshipTable):
        return connection.count_relationships(target.table.name)
    return connection.count_nodes(target.table.name)


def _run(connection: EngineConnection, text: CypherText) -> None:
    connection.run_plain(str(text)).close()


def _roll_back(connection: EngineConnection) -> None:
    """End the transaction; a statement that failed has ended it already."""
    with suppress(GraphApiError, StatementInterrupted):
        _run(connection, statements.ROLLBACK)
