"""Counting nodes and relationships around a write.

The counters are net changes: a statement that creates one node and deletes another has changed nothing. The engine's
own counts are quick, but know nothing of deletions before a checkpoint, nor of what an open transaction has done. They
do where a statement only creates and commits by itself; otherwise a counting query is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from robosystems.graph_api.domain.cypher import Identifier, compose
from robosystems.graph_api.worker.executor import Executor

_TABLES: LiteralString = "CALL show_tables() RETURN name, type"


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers at one moment."""

    nodes: int
    relationships: int

    def until(self, later: "Counts") -> Mapping[str, int]:
        """Return the counters for what happened up to `later`."""
        nodes, relationships = later.nodes - self.nodes, later.relationships - self.relationships
        return {
            "nodes_created": max(nodes, 0),
            "nodes_deleted": max(-nodes, 0),
            "relationships_created": max(relationships, 0),
            "relationships_deleted": max(-relationships, 0),
        }


class Counter:
    """Counts on one connection. Call `forget_tables` after a change of the schema."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._tables: dict[str, tuple[str, bool]] | None = None

    def forget_tables(self) -> None:
        """Read the list of tables again when it is needed next."""
        self._tables = None

    def count(self, names: tuple[str, ...] | None, *, exact: bool) -> Counts:
        """Count what is in some tables.

        Args:
            names: Words that may be names of tables, in any case; None for all tables.
            exact: Count deletions, and what the open transaction has done.
        """
        tables = self._known_tables()
        chosen = tables.values() if names is None else self._chosen(tables, names)
        nodes = relationships = 0
        for name, is_node in chosen:
            number = self._query(name, is_node=is_node) if exact else self._native(name, is_node=is_node)
            if is_node:
                nodes += number
            else:
                relationships += number
        return Counts(nodes, relationships)

    @staticmethod
    def _chosen(tables: dict[str, tuple[str, bool]], names: tuple[str, ...]) -> list[tuple[str, bool]]:
        folded = dict.fromkeys(name.strip("`").lower() for name in names)
        return [table for name in folded if (table := tables.get(name)) is not None]

    def _known_tables(self) -> dict[str, tuple[str, bool]]:
        if self._tables is None:
            with self._executor.connection.run_plain(_TABLES) as result:
                rows = result.take(result.row_count)
            self._tables = {name.lower(): (name, kind == "NODE") for name, kind in rows if kind in {"NODE", "REL"}}
        return self._tables

    def _native(self, name: str, *, is_node: bool) -> int:
        connection = self._executor.connection
        return connection.count_nodes(name) if is_node else connection.count_relationships(name)

    def _query(self, name: str, *, is_node: bool) -> int:
        table = Identifier(name)
        if is_node:
            text = compose("MATCH (n:{table}) RETURN count(*)", table=table)
        else:
            text = compose("MATCH ()-[r:{table}]->() RETURN count(*)", table=table)
        with self._executor.connection.run(text.text) as result:
            return int(result.take(1)[0][0])
