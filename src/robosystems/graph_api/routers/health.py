"""Is the node alive, does it take work, how is it."""

from fastapi import APIRouter, Request

from robosystems.graph_api.core.node import NodeState
from robosystems.graph_api.domain.errors import ShuttingDownError, UnavailableError
from robosystems.graph_api.domain.graph import DatabaseRecord, DatabaseState
from robosystems.graph_api.models.node import (
    DatabaseStateResponse,
    DatabaseStatesResponse,
    HealthResponse,
    NodeStatusResponse,
    PressureResponse,
    ReadyResponse,
    SandboxResponse,
    StateWord,
)
from robosystems.graph_api.routers.deps import PrincipalDep, ServicesDep, description_of
from robosystems.graph_api.routers.errors import problem_responses

_MEBIBYTE = 1 << 20

router = APIRouter(tags=["node"])


@router.get("/health")
async def health() -> HealthResponse:
    """Answer if the process lives; asks nothing of anybody. Needs no key."""
    return HealthResponse(status="healthy")


@router.get("/ready", responses=problem_responses(ShuttingDownError, UnavailableError))
async def ready(services: ServicesDep) -> ReadyResponse:
    """Answer 200 if the node takes new work, 503 if it drains or its backend cannot serve. Needs no key."""
    await services.node.ready()
    return ReadyResponse()


@router.get("/status")
async def status(request: Request, services: ServicesDep) -> NodeStatusResponse | HealthResponse:
    """Return the state of the node: one word without a key, everything with one."""
    if not description_of(request.scope)["authenticated"]:
        return HealthResponse(status=_word(await services.node.word()))
    state = await services.node.state()
    config = services.node.config
    memory = state.memory
    return NodeStatusResponse(
        status=_word(state.word),
        node_type=config.node_type,
        tier=config.tier,
        databases=len(state.records),
        max_databases=config.max_databases,
        open_databases=state.open_databases,
        broken_databases=state.broken_databases,
        memory_usage_mb=(memory.server + memory.databases) // _MEBIBYTE,
        max_memory_mb=config.max_memory_mb,
        uptime_seconds=int(state.uptime_s),
        version=config.version,
        backend=services.node.backend_name,
        auth="on" if config.auth else "off",
        sandbox=SandboxResponse.model_validate(config.engine.sandbox),
        pressure=_pressure(state, services.loads.waiting),
    )


@router.get("/status/databases")
async def database_states(services: ServicesDep, principal: PrincipalDep) -> DatabaseStatesResponse:
    """Return the state of every database that the key may see; opens none."""
    state = await services.node.state()
    pairs = zip(state.records, state.states, strict=True)
    return DatabaseStatesResponse(
        databases=[_database(record, figures) for record, figures in pairs if principal.sees(record.graph_id.value)]
    )


def _word(word: str) -> StateWord:
    """Return a state word with its type."""
    match word:
        case "draining" | "degraded":
            return word
        case _:
            return "healthy"


def _pressure(state: NodeState, waiting_loads: int) -> PressureResponse:
    """Return how close the node is to its limits."""
    return PressureResponse(
        memory_available_mb=state.memory.available // _MEBIBYTE,
        memory_total_mb=state.memory.total // _MEBIBYTE,
        memory_low=state.memory.low,
        pending_queries=state.pending_queries,
        waiting_loads=waiting_loads,
    )


def _database(record: DatabaseRecord, state: DatabaseState) -> DatabaseStateResponse:
    """Return the wire form of one database's state."""
    return DatabaseStateResponse(
        graph_id=record.graph_id.value,
        status=record.status.value,
        status_reason=record.status_reason,
        open=state.open,
        size_bytes=state.size_bytes,
        memory_mb=state.memory_bytes // _MEBIBYTE,
        pending_queries=state.pending_queries,
        restarts=state.restarts,
        possible_loss=list(record.possible_loss),
    )
