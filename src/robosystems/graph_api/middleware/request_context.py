"""The shell around every request: name, admission, bounds, errors, accounting.

One piece of plain ASGI instead of a stack, because each layer costs more than what most of them do.
"""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.core.node import Traffic
from robosystems.graph_api.domain.errors import ShuttingDownError
from robosystems.graph_api.middleware.auth import Gate
from robosystems.graph_api.middleware.request_limits import BodyLimits, BoundedBody
from robosystems.graph_api.observability.logging import REQUEST_ID, AccessEntry

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Headers = list[tuple[bytes, bytes]]

_SERVED_WHILE_DRAINING: Final = frozenset({"/health", "/ready", "/status", "/status/databases", "/info", "/metrics"})
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SMALL_BODY: Final = 64 << 10
"""Bytes up to which the server itself disposes of a body that nobody reads."""

_SMALL_DIGITS: Final = 5

_LINGER_BYTES: Final = 64 << 20
_LINGER_S: Final = 2.0
_DRAIN_RETRY_S: Final = 2.0
_CLIENT_CLOSED: Final = 499
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_NO_STORE: Final = (b"cache-control", b"no-store")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class ShellParts:
    """What the shell works with.

    Attributes:
        gate: Who may come in, and where to.
        limits: How much they may bring.
        traffic: Counts what is being served and says whether the node drains.
        render: Makes an HTTP answer of an exception: status, headers, body, code (`INTERNAL`: nobody foresaw it).
        observe: Counts a request: operation, seconds, status.
        access: Logs a request; None logs none.
    """

    gate: Gate
    limits: BodyLimits
    traffic: Traffic
    render: Callable[[Exception, str], tuple[int, Headers, bytes, str]]
    observe: Callable[[str, float, int], None]
    access: Callable[[AccessEntry], None] | None


class _Answer:
    """Stands in for `send`: adds headers, remembers the status."""

    __slots__ = ("_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = (b"x-request-id", request_id.encode())
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), self._request_id]
            if not any(name == _NO_STORE[0] for name, _ in headers):
                headers.append(_NO_STORE)
            message["headers"] = headers
        await self._send(message)


class RequestShell:
    """ASGI application around another one; see the module.

    It keeps a dictionary in `scope["graph_api"]` (`request_id`, `authenticated`, `principal`, `need`, `operation`,
    `graph_id`, `error_code`, `client_gone`, ...), which the routes complete.
    """

    def __init__(self, app: ASGIApp, parts: ShellParts) -> None:
        self._app = app
        self._parts = parts
        self._log: FilteringBoundLogger = structlog.get_logger()
        self._small_body = min(_SMALL_BODY, parts.limits.json_bytes)
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        started = time.perf_counter()
        traffic = self._parts.traffic
        traffic.in_flight += 1
        sent = _headers(scope)
        request_id = self._request_id(sent.get(b"x-request-id"))
        REQUEST_ID.set(request_id)
        known: dict[str, Any] = {
            "request_id": request_id,
            "authenticated": False,
            "operation": None,
            "graph_id": None,
            "error_code": None,
            "client_gone": False,
            "principal": None,
            "need": None,
            "idempotency_key": None,
            "audit_target": None,
        }
        scope["graph_api"] = known
        answer = _Answer(send, request_id)
        body = self._bounded(scope, sent, receive)
        try:
            self._admit(scope, sent, known)
            if isinstance(body, BoundedBody):
                body.check_announced()
            await self._app(scope, body, answer.send)
        except ClientDisconnect:
            known["client_gone"] = True
        except asyncio.CancelledError:
            if not traffic.draining:
                raise
            await self._fail(_cut_off(), answer, known, body)
        except Exception as error:  # noqa: BLE001 - the edge of the request: everything becomes an answer here
            await self._fail(error, answer, known, body)
        finally:
            traffic.in_flight -= 1
            self._account(scope, known, answer.status, time.perf_counter() - started)

    def _request_id(self, given: bytes | None) -> str:
        """Return the name that the client gave, if it is a sane one, else a new one."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}-{next(self._numbers)}"

    def _admit(self, scope: Scope, sent: dict[bytes, bytes], known: dict[str, Any]) -> None:
        """Check the key and what it opens, and that the node still takes work.

        Raises:
            ShuttingDownError: The node drains.
            Others as `Gate.admit`.
        """
        self._parts.gate.admit(scope, sent, known)
        if self._parts.traffic.draining and scope["path"] not in _SERVED_WHILE_DRAINING:
            raise ShuttingDownError("The node is shutting down; use another one.", retry_after=_DRAIN_RETRY_S)

    def _bounded(self, scope: Scope, sent: dict[bytes, bytes], receive: Receive) -> Receive:
        """Return the body of a request: as it is if it announces to be small, else bounded."""
        length = sent.get(b"content-length")
        if b"transfer-encoding" not in sent:
            if length is None:
                if scope["method"] not in _BODY_METHODS:
                    return receive
            elif len(length) <= _SMALL_DIGITS and length.isdigit() and int(length) <= self._small_body:
                return receive
        return BoundedBody(receive, self._parts.limits.for_path(scope["path"]), length)

    async def _fail(self, error: Exception, answer: _Answer, known: dict[str, Any], body: Receive) -> None:
        """Answer with an error; if the answer has begun, cut it off, so that nobody takes it for complete."""
        status, headers, document, code = self._parts.render(error, known["request_id"])
        known["error_code"] = code
        if code == "INTERNAL":
            self._log.error("request failed", operation=known["operation"], graph_id=known["graph_id"], exc_info=error)
        if answer.status:
            return
        unread = body if isinstance(body, BoundedBody) and not body.complete else None
        if unread is not None:
            headers.append((b"connection", b"close"))
        await answer.send({"type": "http.response.start", "status": status, "headers": headers})
        await answer.send({"type": "http.response.body", "body": document, "more_body": unread is not None})
        if unread is not None:
            await _linger(unread)
            await answer.send({"type": "http.response.body", "body": b""})

    def _account(self, scope: Scope, known: dict[str, Any], status: int, seconds: float) -> None:
        """Count and log the request."""
        if known["client_gone"] or not status:
            status = _CLIENT_CLOSED
        operation, graph_id = known["operation"], known["graph_id"]
        if operation is None:
            route = scope.get("route")
            operation = route.name if route is not None else _UNKNOWN
        if graph_id is None:
            graph_id = scope.get("path_params", {}).get("graph_id")
        self._parts.observe(operation, seconds, status)
        if self._parts.access is not None:
            self._parts.access(
                AccessEntry(operation, graph_id, seconds * 1000, status, known["request_id"], known["error_code"])
            )


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request by name; of several alike the first, which no intermediary can have appended."""
    headers: Headers = scope["headers"]
    return dict(reversed(headers))


def _cut_off() -> ShuttingDownError:
    """Return the error for a request that outlived the grace of the drain; what it wrote may have been committed."""
    return ShuttingDownError(
        "The node was shut down before the request was done; if it was a write, look whether it happened.",
        retryable=False,
    )


async def _linger(body: BoundedBody) -> None:
    """Take in what the client is still sending, within bounds.

    To close a connection with unread bytes makes the kernel reset it, and the client would never see its answer.
    """
    end = body.received + _LINGER_BYTES
    try:
        async with asyncio.timeout(_LINGER_S):
            while not body.complete and body.received < end:
                await body.discard()
    except TimeoutError:
        return
