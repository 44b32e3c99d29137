"""The statements of a load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.ddl import compile_type
from robosystems.graph_api.domain.cypher import CypherText, Identifier, IntegerLiteral, StringLiteral, compose
from robosystems.graph_api.domain.schema import Column, ColumnType, DefaultFunction, Endpoint
from robosystems.graph_api.worker.loading.plan import NodeKey

SHOW_TABLES: Final = compose("CALL show_tables() RETURN *")
BEGIN: Final = compose("BEGIN TRANSACTION")
COMMIT: Final = compose("COMMIT")
ROLLBACK: Final = compose("ROLLBACK")

_FUNCTIONS: Final = {
    DefaultFunction.CURRENT_DATE: compose("current_date()"),
    DefaultFunction.CURRENT_TIMESTAMP: compose("current_timestamp()"),
    DefaultFunction.RANDOM_UUID: compose("gen_random_uuid()"),
}


def table_info(table: str) -> CypherText:
    """Ask for the columns of a table."""
    return compose("CALL table_info({table}) RETURN *", table=StringLiteral(table))


def connections(table: str) -> CypherText:
    """Ask for the pairs of a relationship table."""
    return compose("CALL show_connection({table}) RETURN *", table=StringLiteral(table))


def scan(paths: Sequence[Path]) -> CypherText:
    """Read Parquet files; what is done with their rows follows."""
    return compose("LOAD FROM [{paths}] (file_format='parquet')", paths=[StringLiteral(str(path)) for path in paths])


def from_file(name: str, cast_to: ColumnType | None) -> CypherText:
    """Read a column of the file, cast if need be."""
    if cast_to is None:
        return compose("{name}", name=Identifier(name))
    return compose("CAST({name} AS {type})", name=Identifier(name), type=compile_type(cast_to))


def default_value(column: Column) -> CypherText:
    """Return the default of a column as an expression of exactly the column's type.

    Defaults cannot be left to the engine's COPY: it takes the bytes of the literal for those of the column, so that
    `INT32 DEFAULT 7` becomes 7, 0, 7, 0, and `DOUBLE DEFAULT 5` becomes 2.5e-323.
    """
    if isinstance(column.default, DefaultFunction):
        return _FUNCTIONS[column.default]
    return compose("CAST({text} AS {type})", text=StringLiteral(str(column.default)), type=compile_type(column.type))


def copy(
    table: str, columns: Sequence[str], values: Sequence[CypherText], paths: Sequence[Path], pair: Endpoint | None
) -> CypherText:
    """Load Parquet files.

    Args:
        table: Name of the table.
        columns: Columns that get values.
        values: Expressions over the files' columns: first the end points, then one for each of `columns`.
        paths: The files.
        pair: For relationship tables with several pairs, the one that is loaded.
    """
    options = (
        compose("")
        if pair is None
        else compose(
            " (from={source}, to={target})", source=StringLiteral(pair.source), target=StringLiteral(pair.target)
        )
    )
    return compose(
        "COPY {table}({columns}) FROM ({rows} RETURN {values}){options}",
        table=Identifier(table),
        columns=[Identifier(name) for name in columns],
        rows=scan(paths),
        values=list(values),
        options=options,
    )


def rename(table: str, old: str, new: str) -> CypherText:
    """Rename a column."""
    return compose(
        "ALTER TABLE {table} RENAME {old} TO {new}", table=Identifier(table), old=Identifier(old), new=Identifier(new)
    )


def count_nodes_with_key(node: NodeKey) -> CypherText:
    """Count the nodes whose key prints as `$key`."""
    return compose(
        "MATCH (n:{table}) WHERE n.{column} = CAST($key AS {type}) RETURN count(*)",
        table=Identifier(node.table),
        column=Identifier(node.column),
        type=compile_type(node.type),
    )


def key_at(node: NodeKey, offset: int) -> CypherText:
    """Ask for the key of the node at an internal offset."""
    return compose(
        "MATCH (n:{table}) WHERE offset(id(n)) = {offset} RETURN CAST(n.{column} AS STRING)",
        table=Identifier(node.table),
        column=Identifier(node.column),
        offset=IntegerLiteral(offset),
    )


def first_known_key(node: NodeKey, paths: Sequence[Path], value: CypherText, rows: int) -> CypherText:
    """Ask for a key in the first rows of the file that a node has already; each is looked up in the index."""
    return compose(
        "{scan} WITH {value} AS wanted LIMIT {rows} MATCH (n:{table}) "
        "WHERE n.{column} = wanted RETURN CAST(wanted AS STRING) LIMIT 1",
        scan=scan(paths),
        value=value,
        rows=IntegerLiteral(rows),
        table=Identifier(node.table),
        column=Identifier(node.column),
    )
