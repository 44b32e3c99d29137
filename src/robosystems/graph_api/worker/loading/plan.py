"""Which column of a file fills which column of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.schema import (
    Column,
    ColumnType,
    Endpoint,
    NodeTable,
    OpaqueDefault,
    ScalarKind,
    ScalarType,
    Table,
)
from robosystems.graph_api.worker.loading.transport import why_not_loadable

MAX_COLUMNS: Final = 10_000
"""Columns of a file that are taken."""

_SHOWN_NAMES: Final = 20
_SHOWN_LENGTH: Final = 80

_USUAL_ENDS: Final = (
    ("src", "dst"),
    ("source", "target"),
    ("source", "destination"),
    ("start", "end"),
    ("from_id", "to_id"),
    ("src_id", "dst_id"),
    ("source_id", "target_id"),
    ("start_id", "end_id"),
    ("from_identifier", "to_identifier"),
)
"""Other usual names of the columns for start and end nodes: suggested, never assumed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of every row: read from a column of the file, converted to the type of a column of the database.

    Attributes:
        source: Column of the file.
        type: What it is converted to.
        required: Whether null is an error: keys of nodes.
    """

    source: str
    type: ColumnType
    required: bool = False


@dataclass(frozen=True, slots=True)
class NodeKey:
    """Which nodes an end of a relationship refers to."""

    table: str
    column: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Target:
    """The table that is to be filled.

    Attributes:
        table: The table.
        ends: For a relationship table, start and end nodes of the pair that is loaded.
        pair: For a relationship table, the names of their tables.
        several_pairs: Whether the table connects more pairs than this one.
    """

    table: Table
    ends: tuple[NodeKey, NodeKey] | None = None
    pair: Endpoint | None = None
    several_pairs: bool = False


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What is read and where it goes.

    Attributes:
        target: The table.
        ends: Values of the end points, for a relationship table.
        properties: Columns of the table with their values, in the table's order.
        defaults: Columns that the file lacks and that have a default value.
        ignored: Columns of the file that are left out on request.
    """

    target: Target
    ends: tuple[Slot, ...]
    properties: tuple[tuple[Column, Slot], ...]
    defaults: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = field(default=())

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All values of a row in order: end points, then properties."""
        return (*self.ends, *(slot for _, slot in self.properties))

    @property
    def filled(self) -> tuple[str, ...]:
        """Names of the table's columns that the file fills."""
        return tuple(column.name for column, _ in self.properties)


def choose_pair(order: LoadOrder, pairs: Sequence[Endpoint]) -> Endpoint:
    """Return the pair of node tables that the order means.

    Raises:
        LoadError: It means none, or more than one.
    """
    chosen = [
        pair for pair in pairs if order.from_table in (None, pair.source) and order.to_table in (None, pair.target)
    ]
    if len(chosen) == 1:
        return chosen[0]
    choices = [f"from_table={pair.source} to_table={pair.target}" for pair in pairs]
    if chosen:
        detail = f"Table {order.table!r} connects several pairs of tables: say which one is meant: {_either(choices)}."
    else:
        detail = (
            f"Table {order.table!r} does not connect from_table={order.from_table or 'any'} to "
            f"to_table={order.to_table or 'any'}. It takes {_either(choices)}."
        )
    raise LoadError(detail, reason="endpoints", choices=choices[:_SHOWN_NAMES])


def plan_load(order: LoadOrder, target: Target, file_columns: Sequence[str]) -> LoadPlan:
    """Match the columns of a file with those of a table, by their exact names.

    Raises:
        LoadError: A column is unknown, repeated, missing, or of a type that no file can fill; the detail names it.
    """
    if len(file_columns) > MAX_COLUMNS:
        raise LoadError(
            f"The file has {len(file_columns)} columns; at most {MAX_COLUMNS} are taken.", reason="too_many_columns"
        )
    _check_repeated(file_columns)
    table = target.table
    ends = _ends(order, target, file_columns)
    given = set(file_columns)
    properties: list[tuple[Column, Slot]] = []
    defaults: list[Column] = []
    generated: set[str] = set()
    key = table.primary_key if isinstance(table, NodeTable) else None
    for column in table.columns:
        if column.type == ScalarType(ScalarKind.SERIAL):
            generated.add(column.name)
        elif column.name in given:
            properties.append((column, _slot(column, required=column.name == key)))
        elif column.name == key:
            raise _missing_key(table.name, column.name, file_columns)
        elif column.default is not None:
            defaults.append(_checked_default(column))
    used = {slot.source for slot in ends} | {column.name for column, _ in properties}
    unknown = [name for name in file_columns if name not in used]
    if unknown and not order.ignore_unknown_columns:
        raise unknown_columns(table, unknown, generated)
    return LoadPlan(target, ends, tuple(properties), tuple(defaults), tuple(unknown))


def check_required(order: LoadOrder, target: Target, names: Sequence[str]) -> None:
    """Check that the columns without which no row can be loaded are among these.

    Raises:
        LoadError: An end point or the key is missing.
    """
    _ends(order, target, names)
    table = target.table
    if isinstance(table, NodeTable) and table.primary_key not in names:
        key = table.column(table.primary_key)
        if key is not None and key.type != ScalarType(ScalarKind.SERIAL):
            raise _missing_key(table.name, table.primary_key, names)


def unknown_columns(table: Table, unknown: Sequence[str], generated: Iterable[str] = ()) -> LoadError:
    """Return the error for columns of a file that a table does not take."""
    numbered = set(generated)
    names = [column.name for column in table.columns if column.name not in numbered]
    shown = [
        f"{_quoted(name)} (numbered by the database itself)" if name in numbered else _with_hint(name, names)
        for name in unknown[:_SHOWN_NAMES]
    ]
    more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
    return LoadError(
        f"The file has columns that table {table.name!r} does not take: {', '.join(shown)}{more}. It takes "
        f"{_listed(names)}. Rename or remove them, or set ignore_unknown_columns to leave them out.",
        reason="unknown_columns",
        columns=[name[:_SHOWN_LENGTH] for name in unknown[:_SHOWN_NAMES]],
    )


def _check_repeated(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LoadError(
                f"The file has more than one column {_quoted(name)}: columns are matched by name, which must differ.",
                reason="repeated_column",
                column=name[:_SHOWN_LENGTH],
            )
        seen.add(name)


def _ends(order: LoadOrder, target: Target, file_columns: Sequence[str]) -> tuple[Slot, ...]:
    """Return the slots of both end points; none for a node table."""
    if target.ends is None:
        return ()
    start, end = target.ends
    if order.from_column == order.to_column:
        raise LoadError(f"from_column and to_column are both {_quoted(order.from_column)}: they must differ.")
    for parameter, name, which in (
        ("from_column", order.from_column, "start"),
        ("to_column", order.to_column, "end"),
    ):
        if name not in file_columns:
            raise _missing_end(parameter, name, which, file_columns)
    return Slot(order.from_column, start.type, required=True), Slot(order.to_column, end.type, required=True)


def _slot(column: Column, *, required: bool) -> Slot:
    reason = why_not_loadable(column.type)
    if reason is not None:
        raise LoadError(
            f"Column {_quoted(column.name)} cannot be loaded: {reason}. Leave it out of the file.",
            reason="column_type",
            column=column.name,
        )
    return Slot(column.name, column.type, required)


def _checked_default(column: Column) -> Column:
    if isinstance(column.default, OpaqueDefault):
        raise LoadError(
            f"The file lacks column {_quoted(column.name)}, whose default is computed "
            f"({column.default.expression[:_SHOWN_LENGTH]}): give the column in the file.",
            reason="computed_default",
            column=column.name,
        )
    return column


def _missing_key(table: str, key: str, file_columns: Sequence[str]) -> LoadError:
    hint = _case_variant(key, file_columns)
    return LoadError(
        f"The file lacks column {_quoted(key)}, the key of table {table!r}."
        + (f" It has {_quoted(hint)}: names are compared exactly." if hint else f" It has {_listed(file_columns)}."),
        reason="missing_key",
        column=key,
    )


def _missing_end(parameter: str, name: str, which: str, file_columns: Sequence[str]) -> LoadError:
    side = 0 if which == "start" else 1
    usual = next((pair[side] for pair in _USUAL_ENDS if pair[side] in file_columns), None)
    suggestion = _case_variant(name, file_columns) or usual
    advice = (
        f" It has {_quoted(suggestion)}: give {parameter}={suggestion}."
        if suggestion
        else f" It has {_listed(file_columns)}: give {parameter}=<the column with the keys of the {which} nodes>."
    )
    return LoadError(
        f"The file lacks column {_quoted(name)} with the keys of the {which} nodes.{advice}",
        reason="missing_end",
        column=name[:_SHOWN_LENGTH],
    )


def _with_hint(name: str, names: Sequence[str]) -> str:
    variant = _case_variant(name, names)
    return f"{_quoted(name)} (the table has {_quoted(variant)}: case counts)" if variant else _quoted(name)


def _case_variant(name: str, names: Iterable[str]) -> str | None:
    """Return the name that differs in case or surrounding blanks only."""
    folded = name.strip().casefold()
    return next((other for other in names if other != name and other.strip().casefold() == folded), None)


def _quoted(name: str) -> str:
    return repr(name if len(name) <= _SHOWN_LENGTH else name[: _SHOWN_LENGTH - 3] + "...")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(_quoted, names[:_SHOWN_NAMES])) or "no columns"
    return f"{shown} and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else shown


def _either(choices: Sequence[str]) -> str:
    return " or ".join(choices[:_SHOWN_NAMES])
