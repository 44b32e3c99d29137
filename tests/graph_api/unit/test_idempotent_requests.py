"""The layer that carries requests out once, around small applications and over a real memory."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.core.idempotency import IdempotencyConfig, IdempotencyService, changed_nothing
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.access import Principal
from robosystems.graph_api.domain.access import Scope as KeyScope
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.graph import DatabaseRecord, SchemaType
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.middleware.idempotency import IdempotentRequests
from robosystems.graph_api.middleware.route_access import QUERY
from robosystems.graph_api.state.opening import open_node_memory

if TYPE_CHECKING:
    from robosystems.graph_api.backends.base import GraphBackend

PATH = "/databases/kg1/query"
MAX_ANSWER = 1_000


@dataclass
class Databases:
    """The one question that is asked of a backend here: when a database was created."""

    created: dict[str, datetime] = field(default_factory=lambda: {"kg1": datetime(2026, 1, 1, tzinfo=UTC)})

    async def record(self, graph_id: GraphId) -> DatabaseRecord:
        """Return a record of a database that exists."""
        if graph_id.value not in self.created:
            raise errors.DatabaseNotFoundError("no such database")
        return DatabaseRecord(graph_id, SchemaType.CUSTOM, self.created[graph_id.value])


@dataclass
class Answer:
    """What came back: status 0 for nothing."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    body: bytes = b""


@dataclass
class Bench:
    """An application inside the layer, counted."""

    service: IdempotencyService
    databases: Databases
    app: ASGIApp
    carried_out: int = 0

    async def send(
        self, key: str, body: bytes = b"body", *, owner: str = "o", path: str = PATH, query: bytes = b""
    ) -> Answer:
        """Send a request in two pieces; return its answer."""
        half = len(body) // 2
        messages: list[Message] = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        return await self.exchange(key, receive, owner=owner, path=path, query=query)

    async def exchange(
        self, key: str, receive: Receive, *, owner: str = "o", path: str = PATH, query: bytes = b""
    ) -> Answer:
        """Send a request whose body comes from a function; return its answer."""
        answer = Answer()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], dict(message["headers"])
            else:
                answer.body += message["body"]

        known: dict[str, Any] = {
            "idempotency_key": key.encode("latin-1"),
            "need": QUERY,
            "principal": Principal(owner, KeyScope.WRITE),
            "operation": None,
            "graph_id": None,
            "error_code": None,
        }
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query,
            "headers": [],
            "graph_api": known,
        }
        await IdempotentRequests(self._count, lambda _scope: self.service)(scope, receive, send)
        return answer

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.carried_out += 1
        await self.app(scope, receive, send)


@asynccontextmanager
async def bench(folder: Path, app: ASGIApp) -> AsyncGenerator[Bench]:
    """Give a bench over a memory in a folder."""
    databases = Databases()
    async with open_node_memory(folder) as memory:
        config = IdempotencyConfig(max_answer_bytes=MAX_ANSWER)
        service = IdempotencyService(memory.outcomes, cast("GraphBackend", databases), config)
        await service.open()
        yield Bench(service, databases, app)
        await service.close()


def run(folder: Path, app: ASGIApp, work: Callable[[Bench], Awaitable[None]]) -> None:
    """Run work with a bench."""

    async def inside() -> None:
        async with bench(folder, app) as found:
            await work(found)

    asyncio.run(inside())


async def read_all(receive: Receive) -> bytes:
    """Return the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        more = message["more_body"]
    return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 201 with the body, in two pieces."""
    body = await read_all(receive)
    headers = [(b"content-type", b"text/x"), (b"x-rows", b"7")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body[:1], "more_body": True})
    await send({"type": "http.response.body", "body": body[1:]})


def failing(error: Exception) -> ASGIApp:
    """Return an application that reads the body and fails."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await read_all(receive)
        raise error

    return app


def test_a_repetition_gets_the_same_answer_and_nothing_happens(tmp_path: Path) -> None:
    """Status, headers and body; marked; also after a restart."""

    async def work(it: Bench) -> None:
        first, second = await it.send("k"), await it.send("k")
        assert (first.status, first.body) == (second.status, second.body) == (201, b"body")
        assert b"idempotency-replayed" not in first.headers
        assert second.headers == {
            b"content-type": b"text/x",
            b"x-rows": b"7",
            b"content-length": b"4",
            b"idempotency-replayed": b"true",
        }
        assert it.carried_out == 1

    async def after_restart(it: Bench) -> None:
        assert (await it.send("k")).body == b"body"
        assert it.carried_out == 0

    run(tmp_path, echo, work)
    run(tmp_path, echo, after_restart)


@pytest.mark.parametrize(
    "other", [{"body": b"bodY"}, {"body": b""}, {"path": "/databases/kg1/transaction"}, {"query": b"explain=plan"}]
)
def test_a_key_belongs_to_one_request(tmp_path: Path, other: dict[str, Any]) -> None:
    """Another body, path or option is refused, and changes nothing about the first."""

    async def work(it: Bench) -> None:
        await it.send("k")
        with pytest.raises(errors.IdempotencyKeyReusedError):
            await it.send("k", **other)
        assert (await it.send("k")).body == b"body"
        assert it.carried_out == 1

    run(tmp_path, echo, work)


def test_the_order_of_options_does_not_matter(tmp_path: Path) -> None:
    """Neither do equal spellings: it is the same request."""

    async def work(it: Bench) -> None:
        await it.send("k", query=b"b=2&a=%31")
        await it.send("k", query=b"a=1&b=2")
        assert it.carried_out == 1

    run(tmp_path, echo, work)


def test_callers_and_databases_do_not_meet(tmp_path: Path) -> None:
    """The same key of another caller, or for a database that was created anew, is another request."""

    async def work(it: Bench) -> None:
        await it.send("k")
        await it.send("k", owner="p")
        it.databases.created["kg1"] = datetime(2026, 1, 2, tzinfo=UTC)
        await it.send("k")
        assert it.carried_out == 3
        with pytest.raises(errors.DatabaseNotFoundError):
            await it.send("k", path="/databases/other/query")

    run(tmp_path, echo, work)


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "\x7f", "a\tb"])
def test_malformed_keys_are_refused(tmp_path: Path, key: str) -> None:
    """Before anything happens."""

    async def work(it: Bench) -> None:
        with pytest.raises(errors.InvalidRequestError, match="Idempotency-Key"):
            await it.send(key)
        assert it.carried_out == 0

    run(tmp_path, echo, work)


def test_only_one_of_two_at_once_is_carried_out(tmp_path: Path) -> None:
    """The other is told to come back; then it gets the answer."""
    begun, may_go = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await may_go.wait()
        await echo(scope, receive, send)

    async def work(it: Bench) -> None:
        first = asyncio.ensure_future(it.send("k"))
        await begun.wait()
        with pytest.raises(errors.IdempotencyInProgressError) as caught:
            await it.send("k")
        assert caught.value.retry_after
        may_go.set()
        assert (await first).body == (await it.send("k")).body
        assert it.carried_out == 1

    run(tmp_path, slow, work)


@pytest.mark.parametrize(
    "error",
    [
        errors.StatementError("x"),
        errors.InvalidRequestError("x"),
        errors.ScopeError("x"),
        errors.DatabaseExistsError("x"),
        errors.QueryTimeoutError("x"),
        errors.PoolExhaustedError("x"),
        errors.DatabaseBrokenError("x"),
        errors.WorkerCrashedError("x", retryable=True),
        errors.DiskFullError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_changed_nothing_releases_the_key(tmp_path: Path, error: GraphApiError) -> None:
    """The same request may try again under the same key, also with another body."""

    async def work(it: Bench) -> None:
        it.app = failing(error)
        with pytest.raises(type(error)):
            await it.send("k")
        it.app = echo
        assert (await it.send("k", b"repaired")).status == 201

    assert changed_nothing(error)
    run(tmp_path, echo, work)


@pytest.mark.parametrize(
    "error",
    [
        errors.WorkerCrashedError("x", retryable=False),
        errors.QueryTimeoutError("x", outcome="unknown"),
        errors.QueryCancelledError("x", outcome="unknown"),
        errors.QueryMemoryExceededError("x"),
        errors.ShuttingDownError("x", retryable=False),
        errors.PayloadTooLargeError("x"),
        GraphApiError("x"),
        RuntimeError("x"),
        OSError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_leaves_doubt_is_never_tried_again(tmp_path: Path, error: Exception) -> None:
    """Neither now nor after a restart."""

    async def work(it: Bench) -> None:
        it.app = failing(error)
        with pytest.raises(type(error)):
            await it.send("k")
        it.app = echo
        with pytest.raises(errors.OutcomeUnknownError):
            await it.send("k")
        assert it.carried_out == 1

    async def after_restart(it: Bench) -> None:
        with pytest.raises(errors.OutcomeUnknownError):
            await it.send("k")
        assert it.carried_out == 0

    run(tmp_path, echo, work)
    run(tmp_path, echo, after_restart)


def test_a_request_that_is_cut_off_is_never_tried_again(tmp_path: Path) -> None:
    """Cancelled by the end of the server, in the middle."""
    begun = asyncio.Event()

    async def endless(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work(it: Bench) -> None:
        first = asyncio.ensure_future(it.send("k"))
        await begun.wait()
        first.cancel()
        await asyncio.wait([first])
        it.app = echo
        with pytest.raises(errors.OutcomeUnknownError):
            await it.send("k")

    run(tmp_path, endless, work)


def test_a_client_that_goes_away_finds_its_answer_later(tmp_path: Path) -> None:
    """Once the body is there, the application does not hear of the client's going."""

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        gone = asyncio.ensure_future(receive())
        await asyncio.wait([gone], timeout=0.1)
        assert not gone.done()
        gone.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def work(it: Bench) -> None:
        assert (await it.send("k")).body == (await it.send("k")).body == b"body"
        assert it.carried_out == 1

    run(tmp_path, watching, work)


def test_a_client_that_goes_away_within_its_body_has_done_nothing(tmp_path: Path) -> None:
    """The key is free for the whole body."""

    async def work(it: Bench) -> None:
        messages: list[Message] = [{"type": "http.request", "body": b"bo", "more_body": True}]

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        with pytest.raises(ClientDisconnect):
            await it.exchange("k", receive)
        assert (await it.send("k")).body == b"body"

    run(tmp_path, echo, work)


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_an_answer_that_is_too_large_is_sent_but_not_kept(tmp_path: Path, pieces: int) -> None:
    """The repetition is told so, and nothing happens again."""

    async def large(_scope: Scope, receive: Receive, send: Send) -> None:
        await read_all(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(pieces):
            piece = b"x" * (6_000 // pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": number < pieces - 1})

    async def work(it: Bench) -> None:
        assert len((await it.send("k")).body) == 6_000
        with pytest.raises(errors.AnswerNotKeptError, match="6000 bytes"):
            await it.send("k")
        with pytest.raises(errors.IdempotencyKeyReusedError):
            await it.send("k", b"other")
        assert it.carried_out == 1

    run(tmp_path, large, work)


def test_a_stream_that_fails_in_the_middle_leaves_doubt(tmp_path: Path) -> None:
    """It ended with a problem, or without an end."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_all(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if body == b"problem":
            scope["graph_api"]["error_code"] = "WORKER_CRASHED"
            await send({"type": "http.response.body", "body": json.dumps({"problem": {}}).encode()})
        else:
            await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def work(it: Bench) -> None:
        for body in (b"problem", b"cut"):
            assert (await it.send(body.decode(), body)).status == 200
            with pytest.raises(errors.OutcomeUnknownError):
                await it.send(body.decode(), body)

    run(tmp_path, broken, work)


def test_an_outcome_that_cannot_be_kept_is_answered_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The request happened; only its repetition will not know how it ended."""
    caplog.set_level(logging.ERROR)

    async def work(it: Bench) -> None:
        async def closing(scope: Scope, receive: Receive, send: Send) -> None:
            await read_all(receive)
            await it.service._store._file.close()  # pyright: ignore[reportAttributeAccessIssue]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

        it.app = closing
        assert (await it.send("k")).body == b"done"
        with pytest.raises(errors.UnavailableError):
            await it.send("l")
        assert it.carried_out == 1

    async def after_restart(it: Bench) -> None:
        with pytest.raises(errors.OutcomeUnknownError):
            await it.send("k")
        assert (await it.send("l")).status == 201

    run(tmp_path, echo, work)
    assert "was not kept" in caplog.text
    run(tmp_path, echo, after_restart)


def test_a_body_that_nobody_reads_counts_too(tmp_path: Path) -> None:
    """A route that takes none is repeated by the same body only."""

    async def deaf(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def work(it: Bench) -> None:
        await it.send("k", b"")
        assert (await it.send("k", b"")).body == b"done"
        with pytest.raises(errors.IdempotencyKeyReusedError):
            await it.send("k", b"other")

    run(tmp_path, deaf, work)
