"""Every operation of the API: what is sent, and how its answer is read. No I/O happens here.

The methods of both clients are made from these functions, so that each signature and each request is written once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict, Unpack
from urllib.parse import quote

from robosystems.graph_api.client.libraries import ArrowTable
from robosystems.graph_api.client.operation import (
    Operation,
    Request,
    Safety,
    StreamOperation,
    as_is,
    nothing,
    reading,
)
from robosystems.graph_api.client.parameters import encode_parameters
from robosystems.graph_api.client.results import Database, LoadResult, QueryResult, RunningQuery
from robosystems.graph_api.client.stream_arrow import ARROW_STREAM, ArrowDecoder, RecordBatch, read_arrow
from robosystems.graph_api.client.stream_lines import NDJSON, LineDecoder
from robosystems.graph_api.client.uploads import LoadOptions, Source, upload_of
from robosystems.graph_api.domain.errors import GraphApiError

Mode = Literal["auto", "read", "write"]
"""`read` refuses writes, `write` waits behind the writes before it, `auto` decides by the statement."""

_LOAD_TIMEOUT_S: Final = 3_600.0
_REMEMBERED: Final = 256


class StreamOptions(TypedDict, total=False):
    """Options of a streamed query; None is the same as leaving one out.

    Attributes:
        timeout: Seconds until the answer must be complete.
        mode: See `Mode`.
        max_rows: Rows after which the answer is cut and says `truncated`.
    """

    timeout: float | None
    mode: Mode | None
    max_rows: int | None


class QueryOptions(StreamOptions, total=False):
    """Options of a query, besides those of a streamed one.

    Attributes:
        idempotency_key: Your name for this call, so that a server that knows it does not do it twice. Writes that name
            none get a fresh one.
    """

    idempotency_key: str | None


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
    return Operation(Request("GET", "/metrics"), bytes.decode)


def create_database(
    graph_id: str, schema_type: str = "entity", **options: Unpack[CreateOptions]
) -> Operation[Database]:
    """Create a database with a built-in or custom schema, all or nothing. `options` are `CreateOptions`."""
    body = {"graph_id": graph_id, "schema_type": schema_type}
    body |= {name: value for name, value in options.items() if value is not None and name != "idempotency_key"}
    return Operation(_write("POST", "/databases", body, options.get("idempotency_key")), _database)


def list_databases(*, limit: int = 100, after: str | None = None) -> Operation[list[Database]]:
    """Return one page of databases, sorted by name: those after the name `after`."""
    query = {"limit": str(limit)} | ({"after": after} if after is not None else {})
    return Operation(Request("GET", "/databases", query), reading(_databases))


def get_database(graph_id: str) -> Operation[Database]:
    """Describe a database: what it is, its limits, and its figures of this moment."""
    return Operation(Request("GET", _path(graph_id)), _database)


def set_limits(graph_id: str, **limits: Unpack[Limits]) -> Operation[Database]:
    """Change limits of a database; those that are not named stay as they are. `limits` are `Limits`."""
    return Operation(_write("PATCH", _path(graph_id), {**limits}), _database)


def retry_database(graph_id: str) -> Operation[Database]:
    """Open a quarantined database again, after its files were put right."""
    return Operation(_write("POST", _path(graph_id, "retry"), None), _database)


def delete_database(graph_id: str) -> Operation[None]:
    """Delete a database with all its data."""
    return Operation(_write("DELETE", _path(graph_id), None), nothing)


def database_metrics(graph_id: str) -> Operation[dict[str, Any]]:
    """Return size, memory, load and restarts of a database. Does not open it."""
    return Operation(Request("GET", _path(graph_id, "metrics")), _document)


def get_schema(graph_id: str, *, counts: bool = False) -> Operation[dict[str, Any]]:
    """Return the tables of a database; with `counts`, the rows of each, too."""
    return Operation(Request("GET", _path(graph_id, "schema"), {"counts": "true" if counts else "false"}), _document)


def extend_schema(
    graph_id: str, *, ddl: str | None = None, schema: Mapping[str, object] | None = None
) -> Operation[dict[str, Any]]:
    """Add tables by DDL or by a schema document, all or nothing, and return the new schema."""
    body = {name: value for name, value in (("ddl", ddl), ("schema", schema)) if value is not None}
    return Operation(_write("POST", _path(graph_id, "schema"), body), _document)


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
    return Operation(_query(graph_id, cypher, parameters, options, options.get("idempotency_key")), _result)


def explain(
    graph_id: str,
    cypher: str,
    parameters: Mapping[str, object] | None = None,
    *,
    profile: bool = False,
    timeout: float | None = None,
) -> Operation[QueryResult]:
    """Return the plan of a statement; with `profile`, run it, writes included, and return the measured plan."""
    request = _query(graph_id, cypher, parameters, {"timeout": timeout}, None)
    return Operation(_with(request, query={"explain": "profile" if profile else "plan"}), _result)


def query_stream(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> StreamOperation[dict[str, Any]]:
    """Run one statement and yield its rows as they come, without a cap.

    The stream is sent when it is first read; close it, or leave it as a context manager, to stop the query early.

    Raises:
        IncompleteStreamError: The stream broke: rows may be missing.
    """
    request = _query(graph_id, cypher, parameters, options, None)
    return StreamOperation(_with(request, headers={"Accept": NDJSON}, takes_key=False), LineDecoder)


def arrow_stream(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> StreamOperation[RecordBatch]:
    """Run one statement and yield its rows as `pyarrow.RecordBatch`es as they come, without a cap. Needs pyarrow.

    Raises:
        IncompleteStreamError: The stream broke: rows may be missing.
    """
    request = _query(graph_id, cypher, parameters, options, None)
    return StreamOperation(_with(request, headers={"Accept": ARROW_STREAM}, takes_key=False), ArrowDecoder)


def arrow(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None = None, **options: Unpack[StreamOptions]
) -> Operation[ArrowTable]:
    """Run one statement and return its rows as a `pyarrow.Table`, without a cap. Needs pyarrow."""
    request = _query(graph_id, cypher, parameters, options, None)
    return Operation(_with(request, headers={"Accept": ARROW_STREAM}), read_arrow)


def transaction(
    graph_id: str,
    statements: Iterable[str | tuple[str, Mapping[str, object]]],
    *,
    timeout: float | None = None,
    idempotency_key: str | None = None,
) -> Operation[list[QueryResult]]:
    """Run statements (text, or text and parameters) in one transaction, all or nothing."""
    body = {"statements": [_statement(each) for each in statements]}
    request = _write("POST", _path(graph_id, "transaction"), body, idempotency_key)
    return Operation(_with(request, timeout_s=timeout), reading(_results))


def list_queries(graph_id: str) -> Operation[list[RunningQuery]]:
    """Return the queries of a database that run or wait, oldest first."""
    return Operation(Request("GET", _path(graph_id, "queries")), reading(_running))


def cancel_query(graph_id: str, query_id: str) -> Operation[None]:
    """Stop a query; its caller gets `QueryCancelledError`."""
    return Operation(Request("DELETE", _path(graph_id, "queries", query_id)), nothing)


def load(graph_id: str, table: str, source: Source, options: LoadOptions | None = None) -> Operation[LoadResult]:
    """Load rows into a table, all or nothing; the upload streams, whatever its size.

    Args:
        graph_id: The database.
        table: The table.
        source: A path (format and compression follow from its name); an open binary file; bytes or pieces of them (with
            `options.format`); a pyarrow Table or RecordBatchReader, a pandas or polars frame, or whatever else speaks
            the Arrow C stream interface; or an iterable of rows as mappings.
        options: How the file fits its table.
    """
    wanted = options or LoadOptions()
    upload = upload_of(source, wanted)
    request = Request(
        "POST",
        _path(graph_id, "load", table),
        wanted.to_query(),
        {"Content-Type": upload.media_type, **upload.headers},
        upload=upload,
        timeout_s=wanted.timeout_s if wanted.timeout_s is not None else _LOAD_TIMEOUT_S,
        safety=Safety.WRITE,
        takes_key=True,
        key=wanted.idempotency_key,
    )
    return Operation(request, reading(LoadResult.from_document))


@lru_cache(maxsize=_REMEMBERED)
def _may_write(cypher: str) -> bool:
    """Return whether a statement may change something; what cannot be read here may."""
    from robosystems.graph_api.domain.statement import classify  # noqa: PLC0415 - tokenizers cost import time

    try:
        return classify(cypher).writes
    except GraphApiError:
        return True


def _query(
    graph_id: str,
    cypher: str,
    parameters: Mapping[str, object] | None,
    options: StreamOptions | QueryOptions,
    key: str | None,
) -> Request:
    """Return the request of a query."""
    body: dict[str, object] = {"cypher": cypher, "parameters": encode_parameters(parameters) if parameters else {}}
    mode, max_rows = options.get("mode"), options.get("max_rows")
    if mode is not None:
        body["mode"] = mode
    if max_rows is not None:
        body["max_rows"] = max_rows
    writes = mode == "write" or (mode != "read" and _may_write(cypher))
    return Request(
        "POST",
        _path(graph_id, "query"),
        document=body,
        timeout_s=options.get("timeout"),
        sends_timeout=True,
        safety=Safety.WRITE if writes else Safety.READ,
        takes_key=writes,
        key=key,
    )


def _statement(statement: str | tuple[str, Mapping[str, object]]) -> dict[str, object]:
    """Return one statement of a transaction."""
    text, parameters = (statement, None) if isinstance(statement, str) else statement
    return {"cypher": text, "parameters": encode_parameters(parameters) if parameters else {}}


def _write(method: str, path: str, body: Mapping[str, object] | None, key: str | None = None) -> Request:
    """Return a request that changes something."""
    return Request(method, path, document=body, sends_timeout=True, safety=Safety.WRITE, takes_key=True, key=key)


def _with(request: Request, **changes: Any) -> Request:  # noqa: ANN401 - as dataclasses.replace
    """Return a request with some fields changed; headers are added."""
    if "headers" in changes:
        changes["headers"] = {**request.headers, **changes["headers"]}
    return replace(request, **changes)


def _path(graph_id: str, *parts: str) -> str:
    """Return a path below a database with every part quoted."""
    return "/".join(["/databases", *(quote(part, safe="") for part in (graph_id, *parts))])


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
