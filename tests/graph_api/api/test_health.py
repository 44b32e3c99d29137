"""What the node says about itself."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from robosystems.graph_api.bootstrap import service_version


def create(client: httpx.Client, graph_id: str) -> None:
    """Create a small database."""
    body = {
        "graph_id": graph_id,
        "schema_type": "custom",
        "custom_schema_ddl": "CREATE NODE TABLE T(id INT64 PRIMARY KEY)",
    }
    assert client.post("/databases", json=body).status_code == 201


def test_health_and_readiness(client: httpx.Client) -> None:
    """The process lives, and takes work."""
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_status_has_the_fields_of_the_specification(client: httpx.Client) -> None:
    """And says how the node is guarded."""
    before = client.get("/status").json()
    create(client, "status-fields")
    status = client.get("/status").json()
    assert (status["status"], status["node_type"], status["tier"]) == ("healthy", "writer", "standard")
    assert status["databases"] == before["databases"] + 1
    assert status["max_databases"] == 500
    assert status["memory_usage_mb"] > 10
    assert status["uptime_seconds"] >= 0
    assert (status["auth"], status["version"]) == ("on", service_version())
    assert status["sandbox"]["mode"] == "preferred"
    assert status["sandbox"]["mechanisms"]
    assert status["pressure"]["memory_available_mb"] <= status["pressure"]["memory_total_mb"]


def test_states_of_databases(client: httpx.Client) -> None:
    """Every database is listed with whether it is open, without being opened for that."""
    create(client, "status-states")
    client.post("/databases/status-states/query", json={"cypher": "RETURN 1 AS one"})
    states = {state["graph_id"]: state for state in client.get("/status/databases").json()["databases"]}
    state = states["status-states"]
    assert (state["status"], state["status_reason"], state["open"]) == ("active", None, True)
    assert state["size_bytes"] > 0
    assert list(states) == sorted(states)


def test_info_has_the_fields_of_the_specification(client: httpx.Client) -> None:
    """Who the node is, and what it can still take."""
    status, info = client.get("/status").json(), client.get("/info").json()
    assert info["instance_id"]
    assert (info["cluster_tier"], info["backend"]) == ("standard", "ladybug")
    assert info["engine_version"]
    assert info["available_capacity"] == status["max_databases"] - status["databases"]
    assert info["active_connections"] >= 1
    assert info["queue_depth"] >= 0
    assert info["capabilities"]["multiple_databases"] is True


def test_metrics_parse_and_count_requests(client: httpx.Client) -> None:
    """The exposition is legal, and what was asked before is in it."""
    client.get("/info")
    client.get("/nothing-here")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, sample.labels.get("operation"), sample.labels.get("status_class")): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["graph_api_requests_total", "info", "2xx"] >= 1
    assert samples["graph_api_requests_total", "unknown", "4xx"] >= 1
    assert samples["graph_api_ready", None, None] == 1
    assert samples["graph_api_databases", None, None] == client.get("/status").json()["databases"]


def test_operations_are_a_fixed_set(client: httpx.Client) -> None:
    """No path that a client invents becomes a label."""
    for number in range(20):
        client.get(f"/invented-{number}")
        client.get(f"/databases/invented-{number}")
    exposition = client.get("/metrics").text
    assert "invented" not in exposition
