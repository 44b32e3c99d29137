"""What routes take from the application and the request."""

from typing import Annotated, TypedDict, cast

from fastapi import Depends, Path, Request
from starlette.types import Scope

from robosystems.graph_api.core.services import Services
from robosystems.graph_api.domain.access import Principal
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.models.names import GRAPH_ID_PATTERN, documented


class RequestDescription(TypedDict):
    """What is known of a request, in `scope["graph_api"]`; the log and the figures are made from it."""

    request_id: str
    authenticated: bool
    operation: str | None
    graph_id: str | None
    error_code: str | None
    client_gone: bool
    principal: Principal
    audit_target: str | None


def services_of(scope: Scope) -> Services:
    """Return the services of the application that serves a request."""
    services: Services = scope["app"].state.services
    return services


def description_of(scope: Scope) -> RequestDescription:
    """Return what is known of a request."""
    return cast("RequestDescription", scope["graph_api"])


def request_id_of(scope: Scope) -> str:
    """Return the name of a request."""
    return description_of(scope)["request_id"]


def principal_of(scope: Scope) -> Principal:
    """Return who sent a request; only of requests that needed a key."""
    return description_of(scope)["principal"]


def describe_request(
    scope: Scope,
    *,
    operation: str | None = None,
    graph_id: str | None = None,
    error_code: str | None = None,
    client_gone: bool = False,
    audit_target: str | None = None,
) -> None:
    """Add to what is known of a request.

    Args:
        scope: Of the request.
        operation: Name for log and figures, from a small fixed set; without it the name of the route's function.
        graph_id: Its database; without it the one of the path.
        error_code: Code of an error that was answered after the status had been sent.
        client_gone: Whether the client left before the answer was complete.
        audit_target: What an administrative act was done to, if the path does not say it.
    """
    description = description_of(scope)
    if operation is not None:
        description["operation"] = operation
    if graph_id is not None:
        description["graph_id"] = graph_id
    if error_code is not None:
        description["error_code"] = error_code
    if client_gone:
        description["client_gone"] = True
    if audit_target is not None:
        description["audit_target"] = audit_target


async def _services(request: Request) -> Services:
    return services_of(request.scope)


async def _principal(request: Request) -> Principal:
    return principal_of(request.scope)


async def _graph_id(
    graph_id: Annotated[
        str,
        Path(
            description="Name of the database.",
            examples=["kg1a2b3c4d5"],
            json_schema_extra=documented(GRAPH_ID_PATTERN),
        ),
    ],
) -> GraphId:
    return GraphId.parse(graph_id)


ServicesDep = Annotated[Services, Depends(_services)]
"""The services."""

PrincipalDep = Annotated[Principal, Depends(_principal)]
"""Who sent the request."""

GraphIdDep = Annotated[GraphId, Depends(_graph_id)]
"""The database that the path names, checked."""
