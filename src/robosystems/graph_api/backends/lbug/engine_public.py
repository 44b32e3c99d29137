"""The binding's public classes in the shape of its private ones, for versions whose private ones are unknown.

Slower (text through the binding's own cache, which grows without bound), but the same answers.
"""

from collections.abc import Mapping
from typing import Any

_COUNT_NODES = "MATCH (n) WHERE label(n) = $name RETURN count(*)"
_COUNT_RELATIONSHIPS = "MATCH ()-[r]->() WHERE label(r) = $name RETURN count(*)"


class PublicResult:
    """A public result with the private one's method names."""

    def __init__(self, result: Any) -> None:  # noqa: ANN401 (the binding is untyped)
        self.close = result.close
        self.getNext = result.get_next
        self.getNumTuples = result.get_num_tuples
        self.getColumnNames = result.get_column_names
        self.getColumnDataTypes = result.get_column_data_types
        self.getCompilingTime = result.get_compiling_time
        self.getExecutionTime = result.get_execution_time
        self.resetIterator = result.reset_iterator
        self._as_arrow = result.get_as_arrow

    def getAsArrow(self, chunk_size: int, fallback: bool, /) -> Any:  # noqa: ANN401, FBT001, N802 (the binding's shape)
        """Return all rows as an Arrow table."""
        return self._as_arrow(chunk_size, fallbackExtensionTypes=fallback)


class PublicConnection:
    """A public connection with the private one's method names."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 (the binding is untyped)
        self._connection = connection
        self.interrupt = connection.interrupt
        self.close = connection.close
        self.set_max_threads_for_exec = connection.set_max_threads_for_exec

    def query(self, text: str) -> PublicResult:
        """Run text without parameters."""
        return self.execute(text, {})

    def execute(self, text: str, parameters: Mapping[str, object]) -> PublicResult:
        """Run text with parameters; refuses several statements, though only after they have run."""
        result = self._connection.execute(text, dict(parameters))
        if isinstance(result, list):
            raise RuntimeError("Connection exception: Only one statement is allowed.")  # noqa: TRY004 (as the binding does)
        return PublicResult(result)

    def get_num_nodes(self, name: str) -> int:
        """Count the nodes of a table."""
        return self._count(_COUNT_NODES, name)

    def get_num_rels(self, name: str) -> int:
        """Count the relationships of a table."""
        return self._count(_COUNT_RELATIONSHIPS, name)

    def _count(self, text: str, name: str) -> int:
        result = self.execute(text, {"name": name})
        try:
            return int(result.getNext()[0])
        finally:
            result.close()
