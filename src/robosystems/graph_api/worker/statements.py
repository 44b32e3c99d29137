"""What a worker remembers about the texts it has run."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from robosystems.graph_api.domain.statement import Statement, StatementKind, classify
from robosystems.graph_api.worker.results import Shape

_MANY_ROWS: Final = 20_000
_LONG_MS: Final = 50.0

_REPEATING: Final = frozenset({"match", "merge", "unwind", "call", "load", "with", "copy", "union", "foreach"})
"""Words without which a text that begins with CREATE creates the same things each time."""

_COUNTED: Final = frozenset({"create", "merge", "delete", "copy"})
"""Words without one of which a text leaves the number of nodes and relationships as it is."""

NO_CHANGES: Final[Mapping[str, int]] = {
    "nodes_created": 0,
    "nodes_deleted": 0,
    "relationships_created": 0,
    "relationships_deleted": 0,
}


@dataclass(slots=True)
class StatementFacts:
    """Facts about one text; several threads read and write them, each field by a single assignment.

    Attributes:
        statement: Its classification.
        parameters: Names of its parameters.
        keeps_plan: Whether its plan can be used again; procedures may look at the database when they are planned, and
            neither EXPLAIN nor PROFILE leaves one to use.
        proven_read: Whether the engine has run it in a read-only transaction since the last change of the schema.
        shape: Columns of its last result.
        rows: Rows of its last result.
        execution_ms: Milliseconds of its last execution.
        counters: Its counters, if they are the same each time.
    """

    statement: Statement
    parameters: frozenset[str]
    keeps_plan: bool
    proven_read: bool = False
    shape: Shape | None = None
    rows: int = 0
    execution_ms: float = 0.0
    counters: Mapping[str, int] | None = field(default=None)

    @property
    def is_schema_change(self) -> bool:
        """Whether it may change tables, and with them what is known about other texts."""
        return self.statement.kind in {StatementKind.DDL, StatementKind.ADMIN}

    @property
    def counters_are_constant(self) -> bool:
        """Whether what it creates follows from the text alone."""
        words = self.statement.identifiers
        if not words & _COUNTED:
            return True
        return self.statement.text.lstrip()[:6].lower() == "create" and not words & _REPEATING

    def learn(self, counters: Mapping[str, int]) -> None:
        """Keep the counters of one execution, if they are those of every other one."""
        if self.counters_are_constant and not self.is_schema_change:
            self.counters = counters

    @property
    def is_large(self) -> bool:
        """Whether its last result had so many rows that another way to collect them pays."""
        return self.rows >= _MANY_ROWS

    @property
    def is_long(self) -> bool:
        """Whether it ran so long that more threads pay."""
        return self.execution_ms >= _LONG_MS or self.is_large


class StatementBook:
    """Facts by text, for all lanes of a worker; the ones used least recently are forgotten."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._facts: OrderedDict[str, StatementFacts] = OrderedDict()

    def facts(self, text: str) -> StatementFacts:
        """Return what is known about a text.

        Raises:
            StatementError: It is no statement.
            InvalidRequestError: It is not exactly one.
        """
        book = self._facts
        known = book.get(text)
        if known is None:
            statement = classify(text)
            # A plan that was measured once crashes the engine when it is run again.
            keeps_plan = not statement.procedures and statement.explain is None
            known = StatementFacts(statement, statement.parameters, keeps_plan=keeps_plan)
            if not statement.identifiers & _COUNTED:
                known.counters = NO_CHANGES
            book[text] = known
        try:
            book.move_to_end(text)
            if len(book) > self._size:
                book.popitem(last=False)
        except KeyError:  # Another thread has just dropped the text.
            return known
        return known

    def forget(self) -> None:
        """Forget everything: the schema has changed."""
        self._facts = OrderedDict()
