"""The synchronous client."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from robosystems.graph_api.client import operations
from robosystems.graph_api.client.exceptions import error_from_body, unreachable
from robosystems.graph_api.client.operations import Answer, LoadOptions, Operation, StreamReader
from robosystems.graph_api.client.request import DEFAULT_TIMEOUT_S, request_arguments
from robosystems.graph_api.client.results import Database, LoadResult, QueryResult

_READ_BYTES = 1 << 20


class GraphClient:
    """Client of one node for synchronous programs and threads. Use it as a context manager, or call `close`.

    Every method raises the class of `robosystems.graph_api.domain.errors` that has the server's code, and
    `ServerUnreachableError` where no answer came.

    Args:
        base_url: For example `http://127.0.0.1:8001`.
        api_key: The key; None for a node without keys.
        timeout_s: Seconds to wait for operations that name no time-out of their own.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        headers = {"X-Graph-API-Key": api_key} if api_key is not None else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Ask whether the server lives; needs no key."""
        return self._send(operations.health())

    def status(self) -> dict[str, Any]:
        """Return the state of the node."""
        return self._send(operations.status())

    def info(self) -> dict[str, Any]:
        """Return what the node is."""
        return self._send(operations.info())

    def create_database(
        self,
        graph_id: str,
        schema_type: str = "entity",
        *,
        repository_name: str | None = None,
        custom_schema_ddl: str | None = None,
        custom_schema: Mapping[str, object] | None = None,
    ) -> Database:
        """Create a database."""
        return self._send(
            operations.create_database(
                graph_id,
                schema_type,
                repository_name=repository_name,
                custom_schema_ddl=custom_schema_ddl,
                custom_schema=custom_schema,
            )
        )

    def list_databases(self, *, limit: int = 100, after: str | None = None) -> list[Database]:
        """Return one page of databases, sorted by name."""
        return self._send(operations.list_databases(limit, after))

    def get_database(self, graph_id: str) -> Database:
        """Describe a database."""
        return self._send(operations.get_database(graph_id))

    def delete_database(self, graph_id: str) -> None:
        """Delete a database with all its data."""
        self._send(operations.delete_database(graph_id))

    def get_schema(self, graph_id: str, *, counts: bool = False) -> dict[str, Any]:
        """Return the tables of a database."""
        return self._send(operations.get_schema(graph_id, counts=counts))

    def query(
        self,
        graph_id: str,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout: float | None = None,
        mode: str | None = None,
        max_rows: int | None = None,
    ) -> QueryResult:
        """Run one statement and return its rows."""
        return self._send(
            operations.query(graph_id, cypher, parameters, timeout_s=timeout, mode=mode, max_rows=max_rows)
        )

    def query_stream(
        self,
        graph_id: str,
        cypher: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout: float | None = None,
        max_rows: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Run one statement and yield its rows as they come, without a cap.

        Raises:
            IncompleteStreamError: The stream broke: rows may be missing.
        """
        operation = operations.query_stream(graph_id, cypher, parameters, timeout_s=timeout, max_rows=max_rows)
        reader = StreamReader()
        try:
            with self._http.stream(**request_arguments(operation)) as response:
                if not response.is_success:
                    raise error_from_body(response.read(), response.status_code)
                for line in response.iter_lines():
                    yield from reader.feed(line)
        except httpx.TransportError as error:
            raise unreachable(error) from error
        reader.finish()

    def transaction(
        self,
        graph_id: str,
        statements: Iterable[tuple[str, Mapping[str, object]]],
        *,
        timeout: float | None = None,
    ) -> list[QueryResult]:
        """Run statements (text, parameters) in one transaction, all or nothing."""
        return self._send(operations.transaction(graph_id, statements, timeout_s=timeout))

    def load_file(self, graph_id: str, table: str, path: str | Path, options: LoadOptions | None = None) -> LoadResult:
        """Load a Parquet, CSV or NDJSON file (also .gz, .zst) into a table, all or nothing; the upload streams."""
        with Path(path).open("rb") as file:
            pieces = iter(lambda: file.read(_READ_BYTES), b"")
            return self._send(operations.load(graph_id, table, Path(path).name, pieces, options or LoadOptions()))

    def _send(self, operation: Operation[Answer]) -> Answer:
        """Send a request and read its answer."""
        try:
            response = self._http.request(**request_arguments(operation))
        except httpx.TransportError as error:
            raise unreachable(error) from error
        if not response.is_success:
            raise error_from_body(response.content, response.status_code)
        return operation.read(response.json())
