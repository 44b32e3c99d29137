"""What a live database says about its tables, read into a `GraphSchema`.

The engine tells names, types, keys, defaults, endpoints and table comments. It keeps no descriptions of columns and
does not tell multiplicities: complete the result with `GraphSchema.described_by` and the manifest's schema document.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from robosystems.graph_api.backends.lbug.catalog_defaults import read_default
from robosystems.graph_api.domain.cypher import CypherText, StringLiteral, compose
from robosystems.graph_api.domain.schema import (
    Column,
    Endpoint,
    GraphSchema,
    NodeTable,
    RelationshipTable,
    TableKind,
    parse_catalog_type,
)

Rows = Sequence[Sequence[object]]
"""Rows of an answer, values in the order of the columns."""

SHOW_TABLES: Final = compose("CALL show_tables() RETURN *")
"""Lists all tables."""

_KINDS: Final = {"NODE": TableKind.NODE, "REL": TableKind.RELATIONSHIP}


def table_info_statement(table: str) -> CypherText:
    """Return the statement that lists the columns of a table."""
    return compose("CALL table_info({table}) RETURN *", table=StringLiteral(table))


def connections_statement(table: str) -> CypherText:
    """Return the statement that lists the endpoint pairs of a relationship table."""
    return compose("CALL show_connection({table}) RETURN *", table=StringLiteral(table))


def tables_in(rows: Rows) -> list[tuple[str, TableKind, str]]:
    """Return name, kind and comment of each table from the rows of `SHOW_TABLES`, in the order of creation.

    Args:
        rows: id, name, type, database name, comment.
    """
    known = [(row, _KINDS.get(str(row[2]))) for row in sorted(rows, key=lambda row: int(str(row[0])))]
    return [(str(row[1]), kind, str(row[4] or "")) for row, kind in known if kind is not None]


def schema_from_catalog(tables: Rows, info: Mapping[str, Rows], connections: Mapping[str, Rows]) -> GraphSchema:
    """Read a whole schema; never fails on tables that foreign DDL made, whatever their names and types.

    Args:
        tables: Rows of `SHOW_TABLES`.
        info: For each table, rows of `table_info_statement`: property id, name, type, default expression, and for node
            tables whether it is the primary key.
        connections: For each relationship table, rows of `connections_statement`: source table, destination table, and
            the names of their keys.
    """
    nodes: list[NodeTable] = []
    relationships: list[RelationshipTable] = []
    for name, kind, comment in tables_in(tables):
        rows = info[name]
        columns = tuple(_column(row) for row in rows)
        if kind is TableKind.NODE:
            # Relationship tables have the storage direction in this place, which is text.
            key = next((str(row[1]) for row in rows if row[4] is True), "")
            nodes.append(NodeTable(name, columns, key, comment))
        else:
            pairs = tuple(Endpoint(str(row[0]), str(row[1])) for row in connections[name])
            relationships.append(RelationshipTable(name, pairs, columns, description=comment))
    return GraphSchema(tuple(nodes), tuple(relationships))


def _column(row: Sequence[object]) -> Column:
    column_type = parse_catalog_type(str(row[2]))
    return Column(str(row[1]), column_type, default=read_default(str(row[3] or ""), column_type))
