"""What the clients return."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A complete answer to a query.

    Attributes:
        columns: Names of the columns; repeated ones are `x`, `x_2`.
        types: The engine's types, one per column.
        rows: A dict per row, keyed by column.
        truncated: Whether more rows existed than are here.
        execution_time_ms: Milliseconds in the engine.
        counters: Net changes that a write made; empty for reads.
    """

    columns: list[str]
    types: list[str]
    rows: list[dict[str, Any]]
    truncated: bool
    execution_time_ms: float
    counters: dict[str, int] = field(default_factory=dict[str, int])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one row."""
        return self.rows[index]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        return cls(
            columns=document["columns"],
            types=document["types"],
            rows=document["data"],
            truncated=document["truncated"],
            execution_time_ms=document["execution_time_ms"],
            counters=document.get("counters") or {},
        )


@dataclass(frozen=True, slots=True)
class Database:
    """A database as the server describes it.

    Attributes:
        graph_id: Its name.
        schema_type: entity, shared or custom.
        status: For example `active` or `broken`.
        document: Everything the server said.
    """

    graph_id: str
    schema_type: str
    status: str
    document: dict[str, Any]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        return cls(document["graph_id"], document["schema_type"], document["status"], document)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did.

    Attributes:
        table_name: Table that was loaded.
        rows_loaded: Rows of the file, all of which are in the table.
        columns: Columns that were filled.
        ignored_columns: Columns of the file that were left out on request.
        execution_time_ms: Milliseconds in the backend.
    """

    table_name: str
    rows_loaded: int
    columns: list[str]
    ignored_columns: list[str]
    execution_time_ms: float

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        return cls(
            table_name=document["table_name"],
            rows_loaded=document["rows_loaded"],
            columns=document["columns"],
            ignored_columns=document["ignored_columns"],
            execution_time_ms=document["execution_time_ms"],
        )
