"""The statements of loads that change what is there, and the questions which rows are there.

All of them read temporary files. Unlike a COPY they are written to the log, so that they can be mixed in one
transaction: after a crash either all of them have happened or none. Each that changes something says how many rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robosystems.graph_api.domain.cypher import CypherText, Identifier, compose
from robosystems.graph_api.worker.loading.plan import NodeKey
from robosystems.graph_api.worker.loading.spool import ROW_COLUMN
from robosystems.graph_api.worker.loading.statements import scan


@dataclass(frozen=True, slots=True)
class Given:
    """Values from a file.

    Attributes:
        path: The file.
        keys: Expressions for the key of a node, or for those of both ends of a relationship.
        values: Columns of the table, each with the expression for its value.
    """

    path: Path
    keys: Sequence[CypherText]
    values: Sequence[tuple[str, CypherText]] = ()

    def rows(self) -> CypherText:
        """Read the file: keys as `k0`, `k1`, values as `v0`, `v1`, ..."""
        named = [
            compose("{value} AS {name}", value=value, name=Identifier(name))
            for name, value in zip(self._names, [*self.keys, *(value for _, value in self.values)], strict=True)
        ]
        return compose("{scan} WITH {named}", scan=scan([self.path]), named=named)

    def carried(self) -> list[Identifier]:
        """Return the names of the values and of the second key, which a second MATCH needs."""
        return [Identifier(name) for name in self._names if name != "k0"]

    def properties(self) -> CypherText:
        """Write a map of all values; nothing if there are none."""
        pairs = [
            compose("{column}: {name}", column=Identifier(column), name=Identifier(f"v{number}"))
            for number, (column, _) in enumerate(self.values)
        ]
        return compose(" {{{pairs}}}", pairs=pairs) if pairs else compose("")

    def assignments(self, variable: str) -> list[CypherText]:
        """Write a SET item for each value."""
        return [
            compose(
                "{variable}.{column} = {name}",
                variable=Identifier(variable),
                column=Identifier(column),
                name=Identifier(f"v{number}"),
            )
            for number, (column, _) in enumerate(self.values)
        ]

    @property
    def _names(self) -> list[str]:
        keys = [f"k{number}" for number in range(len(self.keys))]
        return [*keys, *(f"v{number}" for number in range(len(self.values)))]


def known_nodes(node: NodeKey, path: Path, key: CypherText) -> CypherText:
    """Ask which rows of a file have the key of a node: their numbers, and the nodes' internal offsets."""
    return compose(
        "{scan} WITH {row}, {key} AS k0 MATCH (n:{table}) WHERE n.{column} = k0 RETURN {row}, offset(id(n))",
        scan=scan([path]),
        row=Identifier(ROW_COLUMN),
        key=key,
        table=Identifier(node.table),
        column=Identifier(node.column),
    )


def known_pairs(table: str, ends: tuple[NodeKey, NodeKey], path: Path, keys: Sequence[CypherText]) -> CypherText:
    """Ask which rows of a file have the ends of a relationship: their numbers, once for each relationship."""
    start, end = ends
    return compose(
        "{scan} WITH {row}, {first} AS k0, {second} AS k1 MATCH (a:{start}) WHERE a.{start_key} = k0 WITH {row}, k1, a "
        "MATCH (a)-[r:{table}]->(b:{end}) WHERE b.{end_key} = k1 RETURN {row}",
        scan=scan([path]),
        row=Identifier(ROW_COLUMN),
        first=keys[0],
        second=keys[1],
        start=Identifier(start.table),
        start_key=Identifier(start.column),
        end=Identifier(end.table),
        end_key=Identifier(end.column),
        table=Identifier(table),
    )


def all_nodes(node: NodeKey) -> CypherText:
    """Ask for the internal offsets and the keys of all nodes."""
    return compose(
        "MATCH (n:{table}) RETURN offset(id(n)), n.{column}",
        table=Identifier(node.table),
        column=Identifier(node.column),
    )


def create_nodes(table: str, given: Given) -> CypherText:
    """Make a node of each row; the key is one of the values."""
    return compose(
        "{rows} CREATE (n:{table}{properties}) RETURN count(*)",
        rows=given.rows(),
        table=Identifier(table),
        properties=given.properties(),
    )


def update_nodes(node: NodeKey, given: Given) -> CypherText:
    """Set the values of the nodes that the rows name."""
    return compose(
        "{rows} MATCH (n:{table}) WHERE n.{column} = k0 SET {assignments} RETURN count(*)",
        rows=given.rows(),
        table=Identifier(node.table),
        column=Identifier(node.column),
        assignments=given.assignments("n"),
    )


def delete_nodes(node: NodeKey, given: Given, *, detach: bool) -> CypherText:
    """Delete the nodes that the rows name."""
    return compose(
        "{rows} MATCH (n:{table}) WHERE n.{column} = k0 {delete} n RETURN count(*)",
        rows=given.rows(),
        table=Identifier(node.table),
        column=Identifier(node.column),
        delete=_delete(detach=detach),
    )


def delete_all_nodes(table: str, *, detach: bool) -> CypherText:
    """Delete all nodes of a table."""
    return compose("MATCH (n:{table}) {delete} n", table=Identifier(table), delete=_delete(detach=detach))


def create_relationships(table: str, ends: tuple[NodeKey, NodeKey], given: Given) -> CypherText:
    """Make a relationship of each row."""
    start, end = ends
    # In two steps: for both nodes at once the engine multiplies the tables.
    return compose(
        "{start} MATCH (b:{end}) WHERE b.{end_key} = k1 CREATE (a)-[:{table}{properties}]->(b) RETURN count(*)",
        start=_start_nodes(start, given),
        end=Identifier(end.table),
        end_key=Identifier(end.column),
        table=Identifier(table),
        properties=given.properties(),
    )


def update_relationships(table: str, ends: tuple[NodeKey, NodeKey], given: Given) -> CypherText:
    """Set the values of the relationships whose ends the rows name."""
    start, end = ends
    return compose(
        "{start} MATCH (a)-[r:{table}]->(b:{end}) WHERE b.{end_key} = k1 SET {assignments} RETURN count(*)",
        start=_start_nodes(start, given),
        end=Identifier(end.table),
        end_key=Identifier(end.column),
        table=Identifier(table),
        assignments=given.assignments("r"),
    )


def delete_relationships(table: str, ends: tuple[NodeKey, NodeKey]) -> CypherText:
    """Delete all relationships between two tables of nodes."""
    return compose("{between} DELETE r", between=_between(table, ends))


def count_nodes(table: str) -> CypherText:
    """Count the nodes of a table, those aside that this transaction has deleted."""
    return compose("MATCH (n:{table}) RETURN count(*)", table=Identifier(table))


def count_relationships(table: str, ends: tuple[NodeKey, NodeKey]) -> CypherText:
    """Count the relationships between two tables of nodes, as `count_nodes`."""
    return compose("{between} RETURN count(*)", between=_between(table, ends))


def _start_nodes(start: NodeKey, given: Given) -> CypherText:
    """Find the node `a` at which the relationship of each row begins."""
    return compose(
        "{rows} MATCH (a:{table}) WHERE a.{key} = k0 WITH {carried}, a",
        rows=given.rows(),
        table=Identifier(start.table),
        key=Identifier(start.column),
        carried=given.carried(),
    )


def _between(table: str, ends: tuple[NodeKey, NodeKey]) -> CypherText:
    """Find all relationships `r` between two tables of nodes."""
    start, end = ends
    return compose(
        "MATCH (a:{start})-[r:{table}]->(b:{end})",
        start=Identifier(start.table),
        end=Identifier(end.table),
        table=Identifier(table),
    )


def _delete(*, detach: bool) -> CypherText:
    return compose("DETACH DELETE") if detach else compose("DELETE")
