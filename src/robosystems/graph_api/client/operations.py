"""Every operation of the API: what is sent, and how its answer is read. No I/O happens here.

The methods of both clients are made from these functions, so that each signature and each request is written once.
"""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypedDict, Unpack

import httpx

from robosystems.graph_api.client.building import (
    QueryOptions,
    StreamOptions,
    changed,
    database_path,
    query_request,
    write_request,
)
from robosystems.graph_api.client.libraries import ArrowTable
from robosystems.graph_api.client.operation import (
    Operation,
    Request,
    StreamOperation,
    as_is,
    nothing,
    reading,
    reading_bytes,
)
from robosystems.graph_api.client.parameters import encode_parameters
from robosystems.graph_api.client.results import (
    Database,
    QueryResult,
    ReadResult,
    RunningQuery,
)
from robosystems.graph_api.client.stream_arrow import ARROW_STREAM, ArrowDecoder, RecordBatch, read_arrow
from robosystems.graph_api.client.stream_lines import NDJSON, LineDecoder


class Limits(TypedDict, total=False):
    """Limits of a database; None returns one to the node's default.

    Attributes:
        query_timeout_s: Default time-out of queries, seconds.
        max_rows: Default cap on the rows of a JSON answer.
        max_disk_bytes: Disk quota.
        max_pending_queries: Queries that may run or wait at once.
    """

    query_timeout_s: float | None
    max_rows: int | None
    max_disk_bytes: int | None
    max_pending_queries: int | None


class CreateOptions(TypedDict, total=False):
    """Options of a new database.

    Attributes:
        repository_name: For `shared`: the repository, for example `sec`.
        custom_schema_ddl: For `custom`: DDL statements separated by `;`.
        custom_schema: For `custom`: a schema document instead, as `get_schema` returns.
        limits: Limits to begin with.
        idempotency_key: As in `QueryOptions`.
    """

    repository_name: str | None
    custom_schema_ddl: str | None
    custom_schema: Mapping[str, object] | None
    limits: Limits | None
    idempotency_key: str | None


def health() -> Operation[dict[str, Any]]:
    """Ask whether the server lives; needs no key."""
    return Operation(Request("GET", "/health"), _document)


def ready() -> Operation[dict[str, Any]]:
    """Ask whether the server takes work; needs no key. Raises `ShuttingDownError` or another 503 if it does not."""
    return Operation(Request("GET", "/ready"), _document)


def status() -> Operation[dict[str, Any]]:
    """Return the state of the node."""
    return Operation(Request("GET", "/status"), _document)


def database_states() -> Operation[list[dict[str, Any]]]:
    """Return the state of every database; opens none."""
    return Operation(Request("GET", "/status/databases"), reading(lambda document: document["databases"]))


def info() -> Operation[dict[str, Any]]:
    """Return what the node is, and what it can do."""
    return Operation(Request("GET", "/info"), _document)


def metrics() -> Operation[str]:
    """Return the figures of the node in the Prometheus text format."""
    return Operation(Request("GET", "/metrics"), reading_bytes(bytes.decode))


def create_database(
    graph_id: str, schema_type: str = "entity", **options: Unpack[CreateOptions]
) -> Operation[Database]:
    """Create a database with a built-in or custom schema, all or nothing. `options` are `CreateOptions`."""
    body = {"graph_id": graph_id, "schema_type": schema_type}
    body |= {name: value for name, value in options.items() if value is not None and name != "idempotency_key"}
    return Operation(write_request("POST", "/databases", body, options.get("idempotency_key")), _database)


def list_databases(*, limit: int = 100, after: str | None = None) -> Operation[list[Database]]:
    """Return one page of databases, sorted by name: those after the name `after`."""
    query = {"limit": str(limit)} | ({"after": after} if after is not None else {})
    return Operation(Request("GET", "/databases", query), reading(_databases))


def get_database(graph_id: str) -> Operation[Database]:
    """Describe a database: what it is, its limits, and its figures of this moment."""
    return Operation(Request("GET", database_path(graph_id)), _database)


def set_limits(graph_id: str, **limits: Unpack[Limits]) -> Operation[Database]:
    """Change limits of a database; those that are not named stay as they are. `limits` are `Limits`."""
    return Operation(write_request("PATCH", database_path(graph_id), {**limits}), _database)


def retry_database(graph_id: str) -> Operation[Database]:
    """Open a quarantined database again, after its files were put right."""
    return Operation(write_request("POST", database_path(graph_id, "retry"), None), _database)


def delete_database(graph_id: str) -> Operation[None]:
    """Delete a database with all its data."""
    return Operation(write_request("DELETE", database_path(graph_id), None), nothing)


def database_metrics(graph_id: str) -> Operation[dict[str, Any]]:
    """Return size, memory, load and restarts of a database. Does not open it."""
    return Operation(Request("GET", database_path(graph_id, "metrics")), _document)


def get_schema(graph_id: str, *, counts: bool = False) -> Operation[dict[str, Any]]:
    """Return the tables of a database; with `counts`, the rows of each, too."""
    return Operation(
        Request("GET", database_path(graph_id, "schema"), {"counts": "true" if counts else "false"}), _document
    )


def extend_schema(
    graph_id: str, *, ddl: str | None = None, schema: Mapping[str, object] | None = None
) -> Operation[dict[str, Any]]:
    """Add tables by DDL or by a schema document, all or nothing, and return the new schema."""
    body = {name: value for name, value in (("ddl", ddl), ("schema", schema)) if value is not None}
    return Operation(write_request("POST", database_path(graph_id, "schema"), body), _document)


def query(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[QueryOptions]
) -> Operation[QueryResult]:
    """Run one statement and return its rows.

    Args:
        graph_id: The database.
        cypher: One statement.
        parameters: A Python value for each of its `$names`; dates, decimals, UUIDs, bytes keep their types.
        options: `QueryOptions`: timeout, mode, max_rows, idempotency_key.
    """
    return Operation(query_request(graph_id, cypher, parameters, options, options.get("idempotency_key")), _result)


def explain(
    graph_id: str,
    cypher: str,
    parameters: Mapping[str, object] | None = None,
    *,
    profile: bool = False,
    timeout: float | None = None,
) -> Operation[QueryResult]:
    """Return the plan of a statement; with `profile`, run it, writes included, and return the measured plan."""
    request = query_request(graph_id, cypher, parameters, {"timeout": timeout}, None)
    return Operation(changed(request, query={"explain": "profile" if profile else "plan"}), _result)


def query_stream(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> StreamOperation[dict[str, Any]]:
    """Run one statement and yield its rows as they come, without a cap.

    The stream is sent when it is first read; close it, or leave it as a context manager, to stop the query early.

    Raises:
        IncompleteStreamError: The stream broke: rows may be missing.
    """
    request = query_request(graph_id, cypher, parameters, options, None)
    return StreamOperation(changed(request, headers={"Accept": NDJSON}, takes_key=False), LineDecoder)


def arrow_stream(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> StreamOperation[RecordBatch]:
    """Run one statement and yield its rows as `pyarrow.RecordBatch`es as they come, without a cap. Needs pyarrow.

    Raises:
        IncompleteStreamError: The stream broke: rows may be missing.
    """
    request = query_request(graph_id, cypher, parameters, options, None)
    return StreamOperation(changed(request, headers={"Accept": ARROW_STREAM}, takes_key=False), ArrowDecoder)


def arrow(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> Operation[ArrowTable]:
    """Run one statement and return its rows as a `pyarrow.Table`, without a cap. Needs pyarrow."""
    request = query_request(graph_id, cypher, parameters, options, None)
    return Operation(changed(request, headers={"Accept": ARROW_STREAM}), reading_bytes(read_arrow))


def read(
    graph_id: str,
    cypher: str,
    parameters: Mapping[str, object] | None = None,
    *,
    etag: str | None = None,
    timeout: float | None = None,
    max_rows: int | None = None,
) -> Operation[ReadResult]:
    """Run one statement that only reads, unless its answer is still the one that `etag` names.

    For what is asked again and again: while the database has not changed, the server answers without running anything.
    """
    query = {"cypher": cypher, "parameters": json.dumps(encode_parameters(parameters or {}))}
    query |= {"timeout": str(timeout)} if timeout is not None else {}
    query |= {"max_rows": str(max_rows)} if max_rows is not None else {}
    headers = {"If-None-Match": etag} if etag is not None else {}
    return Operation(Request("GET", database_path(graph_id, "query"), query, headers, timeout_s=timeout), _read_result)


def transaction(
    graph_id: str,
    statements: Iterable[str | tuple[str, Mapping[str, object]]],
    *,
    timeout: float | None = None,
    idempotency_key: str | None = None,
) -> Operation[list[QueryResult]]:
    """Run statements (text, or text and parameters) in one transaction, all or nothing."""
    body = {"statements": [_statement(each) for each in statements]}
    request = write_request("POST", database_path(graph_id, "transaction"), body, idempotency_key)
    return Operation(changed(request, timeout_s=timeout), reading(_results))


def list_queries(graph_id: str) -> Operation[list[RunningQuery]]:
    """Return the queries of a database that run or wait, oldest first."""
    return Operation(Request("GET", database_path(graph_id, "queries")), reading(_running))


def cancel_query(graph_id: str, query_id: str) -> Operation[None]:
    """Stop a query; its caller gets `QueryCancelledError`."""
    return Operation(Request("DELETE", database_path(graph_id, "queries", query_id)), nothing)


def _statement(statement: str | tuple[str, Mapping[str, object]]) -> dict[str, object]:
    """Return one statement of a transaction."""
    text, parameters = (statement, None) if isinstance(statement, str) else statement
    return {"cypher": text, "parameters": encode_parameters(parameters) if parameters else {}}


def _read_result(answer: httpx.Response) -> ReadResult:
    """Read an answer that may be the one that the caller has."""
    unchanged = answer.status_code == HTTPStatus.NOT_MODIFIED
    return ReadResult(None if unchanged else _result(answer), answer.headers.get("ETag"))


def _databases(document: dict[str, Any]) -> list[Database]:
    """Read a page of databases."""
    return [Database.from_document(database) for database in document["databases"]]


def _results(document: dict[str, Any]) -> list[QueryResult]:
    """Read the results of a transaction."""
    return [QueryResult.from_document(result) for result in document["results"]]


def _running(document: dict[str, Any]) -> list[RunningQuery]:
    """Read the queries that run."""
    return [RunningQuery.from_document(query) for query in document["queries"]]


_document: Final = reading(as_is)
_database: Final = reading(Database.from_document)
_result: Final = reading(QueryResult.from_document)
