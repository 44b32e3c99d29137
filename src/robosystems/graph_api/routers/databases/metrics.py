"""Figures of one database."""

from fastapi import APIRouter

from robosystems.graph_api.models.database import DatabaseMetricsResponse, Limits
from robosystems.graph_api.routers.databases.documentation import on_record
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep

router = APIRouter(prefix="/databases", tags=["databases"])


@router.get("/{graph_id}/metrics", responses=on_record())
async def get_database_metrics(graph_id: GraphIdDep, services: ServicesDep) -> DatabaseMetricsResponse:
    """Return size, memory, load and restarts of a database. Does not open it."""
    record, state = await services.databases.describe(graph_id)
    return DatabaseMetricsResponse(
        graph_id=graph_id.value,
        open=state.open,
        size_bytes=state.size_bytes,
        memory_bytes=state.memory_bytes,
        pending_queries=state.pending_queries,
        restarts=state.restarts,
        limits=Limits.from_domain(record.limits),
    )
