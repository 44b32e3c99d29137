"""Figures: stable names, right counts, no names of tenants."""

from prometheus_client.parser import text_string_to_metric_families

from robosystems.graph_api.domain.errors import UnavailableError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.observability.metrics import Metrics, NodeGauges


def samples_of(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return all samples by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_operation_and_class_of_status() -> None:
    """Counter and histogram agree."""
    metrics = Metrics()
    for seconds, status in ((0.0004, 200), (0.02, 200), (0.3, 404), (400.0, 503)):
        metrics.observe("query", seconds, status)
    samples = samples_of(metrics)
    total = "graph_api_requests_total"
    assert samples[total, (("operation", "query"), ("status_class", "2xx"))] == 2
    assert samples[total, (("operation", "query"), ("status_class", "4xx"))] == 1
    assert samples[total, (("operation", "query"), ("status_class", "5xx"))] == 1
    bucket = "graph_api_request_seconds_bucket"
    assert samples[bucket, (("le", "0.001"), ("operation", "query"))] == 1
    assert samples[bucket, (("le", "0.025"), ("operation", "query"))] == 2
    assert samples[bucket, (("le", "300.0"), ("operation", "query"))] == 3
    assert samples[bucket, (("le", "+Inf"), ("operation", "query"))] == 4
    assert samples["graph_api_request_seconds_count", (("operation", "query"),)] == 4
    assert round(samples["graph_api_request_seconds_sum", (("operation", "query"),)], 4) == 400.3204


def test_a_bucket_includes_its_bound() -> None:
    """Buckets are cumulative with "less or equal", as scrapers expect."""
    metrics = Metrics()
    metrics.observe("query", 0.01, 200)
    samples = samples_of(metrics)
    assert samples["graph_api_request_seconds_bucket", (("le", "0.01"), ("operation", "query"))] == 1
    assert samples["graph_api_request_seconds_bucket", (("le", "0.005"), ("operation", "query"))] == 0


def test_two_applications_do_not_share_figures() -> None:
    """Each has a registry of its own."""
    first, second = Metrics(), Metrics()
    first.observe("query", 0.1, 200)
    assert not [name for name, _ in samples_of(second) if name == "graph_api_requests_total"]


def test_gauges_show_the_node() -> None:
    """Figures of the moment of a scrape."""
    metrics = Metrics()
    metrics.set_gauges(
        NodeGauges(
            databases=5,
            max_databases=10,
            open_databases=3,
            broken_databases=1,
            pending_queries=7,
            waiting_loads=2,
            requests_in_flight=9,
            server_memory_bytes=100,
            database_memory_bytes=200,
            ready=True,
        )
    )
    samples = samples_of(metrics)
    assert samples["graph_api_databases", ()] == 5
    assert samples["graph_api_database_utilization_ratio", ()] == 0.5
    assert samples["graph_api_ready", ()] == 1
    assert samples["graph_api_memory_bytes", (("part", "databases"),)] == 200


def test_events_of_databases_are_counted_without_their_names() -> None:
    """Restarts by signal and by reason; who it was is in the log, not in the figures."""
    metrics = Metrics()
    graph_id = GraphId("tenant-of-mine")
    events = metrics.events
    events.opened(graph_id, 0.03)
    events.open_failed(graph_id, UnavailableError("no"))
    events.quarantined(graph_id, "no")
    events.closed(graph_id, "idle")
    events.crashed(graph_id, "SIGSEGV")
    events.crashed(graph_id, "SIGSEGV")
    events.killed(graph_id, "stuck")
    events.stopped(graph_id, "deadline")
    events.degraded(graph_id)
    events.template_restarted("SIGKILL")
    samples = samples_of(metrics)
    assert samples["graph_api_database_open_seconds_count", ()] == 1
    assert samples["graph_api_database_open_failures_total", (("code", "UNAVAILABLE"),)] == 1
    assert samples["graph_api_databases_quarantined_total", ()] == 1
    assert samples["graph_api_databases_closed_total", (("reason", "idle"),)] == 1
    assert samples["graph_api_worker_restarts_total", (("reason", "SIGSEGV"),)] == 2
    assert samples["graph_api_worker_restarts_total", (("reason", "stuck"),)] == 1
    assert samples["graph_api_stopped_queries_total", (("cause", "deadline"),)] == 1
    assert samples["graph_api_degraded_commits_total", ()] == 1
    assert samples["graph_api_template_restarts_total", (("cause", "SIGKILL"),)] == 1
    assert b"tenant" not in metrics.render()
