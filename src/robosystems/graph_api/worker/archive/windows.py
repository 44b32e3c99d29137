"""Reading a table piece by piece: the engine makes a whole result before it gives the first row.

A piece is a range of internal offsets with a bounded number of rows, which are counted before they are read. Nodes are
cut by their own offsets, relationships by those of their start nodes, and those of a single node that has too many by
their own.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.schema import Endpoint
from robosystems.graph_api.worker.archive import statements
from robosystems.graph_api.worker.archive.statements import NODE, RELATIONSHIP, SOURCE, Range

MAX_ROWS: Final = 65_536
"""Rows of a piece."""

_FIRST_ROWS: Final = 4_096
_LEAST_ROWS: Final = 64
_PIECE_BYTES: Final = 16 << 20

Ask = Callable[[CypherText], list[Any]]
"""Runs a statement and returns its only row."""


class Pieces:
    """The pieces of one table or pair, in order. Tell it after each one how large it was: the next ones are like it.

    Args:
        ask: Runs counting statements.
        pattern: What is matched.
        by_node: Whether nodes are read, and no relationships.
    """

    def __init__(self, ask: Ask, pattern: CypherText, *, by_node: bool) -> None:
        self._ask = ask
        self._pattern = pattern
        self._by_node = by_node
        self._limit = _FIRST_ROWS

    @classmethod
    def of_nodes(cls, ask: Ask, table: str) -> "Pieces":
        """Cut a table of nodes."""
        return cls(ask, statements.node_pattern(table), by_node=True)

    @classmethod
    def of_relationships(cls, ask: Ask, table: str, pair: Endpoint) -> "Pieces":
        """Cut one pair of a table of relationships."""
        return cls(ask, statements.relationship_pattern(table, pair), by_node=False)

    def measured(self, rows: int, size: int) -> None:
        """Note how large a piece was."""
        if rows:
            fitting = _PIECE_BYTES * rows // max(1, size)
            self._limit = max(_LEAST_ROWS, min(MAX_ROWS, fitting))

    def __iter__(self) -> Iterator[tuple[CypherText, CypherText]]:
        """Yield pattern and condition of each piece that has rows."""
        for condition in self._conditions():
            yield self._pattern, condition

    def _conditions(self) -> Generator[CypherText]:
        if self._by_node:
            yield from (statements.where(part) for part, _ in self._cut(NODE, ()))
            return
        for part, rows in self._cut(SOURCE, ()):
            if rows <= self._limit:
                yield statements.where(part)
            else:  # One node with very many relationships.
                yield from (statements.where(part, finer) for finer, _ in self._cut(RELATIONSHIP, (part,)))

    def _cut(self, variable: str, given: tuple[CypherText, ...]) -> Generator[tuple[CypherText, int]]:
        """Yield conditions with the rows that fulfil them: few enough, or those of one offset. In order."""
        low, high = self._ask(statements.offsets(self._pattern, variable, statements.where(*given)))
        waiting: list[Range] = [] if low is None else [(int(low), int(high) + 1)]
        while waiting:
            window = waiting.pop()
            condition = statements.in_range(variable, window)
            rows = int(self._ask(statements.count(self._pattern, statements.where(*given, condition)))[0])
            if not rows:
                continue
            middle = (window[0] + window[1]) // 2
            if rows <= self._limit or middle == window[0]:
                yield condition, rows
            else:
                waiting += [(middle, window[1]), (window[0], middle)]
