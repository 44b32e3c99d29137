"""The asynchronous client."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self

import anyio
import anyio.to_thread
import httpx

from robosystems.graph_api.client import file_operations, keys, operations
from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exceptions import broken_off
from robosystems.graph_api.client.exchange import Exchange, Pause, Send, exchange
from robosystems.graph_api.client.operation import Answer, Download, Item, Operation, Pieces, StreamOperation, appearing
from robosystems.graph_api.client.request import configured, http_options, link_of, pieces_of, request_arguments
from robosystems.graph_api.client.results import Database

_Parameters = ParamSpec("_Parameters")
_Bound = Callable[Concatenate["AsyncGraphClient", _Parameters], Answer]


class AsyncStream(Generic[Item]):
    """Items of an answer as they come: iterate once. Nothing is sent before the first item is asked for.

    Whoever stops early closes it (`async with`, or `aclose`): that stops the query on the server.

    Raises:
        GraphApiError: The query failed, before its first row or half-way.
        IncompleteStreamError: The stream broke: items may be missing.
    """

    def __init__(
        self,
        operation: StreamOperation[Item],
        send: Callable[[StreamOperation[Item]], Coroutine[Any, Any, httpx.Response]],
    ) -> None:
        self._decoder = operation.decoder()
        self._items = self._read(operation, send)

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the server said at the end: columns, types, row_count, truncated; None before the end."""
        summary = self._decoder.summary
        return None if summary is None else dict(summary)

    def __aiter__(self) -> AsyncIterator[Item]:
        """Iterate over the items that are left."""
        return self._items

    async def __anext__(self) -> Item:
        """Return the next item."""
        return await anext(self._items)

    async def aclose(self) -> None:
        """Close the connection. Idempotent."""
        await self._items.aclose()

    async def __aenter__(self) -> Self:
        """Return the stream."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.aclose()

    async def _read(
        self,
        operation: StreamOperation[Item],
        send: Callable[[StreamOperation[Item]], Coroutine[Any, Any, httpx.Response]],
    ) -> AsyncGenerator[Item]:
        """Send the request and yield what comes."""
        response = await send(operation)
        try:
            async for piece in response.aiter_bytes():
                for item in self._decoder.feed(piece):
                    yield item
        except httpx.HTTPError as error:
            raise broken_off(error) from error
        finally:
            await response.aclose()
        self._decoder.finish()


def _call(build: Callable[_Parameters, Operation[Answer]]) -> _Bound[_Parameters, Coroutine[Any, Any, Answer]]:
    """Return the method of an operation."""

    @functools.wraps(build)
    async def method(client: "AsyncGraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs) -> Answer:
        return await client.run(build(*arguments, **options))

    return method


def _stream(build: Callable[_Parameters, StreamOperation[Item]]) -> _Bound[_Parameters, AsyncStream[Item]]:
    """Return the method of a streamed operation."""

    @functools.wraps(build)
    def method(
        client: "AsyncGraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs
    ) -> AsyncStream[Item]:
        return client.stream(build(*arguments, **options))

    return method


def _save(build: Callable[_Parameters, Download]) -> _Bound[_Parameters, Coroutine[Any, Any, Path]]:
    """Return the method of an operation that fills a file."""

    @functools.wraps(build)
    async def method(client: "AsyncGraphClient", *arguments: _Parameters.args, **options: _Parameters.kwargs) -> Path:
        return await client.save(build(*arguments, **options))

    return method


class AsyncGraphClient:
    """Client of one server for asynchronous programs. Use it as an async context manager, or call `close`.

    Every method raises the class of `robosystems.graph_api.domain.errors` that has the server's code, and the classes
    of `client.exceptions` where no answer of the service came. What is safe to repeat is repeated, with growing random
    pauses, within the time of the call. A method whose task is cancelled closes its connection, which stops the query
    on the server.

    One client serves any number of tasks. It may move from one event loop to another, but not be used by two at once.

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent; a call after it opens new ones."""
        http, self._http = self._http, None
        if http is not None and self._loop is asyncio.get_running_loop():
            await http.aclose()

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

    async def databases(self, *, page_size: int = 100) -> AsyncIterator[Database]:
        """Yield all databases, sorted by name, a page at a time."""
        after: str | None = None
        while page := await self.list_databases(limit=page_size, after=after):
            for database in page:
                yield database
            after = page[-1].graph_id

    async def run(self, operation: Operation[Answer]) -> Answer:
        """Send an operation and return its answer; the methods above do this."""
        return await self._drive(exchange(operation.request, operation.read, self._link))

    def stream(self, operation: StreamOperation[Item]) -> AsyncStream[Item]:
        """Return the answer to a streamed operation; the methods above do this."""
        return AsyncStream(operation, self._open)

    async def save(self, download: Download) -> Path:
        """Write an answer into its file and return its path; the methods above do this."""
        with appearing(download.path) as partial:
            async with self.stream(download.operation) as pieces, await anyio.open_file(partial, "wb") as file:
                async for piece in pieces:
                    await file.write(piece)
        return download.path

    async def _open(self, operation: StreamOperation[Any]) -> httpx.Response:
        """Send a request and return its success, unread."""
        return await self._drive(exchange(operation.request, lambda response: response, self._link, stream=True))

    async def _drive(self, course: Exchange[Answer]) -> Answer:
        """Do what an exchange says until it returns its answer."""
        with closing(course):
            try:
                action = next(course)
                while True:
                    if isinstance(action, Pause):
                        await anyio.sleep(action.seconds)
                        action = next(course)
                        continue
                    try:
                        response = await self._send(action)
                    except httpx.HTTPError as error:
                        action = course.throw(error)
                    else:
                        action = course.send(response)
            except StopIteration as done:
                return done.value

    async def _send(self, send: Send) -> httpx.Response:
        """Send one request and return its answer, read unless it shall stream."""
        http = self._connections()
        arguments = request_arguments(send, self.config)
        pieces = pieces_of(send)
        if pieces is not None:
            arguments["content"] = _asynchronous(pieces)
        response = await http.send(http.build_request(**arguments), stream=send.stream)
        if send.stream and not response.is_success:
            await response.aread()
        return response

    def _connections(self) -> httpx.AsyncClient:
        """Return the connections of the running loop: those of another one cannot be used here."""
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            self._http, self._loop = httpx.AsyncClient(**http_options(self.config)), loop
        return self._http


def _asynchronous(pieces: Pieces) -> AsyncIterable[bytes]:
    """Return pieces for an asynchronous request: what blocks is read in a thread."""
    return pieces if isinstance(pieces, AsyncIterable) else _in_thread(pieces)


async def _in_thread(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces, each taken in a thread."""
    remaining = iter(pieces)
    while (piece := await anyio.to_thread.run_sync(next, remaining, None)) is not None:
        yield piece
