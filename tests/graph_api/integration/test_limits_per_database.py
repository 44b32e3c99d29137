"""Limits hold for one database and touch no other: memory, disk."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, within
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE N(id INT64, text STRING, PRIMARY KEY(id))"

BOMBS = {
    "collected list": "UNWIND range(1, 400000000) AS x RETURN size(collect(x)) AS n",
    "sort without limit": "UNWIND range(1, 200000000) AS x WITH x, string(x) AS s ORDER BY s RETURN count(s) AS n",
    "grouping by a unique key": "UNWIND range(1, 200000000) AS x WITH string(x) AS s, count(*) AS c RETURN max(c) AS n",
    "one huge string": "RETURN size(repeat('x', 2000000000)) AS n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server whose databases get little memory, and answer every query themselves."""
    settings = {"LBUG_MEMORY_PER_DB_MB": "512", "LBUG_MAX_MEMORY_MB": "2048", "LBUG_RESULT_CACHE_MB": "0"}
    server = ServerProcess(tmp_path_factory.mktemp("limits"), more_keys=(), **settings)
    with server, server.client() as client:
        for name in ("greedy", "quiet"):
            client.create_database(name, "custom", custom_schema_ddl=DDL)
            client.query(name, "UNWIND range(1, 1000) AS i CREATE (:N {id: i, text: 'x'})")
        yield server


def ask(http: httpx.Client, graph_id: str, cypher: str, **body: Any) -> httpx.Response:
    """Send a query."""
    return http.post(f"/databases/{graph_id}/query", json={"cypher": cypher, **body})


@pytest.mark.parametrize("name", BOMBS)
def test_a_memory_bomb_is_a_typed_error_for_its_tenant_alone(server: ServerProcess, name: str) -> None:
    """Too much memory ends the query with a typed error; the neighbour sees no failure; the tenant goes on."""
    with server.http() as http, server.http() as neighbour, ThreadPoolExecutor(1) as pool:
        bomb = pool.submit(ask, http, "greedy", BOMBS[name], timeout=60)
        answers = 0
        while not bomb.done():
            answer = ask(neighbour, "quiet", "MATCH (n:N) RETURN count(n) AS n")
            assert answer.json()["data"] == [{"n": 1000}]
            answers += 1
        assert answers
        result = bomb.result()
        assert result.status_code == 503
        assert result.json()["code"] == "MEMORY_EXCEEDED"
        assert within(WAIT_S, lambda: ask(http, "greedy", "MATCH (n:N) RETURN count(n) AS n").is_success)


def test_the_node_says_what_bounds_the_memory_of_workers(server: ServerProcess) -> None:
    """A control group for each where one was delegated; else the other limits alone, with the reason in the log."""
    with server.http() as http:
        memory = http.get("/status").json()["sandbox"]["mechanisms"]["memory"]
    assert memory["state"] in {"active", "unsupported"}
    assert memory["detail"]
    logged = [line for line in server.log.read_text().splitlines() if "limited by RLIMIT_DATA" in line]
    assert len(logged) == (0 if memory["state"] == "active" else 1)


def test_a_full_database_can_be_read_and_emptied_but_not_filled(server: ServerProcess) -> None:
    """Over its disk quota a database refuses what adds data with 507, and nothing else; its neighbour is free."""
    with server.http() as http:
        fill = "UNWIND range(10001, 60000) AS i CREATE (:N {id: i, text: 'a text of some length'})"
        filled = ask(http, "greedy", fill)
        assert filled.status_code == 200
        assert http.get("/databases/greedy").json()["size_bytes"] > 1 << 20
        assert http.patch("/databases/greedy", json={"max_disk_bytes": 1 << 20}).status_code == 200
        refused = wait_for_refusal(http)
        assert refused["code"] == "DISK_FULL"
        assert "max_disk_bytes" in refused["detail"]
        statements = [{"cypher": "CREATE (:N {id: 5001})"}]
        assert http.post("/databases/greedy/transaction", json={"statements": statements}).status_code == 507
        loaded = http.post(
            "/databases/greedy/load/N", content="id,text\n6001,x\n", headers={"Content-Type": "text/csv"}
        )
        assert loaded.status_code == 507
        assert ask(http, "greedy", "MATCH (n:N) RETURN count(n) AS n").json()["data"] == [{"n": 51_000}]
        deleted = ask(http, "greedy", "MATCH (n:N) WHERE n.id > 59990 DELETE n")
        assert deleted.json()["counters"]["nodes_deleted"] == 10
        assert ask(http, "quiet", "CREATE (:N {id: 5000})").status_code == 200
        assert http.patch("/databases/greedy", json={"max_disk_bytes": None}).status_code == 200
        assert ask(http, "greedy", "CREATE (:N {id: 5000})").status_code == 200


def wait_for_refusal(http: httpx.Client) -> dict[str, Any]:
    """Add nodes until the quota is noticed, which takes a look that happens about every second, and take them back."""
    added: list[int] = []
    try:
        for number in range(7000, 7100):
            answer = ask(http, "greedy", "CREATE (:N {id: $id})", parameters={"id": number})
            if answer.status_code == 507:
                return answer.json()
            added.append(number)
            time.sleep(0.1)
    finally:
        ask(http, "greedy", "MATCH (n:N) WHERE n.id IN $ids DELETE n", parameters={"ids": added or [0]})
    raise AssertionError("the quota was never enforced")
