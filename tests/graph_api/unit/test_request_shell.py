"""The shell around every request, with small applications inside."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.core.keyring import KeyRing
from robosystems.graph_api.core.node import Traffic
from robosystems.graph_api.core.throttle import WrongKeyThrottle
from robosystems.graph_api.domain.errors import DatabaseNotFoundError, QueryTimeoutError
from robosystems.graph_api.middleware.auth import Gate
from robosystems.graph_api.middleware.request_context import RequestShell, ShellParts
from robosystems.graph_api.middleware.request_limits import BodyLimits
from robosystems.graph_api.observability.logging import REQUEST_ID, AccessEntry
from robosystems.graph_api.routers.errors import answer_to

KEY = "the-key"
LIMITS = BodyLimits(json_bytes=1000, upload_bytes=2000)


@dataclass
class Bench:
    """A shell around an application, with everything that it says written down."""

    app: ASGIApp
    keys: tuple[str, ...] = (KEY,)
    entries: list[AccessEntry] = field(default_factory=list[AccessEntry])
    observed: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    traffic: Traffic = field(default_factory=Traffic)
    sent: list[Message] = field(default_factory=list[Message])

    def __post_init__(self) -> None:
        parts = ShellParts(
            gate=Gate(KeyRing(self.keys), WrongKeyThrottle(1_000)),
            limits=LIMITS,
            traffic=self.traffic,
            render=answer_to,
            observe=lambda operation, _seconds, status: self.observed.append((operation, status)),
            access=self.entries.append,
        )
        self.shell = RequestShell(self.app, parts)

    def request(
        self,
        path: str = "/databases",
        *,
        method: str = "POST",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: Iterable[bytes] = (),
        key: str | None = KEY,
    ) -> int:
        """Send a request; return the status of its answer, 0 for none."""
        messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
        messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        all_headers = [*headers, *([(b"x-graph-api-key", key.encode())] if key is not None else [])]
        scope = {"type": "http", "method": method, "path": path, "headers": all_headers, "query_string": b""}
        self.sent = []
        asyncio.run(self._serve(scope, receive, send))
        return int(self.sent[0]["status"]) if self.sent else 0

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.shell(scope, receive, send)

    @property
    def problem(self) -> dict[str, Any]:
        """The body of the answer, as JSON."""
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the answer."""
        return dict(self.sent[0]["headers"])


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, answer 200 with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    scope["graph_api"]["operation"] = "answer"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"%d" % size})


def raising(error: BaseException, *, after_start: bool = False) -> ASGIApp:
    """Return an application that fails, before or in the middle of its answer."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if after_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    return app


def test_an_answer_gets_its_headers_and_is_accounted() -> None:
    """Request id, no caching, one entry, one count, nothing left in flight."""
    bench = Bench(answer)
    assert bench.request(headers=[(b"x-request-id", b"abc")], body=[b"12345"]) == 200
    assert bench.headers[b"x-request-id"] == b"abc"
    assert bench.headers[b"cache-control"] == b"no-store"
    (entry,) = bench.entries
    assert (entry.operation, entry.status, entry.request_id, entry.code) == ("answer", 200, "abc", None)
    assert bench.observed == [("answer", 200)]
    assert bench.traffic.in_flight == 0


def test_constant_headers_of_a_route_are_not_changed() -> None:
    """A route may send the same list again and again."""
    constant = [(b"content-type", b"text/plain")]

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": constant})
        await send({"type": "http.response.body", "body": b""})

    bench = Bench(app)
    for _ in range(3):
        bench.request()
    assert constant == [(b"content-type", b"text/plain")]


def test_the_request_id_is_known_to_everything_below() -> None:
    """Log lines of any depth carry it."""
    seen: list[str | None] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(REQUEST_ID.get())

    Bench(app).request(headers=[(b"x-request-id", b"deep")])
    assert seen == ["deep"]


def test_domain_errors_become_problems() -> None:
    """With their code in the log."""
    bench = Bench(raising(DatabaseNotFoundError("no database 'x'")))
    assert bench.request() == 404
    assert bench.problem["code"] == "DATABASE_NOT_FOUND"
    assert bench.entries[0].code == "DATABASE_NOT_FOUND"


def test_anything_else_becomes_a_500_without_its_message() -> None:
    """The caller gets a code and a request id."""
    bench = Bench(raising(RuntimeError("secret")))
    assert bench.request() == 500
    assert bench.problem["code"] == "INTERNAL"
    assert "secret" not in json.dumps(bench.problem)
    assert bench.traffic.in_flight == 0


@pytest.mark.parametrize("error", [RuntimeError("secret"), QueryTimeoutError("too slow")])
def test_an_answer_that_has_begun_is_cut_off(error: Exception) -> None:
    """It is never completed, so that nobody takes it for whole."""
    bench = Bench(raising(error, after_start=True))
    bench.request()
    assert [message["type"] for message in bench.sent] == ["http.response.start", "http.response.body"]
    assert bench.sent[-1]["more_body"] is True
    assert bench.entries[0].status == 200
    assert bench.entries[0].code is not None


@pytest.mark.parametrize("error", [ClientDisconnect(), asyncio.CancelledError()])
def test_a_client_that_left_is_accounted_as_499(error: BaseException) -> None:
    """It is no error of the service, and nothing stays in flight."""
    bench = Bench(raising(error))
    try:
        assert bench.request() == 0
    except asyncio.CancelledError:
        assert isinstance(error, asyncio.CancelledError)
    assert bench.entries[0].status == 499
    assert bench.traffic.in_flight == 0


def test_a_route_that_does_not_name_itself_has_the_name_of_its_function() -> None:
    """And the database of its path."""

    @dataclass
    class Route:
        name: str

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route("get_database")
        scope["path_params"] = {"graph_id": "kg1"}
        await send({"type": "http.response.start", "status": 200, "headers": []})

    bench = Bench(app)
    bench.request()
    assert (bench.entries[0].operation, bench.entries[0].graph_id) == ("get_database", "kg1")
    nowhere = Bench(raising(DatabaseNotFoundError("x")))
    nowhere.request("/invented")
    assert nowhere.observed == [("unknown", 404)]


def test_a_draining_node_takes_no_new_work() -> None:
    """But goes on saying how it is."""
    bench = Bench(answer)
    bench.traffic.begin_drain()
    assert bench.request("/databases/kg1/query") == 503
    assert bench.problem["code"] == "SHUTTING_DOWN"
    assert bench.headers[b"retry-after"] == b"2"
    for path in ("/health", "/ready", "/status", "/metrics"):
        assert bench.request(path, method="GET") == 200
    assert bench.request("/databases/kg1/query", key="wrong") == 401


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([(b"content-length", b"1000")], [b"x" * 1000], 200),
        ([(b"content-length", b"1001")], [b"x" * 1001], 413),
        ([(b"transfer-encoding", b"chunked")], [b"x" * 500] * 2, 200),
        ([(b"transfer-encoding", b"chunked")], [b"x" * 500] * 3, 413),
        ([], [b"x" * 1001], 413),
        ([(b"content-length", b"10"), (b"transfer-encoding", b"chunked")], [b"x" * 1001], 413),
        ([(b"content-length", b"9" * 4300)], [], 413),
        ([(b"content-length", b"\xb2")], [], 400),
        ([(b"content-length", b"")], [], 400),
    ],
)
def test_bodies_are_bounded_however_they_come(
    headers: list[tuple[bytes, bytes]], body: list[bytes], status: int
) -> None:
    """Announced, chunked, or both to confuse."""
    assert Bench(answer).request(headers=headers, body=body) == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/databases/kg1/load/T", 200),
        ("/databases/kg1/load/T/x", 413),
        ("/databases/kg1/query", 413),
        ("/databases/kg1/loads/T", 413),
        ("/x/databases/kg1/load/T", 413),
        ("/databases/load/T", 413),
    ],
)
def test_only_files_to_load_may_be_larger(path: str, status: int) -> None:
    """No other path gets their limit."""
    assert Bench(answer).request(path, body=[b"x" * 1500]) == status


def test_the_rest_of_a_refused_body_is_taken_in_before_the_connection_ends() -> None:
    """Otherwise the client would see a reset instead of its answer."""
    bench = Bench(answer)
    assert bench.request(body=[b"x" * 500] * 100) == 413
    assert bench.headers[b"connection"] == b"close"
    assert [message.get("more_body", False) for message in bench.sent[1:]] == [True, False]


def test_no_keys_means_open() -> None:
    """Whoever is asked for no key gets everything, the full status included."""
    seen: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["graph_api"]["authenticated"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert Bench(app, keys=()).request("/status", key=None) == 200
    assert Bench(app).request("/status", key=None) == 200
    assert Bench(app).request("/status", key=KEY) == 200
    assert seen == [True, False, True]
