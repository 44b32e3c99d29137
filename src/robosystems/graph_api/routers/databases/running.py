"""Queries that run now: list and cancel."""

from typing import Annotated

from fastapi import APIRouter, Path

from robosystems.graph_api.domain import errors
from robosystems.graph_api.models.query import CancelResponse, RunningQueriesResponse, RunningQueryModel
from robosystems.graph_api.routers.databases.documentation import on_record
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep

router = APIRouter(prefix="/databases", tags=["query"])


@router.get("/{graph_id}/queries", responses=on_record())
async def list_running_queries(graph_id: GraphIdDep, services: ServicesDep) -> RunningQueriesResponse:
    """List the queries of a database that run or wait, oldest first."""
    running = await services.queries.running(graph_id)
    return RunningQueriesResponse(
        graph_id=graph_id.value,
        queries=[
            RunningQueryModel(
                query_id=query.query_id,
                cypher=query.text,
                mode=query.mode.value,
                elapsed_ms=query.elapsed_ms,
                timeout_s=query.timeout_s,
            )
            for query in running
        ],
    )


@router.delete("/{graph_id}/queries/{query_id}", responses=on_record(errors.QueryNotFoundError))
async def cancel_query(
    graph_id: GraphIdDep,
    query_id: Annotated[str, Path(description="From the list, or from X-Query-Id.", examples=["q-5f3a0c1e-17"])],
    services: ServicesDep,
) -> CancelResponse:
    """Stop a query; its caller gets the error QUERY_CANCELLED."""
    await services.queries.cancel(graph_id, query_id)
    return CancelResponse(query_id=query_id)
