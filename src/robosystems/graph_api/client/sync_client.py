"""The synchronous client."""

import functools
import time
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self

import httpx

from robosystems.graph_api.client import file_operations, keys, operations
from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exceptions import broken_off
from robosystems.graph_api.client.exchange import Exchange, Pause, Send, exchange
from robosystems.graph_api.client.operation import Answer, Download, Item, Operation, Pieces, StreamOperation, appearing
from robosystems.graph_api.client.request import configured, http_options, link_of, pieces_of, request_arguments
from robosystems.graph_api.client.results import Database
from robosystems.graph_api.domain.errors import InvalidRequestError

_Parameters = ParamSpec("_Parameters")
_Bound = Callable[Concatenate["GraphClient", _Parameters], Answer]


class Stream(Generic[Item]):
    """Items of an answer as they come: iterate once. Nothing is sent before the first item is asked for.

    Whoever stops early closes it (`with`, or `close`): that stops the query on the server.

    Raises:
        GraphApiError: The query failed, before its first row or half-way.
        IncompleteStreamError: The stream broke: items may be missing.
    """

    def __init__(
        self, operation: StreamOperation[Item], send: Callable[[StreamOperation[Item]], httpx.Response]
    ) -> None:
        self._decoder = operation.decoder()
        self._items = self._read(operation, send)

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the server said at the end: columns, types, row_count, truncated; None before the end."""
        summary = self._decoder.summary
        return None if summary is None else dict(summary)

    def __iter__(self) -> Iterator[Item]:
        """Iterate over the items that are left."""
        return self._items

    def __next__(self) -> Item:
        """Return the next item."""
        return next(self._items)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._items.close()

    def __enter__(self) -> Self:
        """Return the stream."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def _read(
        self, operation: StreamOperation[Item], send: Callable[[StreamOperation[Item]], httpx.Response]
    ) -> Generator[Item]:
        """Send the request and yield what comes."""
        response = send(operation)
        try:
            for piece in response.iter_bytes():
                yield from self._decoder.feed(piece)
        except httpx.HTTPError as error:
            raise broken_off(error) from error
        finally:
            response.close()
        self._decoder.finish()


def _call(build: Callable[_Parameters, Operation[Answer]]) -> _Bound[_Parameters, Answer]:
    """Return the method of an operation."""

    @functools.wraps(build)
    def method(client: "GraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs) -> Answer:
        return client.run(build(*arguments, **options))

    return method


def _stream(build: Callable[_Parameters, StreamOperation[Item]]) -> _Bound[_Parameters, Stream[Item]]:
    """Return the method of a streamed operation."""

    @functools.wraps(build)
    def method(client: "GraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs) -> Stream[Item]:
        return client.stream(build(*arguments, **options))

    return method


def _save(build: Callable[_Parameters, Download]) -> _Bound[_Parameters, Path]:
    """Return the method of an operation that fills a file."""

    @functools.wraps(build)
    def method(client: "GraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs) -> Path:
        return client.save(build(*arguments, **options))

    return method


class GraphClient:
    """Client of one server for synchronous programs, threads and notebooks. Use it as a context manager, or `close` it.

    Every method raises the class of `robosystems.graph_api.domain.errors` that has the server's code, and the classes
    of `client.exceptions` where no answer of the service came. What is safe to repeat is repeated, with growing random
    pauses, within the time of the call. A method that is interrupted closes its connection, which stops the query on
    the server.

    One client serves any number of threads.

    Args:
        base_url: For example `http://127.0.0.1:8001`; None: that of the configuration.
        api_key: The key; None: that of the configuration, or none for a server without keys.
        timeout_s: Seconds a call may take that names no time-out of its own; None: that of the configuration.
        config: Everything else; None: what the environment says.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float | None = None,
        config: GraphClientConfig | None = None,
    ) -> None:
        self.config = configured(config, base_url, api_key, timeout_s)
        """How this client behaves."""
        self._link = link_of(self.config)
        self._http = httpx.Client(**http_options(self.config))

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

    health = _call(operations.health)
    ready = _call(operations.ready)
    status = _call(operations.status)
    database_states = _call(operations.database_states)
    info = _call(operations.info)
    metrics = _call(operations.metrics)
    create_database = _call(operations.create_database)
    list_databases = _call(operations.list_databases)
    get_database = _call(operations.get_database)
    set_limits = _call(operations.set_limits)
    retry_database = _call(operations.retry_database)
    delete_database = _call(operations.delete_database)
    database_metrics = _call(operations.database_metrics)
    get_schema = _call(operations.get_schema)
    extend_schema = _call(operations.extend_schema)
    query = _call(operations.query)
    explain = _call(operations.explain)
    read = _call(operations.read)
    arrow = _call(operations.arrow)
    download = _save(file_operations.download)
    query_stream = _stream(operations.query_stream)
    arrow_stream = _stream(operations.arrow_stream)
    transaction = _call(operations.transaction)
    list_queries = _call(operations.list_queries)
    cancel_query = _call(operations.cancel_query)
    load = _call(file_operations.load)
    read_rejects = _call(file_operations.read_rejects)
    export = _save(file_operations.export)
    import_archive = _call(file_operations.import_archive)
    create_key = _call(keys.create_key)
    list_keys = _call(keys.list_keys)
    get_key = _call(keys.get_key)
    change_key = _call(keys.change_key)
    delete_key = _call(keys.delete_key)
    issue_token = _call(keys.issue_token)

    def databases(self, *, page_size: int = 100) -> Iterator[Database]:
        """Yield all databases, sorted by name, a page at a time."""
        after: str | None = None
        while page := self.list_databases(limit=page_size, after=after):
            yield from page
            after = page[-1].graph_id

    def run(self, operation: Operation[Answer]) -> Answer:
        """Send an operation and return its answer; the methods above do this."""
        return self._drive(exchange(operation.request, operation.read, self._link))

    def stream(self, operation: StreamOperation[Item]) -> Stream[Item]:
        """Return the answer to a streamed operation; the methods above do this."""
        return Stream(operation, self._open)

    def save(self, download: Download) -> Path:
        """Write an answer into its file and return its path; the methods above do this."""
        with appearing(download.path) as partial, self.stream(download.operation) as pieces, partial.open("wb") as file:
            file.writelines(pieces)
        return download.path

    def _open(self, operation: StreamOperation[Any]) -> httpx.Response:
        """Send a request and return its success, unread."""
        return self._drive(exchange(operation.request, lambda response: response, self._link, stream=True))

    def _drive(self, course: Exchange[Answer]) -> Answer:
        """Do what an exchange says until it returns its answer."""
        with closing(course):
            try:
                action = next(course)
                while True:
                    if isinstance(action, Pause):
                        time.sleep(action.seconds)
                        action = next(course)
                        continue
                    try:
                        response = self._send(action)
                    except httpx.HTTPError as error:
                        action = course.throw(error)
                    else:
                        action = course.send(response)
            except StopIteration as done:
                return done.value

    def _send(self, send: Send) -> httpx.Response:
        """Send one request and return its answer, read unless it shall stream."""
        arguments = request_arguments(send, self.config)
        pieces = pieces_of(send)
        if pieces is not None:
            arguments["content"] = _synchronous(pieces)
        response = self._http.send(self._http.build_request(**arguments), stream=send.stream)
        if send.stream and not response.is_success:
            response.read()
        return response


def _synchronous(pieces: Pieces) -> Iterable[bytes]:
    """Return pieces for a synchronous request."""
    if isinstance(pieces, AsyncIterable):
        raise InvalidRequestError("source: an asynchronous iterable needs the AsyncGraphClient.")
    return pieces
