"""What a graph's tables are, independent of the engine that holds them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from robosystems.graph_api.domain.schema.types import ColumnType


class TableKind(StrEnum):
    """What the rows of a table are."""

    NODE = "node"
    RELATIONSHIP = "relationship"


class Multiplicity(StrEnum):
    """How many relationships a node may have; the first word bounds what points at a node, the second where it points.

    `many_to_one`: each start node has at most one relationship. `one_to_many`: each end node has at most one.
    """

    MANY_TO_MANY = "many_to_many"
    MANY_TO_ONE = "many_to_one"
    ONE_TO_MANY = "one_to_many"
    ONE_TO_ONE = "one_to_one"


class DefaultFunction(Enum):
    """Functions that give a new row its value; the value is the name in a schema document."""

    CURRENT_DATE = "current_date"
    CURRENT_TIMESTAMP = "current_timestamp"
    RANDOM_UUID = "random_uuid"


@dataclass(frozen=True, slots=True)
class OpaqueDefault:
    """A default that an existing column has but that cannot be declared here; `expression` is the engine's text."""

    expression: str


DefaultValue = bool | int | float | str | DefaultFunction | OpaqueDefault
"""Dates, times, UUIDs and decimals are text: ISO 8601, hexadecimal with hyphens, digits."""


@dataclass(frozen=True, slots=True)
class Column:
    """One property of a table.

    Attributes:
        name: Its name; unique in the table, case does not distinguish.
        type: Its type.
        description: One line for readers; may be empty.
        default: Value of new rows that give none; None is null.
    """

    name: str
    type: ColumnType
    description: str = ""
    default: DefaultValue | None = None


@dataclass(frozen=True, slots=True)
class NodeTable:
    """A table of nodes.

    Attributes:
        name: Its name; unique in the graph, relationships included, case does not distinguish.
        columns: Its properties in order.
        primary_key: Name of the column that identifies a node.
        description: One line for readers; may be empty.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: str
    description: str = ""

    @property
    def kind(self) -> TableKind:
        """What the rows are."""
        return TableKind.NODE

    def column(self, name: str) -> Column | None:
        """Return the column of this exact name, or None."""
        return _column(self.columns, name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pair of node tables that relationships of a table connect; the names are node tables of the same graph."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class RelationshipTable:
    """A table of relationships.

    Attributes:
        name: Its name; unique in the graph, nodes included, case does not distinguish.
        endpoints: Pairs of node tables that it connects; at least one.
        columns: Its properties in order.
        multiplicity: Bound that the engine enforces on every pair; None if none was stated or the engine does not tell.
        description: One line for readers; may be empty.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    columns: tuple[Column, ...] = ()
    multiplicity: Multiplicity | None = None
    description: str = ""

    @property
    def kind(self) -> TableKind:
        """What the rows are."""
        return TableKind.RELATIONSHIP

    def column(self, name: str) -> Column | None:
        """Return the column of this exact name, or None."""
        return _column(self.columns, name)


Table = NodeTable | RelationshipTable


@dataclass(frozen=True, slots=True)
class GraphSchema:
    """All tables of a graph. Constructing one checks nothing: see `check_schema`."""

    nodes: tuple[NodeTable, ...] = ()
    relationships: tuple[RelationshipTable, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Node tables, then relationship tables: the order in which they can be created."""
        return (*self.nodes, *self.relationships)

    def table(self, name: str) -> Table | None:
        """Return the table of this name, whatever the case of its letters, or None."""
        folded = name.lower()
        return next((table for table in self.tables if table.name.lower() == folded), None)

    def extended_by(self, addition: "GraphSchema") -> "GraphSchema":
        """Return this schema with the tables of another one behind its own."""
        return GraphSchema(self.nodes + addition.nodes, self.relationships + addition.relationships)

    def described_by(self, recorded: "GraphSchema") -> "GraphSchema":
        """Return this schema completed with what a live engine cannot tell.

        Descriptions and multiplicities that are missing here are taken from the tables and columns of the same name and
        kind in `recorded`, which is what was declared. Tables and columns themselves are never added or changed.
        """
        nodes = {table.name: table for table in recorded.nodes}
        relationships = {table.name: table for table in recorded.relationships}
        return GraphSchema(
            tuple(_described_node(table, nodes.get(table.name)) for table in self.nodes),
            tuple(_described_relationship(table, relationships.get(table.name)) for table in self.relationships),
        )

    def to_document(self, row_counts: Mapping[str, int] | None = None) -> dict[str, object]:
        """Return the schema as a JSON object, which `parse_schema_document` reads again.

        Args:
            row_counts: Rows by table name; tables named in it get a `row_count`.
        """
        counts = row_counts or {}
        return {"tables": [dict(_table_items(table, counts.get(table.name))) for table in self.tables]}


def _column(columns: tuple[Column, ...], name: str) -> Column | None:
    return next((column for column in columns if column.name == name), None)


def _described_node(live: NodeTable, recorded: NodeTable | None) -> NodeTable:
    if recorded is None:
        return live
    return replace(
        live,
        columns=_described_columns(live.columns, recorded.columns),
        description=live.description or recorded.description,
    )


def _described_relationship(live: RelationshipTable, recorded: RelationshipTable | None) -> RelationshipTable:
    if recorded is None:
        return live
    return replace(
        live,
        columns=_described_columns(live.columns, recorded.columns),
        description=live.description or recorded.description,
        multiplicity=live.multiplicity or recorded.multiplicity,
    )


def _described_columns(live: tuple[Column, ...], recorded: tuple[Column, ...]) -> tuple[Column, ...]:
    known = {column.name: column.description for column in recorded}
    return tuple(replace(column, description=column.description or known.get(column.name, "")) for column in live)


def _table_items(table: Table, row_count: int | None) -> Iterator[tuple[str, object]]:
    yield "name", table.name
    yield "kind", table.kind.value
    yield "description", table.description
    if isinstance(table, RelationshipTable):
        yield "endpoints", [{"from": pair.source, "to": pair.target} for pair in table.endpoints]
        if table.multiplicity is not None:
            yield "multiplicity", table.multiplicity.value
    key = table.primary_key if isinstance(table, NodeTable) else None
    yield "columns", [dict(_column_items(column, key)) for column in table.columns]
    if row_count is not None:
        yield "row_count", row_count


def _column_items(column: Column, key: str | None) -> Iterator[tuple[str, object]]:
    yield "name", column.name
    yield "type", str(column.type)
    yield "primary_key", column.name == key
    yield "description", column.description
    match column.default:
        case None:
            pass
        case DefaultFunction() as function:
            yield "default", {"function": function.value}
        case OpaqueDefault(expression):
            yield "default", {"expression": expression}
        case value:
            yield "default", value
