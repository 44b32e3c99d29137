"""Create, list, describe, limit and delete databases."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, status
from pydantic.json_schema import SkipJsonSchema

from robosystems.graph_api.core.database_manager import NewDatabase
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.graph import DatabaseLimits
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.models.database import (
    CreateDatabaseRequest,
    DatabaseDetailResponse,
    DatabaseListResponse,
    DatabaseResponse,
    DeleteDatabaseResponse,
    Limits,
)
from robosystems.graph_api.routers.databases.documentation import on_database, on_node, on_record
from robosystems.graph_api.routers.deps import GraphIdDep, PrincipalDep, ServicesDep, describe_request

router = APIRouter(prefix="/databases", tags=["databases"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=on_node(
        errors.InvalidRequestError,
        errors.InvalidGraphIdError,
        errors.InvalidSchemaError,
        errors.DatabaseExistsError,
        errors.DatabaseBusyError,
        errors.CapabilityNotSupportedError,
        errors.QueryTimeoutError,
        errors.NodeFullError,
        errors.DiskFullError,
    ),
)
async def create_database(
    body: CreateDatabaseRequest, request: Request, principal: PrincipalDep, services: ServicesDep
) -> DatabaseResponse:
    """Create a database with a built-in or custom schema. All or nothing: a failing schema leaves nothing behind."""
    graph_id = GraphId.parse(body.graph_id)
    describe_request(request.scope, audit_target=graph_id.value)
    if principal.graphs is not None and not principal.sees(graph_id.value):
        raise errors.ScopeError(f"graph_id: this key is limited to {', '.join(principal.graphs.patterns)}.")
    record = await services.databases.create(
        NewDatabase(
            graph_id=graph_id,
            schema_type=body.schema_type,
            repository_name=body.repository_name,
            ddl=body.custom_schema_ddl,
            document=body.custom_schema,
            limits=body.limits.to_domain() if body.limits is not None else DatabaseLimits(),
        )
    )
    return DatabaseResponse.from_domain(record)


@router.get("", responses=on_node())
async def list_databases(
    services: ServicesDep,
    principal: PrincipalDep,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Databases per page.")] = 100,
    after: Annotated[
        str | SkipJsonSchema[None],
        Query(max_length=63, description="Name after which the page begins; need not exist (any more)."),
    ] = None,
) -> DatabaseListResponse:
    """List the databases that the key may see by name, a page at a time."""
    page = await services.databases.page(limit=limit, after=after, sees=principal.sees)
    return DatabaseListResponse(
        databases=[DatabaseResponse.from_domain(record) for record in page.records],
        total=page.total,
        next_after=page.next_after,
    )


@router.get("/{graph_id}", responses=on_record())
async def get_database(graph_id: GraphIdDep, services: ServicesDep) -> DatabaseDetailResponse:
    """Describe a database: what it is, its limits, and its figures of this moment."""
    record, state = await services.databases.describe(graph_id)
    return DatabaseDetailResponse.from_parts(record, state)


@router.patch("/{graph_id}", responses=on_record(errors.DatabaseBusyError, errors.DiskFullError))
async def update_database(graph_id: GraphIdDep, body: Limits, services: ServicesDep) -> DatabaseResponse:
    """Change limits; fields that are not sent stay as they are, null returns one to the node's default."""
    record = await services.databases.set_limits(graph_id, body.to_domain(), fields=frozenset(body.model_fields_set))
    return DatabaseResponse.from_domain(record)


@router.post("/{graph_id}/retry", responses=on_database())
async def retry_database(graph_id: GraphIdDep, services: ServicesDep) -> DatabaseResponse:
    """Open a quarantined database again, after its files were put right; 503 if it still cannot be opened."""
    return DatabaseResponse.from_domain(await services.databases.retry(graph_id))


@router.delete("/{graph_id}", responses=on_record(errors.DatabaseBusyError, errors.DiskFullError))
async def delete_database(graph_id: GraphIdDep, services: ServicesDep) -> DeleteDatabaseResponse:
    """Delete a database with all its files; queries that run on it are cancelled."""
    await services.databases.delete(graph_id)
    return DeleteDatabaseResponse(graph_id=graph_id.value)
