"""Figures for scrapers: what requests counted, and the state of the node at the moment of the scrape."""

from robosystems.graph_api.core.ingestion_service import IngestionService
from robosystems.graph_api.core.node import NodeInformation
from robosystems.graph_api.core.result_cache import ResultCache
from robosystems.graph_api.observability.metrics import CacheCounts, Metrics, NodeGauges


class MetricsCollector:
    """Counts requests and renders all figures."""

    def __init__(self, metrics: Metrics, node: NodeInformation, loads: IngestionService, cache: ResultCache) -> None:
        self._metrics = metrics
        self._node = node
        self._loads = loads
        self._cache = cache

    async def exposition(self) -> bytes:
        """Return all figures in the Prometheus text format."""
        state = await self._node.state()
        self._metrics.set_gauges(
            NodeGauges(
                databases=len(state.records),
                max_databases=self._node.config.max_databases,
                open_databases=state.open_databases,
                broken_databases=state.broken_databases,
                pending_queries=state.pending_queries,
                waiting_loads=self._loads.waiting,
                requests_in_flight=state.in_flight,
                server_memory_bytes=state.memory.server,
                database_memory_bytes=state.memory.databases,
                ready=not state.draining,
            )
        )
        cache = self._cache.figures()
        self._metrics.set_cache(CacheCounts(cache.hits, cache.misses, cache.evictions, cache.entries, cache.bytes))
        return self._metrics.render()
