"""Writes administrative acts down before their answers are sent."""

from collections.abc import Callable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.domain.audit import AuditEntry
from robosystems.graph_api.middleware.auth import address_of
from robosystems.graph_api.middleware.route_access import graph_of
from robosystems.graph_api.state.base import AuditLog

_SUCCESS: Final = "success"


class AuditedActs:
    """ASGI application around the routes.

    An act whose answer somebody has seen is written down. One that ends with an error is, too: who tried matters.

    Args:
        app: The routes.
        log: Finds the log of the application that serves a request.
        code_of: Names an exception: the stable code of its answer.
    """

    def __init__(self, app: ASGIApp, log: Callable[[Scope], AuditLog], code_of: Callable[[Exception], str]) -> None:
        self._app = app
        self._log = log
        self._code_of = code_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        need = scope["graph_api"]["need"]
        if need is None or need.act is None:
            await self._app(scope, receive, send)
            return
        written = False

        async def send_written(message: Message) -> None:
            nonlocal written
            if not written:
                written = True
                await self._log(scope).record(_entry(scope, _SUCCESS))
            await send(message)

        try:
            await self._app(scope, receive, send_written)
        except Exception as error:
            if not written:
                await self._log(scope).record(_entry(scope, self._code_of(error)))
            raise


def _entry(scope: Scope, outcome: str) -> AuditEntry:
    """Return the line of a request."""
    known: dict[str, Any] = scope["graph_api"]
    target = known["audit_target"] or known["graph_id"] or graph_of(scope["path"])
    return AuditEntry(
        act=known["need"].act,
        target=target,
        outcome=outcome,
        key_id=known["principal"].key_id,
        request_id=known["request_id"],
        address=address_of(scope),
    )
