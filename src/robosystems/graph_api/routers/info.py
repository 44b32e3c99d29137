"""What the node is, and its figures."""

from typing import Final

from fastapi import APIRouter, Response

from robosystems.graph_api.models.node import NodeInfoResponse
from robosystems.graph_api.routers.deps import ServicesDep

router = APIRouter(tags=["node"])

_EXPOSITION: Final = "text/plain; version=1.0.0; charset=utf-8"


@router.get("/info")
async def info(services: ServicesDep) -> NodeInfoResponse:
    """Return what the node is and what it can still take."""
    state = await services.node.state()
    config = services.node.config
    return NodeInfoResponse(
        instance_id=config.instance_id,
        cluster_tier=config.tier,
        node_type=config.node_type,
        available_capacity=max(0, config.max_databases - len(state.records)),
        active_connections=state.in_flight,
        queue_depth=state.pending_queries + services.loads.waiting,
        version=config.version,
        backend=services.node.backend_name,
        engine_version=config.engine.version,
        storage_version=config.engine.storage_version,
        capabilities=services.node.capabilities,
        idempotency_keys=True,
    )


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def metrics(services: ServicesDep) -> Response:
    """Return figures in the Prometheus text format; `observability/metrics.py` describes them."""
    return Response(await services.metrics.exposition(), media_type=_EXPOSITION)
