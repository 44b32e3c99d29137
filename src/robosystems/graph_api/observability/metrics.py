"""Figures in the Prometheus text format. Names are stable; docs and alarms refer to them.

=============================================  =========  ============================================================
name                                           kind       meaning
=============================================  =========  ============================================================
graph_api_requests_total                       counter    requests by `operation` and `status_class` (`2xx`, ...)
graph_api_request_seconds                      histogram  head of the request to last byte of the answer, by `operation`
graph_api_requests_in_flight                   gauge      requests that are being served
graph_api_databases                            gauge      databases on the node
graph_api_database_utilization_ratio           gauge      databases in proportion to LBUG_MAX_DATABASES_PER_NODE
graph_api_open_databases                       gauge      databases that a process holds open
graph_api_broken_databases                     gauge      databases in quarantine
graph_api_pending_queries                      gauge      queries that run or wait
graph_api_waiting_loads                        gauge      loads that wait for their turn ("IngestionQueueDepth")
graph_api_memory_bytes                         gauge      memory by `part` (`server`, `databases`)
graph_api_ready                                gauge      1 if the node takes new work
graph_api_stopped_queries_total                counter    queries stopped by `cause` (`deadline`, `cancelled`)
graph_api_worker_restarts_total                counter    ends of database processes by `reason` (SIGSEGV, stuck, ...)
graph_api_template_restarts_total              counter    deaths of the process that forks them, by `cause`
graph_api_database_open_seconds                histogram  from the order to open a database to its first possible query
graph_api_database_open_failures_total         counter    failed attempts to open a database, by `code`
graph_api_databases_quarantined_total          counter    databases given up until somebody acts
graph_api_databases_closed_total               counter    databases closed on purpose, by `reason` (`idle`, ...)
graph_api_degraded_commits_total               counter    commits that are durable but whose checkpoint failed
graph_api_result_cache_lookups_total           counter    reads that remembered answers were looked for, by `outcome`
graph_api_result_cache_evictions_total         counter    remembered answers given up for others
graph_api_result_cache_entries                 gauge      remembered answers
graph_api_result_cache_bytes                   gauge      memory that they are reckoned to use
process_*                                                 of the server process, as the Prometheus client defines them
=============================================  =========  ============================================================

No series carries the name of a database: there may be many, and who they are is no business of a scraper.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

_BOUNDS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
_BUCKET_NAMES: Final = (*(str(bound) for bound in _BOUNDS), "+Inf")
_OPEN_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


@dataclass(frozen=True, slots=True)
class NodeGauges:
    """Figures of the node at the moment of a scrape; fields as in the table of this module."""

    databases: int
    max_databases: int
    open_databases: int
    broken_databases: int
    pending_queries: int
    waiting_loads: int
    requests_in_flight: int
    server_memory_bytes: int
    database_memory_bytes: int
    ready: bool


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What the remembered answers have done and are; fields as in the table of this module."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0


class CacheFigures(Collector):
    """Shows counts that are kept elsewhere.

    Attributes:
        counts: What to show.
    """

    def __init__(self) -> None:
        self.counts = CacheCounts()

    def collect(self) -> Iterator[Metric]:
        """Yield the four families."""
        counts = self.counts
        lookups = CounterMetricFamily("graph_api_result_cache_lookups", "Reads looked for.", labels=("outcome",))
        lookups.add_metric(("hit",), counts.hits)
        lookups.add_metric(("miss",), counts.misses)
        yield lookups
        yield CounterMetricFamily("graph_api_result_cache_evictions", "Answers given up.", value=counts.evictions)
        yield GaugeMetricFamily("graph_api_result_cache_entries", "Remembered answers.", value=counts.entries)
        yield GaugeMetricFamily("graph_api_result_cache_bytes", "Memory of remembered answers.", value=counts.bytes)


class _OperationFigures:
    """What has been counted for one operation."""

    __slots__ = ("buckets", "by_class", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BUCKET_NAMES)
        self.by_class = [0] * 6
        self.seconds = 0.0


class RequestFigures(Collector):
    """Counts requests. Its own lists cost a tenth of the client library's locks; it is used on the event loop only."""

    def __init__(self) -> None:
        self._operations: dict[str, _OperationFigures] = {}

    def observe(self, operation: str, seconds: float, status: int) -> None:
        """Count one request; `operation` must come from a small fixed set."""
        figures = self._operations.get(operation)
        if figures is None:
            figures = self._operations[operation] = _OperationFigures()
        figures.buckets[bisect_left(_BOUNDS, seconds)] += 1
        figures.by_class[status // 100] += 1
        figures.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield the two families."""
        total = CounterMetricFamily("graph_api_requests", "Requests.", labels=("operation", "status_class"))
        seconds = HistogramMetricFamily("graph_api_request_seconds", "Seconds to the last byte.", labels=("operation",))
        for operation, figures in self._operations.items():
            for hundreds, count in enumerate(figures.by_class):
                if count:
                    total.add_metric((operation, f"{hundreds}xx"), count)
            buckets = [(name, float(n)) for name, n in zip(_BUCKET_NAMES, accumulate(figures.buckets), strict=True)]
            seconds.add_metric((operation,), buckets, figures.seconds)
        yield total
        yield seconds


class Metrics:
    """All figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = RequestFigures()
        self._registry.register(self._requests)
        self._cache = CacheFigures()
        self._registry.register(self._cache)
        ProcessCollector(registry=self._registry)
        self.observe = self._requests.observe
        self._gauges = {
            name: Gauge(f"graph_api_{name}", text, registry=self._registry)
            for name, text in (
                ("databases", "Databases on the node."),
                ("database_utilization_ratio", "Databases in proportion to what the node may hold."),
                ("open_databases", "Databases that a process holds open."),
                ("broken_databases", "Databases in quarantine."),
                ("pending_queries", "Queries that run or wait."),
                ("waiting_loads", "Loads that wait for their turn."),
                ("requests_in_flight", "Requests that are being served."),
                ("ready", "1 if the node takes new work."),
            )
        }
        self._events = BackendEvents(self._registry)
        memory = Gauge("graph_api_memory_bytes", "Memory.", ("part",), registry=self._registry)
        self._server_memory = memory.labels("server")
        self._database_memory = memory.labels("databases")

    @property
    def events(self) -> "BackendEvents":
        """What a backend tells of its databases."""
        return self._events

    def set_gauges(self, now: NodeGauges) -> None:
        """Take the figures of this moment."""
        self._gauges["databases"].set(now.databases)
        self._gauges["database_utilization_ratio"].set(now.databases / now.max_databases)
        self._gauges["open_databases"].set(now.open_databases)
        self._gauges["broken_databases"].set(now.broken_databases)
        self._gauges["pending_queries"].set(now.pending_queries)
        self._gauges["waiting_loads"].set(now.waiting_loads)
        self._gauges["requests_in_flight"].set(now.requests_in_flight)
        self._gauges["ready"].set(now.ready)
        self._server_memory.set(now.server_memory_bytes)
        self._database_memory.set(now.database_memory_bytes)

    def set_cache(self, counts: CacheCounts) -> None:
        """Take the figures of remembered answers."""
        self._cache.counts = counts

    def render(self) -> bytes:
        """Return all figures in the text format."""
        return generate_latest(self._registry)


class BackendEvents:
    """Counts and logs what happens to databases; a backend calls it as its observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._log: FilteringBoundLogger = structlog.get_logger()
        self._opened = Histogram(
            "graph_api_database_open_seconds", "Seconds to open a database.", buckets=_OPEN_BOUNDS, registry=registry
        )
        self._open_failures = Counter(
            "graph_api_database_open_failures", "Failed attempts to open.", ("code",), registry=registry
        )
        self._quarantined = Counter("graph_api_databases_quarantined", "Databases given up.", registry=registry)
        self._closed = Counter(
            "graph_api_databases_closed", "Databases closed on purpose.", ("reason",), registry=registry
        )
        self._restarts = Counter(
            "graph_api_worker_restarts", "Ends of database processes.", ("reason",), registry=registry
        )
        self._stopped = Counter("graph_api_stopped_queries", "Queries stopped.", ("cause",), registry=registry)
        self._templates = Counter(
            "graph_api_template_restarts", "Deaths of the process that forks workers.", ("cause",), registry=registry
        )
        self._degraded = Counter("graph_api_degraded_commits", "Commits whose checkpoint failed.", registry=registry)

    def opened(self, graph_id: GraphId, seconds: float) -> None:
        """A database is open."""
        self._opened.observe(seconds)
        self._log.info(
            "database opened", graph_id=graph_id.value, operation="open", duration_ms=round(seconds * 1000, 1)
        )

    def open_failed(self, graph_id: GraphId, error: GraphApiError) -> None:
        """One attempt to open has failed."""
        self._open_failures.labels(error.code).inc()
        self._log.error("database failed to open", graph_id=graph_id.value, operation="open", code=error.code)

    def quarantined(self, graph_id: GraphId, reason: str) -> None:
        """A database is broken until somebody acts."""
        self._quarantined.inc()
        self._log.error("database quarantined", graph_id=graph_id.value, operation="open", reason=reason)

    def closed(self, graph_id: GraphId, reason: str) -> None:
        """A database was closed on purpose."""
        self._closed.labels(reason).inc()
        self._log.info("database closed", graph_id=graph_id.value, operation="close", reason=reason)

    def crashed(self, graph_id: GraphId, cause: str) -> None:
        """A worker died by itself."""
        self._restarts.labels(cause).inc()
        self._log.error("database process died", graph_id=graph_id.value, operation="supervise", cause=cause)

    def killed(self, graph_id: GraphId, reason: str) -> None:
        """A worker was ended on purpose."""
        self._restarts.labels(reason).inc()
        self._log.warning("database process ended", graph_id=graph_id.value, operation="supervise", reason=reason)

    def stopped(self, graph_id: GraphId, cause: str) -> None:  # noqa: ARG002 (no figure names a database)
        """A query was stopped."""
        self._stopped.labels(cause).inc()

    def degraded(self, graph_id: GraphId) -> None:
        """A commit is durable, but its checkpoint failed."""
        self._degraded.inc()
        self._log.error("checkpoint after a commit failed", graph_id=graph_id.value, operation="checkpoint")

    def template_restarted(self, cause: str) -> None:
        """The process that forks workers was started again."""
        self._templates.labels(cause).inc()
        self._log.error("worker template died and was restarted", operation="supervise", cause=cause)
