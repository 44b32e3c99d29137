"""What a schema must satisfy before tables are made of it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.domain.errors import InvalidSchemaError, InvalidTableNameError
from robosystems.graph_api.domain.ids import TableName
from robosystems.graph_api.domain.schema.defaults import check_default
from robosystems.graph_api.domain.schema.model import (
    Column,
    Endpoint,
    GraphSchema,
    NodeTable,
    OpaqueDefault,
    RelationshipTable,
    Table,
    TableKind,
)
from robosystems.graph_api.domain.schema.types import (
    MAX_TYPE_DEPTH,
    DecimalType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    depth_of,
)

RESERVED_COLUMNS: Final = frozenset({"_id", "_label", "_src", "_dst", "_nodes", "_rels", "rowid"})
"""Column names that the engine keeps for itself, in lower case; any case of them is refused.

`rowid` is among them because the engine creates such a column but then reads its own row number in its place.
"""

_NO_KEY: Final = frozenset({ScalarKind.BOOL, ScalarKind.JSON, ScalarKind.INTERVAL})


@dataclass(frozen=True, slots=True)
class SchemaLimits:
    """Upper bounds of one schema.

    Attributes:
        node_tables: Node tables. Each costs the engine about 1 MiB of buffer pool and 3.3 MiB of memory while the
            database is open, and a database whose tables exceed the pool cannot be opened.
        relationship_tables: Relationship tables.
        columns: Columns of one table.
        endpoints: Endpoint pairs of one relationship table.
        description_length: Characters of one description.
    """

    node_tables: int = 100
    relationship_tables: int = 400
    columns: int = 256
    endpoints: int = 256
    description_length: int = 1_000


def check_schema(
    schema: GraphSchema, *, existing: GraphSchema | None = None, limits: SchemaLimits | None = None
) -> None:
    """Check that every table of a schema can be created.

    Args:
        schema: Tables to create.
        existing: Tables that are there already: their names are taken, their node tables can be endpoints.
        limits: Upper bounds, which count both.

    Raises:
        InvalidSchemaError: The first thing found wrong; detail and context `path` name it, for example
            `nodes[2].columns[0].type`.
    """
    nodes = [(f"nodes[{index}]", table) for index, table in enumerate(schema.nodes)]
    relationships = [(f"relationships[{index}]", table) for index, table in enumerate(schema.relationships)]
    check_tables([*nodes, *relationships], existing=existing or GraphSchema(), limits=limits or SchemaLimits())


def check_tables(tables: Sequence[tuple[str, Table]], *, existing: GraphSchema, limits: SchemaLimits) -> None:
    """Check tables that stand at given paths of a document; otherwise as `check_schema`."""
    _check_count(tables, existing, limits)
    names = {table.name.lower(): table for table in existing.tables}
    for path, table in tables:
        check_name(f"{path}.name", table.name)
        if table.name.lower() in names:
            raise problem(f"{path}.name", f"the table {table.name!r} exists already (case does not distinguish).")
        names[table.name.lower()] = table
    for path, table in tables:
        _check_description(f"{path}.description", table.description, limits)
        _check_columns(path, table.columns, limits)
        if isinstance(table, NodeTable):
            _check_key(path, table)
        else:
            _check_endpoints(path, table, names, limits)


def check_name(path: str, name: str) -> None:
    """Check a table or column name.

    Raises:
        InvalidSchemaError: It is not legal.
    """
    try:
        TableName.parse(name)
    except InvalidTableNameError:
        shown = name if len(name) <= 80 else name[:77] + "..."  # noqa: PLR2004
        raise problem(
            path, f"{shown!r} is not a legal name: use 1 to 128 letters, digits or '_', not beginning with a digit."
        ) from None


def problem(path: str, what: str) -> InvalidSchemaError:
    """Make the error for one place of a schema."""
    return InvalidSchemaError(f"{path}: {what}", path=path)


def _check_count(tables: Sequence[tuple[str, Table]], existing: GraphSchema, limits: SchemaLimits) -> None:
    every = [*existing.tables, *(table for _, table in tables)]
    nodes = sum(table.kind is TableKind.NODE for table in every)
    if nodes > limits.node_tables:
        raise problem("tables", f"the graph would have {nodes} node tables; at most {limits.node_tables} are allowed.")
    others = len(every) - nodes
    if others > limits.relationship_tables:
        raise problem(
            "tables",
            f"the graph would have {others} relationship tables; at most {limits.relationship_tables} are allowed.",
        )


def _check_columns(path: str, columns: Sequence[Column], limits: SchemaLimits) -> None:
    if len(columns) > limits.columns:
        raise problem(f"{path}.columns", f"the table has {len(columns)} columns; at most {limits.columns} are allowed.")
    seen: set[str] = set()
    for index, column in enumerate(columns):
        here = f"{path}.columns[{index}]"
        check_name(f"{here}.name", column.name)
        folded = column.name.lower()
        if folded in RESERVED_COLUMNS:
            raise problem(f"{here}.name", f"{column.name!r} is reserved by the engine; use another name.")
        if folded in seen:
            raise problem(
                f"{here}.name", f"the column {column.name!r} occurs twice in its table (case does not distinguish)."
            )
        seen.add(folded)
        _check_column_type(here, column)
        _check_description(f"{here}.description", column.description, limits)


def _check_column_type(path: str, column: Column) -> None:
    if isinstance(column.type, OpaqueType):
        raise problem(f"{path}.type", f"a column of type {column.type.spelling[:80]!r} cannot be declared.")
    if depth_of(column.type) > MAX_TYPE_DEPTH:
        raise problem(f"{path}.type", f"the type is nested deeper than {MAX_TYPE_DEPTH} levels.")
    if column.default is None:
        return
    if isinstance(column.default, OpaqueDefault):
        raise problem(
            f"{path}.default",
            "a default that is an expression can only be declared in a DDL statement; give a value or a function.",
        )
    try:
        check_default(column.type, column.default)
    except InvalidSchemaError as error:
        raise problem(f"{path}.default", error.detail) from None


def _check_key(path: str, table: NodeTable) -> None:
    key = table.column(table.primary_key)
    if key is None:
        raise problem(
            f"{path}.columns",
            f"the node table {table.name!r} has no primary key column; mark exactly one column with primary_key.",
        )
    here = f"{path}.columns[{table.columns.index(key)}]"
    fits = isinstance(key.type, DecimalType) or (isinstance(key.type, ScalarType) and key.type.kind not in _NO_KEY)
    if not fits:
        raise problem(f"{here}.type", f"a column of type {key.type} cannot be a primary key; use STRING or a number.")
    if key.default is not None:
        raise problem(f"{here}.default", "a primary key takes no default; use the type SERIAL for numbers in sequence.")


def _check_endpoints(path: str, table: RelationshipTable, names: dict[str, Table], limits: SchemaLimits) -> None:
    if not 1 <= len(table.endpoints) <= limits.endpoints:
        raise problem(
            f"{path}.endpoints",
            f"a relationship table connects 1 to {limits.endpoints} pairs of node tables, not {len(table.endpoints)}.",
        )
    seen: set[Endpoint] = set()
    for index, pair in enumerate(table.endpoints):
        here = f"{path}.endpoints[{index}]"
        _check_endpoint(f"{here}.from", pair.source, names)
        _check_endpoint(f"{here}.to", pair.target, names)
        if pair in seen:
            raise problem(here, f"the pair from {pair.source!r} to {pair.target!r} occurs twice.")
        seen.add(pair)


def _check_endpoint(path: str, name: str, names: dict[str, Table]) -> None:
    table = names.get(name.lower())
    if table is None:
        raise problem(path, f"there is no node table {name[:80]!r}; declare it, or correct the name.")
    if not isinstance(table, NodeTable):
        raise problem(path, f"{name!r} is a relationship table; endpoints are node tables.")
    if table.name != name:
        raise problem(path, f"write {table.name!r}, as the table is declared, not {name!r}.")


def _check_description(path: str, text: str, limits: SchemaLimits) -> None:
    if len(text) > limits.description_length:
        raise problem(
            path, f"the description has {len(text)} characters; at most {limits.description_length} are allowed."
        )
    if not _is_one_line(text):
        raise problem(path, "a description is one line of text, without control characters.")


def _is_one_line(text: Iterable[str]) -> bool:
    return not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)
