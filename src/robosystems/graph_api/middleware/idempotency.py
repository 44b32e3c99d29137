"""Requests with an idempotency key: carried out once, answered as often as they are sent."""

import asyncio
import contextlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it before a route is reached
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.core.idempotency import Attempt, IdempotencyService, changed_nothing
from robosystems.graph_api.domain.errors import GraphApiError, InvalidRequestError
from robosystems.graph_api.domain.idempotency import Outcome
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.middleware.route_access import Once, graph_of

REPLAYED_HEADER: Final = (b"idempotency-replayed", b"true")
"""Marks the answer of a request that was carried out before."""

_BEFORE_ANY_WORK: Final = (ClientDisconnect, RequestValidationError, HTTPException)
"""What ends a request while its head and body are read."""

_STALLED_S: Final = 30.0
_OPERATION: Final = "replay"
_LENGTH_HEADER: Final = "content-length"
_ACCEPT_ENCODING: Final = b"accept-encoding"
_SUCCESS: Final = range(200, 300)
_REFUSED: Final = range(400, 500)


class IdempotentRequests:
    """ASGI application around the routes, which know nothing of it.

    A request with a key is not cancelled when its client goes away: the client will ask for its answer again. The
    answer is held back until it is on disk, so whoever has seen an answer gets the same one again.

    Args:
        app: The routes.
        service: Finds the service of the application that serves a request.
    """

    def __init__(self, app: ASGIApp, service: Callable[[Scope], IdempotencyService]) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        known: dict[str, Any] = scope["graph_api"]
        if known["idempotency_key"] is None:
            await self._app(scope, receive, send)
            return
        service = self._service(scope)
        name = graph_of(scope["path"]) if known["need"].once is Once.GRAPH else None
        graph_id = GraphId.parse(name) if name is not None else None
        attempt = await service.begin(
            known["principal"].key_id, graph_id, known["idempotency_key"], _request_line(scope)
        )
        body = _DigestedBody(receive)
        if attempt.earlier is None:
            await self._carry_out(scope, body, send, attempt)
            return
        known["operation"], known["graph_id"] = _OPERATION, name
        await body.finish()
        await _send_outcome(send, service.replay(attempt.earlier, body.digest))

    async def _carry_out(self, scope: Scope, body: "_DigestedBody", send: Send, attempt: Attempt) -> None:
        """Serve a request that is new, and note how it ended."""
        service = self._service(scope)
        # Whoever asks again may understand other encodings: what is kept has none.
        scope["headers"] = [header for header in scope["headers"] if header[0] != _ACCEPT_ENCODING]
        answer = _HeldAnswer(send, service.max_answer_bytes)
        try:
            await self._app(scope, body.receive, answer.send)
        except (*_BEFORE_ANY_WORK, GraphApiError) as error:
            if answer.status or (isinstance(error, GraphApiError) and not changed_nothing(error) and body.complete):
                service.abandon(attempt)
            else:
                await service.release(attempt)
            raise
        except BaseException:
            service.abandon(attempt)
            raise
        if answer.status in _SUCCESS and answer.complete and scope["graph_api"]["error_code"] is None:
            with contextlib.suppress(ClientDisconnect, GraphApiError):  # It was not needed; nor is its end.
                await body.finish()
            await service.finish(attempt, answer.outcome(attempt.request, body.digest))
        elif answer.status in _REFUSED:
            await service.release(attempt)
        else:
            service.abandon(attempt)
        await answer.deliver()


class _DigestedBody:
    """Stands in for `receive`: digests what comes through, and keeps the client's going away to itself.

    Attributes:
        complete: Whether the whole body has come.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._digest = sha256()
        self.complete = False

    @property
    def digest(self) -> bytes:
        """SHA-256 of what has come."""
        return self._digest.digest()

    async def receive(self) -> Message:
        """Return the next message of the body; once it is complete, none ever comes."""
        if self.complete:
            await asyncio.Event().wait()
        message = await self._receive()
        if message["type"] == "http.request":
            self._digest.update(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        return message

    async def finish(self) -> None:
        """Take in what nobody has read.

        Raises:
            InvalidRequestError: It does not come.
            ClientDisconnect: The client is gone.
        """
        try:
            while not self.complete:
                async with asyncio.timeout(_STALLED_S):
                    message = await self.receive()
                if message["type"] != "http.request":
                    raise ClientDisconnect
        except TimeoutError as error:
            raise InvalidRequestError(f"body: no byte came for {_STALLED_S:g} s.") from error


class _HeldAnswer:
    """Stands in for `send`: holds an answer back, but one that is too large only until it is known to be.

    Attributes:
        status: Of the answer; 0 before there is one.
        complete: Whether all of it has come.
    """

    def __init__(self, send: Send, max_bytes: int) -> None:
        self._send = send
        self._max_bytes = max_bytes
        self._held: list[Message] = []
        self._size = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self.status = 0
        self.complete = False

    async def send(self, message: Message) -> None:
        """Take a message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
            )
        else:
            self._size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        self._held.append(message)
        if self._size > self._max_bytes and not self.complete:
            await self.deliver()

    async def deliver(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        for message in held:
            await self._send(message)

    def outcome(self, request: str, body_digest: bytes) -> Outcome:
        """Return what to remember of a complete answer."""
        kept = self._size <= self._max_bytes
        return Outcome(
            request=request,
            done=True,
            body_digest=body_digest,
            status=self.status,
            headers=self._headers,
            body=b"".join(message.get("body", b"") for message in self._held) if kept else None,
            size=self._size,
        )


async def _send_outcome(send: Send, outcome: Outcome) -> None:
    """Send an answer again."""
    body = outcome.body or b""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in outcome.headers
        if name.lower() != _LENGTH_HEADER
    ]
    headers += [(b"content-length", str(len(body)).encode()), REPLAYED_HEADER]
    await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _request_line(scope: Scope) -> str:
    """Return method, path and query string in a form that does not depend on the order of options."""
    options = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    line = f"{scope['method']} {scope['path']}"
    return f"{line}?{urlencode(sorted(options))}" if options else line
