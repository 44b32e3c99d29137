"""What the database says about the table that is to be filled."""

from collections.abc import Sequence
from typing import Any, Final

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.backends.lbug.introspection import schema_from_catalog
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import LoadError, TableNotFoundError
from robosystems.graph_api.domain.schema import Endpoint, GraphSchema, NodeTable
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.plan import NodeKey, Target, choose_pair

_NODE: Final = "NODE"
_RELATIONSHIP: Final = "REL"


def read_target(connection: EngineConnection, order: LoadOrder) -> Target:
    """Look the table up.

    Raises:
        TableNotFoundError: There is none of this name.
        LoadError: The order names tables of nodes that the table does not connect, or too few to choose a pair.
    """
    tables = {str(row[1]): row for row in _rows(connection, statements.SHOW_TABLES)}
    found = tables.get(order.table)
    if found is None or found[2] not in (_NODE, _RELATIONSHIP):
        raise _not_found(order.table, list(tables))
    if found[2] == _NODE:
        if order.from_table is not None or order.to_table is not None:
            raise LoadError(f"{order.table!r} is a table of nodes: leave from_table and to_table out.")
        return Target(_described(connection, [found]).nodes[0])
    pairs = [Endpoint(str(row[0]), str(row[1])) for row in _rows(connection, statements.connections(order.table))]
    pair = choose_pair(order, pairs)
    schema = _described(connection, [found, *(tables[name] for name in {pair.source, pair.target})])
    nodes = {node.name: node for node in schema.nodes}
    ends = (_key(nodes[pair.source]), _key(nodes[pair.target]))
    return Target(schema.relationships[0], ends, pair, several_pairs=len(pairs) > 1)


def _described(connection: EngineConnection, tables: Sequence[Sequence[Any]]) -> GraphSchema:
    names = [str(table[1]) for table in tables]
    info = {name: _rows(connection, statements.table_info(name)) for name in names}
    return schema_from_catalog(tables, info, dict.fromkeys(names, ()))


def _key(node: NodeTable) -> NodeKey:
    column = node.column(node.primary_key)
    if column is None:
        raise LoadError(f"Table {node.name!r} has no key, so no relationship can be loaded.")
    return NodeKey(node.name, column.name, column.type)


def _rows(connection: EngineConnection, text: CypherText) -> list[list[Any]]:
    with connection.run_plain(str(text)) as result:
        return list(result.rows())


def _not_found(name: str, tables: Sequence[str]) -> TableNotFoundError:
    near = next((table for table in tables if table.casefold() == name.casefold()), None)
    hint = f" There is {near!r}: case counts." if near else " Create it first, or check the name."
    return TableNotFoundError(f"There is no table {name[:80]!r} in this database.{hint}", table=name[:80])
