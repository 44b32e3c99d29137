"""Tables of an open database: reading them, counting their rows, adding to them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from robosystems.graph_api.backends.lbug.ddl import compile_ddl
from robosystems.graph_api.backends.lbug.introspection import (
    SHOW_TABLES,
    Rows,
    connections_statement,
    schema_from_catalog,
    table_info_statement,
    tables_in,
)
from robosystems.graph_api.domain.cypher import CypherText, Identifier, compose
from robosystems.graph_api.domain.errors import InvalidSchemaError, StatementError
from robosystems.graph_api.domain.query import TransactionStatement
from robosystems.graph_api.domain.schema import GraphSchema, Table, TableKind, restore_schema_document

Run = Callable[[str], Awaitable[Rows]]
"""Runs one statement of the service's own."""


async def read_schema(run: Run, document: Mapping[str, object] | None) -> GraphSchema:
    """Read the tables, completed with the descriptions of the document that was given when they were declared."""
    tables = await run(str(SHOW_TABLES))
    info: dict[str, Rows] = {}
    connections: dict[str, Rows] = {}
    for name, kind, _ in tables_in(tables):
        info[name] = await run(str(table_info_statement(name)))
        if kind is TableKind.RELATIONSHIP:
            connections[name] = await run(str(connections_statement(name)))
    live = schema_from_catalog(tables, info, connections)
    return live if document is None else live.described_by(recorded_schema(document))


async def count_rows(run: Run, schema: GraphSchema) -> dict[str, int]:
    """Count the rows of all tables."""
    counts: dict[str, int] = {}
    for table in schema.tables:
        rows = await run(str(_count_statement(table)))
        counts[table.name] = int(str(rows[0][0]))
    return counts


def _count_statement(table: Table) -> CypherText:
    if table.kind is TableKind.NODE:
        return compose("MATCH (n:{table}) RETURN count(n)", table=Identifier(table.name))
    return compose("MATCH ()-[r:{table}]->() RETURN count(r)", table=Identifier(table.name))


def recorded_schema(document: Mapping[str, object] | None) -> GraphSchema:
    """Return the schema that a manifest keeps; one that has lost its shape describes nothing."""
    if document is None:
        return GraphSchema()
    try:
        return restore_schema_document(document)
    except InvalidSchemaError:
        return GraphSchema()


def definition_statements(schema: GraphSchema | None, ddl: Sequence[str]) -> list[TransactionStatement]:
    """Return the statements that make the tables of `schema` and then run `ddl`."""
    compiled = compile_ddl(schema) if schema is not None else ()
    return [TransactionStatement(str(text)) for text in (*compiled, *ddl)]


def as_schema_error(error: StatementError, statements: Sequence[TransactionStatement]) -> InvalidSchemaError:
    """Say which of the statements failed."""
    number = error.context.get("statement_number")
    if not isinstance(number, int) or not 1 <= number <= len(statements):
        return InvalidSchemaError(error.detail)
    text = statements[number - 1].text
    shown = text if len(text) <= 500 else text[:497] + "..."  # noqa: PLR2004 (enough to find it by)
    return InvalidSchemaError(
        f"Statement {number} failed: {error.detail} Nothing was kept.", statement_number=number, statement=shown
    )
