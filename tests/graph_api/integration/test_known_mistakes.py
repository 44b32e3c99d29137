"""Mistakes that comparable services have made, each as a test of this one: queries, pools, limits and keys."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE N(id INT64, u STRING, PRIMARY KEY(id))"
HEAVY = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a * b AS c WHERE c % 7 = 3 RETURN count(c) AS n"
"""Would run for minutes."""

OTHER_KEY = "graph_api_the_next_key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, in the middle of a rotation of its keys."""
    settings = {"LBUG_MAX_BODY_BYTES": "100000", "LBUG_MAX_ROWS": "1000"}
    server = ServerProcess(tmp_path_factory.mktemp("mistakes"), more_keys=(OTHER_KEY,), **settings)
    with server, server.client() as client:
        client.create_database("g", "custom", custom_schema_ddl=DDL)
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    """Give a bare HTTP client with a good key."""
    with httpx.Client(base_url=server.url, headers={"X-Graph-API-Key": OTHER_KEY}, timeout=60) as client:
        yield client


def ask(http: httpx.Client, cypher: str, **body: Any) -> httpx.Response:
    """Send a query."""
    return http.post("/databases/g/query", json={"cypher": cypher, **body})


def lines_of(http: httpx.Client, cypher: str, **body: Any) -> list[dict[str, Any]]:
    """Send a query and return the lines of its NDJSON answer."""
    answer = http.post(
        "/databases/g/query", json={"cypher": cypher, **body}, headers={"Accept": "application/x-ndjson"}
    )
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


# -- queries ----------------------------------------------------------------------------------------------------------


def test_a_query_does_not_block_the_event_loop(server: ServerProcess, http: httpx.Client) -> None:
    """While heavy queries run, health and another database's status answer at once."""
    with ThreadPoolExecutor(4) as pool:
        heavy = [pool.submit(ask, http, HEAVY, timeout=60) for _ in range(4)]
        listed = wait_for_queries(http, 4)
        for _ in range(10):
            assert httpx.get(f"{server.url}/health").status_code == 200
        assert not any(each.done() for each in heavy)
        for running in listed:
            assert http.delete(f"/databases/g/queries/{running['query_id']}").status_code == 200
        assert {each.result(timeout=60).json()["code"] for each in heavy} == {"QUERY_CANCELLED"}


def test_a_timeout_answers_at_the_deadline_and_stops_the_query(http: httpx.Client) -> None:
    """The answer comes soon after the deadline, long before the query would end, and nothing runs on after it."""
    started = time.monotonic()
    answer = ask(http, HEAVY, timeout=0.5)
    assert time.monotonic() - started < 10
    assert answer.status_code == 504
    assert answer.json()["code"] == "QUERY_TIMEOUT"
    assert wait_until_idle(http)


def wait_for_queries(http: httpx.Client, count: int) -> list[dict[str, Any]]:
    """Wait, bounded, until so many queries are pending; return them."""
    for _ in range(400):
        listed: list[dict[str, Any]] = http.get("/databases/g/queries").json()["queries"]
        if len(listed) == count:
            return listed
        time.sleep(0.05)
    raise AssertionError("the queries do not run")


def wait_until_idle(http: httpx.Client) -> bool:
    """Wait, bounded, until no query is pending."""
    for _ in range(400):
        if http.get("/databases/g/queries").json()["queries"] == []:
            return True
        time.sleep(0.05)
    return False


def test_a_client_that_goes_away_stops_its_query(server: ServerProcess, http: httpx.Client) -> None:
    """A query whose client hangs up is gone soon after, long before its deadline."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/databases/g/query",
            json={"cypher": HEAVY, "timeout": 120},
            headers={"X-Graph-API-Key": OTHER_KEY},
            timeout=0.5,
        )
    assert wait_until_idle(http)


def test_a_running_query_is_listed_and_can_be_cancelled(http: httpx.Client) -> None:
    """The list names the query, cancelling ends it, and its caller is told."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, http, HEAVY, timeout=60)
        listed = wait_for_queries(http, 1)
        assert listed[0]["cypher"] == HEAVY
        assert http.delete(f"/databases/g/queries/{listed[0]['query_id']}").status_code == 200
        answer = running.result(timeout=60)
    assert answer.json()["code"] == "QUERY_CANCELLED"
    assert http.delete(f"/databases/g/queries/{listed[0]['query_id']}").status_code == 404


@pytest.mark.parametrize("cypher", ["ANALYZE", "CALL bm_info() RETURN *", "CALL storage_info('N') RETURN *"])
def test_administrative_statements_are_refused_for_every_key(http: httpx.Client, cypher: str) -> None:
    """The server's own key is no exception: no use of them through the API is documented."""
    answer = ask(http, cypher)
    assert (answer.status_code, answer.json()["code"]) == (403, "STATEMENT_FORBIDDEN")
    assert "for administrators" in answer.json()["detail"]


def test_a_row_cap_says_that_it_cut(http: httpx.Client) -> None:
    """Default and requested caps set `truncated`; an answer of just that size does not."""
    capped = ask(http, "UNWIND range(1, 1001) AS i RETURN i").json()
    assert (capped["row_count"], capped["truncated"]) == (1000, True)
    exact = ask(http, "UNWIND range(1, 1000) AS i RETURN i").json()
    assert (exact["row_count"], exact["truncated"]) == (1000, False)
    asked = ask(http, "UNWIND range(1, 10) AS i RETURN i", max_rows=3).json()
    assert (asked["row_count"], asked["truncated"]) == (3, True)
    summary = lines_of(http, "UNWIND range(1, 10) AS i RETURN i", max_rows=3)[-1]["summary"]
    assert (summary["row_count"], summary["truncated"]) == (3, True)


def test_column_names_come_from_the_engine(http: httpx.Client) -> None:
    """DISTINCT is not part of a name, whatever the text looks like."""
    assert ask(http, "UNWIND [1, 1] AS x RETURN DISTINCT x").json()["columns"] == ["x"]


def test_repeated_column_names_lose_nothing(http: httpx.Client) -> None:
    """Two columns named alike are both there, in every format."""
    cypher = "RETURN 1 AS x, 2 AS x, 3 AS x_2"
    answer = ask(http, cypher).json()
    assert len(set(answer["columns"])) == 3
    assert sorted(answer["data"][0].values()) == [1, 2, 3]
    assert answer["data"][0]["x"] == 1
    assert lines_of(http, cypher)[0] == answer["data"][0]


def test_typed_values_do_not_break_a_stream(http: httpx.Client) -> None:
    """Dates, UUIDs, intervals, decimals and blobs pass through NDJSON, few rows or many."""
    cypher = (
        "UNWIND range(1, $n) AS i RETURN date('2024-02-29') AS d, uuid('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11') AS u, "
        "timestamp('2024-02-29 12:00:00') AS t, interval('1 day') AS v, sum(i) AS s, CAST(1.5 AS DECIMAL(9, 2)) AS c"
    )
    for rows in (1, 2_000):
        lines = lines_of(http, cypher.replace("sum(i)", "CAST(i AS INT128)"), parameters={"n": rows})
        assert len(lines) == rows + 1
        assert lines[0]["d"] == "2024-02-29"
        assert lines[0]["u"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        assert lines[-1]["summary"]["row_count"] == rows
        assert lines[0] == {**lines[0], **{name: lines[rows - 1][name] for name in "dutvc"}}


@pytest.mark.parametrize("rows", [0, 1, 1_000, 16_384, 65_536, 131_072])
def test_a_stream_always_ends_with_its_terminal_record(http: httpx.Client, rows: int) -> None:
    """The last line is the summary, also where the rows fill the last chunk exactly, or there are none."""
    lines = lines_of(http, "UNWIND range(1, $n) AS i RETURN i", parameters={"n": rows})
    assert list(lines[-1]) == ["summary"]
    assert lines[-1]["summary"]["row_count"] == rows == len(lines) - 1


@pytest.mark.parametrize(
    "text", ["Grant Thornton LLP", "COPY x TO y", "LOAD FROM z; DROP TABLE N", "a // b", "/* c */"]
)
def test_a_literal_is_not_a_statement(http: httpx.Client, text: str) -> None:
    """Words inside strings mean nothing to the policy."""
    assert ask(http, f"RETURN '{text}' AS t").json()["data"] == [{"t": text}]


def test_a_comment_mark_inside_a_string_hides_nothing(http: httpx.Client) -> None:
    """A write behind a string with slashes is a write: read mode refuses it, and nothing is deleted."""
    ask(http, "CREATE (:N {id: 1, u: 'http://a'})")
    refused = ask(http, "MATCH (n:N) WHERE n.u = 'http://a' DELETE n", mode="read")
    assert refused.status_code == 403
    assert ask(http, "MATCH (n:N) RETURN count(n) AS n").json()["data"] == [{"n": 1}]
    assert ask(http, "MATCH (n:N) WHERE n.u = 'http://a' DELETE n").json()["counters"]["nodes_deleted"] == 1


def test_path_and_body_cannot_name_different_databases(http: httpx.Client) -> None:
    """A body for another database is refused and names the field."""
    refused = ask(http, "RETURN 1", database="other")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("database: ")
    assert ask(http, "RETURN 1", database="g").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "cypher"),
        ({"cypher": 1}, "cypher"),
        ({"cypher": "RETURN 1", "parmeters": {}}, "parmeters"),
        ({"cypher": "RETURN 1", "parameters": [1]}, "parameters"),
        ({"cypher": "RETURN 1", "timeout": 0}, "timeout"),
        ({"cypher": "RETURN 1", "timeout": 301}, "timeout"),
        ({"cypher": "RETURN 1", "timeout": "soon"}, "timeout"),
        ({"cypher": "RETURN 1", "max_rows": 0}, "max_rows"),
        ({"cypher": "RETURN 1", "mode": "fast"}, "mode"),
        ({"cypher": "RETURN $missing"}, "missing"),
        ({"cypher": "RETURN 1; RETURN 2"}, "statement"),
        ({"cypher": ""}, "statement"),
        ({"cypher": "RETURN " + "1" * 10_001}, "LBUG_MAX_QUERY_LENGTH"),
    ],
)
def test_a_wrong_body_is_400_and_names_the_field(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    """Every mistake in a body is 400, never 422, and its detail says where it is."""
    answer = http.post("/databases/g/query", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["detail"]


# -- pools ------------------------------------------------------------------------------------------------------------


def test_many_queries_at_once_do_not_disturb_each_other(http: httpx.Client) -> None:
    """Forty slow queries, more than there are lanes: none closes another's connection, each gets its own answer."""
    cypher = "UNWIND range(1, 300000) AS i WITH count(i) AS n RETURN $tag AS tag, n"

    def run(tag: int) -> dict[str, Any]:
        answer = ask(http, cypher, parameters={"tag": tag})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"][0]

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(run, range(40))) == [{"tag": tag, "n": 300_000} for tag in range(40)]


def test_query_ids_are_unique(http: httpx.Client) -> None:
    """No two queries share an id, however close together they come."""
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda number: ask(http, f"RETURN {number}").headers["x-query-id"], range(200)))
    assert len(set(ids)) == 200


def test_looking_at_a_database_does_not_disturb_its_queries(server: ServerProcess, http: httpx.Client) -> None:
    """Health checks and descriptions never touch a connection that a query uses."""
    stop = threading.Event()

    def look() -> None:
        with httpx.Client(base_url=server.url, headers={"X-Graph-API-Key": OTHER_KEY}) as other:
            while not stop.is_set():
                for path in ("/status/databases", "/databases/g", "/databases/g/metrics", "/info"):
                    assert other.get(path).status_code == 200

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(look)
        try:
            for _ in range(20):
                rows = lines_of(http, "UNWIND range(1, 20000) AS i RETURN i")
                assert len(rows) == 20_001
        finally:
            stop.set()
        looking.result(timeout=30)


# -- limits and keys --------------------------------------------------------------------------------------------------


def test_a_chunked_body_does_not_pass_the_limit(http: httpx.Client) -> None:
    """A body without a declared length is counted while it comes."""

    def pieces() -> Iterator[bytes]:
        yield b'{"cypher": "RETURN 1", "parameters": {"a": "'
        for _ in range(200):
            yield b"x" * 1_000
        yield b'"}}'

    answer = http.post("/databases/g/query", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["code"] == "PAYLOAD_TOO_LARGE"


def test_a_key_that_is_not_ascii_is_only_wrong(server: ServerProcess) -> None:
    """Such a key is answered like any other wrong one."""
    for header in (b"X-Graph-API-Key", b"Authorization"):
        answer = httpx.get(f"{server.url}/databases", headers=[(header, "schlüssel".encode())])
        assert answer.status_code == 401
        assert answer.json()["code"] == "UNAUTHORIZED"


def test_bad_keys_lock_nobody_out(server: ServerProcess, http: httpx.Client) -> None:
    """Many failed attempts from an address leave the good key behind it working."""
    for number in range(30):
        answer = httpx.get(f"{server.url}/databases", headers={"X-Graph-API-Key": f"wrong{number}"})
        assert answer.status_code == 401
    assert http.get("/databases").status_code == 200


def test_two_keys_are_good_during_a_rotation(server: ServerProcess) -> None:
    """The old key and the new one both work."""
    for key in (server.key, OTHER_KEY):
        assert httpx.get(f"{server.url}/databases", headers={"X-Graph-API-Key": key}).status_code == 200


def test_nothing_tells_about_tenants_without_a_key(server: ServerProcess) -> None:
    """Without a key only the state of the node can be seen, and only as one word."""
    document = httpx.get(f"{server.url}/openapi.json", headers={"X-Graph-API-Key": OTHER_KEY}).json()
    for path, methods in document["paths"].items():
        for method in methods:
            url = server.url + re.sub(r"\{\w+\}", "g", path)
            answer = httpx.request(method, url)
            if path in {"/health", "/ready", "/status"}:
                assert answer.status_code == 200
                assert set(answer.json()) == {"status"}
            else:
                assert answer.status_code == 401, (method, path)


def test_a_get_creates_nothing(server: ServerProcess, http: httpx.Client) -> None:
    """Asking for what is not there leaves no trace on disk."""
    before = sorted(path for path in server.folder.rglob("*") if "absent" in path.name)
    for path in ("", "/schema", "/metrics", "/queries"):
        assert http.get(f"/databases/absent{path}").status_code == 404
    assert http.post("/databases/absent/query", json={"cypher": "RETURN 1"}).status_code == 404
    assert sorted(path for path in server.folder.rglob("*") if "absent" in path.name) == before == []


@pytest.mark.parametrize(
    "graph_id", ["..", "%2e%2e", "a%2Fb", "..%2f..%2fetc", "a b", "ü", "a" * 64, "-a", "a%00b", "."]
)
def test_an_id_cannot_leave_its_directory(http: httpx.Client, graph_id: str) -> None:
    """Nothing that is not a plain name reaches the file system."""
    answer = http.post(f"/databases/{graph_id}/query", json={"cypher": "RETURN 1"})
    assert answer.status_code in {400, 404, 405}
    assert answer.headers["content-type"] == "application/problem+json"
    created = http.post("/databases", json={"graph_id": httpx.URL(f"http://x/{graph_id}").path[1:] or ".."})
    assert created.status_code == 400
    assert created.json()["code"] == "INVALID_GRAPH_ID"


def test_the_log_holds_no_keys_and_no_values(server: ServerProcess, http: httpx.Client) -> None:
    """What a tenant sends as values or keys is not written down."""
    ask(http, "RETURN 'a-secret-literal' AS a, $p AS p", parameters={"p": "a-secret-parameter"})
    ask(http, "RETRN 'a-secret-literal'")
    httpx.get(f"{server.url}/databases", headers={"X-Graph-API-Key": "a-secret-key"})
    log = server.log.read_text()
    assert "a-secret" not in log
    assert OTHER_KEY not in log
