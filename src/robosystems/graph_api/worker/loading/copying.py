"""Handing a prepared file to the engine, in one transaction."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection, StatementInterrupted
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import GraphApiError, LoadError, StatementError
from robosystems.graph_api.domain.load import LoadPhase
from robosystems.graph_api.domain.schema import NodeTable, RelationshipTable
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.diagnosis import Diagnosis
from robosystems.graph_api.worker.loading.keys import check_keys
from robosystems.graph_api.worker.loading.plan import Target
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.row_finder import LoadedFile, RowFinder

_KEYWORDS: Final = frozenset({"from", "to"})
"""Properties of these names get the keys of the end points from a COPY, whatever the file has for them."""


class EngineSpoiled(Exception):  # noqa: N818 (an event that carries the error)
    """A load failed as `cause` says, nothing of it was kept, and the engine must not write again until it is reopened.

    A COPY of nodes that is rolled back leaves its rows in memory: row numbers that the engine gives out afterwards are
    wrong. Once the table grows over the next multiple of 131,072 rows, its key index points at wrong rows, silently, or
    a commit writes until the disk is full. Reading is safe, closing (with or without a checkpoint) too, and after the
    next opening all is well.

    Attributes:
        cause: What the load failed with: a `GraphApiError` or `StatementInterrupted`.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Prepared:
    """Parquet files that the engine reads rightly.

    Attributes:
        file: The files, and what of them goes where.
        rows: Rows in them.
        checked: Whether their keys have been compared with one another and with those of the table.
    """

    file: LoadedFile
    rows: int
    checked: bool = False


def copy(connection: EngineConnection, prepared: Prepared, finder: RowFinder, progress: Progress) -> None:
    """Load the file, and check that every row arrived.

    Raises:
        LoadError: A row is wrong; it is named.
        EngineSpoiled: As it says.
        DegradedCommit: All is committed, but the checkpoint failed.
        StatementInterrupted: `interrupt()` was called.
        GraphApiError: Others as `EngineConnection.run`.
    """
    spoils = False
    try:
        if not prepared.checked:
            progress.at(LoadPhase.CHECKING, None, prepared.rows)
            check_keys(connection, prepared.file, finder)
        progress.at(LoadPhase.COPYING, None, prepared.rows)
        _run(connection, statements.BEGIN)
        spoils = isinstance(prepared.file.plan.target.table, NodeTable)
        _copy_rows(connection, prepared)
        progress.at(LoadPhase.CHECKPOINTING, prepared.rows, prepared.rows)
        _run(connection, statements.COMMIT)
    except DegradedCommit:
        raise
    except (GraphApiError, StatementInterrupted) as error:
        roll_back(connection)
        answer = explained(connection, finder, error)
        raise (EngineSpoiled(answer) if spoils else answer) from error
    except BaseException:
        roll_back(connection)
        raise


def explained(connection: EngineConnection, finder: RowFinder, error: Exception) -> Exception:
    """Return the error for the caller, with the row that is to blame if it is the engine's."""
    if not isinstance(error, StatementError):
        return error
    try:
        return Diagnosis(connection, finder).explain(error)
    except (GraphApiError, StatementInterrupted):
        # No time to find the row: what the engine said has to do.
        return LoadError(f"The database refused the file: {error.detail[:500]} Nothing was loaded.", reason="refused")


def _copy_rows(connection: EngineConnection, prepared: Prepared) -> None:
    plan = prepared.file.plan
    table = plan.target.table.name
    renamed = _names_in_the_way(plan.target)
    before = _count(connection, plan.target)
    for old, new in renamed.items():
        _run(connection, statements.rename(table, old, new))
    _run(connection, _copy_statement(prepared.file, renamed))
    for old, new in renamed.items():
        _run(connection, statements.rename(table, new, old))
    arrived = _count(connection, plan.target) - before
    if arrived != prepared.rows:
        raise LoadError(
            f"The file should have {prepared.rows} rows, but the database read {arrived}. Nothing was loaded.",
            reason="row_count",
        )


def _copy_statement(file: LoadedFile, renamed: dict[str, str]) -> CypherText:
    plan = file.plan
    target = plan.target
    values = [file.value(index) for index in range(len(plan.slots))]
    columns = [*plan.filled, *(column.name for column in plan.defaults)]
    return statements.copy(
        target.table.name,
        [renamed.get(name, name) for name in columns],
        [*values, *map(statements.default_value, plan.defaults)],
        file.paths,
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


def roll_back(connection: EngineConnection) -> None:
    """End the transaction; a statement that failed has ended it already."""
    with suppress(GraphApiError, StatementInterrupted):
        _run(connection, statements.ROLLBACK)
