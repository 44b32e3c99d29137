"""Schemas of databases."""

from typing import Annotated

from fastapi import APIRouter, Query

from robosystems.graph_api.domain import errors
from robosystems.graph_api.models.database import ExtendSchemaRequest, SchemaResponse
from robosystems.graph_api.routers.databases.documentation import on_database
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep

router = APIRouter(prefix="/databases", tags=["schema"])


@router.get(
    "/{graph_id}/schema",
    response_model=SchemaResponse,
    response_model_exclude_unset=True,
    responses=on_database(),
)
async def get_schema(
    graph_id: GraphIdDep,
    services: ServicesDep,
    *,
    counts: Annotated[bool, Query(description="Count the rows of each table.")] = False,
) -> dict[str, object]:
    """Return tables, columns with types and keys, and relationship endpoints."""
    return await services.schemas.describe(graph_id, counts=counts)


@router.post(
    "/{graph_id}/schema",
    response_model=SchemaResponse,
    response_model_exclude_unset=True,
    responses=on_database(errors.InvalidSchemaError, errors.DiskFullError),
)
async def extend_schema(graph_id: GraphIdDep, body: ExtendSchemaRequest, services: ServicesDep) -> dict[str, object]:
    """Add tables by DDL or by a schema document, all or nothing, and return the new schema."""
    return await services.schemas.extend(graph_id, ddl=body.ddl, document=body.schema_document)
