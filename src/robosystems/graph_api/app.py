"""The application factory."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException  # noqa: TID251 - completed here with the methods of the path
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from robosystems.graph_api.bootstrap import open_services, service_version
from robosystems.graph_api.config import Settings
from robosystems.graph_api.core.idempotency import IdempotencyService
from robosystems.graph_api.core.keyring import KeyRing
from robosystems.graph_api.core.node import NodeConfig, Traffic
from robosystems.graph_api.core.throttle import WrongKeyThrottle
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.audit import AuditEntry
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.middleware.audit import AuditedActs
from robosystems.graph_api.middleware.auth import BARE_PATH, OPEN_PATHS, Gate
from robosystems.graph_api.middleware.idempotency import IdempotentRequests
from robosystems.graph_api.middleware.request_context import RequestShell, ShellParts
from robosystems.graph_api.middleware.request_limits import BodyLimits
from robosystems.graph_api.middleware.route_access import NEED_BY_ROUTE, Once
from robosystems.graph_api.models.problem import Problem
from robosystems.graph_api.observability.logging import JsonLog
from robosystems.graph_api.observability.metrics import Metrics
from robosystems.graph_api.routers import databases, health, info, keys
from robosystems.graph_api.routers.databases.conditional import serve_read
from robosystems.graph_api.routers.databases.query import serve_query
from robosystems.graph_api.routers.errors import answer_to, problem_responses
from robosystems.graph_api.state.base import AuditLog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_TITLE: Final = "RoboSystems Graph API"
_SUMMARY: Final = "Multi-tenant graph databases over HTTP."
_QUERY_PREFIX: Final = "/databases/"
_QUERY_SUFFIX: Final = "/query"
_QUERY_METHODS: Final[dict[str, ASGIApp]] = {"POST": serve_query, "GET": serve_read}
_OPENAPI_PATH: Final = "/openapi.json"
_KEYED: Final[list[dict[str, list[str]]]] = [{"ApiKey": []}, {"Bearer": []}]
_SECURITY_SCHEMES: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Graph-API-Key"},
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key; the form `Authorization: X-Graph-API-Key: <key>` is accepted, too.",
    },
}
_REQUEST_ID_HEADER: Final = {
    "X-Request-ID": {
        "description": "Name of the request in the logs: the one that was sent, or a new one.",
        "schema": {"type": "string"},
    }
}
_EVERYWHERE: Final = (errors.InvalidRequestError, errors.UnauthorizedError, GraphApiError, errors.UnavailableError)
_WITH_BODY: Final = (errors.PayloadTooLargeError,)
_WITH_KEY: Final = (errors.ScopeError, errors.TooManyWrongKeysError)
_ONCE: Final = (
    errors.IdempotencyKeyReusedError,
    errors.IdempotencyInProgressError,
    errors.OutcomeUnknownError,
    errors.AnswerNotKeptError,
)
_IDEMPOTENCY_PARAMETER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Name of the request, best a random UUID: sent again, it is answered again, not done again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_NODE_ITSELF: Final = "node"


class GraphApi(FastAPI):
    """FastAPI with one shell around its routes instead of its own stack of middleware.

    Attributes:
        traffic: What is being served; its drain is begun by whoever runs the application.
        metrics: Figures.
        start_failure: Why the services could not be opened; None if they could.
    """

    def __init__(self, settings: Settings, log: JsonLog | None) -> None:
        self.traffic = Traffic()
        self.metrics = Metrics()
        self.start_failure: Exception | None = None
        self._settings = settings
        self._ring = KeyRing(settings.api_keys)
        self._access_log = log
        super().__init__(
            title=_TITLE,
            summary=_SUMMARY,
            version=service_version(),
            routes=[route for part in (databases, health, info, keys) for route in _flat(part.router.routes)],
            lifespan=self._open,
            openapi_url=_OPENAPI_PATH,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._routes = AsyncExitStackMiddleware(self.router)
        self._careful = IdempotentRequests(AuditedActs(self._route, _audit_of, _code_of), _idempotency_of)
        self._shell = self.build_middleware_stack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or start and stop."""
        scope["app"] = self
        if scope["type"] == "http":
            await self._shell(scope, receive, send)
        else:
            await self.router(scope, receive, self._without_traceback(send))

    def build_middleware_stack(self) -> ASGIApp:
        """Return the routes inside the shell; the shell does what the framework's error handlers would."""
        settings, log = self._settings, self._access_log
        parts = ShellParts(
            gate=Gate(self._ring, WrongKeyThrottle(settings.lbug_max_wrong_keys_per_minute)),
            limits=BodyLimits(settings.lbug_max_body_bytes, settings.lbug_max_upload_bytes),
            traffic=self.traffic,
            render=answer_to,
            observe=self.metrics.observe,
            access=log.access if log is not None else None,
        )
        return RequestShell(self._begin, parts)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi(), self.routes)
        return self.openapi_schema

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the way through the layers that remember a request only for requests that are remembered."""
        known = scope["graph_api"]
        need = known["need"]
        if known["idempotency_key"] is None and (need is None or need.act is None):
            await self._route(scope, receive, send)
        else:
            await self._careful(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its route: the hottest without searching; a wrong method is told all right ones."""
        path: str = scope["path"]
        serve = _QUERY_METHODS.get(scope["method"])
        if serve is not None and path.endswith(_QUERY_SUFFIX) and path.startswith(_QUERY_PREFIX):
            graph_id = path[len(_QUERY_PREFIX) : -len(_QUERY_SUFFIX)]
            if graph_id and "/" not in graph_id:
                scope["path_params"] = {"graph_id": graph_id}
                scope["graph_api"]["operation"] = "query"
                await serve(scope, receive, send)
                return
        try:
            await self._routes(scope, receive, send)
        except HTTPException as error:
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                error.headers = {"Allow": ", ".join(_methods(self.routes, scope))}
            raise

    def _without_traceback(self, send: Send) -> Send:
        """Return a `send` that leaves out the text of a failed start: the caller reads `start_failure`."""

        async def quiet(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self.start_failure is not None:
                message["message"] = ""
            await send(message)

        return quiet

    @asynccontextmanager
    async def _open(self, app: FastAPI) -> AsyncGenerator[None]:
        """Hold the services open while the application runs."""
        async with AsyncExitStack() as stack:
            opening = open_services(self._settings, traffic=self.traffic, metrics=self.metrics, ring=self._ring)
            try:
                app.state.services = await stack.enter_async_context(opening)
            except (GraphApiError, OSError) as error:
                self.start_failure = error
                raise
            self._warn(app.state.services.node.config)
            await app.state.services.audit.record(AuditEntry("node.start", None, "success", _NODE_ITSELF))
            yield
            await app.state.services.audit.record(AuditEntry("node.stop", None, "success", _NODE_ITSELF))

    def _warn(self, node: NodeConfig) -> None:
        """Say once what guards are missing."""
        log: FilteringBoundLogger = structlog.get_logger()
        if not node.auth:
            log.warning("requests need no key", operation="start", hint="set GRAPH_API_KEY")
        if not node.engine.sandbox.get("confined"):
            log.warning("database processes are not fully confined", operation="start", sandbox=node.engine.sandbox)


def create_app(settings: Settings, log: JsonLog | None = None) -> GraphApi:
    """Return the application. Nothing is opened before its lifespan begins.

    Args:
        settings: All settings.
        log: Where requests are logged; None logs none.
    """
    return GraphApi(settings, log)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document; it does not depend on settings."""
    return create_app(Settings.model_construct()).openapi()


def _audit_of(scope: Scope) -> AuditLog:
    """Return the audit log of the application that serves a request."""
    log: AuditLog = scope["app"].state.services.audit
    return log


def _idempotency_of(scope: Scope) -> IdempotencyService:
    """Return the memory of requests of the application that serves one."""
    service: IdempotencyService = scope["app"].state.services.idempotency
    return service


def _code_of(error: Exception) -> str:
    """Return the stable name of what a request ended with."""
    return answer_to(error, "").code


def _flat(routes: list[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield routes without the wrappers of included routers, which match each request twice.

    A path of these routes is complete in itself: none is included under a prefix.
    """
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _flat(included.routes)


def _methods(routes: list[BaseRoute], scope: Scope) -> list[str]:
    """Return all methods of a path."""
    return sorted(
        method
        for route in routes
        if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE
        for method in route.methods or ()
    )


def _completed(document: dict[str, Any], routes: list[BaseRoute]) -> dict[str, Any]:
    """Complete the framework's document: errors as they are sent, keys, names of operations."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = _SECURITY_SCHEMES
    names = {
        (route.path_format, method.lower()): route.name
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["operationId"] = names[path, method]
            operation["security"] = _security(path)
            _complete_responses(operation, keyed=path not in OPEN_PATHS, once=_takes_idempotency_key(method, path))
    return document


def _security(path: str) -> list[dict[str, list[str]]]:
    """Return what a path asks of its callers."""
    if path in OPEN_PATHS:
        return []
    return [{}, *_KEYED] if path == BARE_PATH else _KEYED


def _takes_idempotency_key(method: str, path: str) -> bool:
    """Return whether a route does."""
    need = NEED_BY_ROUTE.get((method.upper(), path))
    return need is not None and need.once is not Once.NO


def _complete_responses(operation: dict[str, Any], *, keyed: bool, once: bool) -> None:
    """Add the errors that every route can end with, and the headers of every answer."""
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    kinds: list[type[GraphApiError]] = list(_EVERYWHERE)
    if "requestBody" in operation:
        kinds += _WITH_BODY
    if keyed:
        kinds += _WITH_KEY
    if once:
        kinds += _ONCE
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_PARAMETER)
    for status, response in problem_responses(*kinds).items():
        responses.setdefault(str(status), response)
    for response in responses.values():
        response["headers"] = {**_REQUEST_ID_HEADER, **response.get("headers", {})}
    operation["responses"] = dict(sorted(responses.items()))
