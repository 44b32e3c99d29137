"""The vocabulary in which the built-in tables are written."""

from typing import Final

from robosystems.graph_api.domain.schema import (
    Column,
    ColumnType,
    DecimalType,
    Endpoint,
    NodeTable,
    RelationshipTable,
    ScalarKind,
    ScalarType,
)

STRING: Final = ScalarType(ScalarKind.STRING)
BOOL: Final = ScalarType(ScalarKind.BOOL)
INT32: Final = ScalarType(ScalarKind.INT32)
DOUBLE: Final = ScalarType(ScalarKind.DOUBLE)
DATE: Final = ScalarType(ScalarKind.DATE)
TIMESTAMP: Final = ScalarType(ScalarKind.TIMESTAMP)

MONEY: Final = DecimalType(18, 4)
"""Amounts of an accounting system: exact, up to 99 trillion, with the third decimal that some currencies have."""

KEY: Final = "identifier"
"""Name of the primary key of every built-in node table."""

ColumnSpec = tuple[str, ColumnType, str]
"""Name, type and description of a column."""


def node(name: str, description: str, key: str, *columns: ColumnSpec) -> NodeTable:
    """Make a node table whose first column is the key `identifier STRING`, described by `key`."""
    return NodeTable(name, (Column(KEY, STRING, key), *(Column(*column) for column in columns)), KEY, description)


def relationship(
    name: str, source: NodeTable, target: NodeTable, description: str, *columns: ColumnSpec
) -> RelationshipTable:
    """Make a relationship table between two node tables."""
    return RelationshipTable(
        name,
        (Endpoint(source.name, target.name),),
        tuple(Column(*column) for column in columns),
        description=description,
    )
