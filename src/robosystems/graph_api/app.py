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
from robosystems.graph_api.core.node import NodeConfig, Traffic
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.middleware.auth import KeyRing
from robosystems.graph_api.middleware.request_context import BARE_PATH, OPEN_PATHS, RequestShell, ShellParts
from robosystems.graph_api.middleware.request_limits import BodyLimits
from robosystems.graph_api.models.problem import Problem
from robosystems.graph_api.observability.logging import JsonLog
from robosystems.graph_api.observability.metrics import Metrics
from robosystems.graph_api.routers import databases, health, info
from robosystems.graph_api.routers.databases.query import serve_query
from robosystems.graph_api.routers.errors import answer_to, problem_responses

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_TITLE: Final = "RoboSystems Graph API"
_SUMMARY: Final = "Multi-tenant graph databases over HTTP."
_QUERY_PREFIX: Final = "/databases/"
_QUERY_SUFFIX: Final = "/query"
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
        self._access_log = log
        super().__init__(
            title=_TITLE,
            summary=_SUMMARY,
            version=service_version(),
            routes=list(_flat([*databases.router.routes, *health.router.routes, *info.router.routes])),
            lifespan=self._open,
            openapi_url=_OPENAPI_PATH,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._routes = AsyncExitStackMiddleware(self.router)
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
            keys=KeyRing(settings.api_keys),
            limits=BodyLimits(settings.lbug_max_body_bytes, settings.lbug_max_upload_bytes),
            traffic=self.traffic,
            render=answer_to,
            observe=self.metrics.observe,
            access=log.access if log is not None else None,
        )
        return RequestShell(self._route, parts)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi(), self.routes)
        return self.openapi_schema

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its route: the hottest without searching; a wrong method is told all right ones."""
        path: str = scope["path"]
        if path.endswith(_QUERY_SUFFIX) and path.startswith(_QUERY_PREFIX) and scope["method"] == "POST":
            graph_id = path[len(_QUERY_PREFIX) : -len(_QUERY_SUFFIX)]
            if graph_id and "/" not in graph_id:
                scope["path_params"] = {"graph_id": graph_id}
                scope["graph_api"]["operation"] = "query"
                await serve_query(scope, receive, send)
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
            opening = open_services(self._settings, traffic=self.traffic, metrics=self.metrics)
            try:
                app.state.services = await stack.enter_async_context(opening)
            except (GraphApiError, OSError) as error:
                self.start_failure = error
                raise
            self._warn(app.state.services.node.config)
            yield

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
            _complete_responses(operation)
    return document


def _security(path: str) -> list[dict[str, list[str]]]:
    """Return what a path asks of its callers."""
    if path in OPEN_PATHS:
        return []
    return [{}, *_KEYED] if path == BARE_PATH else _KEYED


def _complete_responses(operation: dict[str, Any]) -> None:
    """Add the errors that every route can end with, and the headers of every answer."""
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    kinds: list[type[GraphApiError]] = list(_EVERYWHERE)
    if "requestBody" in operation:
        kinds += _WITH_BODY
    for status, response in problem_responses(*kinds).items():
        responses.setdefault(str(status), response)
    for response in responses.values():
        response["headers"] = {**_REQUEST_ID_HEADER, **response.get("headers", {})}
    operation["responses"] = dict(sorted(responses.items()))
