"""What the clients return."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from robosystems.graph_api.client.display import html_table
from robosystems.graph_api.client.libraries import ArrowTable, DataFrame, MultiDiGraph, library


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A complete answer to a query.

    Attributes:
        columns: Names of the columns; repeated ones are `x`, `x_2`.
        types: The engine's types, one per column.
        rows: A dict per row, keyed by column, with values as JSON has them.
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

    def typed_rows(self) -> list[dict[str, Any]]:
        """Return the rows with Python values of the columns' types: dates, decimals, UUIDs, bytes, durations.

        What a Python type cannot hold stays text: dates outside the years 1 to 9999, timestamps with nanoseconds.
        """
        from robosystems.graph_api.client.values import converted_rows  # noqa: PLC0415 - parsers cost import time

        return converted_rows(self.columns, self.types, self.rows)

    def arrow(self) -> ArrowTable:
        """Return the rows as a `pyarrow.Table` with columns of their types. Needs the extra `arrow`."""
        from robosystems.graph_api.client.tables import arrow_table  # noqa: PLC0415 - as typed_rows

        return arrow_table(self.columns, self.types, self.rows)

    def to_pandas(self) -> DataFrame:
        """Return the rows as a `pandas.DataFrame`. Needs the extra `pandas`."""
        library("pandas")
        return self.arrow().to_pandas()

    def to_polars(self) -> DataFrame:
        """Return the rows as a `polars.DataFrame`. Needs the extra `polars`."""
        return library("polars").from_arrow(self.arrow())

    def to_networkx(self) -> MultiDiGraph:
        """Return the nodes and relationships in the rows as a `networkx.MultiDiGraph`. Needs the extra `networkx`."""
        from robosystems.graph_api.client.graphs import networkx_graph  # noqa: PLC0415 - as typed_rows

        return networkx_graph(self.rows)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Give the rows to whatever speaks the Arrow C stream interface: polars, DuckDB, another table's load."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        """Show the first rows in a notebook."""
        return html_table(self.columns, self.types, self.rows, truncated=self.truncated)

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
class RunningQuery:
    """A query that runs or waits.

    Attributes:
        query_id: Name to cancel it by.
        cypher: The statement, shortened.
        mode: read, write or auto.
        elapsed_ms: Milliseconds since it was admitted.
        timeout_s: Its allowance in seconds.
        document: Everything the server said.
    """

    query_id: str
    cypher: str
    mode: str
    elapsed_ms: float
    timeout_s: float
    document: dict[str, Any]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        return cls(
            query_id=document["query_id"],
            cypher=document["cypher"],
            mode=document["mode"],
            elapsed_ms=document["elapsed_ms"],
            timeout_s=document["timeout_s"],
            document=document,
        )


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did: always `rows_in_file` = `rows_loaded` + `rows_updated` + `rows_skipped`.

    Attributes:
        table_name: Table that was loaded.
        rows_in_file: Rows of the file.
        rows_loaded: Rows of the file that are new in the table.
        rows_updated: Rows of the file that changed one of the table.
        rows_deleted: Rows of the table that `replace` removed.
        rows_skipped: Rows of the file that were left out on request; `read_rejects` returns them.
        columns: Columns that were filled.
        ignored_columns: Columns of the file that were left out on request.
        load_id: Name of the load, for `read_rejects`; None if nothing was left out.
        execution_time_ms: Milliseconds in the backend.
        document: Everything the server said.
    """

    table_name: str
    rows_in_file: int
    rows_loaded: int
    rows_updated: int
    rows_deleted: int
    rows_skipped: int
    columns: list[str]
    ignored_columns: list[str]
    load_id: str | None
    execution_time_ms: float
    document: dict[str, Any]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        url: str | None = document.get("rejects_url")
        return cls(
            table_name=document["table_name"],
            rows_in_file=document.get("rows_in_file", document["rows_loaded"]),
            rows_loaded=document["rows_loaded"],
            rows_updated=document.get("rows_updated", 0),
            rows_deleted=document.get("rows_deleted", 0),
            rows_skipped=document.get("rows_skipped", 0),
            columns=document["columns"],
            ignored_columns=document["ignored_columns"],
            load_id=url.split("/")[-2] if url is not None else None,
            execution_time_ms=document["execution_time_ms"],
            document=document,
        )


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import brought: the whole archive.

    Attributes:
        nodes_imported: Nodes of all tables.
        relationships_imported: Relationships of all tables.
        source_graph_id: The database that was exported.
        exported_at: The moment that the archive shows, ISO 8601.
        document: Everything the server said.
    """

    nodes_imported: int
    relationships_imported: int
    source_graph_id: str
    exported_at: str
    document: dict[str, Any]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Build from the server's JSON answer."""
        return cls(
            nodes_imported=document["nodes_imported"],
            relationships_imported=document["relationships_imported"],
            source_graph_id=document["source_graph_id"],
            exported_at=document["exported_at"],
            document=document,
        )


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The answer to a read that a client may have already.

    Attributes:
        result: The answer; None if it is still the one that `etag` names.
        etag: Name of the answer: give it with the next read. None if the server gave none.
    """

    result: QueryResult | None
    etag: str | None
