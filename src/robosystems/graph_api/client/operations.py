"""Every operation as a value: the request to send and how to read its answer. No I/O happens here.

The asynchronous and the synchronous client send these values; what a request looks like is written once.
"""

import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from robosystems.graph_api.client.exceptions import IncompleteStreamError, error_from_problem
from robosystems.graph_api.client.results import Database, LoadResult, QueryResult
from robosystems.graph_api.domain.errors import InvalidRequestError

NDJSON: Final = "application/x-ndjson"

_CONTENT_TYPE_BY_SUFFIX: Final = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".ndjson": NDJSON,
    ".jsonl": NDJSON,
}
_ENCODING_BY_SUFFIX: Final = {".gz": "gzip", ".zst": "zstd"}

Body: TypeAlias = bytes | Iterable[bytes] | AsyncIterable[bytes]
"""Content of a request."""

Answer = TypeVar("Answer")
"""What an operation returns."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[Answer]):
    """One request and the reading of its answer.

    Attributes:
        method: HTTP method.
        path: Path below the base URL.
        read: Turns the JSON document of a success into the answer.
        query: Query string.
        headers: Headers besides those of the client.
        document: JSON body.
        content: Raw body instead of a document.
        timeout_s: Seconds the server was given; the client waits a little longer. None: the client's default.
    """

    method: str
    path: str
    read: Callable[[Any], Answer]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    document: object | None = None
    content: Body | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file fits its table; fields as the query string of `POST /databases/{graph_id}/load/{table}`.

    Attributes:
        from_column: For relationships, the column with the keys of the start nodes.
        to_column: For relationships, the column with the keys of the end nodes.
        from_table: For relationships with several endpoint pairs, the table of the start nodes.
        to_table: Likewise for the end nodes.
        ignore_unknown_columns: Leave out columns that the table lacks instead of refusing the file.
        delimiter: For CSV, the separator.
        timeout_s: Seconds the server may take.
    """

    from_column: str | None = None
    to_column: str | None = None
    from_table: str | None = None
    to_table: str | None = None
    ignore_unknown_columns: bool = False
    delimiter: str | None = None
    timeout_s: float | None = None

    def to_query(self) -> dict[str, str]:
        """Return the query string of the options that were given."""
        named = {
            "from": self.from_column,
            "to": self.to_column,
            "from_table": self.from_table,
            "to_table": self.to_table,
            "delimiter": self.delimiter,
            "timeout": str(self.timeout_s) if self.timeout_s is not None else None,
            "ignore_unknown_columns": "true" if self.ignore_unknown_columns else None,
        }
        return {name: value for name, value in named.items() if value is not None}


def health() -> Operation[dict[str, Any]]:
    """Ask whether the server lives; needs no key."""
    return Operation("GET", "/health", dict)


def status() -> Operation[dict[str, Any]]:
    """Ask for the state of the node."""
    return Operation("GET", "/status", dict)


def info() -> Operation[dict[str, Any]]:
    """Ask what the node is."""
    return Operation("GET", "/info", dict)


def create_database(graph_id: str, schema_type: str, **fields: object) -> Operation[Database]:
    """Create a database; `fields` are further fields of the body, None ones are left out."""
    body = {"graph_id": graph_id, "schema_type": schema_type}
    body |= {name: value for name, value in fields.items() if value is not None}
    return Operation("POST", "/databases", Database.from_document, document=body)


def list_databases(limit: int, after: str | None) -> Operation[list[Database]]:
    """List one page of databases."""
    query = {"limit": str(limit)} | ({"after": after} if after is not None else {})
    return Operation("GET", "/databases", _read_databases, query=query)


def get_database(graph_id: str) -> Operation[Database]:
    """Describe a database."""
    return Operation("GET", _path(graph_id), Database.from_document)


def delete_database(graph_id: str) -> Operation[None]:
    """Delete a database."""
    return Operation("DELETE", _path(graph_id), _read_nothing)


def get_schema(graph_id: str, *, counts: bool) -> Operation[dict[str, Any]]:
    """Return the tables of a database."""
    return Operation("GET", _path(graph_id, "schema"), dict, query={"counts": "true" if counts else "false"})


def query(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None, *, timeout_s: float | None, **fields: object
) -> Operation[QueryResult]:
    """Run a statement; `fields` are further fields of the body, None ones are left out."""
    body = query_body(cypher, parameters, timeout_s, fields)
    return Operation("POST", _path(graph_id, "query"), QueryResult.from_document, document=body, timeout_s=timeout_s)


def query_stream(
    graph_id: str, cypher: str, parameters: Mapping[str, object] | None, *, timeout_s: float | None, **fields: object
) -> Operation[None]:
    """Run a statement whose rows come as NDJSON lines; read them with `StreamReader`."""
    body = query_body(cypher, parameters, timeout_s, fields)
    return Operation(
        "POST",
        _path(graph_id, "query"),
        _read_nothing,
        headers={"Accept": NDJSON},
        document=body,
        timeout_s=timeout_s,
    )


def query_body(
    cypher: str, parameters: Mapping[str, object] | None, timeout_s: float | None, fields: Mapping[str, object]
) -> dict[str, object]:
    """Return the body of a query without the fields that are None."""
    body: dict[str, object] = {"cypher": cypher, "parameters": dict(parameters or {})}
    if timeout_s is not None:
        body["timeout"] = timeout_s
    return body | {name: value for name, value in fields.items() if value is not None}


def transaction(
    graph_id: str, statements: Iterable[tuple[str, Mapping[str, object]]], *, timeout_s: float | None
) -> Operation[list[QueryResult]]:
    """Run statements (text, parameters) in one transaction."""
    body: dict[str, object] = {
        "statements": [{"cypher": text, "parameters": dict(parameters)} for text, parameters in statements]
    }
    if timeout_s is not None:
        body["timeout"] = timeout_s
    path = _path(graph_id, "transaction")
    return Operation("POST", path, _read_results, document=body, timeout_s=timeout_s)


def load(graph_id: str, table: str, file_name: str, content: Body, options: LoadOptions) -> Operation[LoadResult]:
    """Load a file; format and compression follow from its name.

    Raises:
        InvalidRequestError: The name's ending is not a known one.
    """
    suffixes = [suffix.lower() for suffix in Path(file_name).suffixes]
    headers: dict[str, str] = {}
    if suffixes and suffixes[-1] in _ENCODING_BY_SUFFIX:
        headers["Content-Encoding"] = _ENCODING_BY_SUFFIX[suffixes.pop()]
    content_type = _CONTENT_TYPE_BY_SUFFIX.get(suffixes[-1] if suffixes else "")
    if content_type is None:
        known = ", ".join(_CONTENT_TYPE_BY_SUFFIX)
        raise InvalidRequestError(f"file name {file_name!r}: the ending must be one of {known}, also with .gz or .zst.")
    headers["Content-Type"] = content_type
    return Operation(
        "POST",
        _path(graph_id, "load", table),
        LoadResult.from_document,
        query=options.to_query(),
        headers=headers,
        content=content,
        timeout_s=options.timeout_s if options.timeout_s is not None else 3_600.0,
    )


def table_of_file(file_name: str) -> str:
    """Return the table that a file's name stands for: `Entity.parquet` and `Entity.csv.gz` are for `Entity`."""
    return Path(file_name).name.split(".", maxsplit=1)[0]


class StreamReader:
    """Reads the lines of an NDJSON answer: rows, and as the last line a summary or a problem.

    A row may look like a terminal record (a query with one column named `summary`); only the last line is one, so a
    line that could be is held back until the next line or the end tells.
    """

    def __init__(self) -> None:
        self.summary: dict[str, Any] | None = None
        """The terminal record; None until the stream has ended well."""
        self._held: dict[str, Any] | None = None

    def feed(self, line: str) -> list[dict[str, Any]]:
        """Return the rows that are certain after one more line."""
        if not line:
            return []
        document: dict[str, Any] = json.loads(line)
        rows = [] if self._held is None else [self._held]
        self._held = None
        if len(document) == 1 and isinstance(document.get("summary", document.get("problem")), dict):
            self._held = document
            return rows
        rows.append(document)
        return rows

    def finish(self) -> None:
        """Read the last line as the terminal record.

        Raises:
            GraphApiError: The stream ended with a problem.
            IncompleteStreamError: There was no terminal record: rows may be missing.
        """
        last = self._held or {}
        if "problem" in last:
            problem: dict[str, Any] = last["problem"]
            raise error_from_problem(problem, int(problem.get("status", 500)))
        if "summary" not in last:
            raise IncompleteStreamError("The stream ended without its summary: rows may be missing; repeat the query.")
        self.summary = last["summary"]


def _path(graph_id: str, *parts: str) -> str:
    """Return a path below a database with every part quoted."""
    return "/".join(["/databases", *(quote(part, safe="") for part in (graph_id, *parts))])


def _read_nothing(document: object) -> None:
    """Drop an answer that says nothing but success."""
    del document


def _read_databases(document: dict[str, Any]) -> list[Database]:
    """Read a page of databases."""
    return [Database.from_document(database) for database in document["databases"]]


def _read_results(document: dict[str, Any]) -> list[QueryResult]:
    """Read the results of a transaction."""
    return [QueryResult.from_document(result) for result in document["results"]]
