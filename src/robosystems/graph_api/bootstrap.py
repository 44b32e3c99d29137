"""The composition root: the only place where concrete classes meet."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Final

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.backends.lbug.backend import LadybugBackend
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.config import Settings
from robosystems.graph_api.core.archive_service import ArchiveConfig, ArchiveService
from robosystems.graph_api.core.database_manager import DatabaseManager
from robosystems.graph_api.core.idempotency import IdempotencyConfig, IdempotencyService
from robosystems.graph_api.core.ingestion_service import IngestionConfig, IngestionService
from robosystems.graph_api.core.keyring import KeyRing
from robosystems.graph_api.core.keys import KeyService
from robosystems.graph_api.core.metrics_collector import MetricsCollector
from robosystems.graph_api.core.node import EngineFacts, NodeConfig, NodeInformation, Traffic
from robosystems.graph_api.core.query_service import QueryConfig, QueryService
from robosystems.graph_api.core.result_cache import ResultCache
from robosystems.graph_api.core.schema_service import SchemaService
from robosystems.graph_api.core.services import Services
from robosystems.graph_api.observability.metrics import Metrics
from robosystems.graph_api.state.base import AuditLog
from robosystems.graph_api.state.opening import open_node_memory

_DISTRIBUTION: Final = "robosystems-graph-api"
_MEBIBYTE: Final = 1 << 20
_ROW_BYTES: Final = 128
"""What LBUG_CHUNK_SIZE reckons a row to be."""

_POOL_PERCENT: Final = 60
"""Part of a database's memory that is its engine's buffer pool; the rest is for running statements."""


def service_version() -> str:
    """Return the version of the installed service."""
    return version(_DISTRIBUTION)


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    traffic: Traffic | None = None,
    metrics: Metrics | None = None,
    ring: KeyRing | None = None,
) -> AsyncGenerator[Services]:
    """Open everything in the order of need; on leaving, or if a part fails, close what is open in reverse.

    Args:
        settings: All settings.
        traffic: Counter of requests that the node reports; its own if None.
        metrics: Where figures are collected; its own if None.
        ring: Where the keys of the store go; its own if None.

    Raises:
        UnavailableError: The backend cannot be started, or what the node remembers cannot be read.
        OSError: The directory of the databases cannot be used.
    """
    metrics = Metrics() if metrics is None else metrics
    ring = KeyRing(settings.api_keys) if ring is None else ring
    traffic = Traffic() if traffic is None else traffic
    async with AsyncExitStack() as stack:
        backend, engine = await _open_backend(settings, metrics, stack)
        cache = ResultCache(settings.lbug_result_cache_mb * _MEBIBYTE)
        keys, idempotency, audit = await _open_memory(settings, ring, backend, stack)
        databases = DatabaseManager(backend, cache, idempotency)
        loads = IngestionService(backend, _ingestion_config(settings))
        node = NodeInformation(_node_config(settings, engine), backend, traffic)
        yield Services(
            backend=backend,
            databases=databases,
            queries=QueryService(backend, databases, cache, _query_config(settings)),
            schemas=SchemaService(backend),
            loads=loads,
            archives=ArchiveService(backend, _archive_config(settings)),
            metrics=MetricsCollector(metrics, node, loads, cache),
            node=node,
            keys=keys,
            idempotency=idempotency,
            audit=audit,
        )


async def _open_memory(
    settings: Settings, ring: KeyRing, backend: GraphBackend, stack: AsyncExitStack
) -> tuple[KeyService, IdempotencyService, AuditLog]:
    """Open what the node remembers; the backend holds the lock of the directory by now."""
    memory = await stack.enter_async_context(open_node_memory(settings.lbug_database_path))
    keys = KeyService(memory.keys, ring)
    await keys.open()
    stack.push_async_callback(keys.close)
    config = IdempotencyConfig(
        retention_s=settings.lbug_idempotency_retention_seconds,
        max_bytes=settings.lbug_idempotency_max_mb * _MEBIBYTE,
    )
    idempotency = IdempotencyService(memory.outcomes, backend, config)
    await idempotency.open()
    stack.push_async_callback(idempotency.close)
    return keys, idempotency, memory.audit


async def _open_backend(
    settings: Settings, metrics: Metrics, stack: AsyncExitStack
) -> tuple[GraphBackend, EngineFacts]:
    """Open the backend that GRAPH_BACKEND_TYPE names, and return it with what it found out about its engine."""
    match settings.graph_backend_type:
        case "ladybug":
            backend = await stack.enter_async_context(LadybugBackend(_lbug_config(settings), metrics.events))
            found = backend.engine
            assert found is not None  # noqa: S101 - known as soon as the backend is open
            return backend, EngineFacts(found.engine_version, found.storage_version, found.sandbox)


def _lbug_config(settings: Settings) -> LbugBackendConfig:
    """Return what the LadybugDB backend has to know."""
    share_mb = min(settings.lbug_memory_per_db_mb, settings.lbug_max_memory_mb // settings.open_databases)
    return LbugBackendConfig(
        base_path=settings.lbug_database_path,
        max_databases=settings.lbug_max_databases_per_node,
        max_open=settings.open_databases,
        idle_close_s=settings.lbug_idle_close_seconds,
        max_pending_queries=settings.lbug_max_pending_queries,
        buffer_pool_bytes=share_mb * _MEBIBYTE * _POOL_PERCENT // 100,
        memory_bytes=settings.lbug_memory_per_db_mb * _MEBIBYTE,
        engine_threads=settings.lbug_engine_threads,
        reader_lanes=settings.lbug_connection_pool_size,
        frame_bytes=settings.lbug_chunk_size * _ROW_BYTES,
        sandbox=settings.lbug_sandbox,
    )


def _query_config(settings: Settings) -> QueryConfig:
    """Return the limits of queries."""
    return QueryConfig(
        default_timeout_s=settings.lbug_query_timeout,
        max_timeout_s=settings.lbug_max_query_timeout,
        max_rows=settings.lbug_max_rows,
        max_query_length=settings.lbug_max_query_length,
        max_parameters=settings.lbug_max_parameters,
    )


def _ingestion_config(settings: Settings) -> IngestionConfig:
    """Return the limits of loads."""
    return IngestionConfig(
        max_upload_bytes=settings.lbug_max_upload_bytes,
        max_concurrent_loads=settings.lbug_max_concurrent_loads,
        max_waiting_loads=settings.lbug_max_waiting_loads,
        max_timeout_s=settings.lbug_load_timeout,
    )


def _archive_config(settings: Settings) -> ArchiveConfig:
    """Return the limits of exports and imports: those of loads."""
    return ArchiveConfig(
        producer=f"{_DISTRIBUTION} {service_version()}",
        max_upload_bytes=settings.lbug_max_upload_bytes,
        max_concurrent=settings.lbug_max_concurrent_loads,
        max_timeout_s=settings.lbug_load_timeout,
    )


def _node_config(settings: Settings, engine: EngineFacts) -> NodeConfig:
    """Return the fixed properties of the node."""
    return NodeConfig(
        node_type=settings.lbug_node_type,
        tier=settings.writer_tier,
        instance_id=settings.instance_id,
        version=service_version(),
        max_databases=settings.lbug_max_databases_per_node,
        max_memory_mb=settings.lbug_max_memory_mb,
        auth=bool(settings.api_keys),
        engine=engine,
    )
