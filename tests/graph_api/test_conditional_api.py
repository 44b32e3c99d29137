"""Reads that are asked for again over HTTP: tags, 304, remembered answers, and that none is ever out of date."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import NDJSON, PEOPLE, Tenant, checked, tenant_of, wait_until

pytestmark = pytest.mark.integration

ALL: Final = "MATCH (p:Person) RETURN p.name AS name, p.age AS age ORDER BY name"
HIT, MISS = "graph-api; hit", "graph-api; fwd=miss"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file; it has room for two open databases, and few remembered answers."""
    settings = {"LBUG_MAX_DATABASES_PER_NODE": "100", "LBUG_MAX_OPEN_DATABASES": "2", "LBUG_RESULT_CACHE_MB": "4"}
    with running_server(tmp_path_factory.mktemp("conditional"), settings=settings) as server:
        yield server


@pytest.fixture
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give a database of two people."""
    with tenant_of(server, PEOPLE) as tenant:
        tenant.rows("CREATE (:Person {name: 'Ada', age: 36}), (:Person {name: 'Bob', age: 20})")
        yield tenant


def get(tenant: Tenant, cypher: str = ALL, *, known: str = "", accept: str = "", **options: Any) -> httpx.Response:
    """Send a read by GET."""
    headers = ({"If-None-Match": known} if known else {}) | ({"Accept": accept} if accept else {})
    return checked(tenant.http.get(tenant.url("/query"), params={"cypher": cypher, **options}, headers=headers))


def figure(tenant: Tenant, name: str, labels: str = "") -> float:
    """Return a figure of the server."""
    lines = tenant.http.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"graph_api_{name}{labels} "))


# -- tags and 304 -----------------------------------------------------------------------------------------------------


def test_a_read_by_get_answers_like_one_by_post(tenant: Tenant) -> None:
    """The same rows, formats, options and tags."""
    by_post, by_get = tenant.ask(ALL), get(tenant)
    assert by_get.json()["data"] == by_post.json()["data"]
    assert by_get.headers["etag"] == by_post.headers["etag"]
    assert by_get.headers["cache-control"] == "private, no-cache"
    assert by_post.headers["cache-control"] == "no-store"
    assert "accept" in by_get.headers["vary"]
    older = "MATCH (p:Person) WHERE p.age > $age RETURN p.name AS name"
    found = get(tenant, older, parameters='{"age": 30}', timeout="2.5", max_rows="1", format="arrays")
    assert found.json()["data"] == [["Ada"]]
    assert get(tenant, ALL, explain="plan").json()["row_count"] > 0
    assert json.loads(get(tenant, accept=NDJSON).text.splitlines()[0]) == {"name": "Ada", "age": 36}


def test_what_the_client_has_is_not_sent_again(tenant: Tenant) -> None:
    """304 with the headers of the answer, and nothing else; for lists, strong forms and `*`, too."""
    tag = get(tenant).headers["etag"]
    assert tag.startswith('W/"')
    for known in (tag, tag.removeprefix("W/"), f'"x", {tag}', f'W/"a,b" , {tag},', "*"):
        again = get(tenant, known=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    for known in ('"x"', tag.strip('W/"'), f"{tag}x", "W/" + tag, "garbage", '"', "x" * 9_000 + tag):
        assert get(tenant, known=known).status_code == 200


def test_everything_that_decides_an_answer_decides_its_tag(tenant: Tenant) -> None:
    """Text, parameters, format, cap and plan."""
    text = "MATCH (p:Person) WHERE p.age < $age RETURN p.name"
    answers = [
        get(tenant, text, parameters='{"age": 1}'),
        get(tenant, text, parameters='{"age": 2}'),
        get(tenant, text + " ", parameters='{"age": 1}'),
        get(tenant, text, parameters='{"age": 1}', max_rows="1"),
        get(tenant, text, parameters='{"age": 1}', format="arrays"),
        get(tenant, text, parameters='{"age": 1}', explain="plan"),
        get(tenant, text, parameters='{"age": 1}', accept=NDJSON),
    ]
    assert {answer.status_code for answer in answers} == {200}
    tags = [answer.headers["etag"] for answer in answers]
    assert len(set(tags)) == len(tags)
    assert get(tenant, text, parameters='{"age": 1}', known=", ".join(tags[1:])).status_code == 200


CHANGES: Final[dict[str, Callable[[Tenant], object]]] = {
    "write": lambda tenant: tenant.rows("CREATE (:Person {name: 'Cid', age: 1})"),
    "write that fails": lambda tenant: tenant.ask("CREATE (:Person {name: 'Ada'})"),
    "transaction": lambda tenant: tenant.transact("CREATE (:Person {name: 'Cid', age: 1})"),
    "definition": lambda tenant: tenant.rows("ALTER TABLE Person ADD extra INT64"),
    "load": lambda tenant: tenant.load("Person", b"name,age\nCid,1\n"),
    "read in mode write": lambda tenant: tenant.ask(ALL, mode="write"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_makes_all_tags_void(tenant: Tenant, change: Callable[[Tenant], object]) -> None:
    """The next answer is a new one, and it is right."""
    tag = get(tenant).headers["etag"]
    change(tenant)
    after = get(tenant, known=tag)
    assert after.status_code == 200
    assert after.headers["etag"] != tag
    assert after.json()["data"] == tenant.rows(ALL)


def test_a_database_made_again_knows_no_old_tag(server: RunningServer) -> None:
    """It has the same name, and nothing else."""
    with server.client() as http:
        tags: set[str] = set()
        for _ in range(2):
            body = {"graph_id": "again", "schema_type": "custom", "custom_schema_ddl": PEOPLE}
            assert http.post("/databases", json=body).status_code == 201
            answer = http.get("/databases/again/query", params={"cypher": ALL})
            assert (answer.status_code, answer.headers["cache-status"]) == (200, MISS)
            tags.add(answer.headers["etag"])
            assert http.delete("/databases/again").is_success
        assert len(tags) == 2


def test_neither_304_nor_a_remembered_answer_opens_a_database(server: RunningServer, tenant: Tenant) -> None:
    """It stays closed, and its process is not started."""
    tag = get(tenant).headers["etag"]
    with tenant_of(server) as second, tenant_of(server) as third:
        second.rows(ALL)
        third.rows(ALL)
        wait_until(lambda: not tenant.http.get(tenant.url()).json()["open"])
        assert get(tenant, known=tag).status_code == 304
        assert get(tenant).headers["cache-status"] == HIT
        assert not tenant.http.get(tenant.url()).json()["open"]


def test_two_tenants_share_nothing(server: RunningServer, tenant: Tenant) -> None:
    """The same text on two databases has two answers and two tags; a write here leaves the answers there alone."""
    with tenant_of(server) as other:
        other.rows("CREATE (:Person {name: 'Eve', age: 1})")
        mine, others = get(tenant), get(other)
        assert [row["name"] for row in others.json()["data"]] == ["Eve"]
        assert get(other, known=mine.headers["etag"]).status_code == 200
        tenant.rows("CREATE (:Person {name: 'Cid', age: 1})")
        assert get(other, known=others.headers["etag"]).status_code == 304
        assert get(other).headers["cache-status"] == HIT
        assert [row["name"] for row in get(tenant).json()["data"]] == ["Ada", "Bob", "Cid"]


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "code", "names"),
    [
        ("", 400, "INVALID_REQUEST", "cypher"),
        ("cypher=RETURN+1&nope=1", 400, "INVALID_REQUEST", "nope"),
        ("cypher=RETURN+1&cypher=RETURN+2", 400, "INVALID_REQUEST", "twice"),
        ("cypher=RETURN+1&max_rows=x", 400, "INVALID_REQUEST", "max_rows"),
        ("cypher=RETURN+1&max_rows=0", 400, "INVALID_REQUEST", "max_rows"),
        ("cypher=RETURN+1&timeout=soon", 400, "INVALID_REQUEST", "timeout"),
        ("cypher=RETURN+1&timeout=nan", 400, "INVALID_REQUEST", "timeout"),
        ("cypher=RETURN+1&timeout=1e9", 400, "INVALID_REQUEST", "timeout"),
        ("cypher=RETURN+1&explain=profile", 400, "INVALID_REQUEST", "POST"),
        ("cypher=RETURN+1&parameters=[1]", 400, "INVALID_PARAMETER", "parameters"),
        ("cypher=%ff", 400, "INVALID_REQUEST", "UTF-8"),
        ("&".join(f"o{number}=1" for number in range(20)), 400, "INVALID_REQUEST", "10"),
        ("cypher=CREATE+(:Person+{name:+'X'})", 403, "STATEMENT_FORBIDDEN", "POST"),
        ("cypher=LOAD+FROM+'/etc/passwd'+RETURN+*", 403, "STATEMENT_FORBIDDEN", ""),
    ],
)
def test_a_wrong_read_is_refused_by_name(tenant: Tenant, query: str, status: int, code: str, names: str) -> None:
    """And changes nothing."""
    tag = get(tenant).headers["etag"]
    assert_problem(tenant.http.get(tenant.url("/query") + f"?{query}"), status, code, names=names)
    assert get(tenant, known=tag).status_code == 304


def test_a_query_string_is_bounded(tenant: Tenant) -> None:
    """A statement by its characters, all of it by its bytes; what is longer belongs into a POST."""
    assert_problem(get(tenant, "x" * 20_000), 400, "QUERY_TOO_LONG", names="LBUG_MAX_QUERY_LENGTH")
    assert_problem(get(tenant, "x" * 40_000), 400, "QUERY_TOO_LONG", names="POST")


def test_tags_open_no_doors(server: RunningServer, tenant: Tenant) -> None:
    """Without a key there is neither 304 nor a remembered answer; HEAD is no way, either."""
    tag = get(tenant).headers["etag"]
    url, params = tenant.url("/query"), {"cypher": ALL}
    with server.client(key="") as stranger, server.client(key="graph_api_wrong") as guest:
        for http in (stranger, guest):
            for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
                assert_problem(http.get(url, params=params, headers=headers), 401, "UNAUTHORIZED")
            assert http.post(url, json=params).status_code == 401
    assert tenant.http.head(url, params=params).status_code == 405
    with server.client() as http:
        missing = http.get("/databases/nobody/query", params=params, headers={"If-None-Match": "*"})
        assert_problem(missing, 404, "DATABASE_NOT_FOUND")


# -- remembered answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", NDJSON])
def test_a_remembered_answer_is_the_original_bytewise(tenant: Tenant, accept: str) -> None:
    """By POST and by GET, the time of the first run included."""
    headers = {"Accept": accept}
    answers = [tenant.http.post(tenant.url("/query"), json={"cypher": ALL}, headers=headers) for _ in range(3)]
    answers.append(get(tenant, accept=accept))
    assert [answer.headers["cache-status"] for answer in answers] == [MISS, HIT, HIT, HIT]
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["x-query-id"] for answer in answers}) == 4
    assert len({answer.headers["etag"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "cypher",
    [
        "RETURN random() AS x",
        "RETURN gen_random_uuid() AS x",
        "RETURN current_timestamp() AS x",
        "RETURN current_date() AS x",
        "MATCH (p:Person) WHERE p.age < 100 * random() RETURN count(*)",
        "PROFILE MATCH (p:Person) RETURN p.name",
    ],
)
def test_what_may_answer_differently_is_never_remembered(tenant: Tenant, cypher: str) -> None:
    """It has no tag, and is run each time."""
    for _ in range(3):
        answer = tenant.ask(cypher)
        assert answer.status_code == 200, answer.text
        assert not {"etag", "cache-status"} & set(answer.headers)
        assert get(tenant, cypher, known="*").status_code == 200


def test_neither_writes_nor_errors_nor_large_answers_are_remembered(tenant: Tenant) -> None:
    """A large answer has a tag all the same, and is not to be kept by whoever it passes through."""
    entries, many = figure(tenant, "result_cache_entries"), "UNWIND range(1, 60000) AS i RETURN i"
    for _ in range(2):
        assert "etag" not in tenant.ask("MERGE (:Person {name: 'Cid'})").headers
        assert "etag" not in tenant.ask("MATCH (n:Nobody) RETURN n").headers
        large = tenant.http.get(tenant.url("/query"), params={"cypher": many})
        assert (large.headers["cache-status"], large.headers["cache-control"]) == (MISS, "no-store")
        assert large.json()["row_count"] == 60_000
        assert get(tenant, many, known=large.headers["etag"]).status_code == 304
    assert figure(tenant, "result_cache_entries") == entries


def test_the_memory_of_answers_is_bounded(tenant: Tenant) -> None:
    """A database that asks for more than its part loses its own answers, and the figures say so."""
    for number in range(40):
        body = {"cypher": "UNWIND range(1, 8000) AS i RETURN i + $n AS n", "parameters": {"n": number}}
        assert tenant.http.post(tenant.url("/query"), json=body).status_code == 200
    assert 0.5 < figure(tenant, "result_cache_bytes") / (1 << 20) <= 1.0
    assert figure(tenant, "result_cache_evictions_total") > 0
    assert figure(tenant, "result_cache_lookups_total", '{outcome="miss"}') >= 40


def test_a_deleted_database_gives_its_memory_back(server: RunningServer) -> None:
    """At once."""
    with tenant_of(server) as tenant:
        before = figure(tenant, "result_cache_entries")
        assert tenant.ask(ALL).headers["cache-status"] == MISS
        assert figure(tenant, "result_cache_entries") == before + 1
        tenant.http.delete(tenant.url())
        assert figure(tenant, "result_cache_entries") <= before


def test_remembered_answers_count_as_queries(tenant: Tenant) -> None:
    """In the figures of operations, like all others."""
    tenant.rows(ALL)
    before = figure(tenant, "requests_total", '{operation="query",status_class="2xx"}')
    hits = figure(tenant, "result_cache_lookups_total", '{outcome="hit"}')
    for _ in range(5):
        tenant.rows(ALL)
    assert figure(tenant, "requests_total", '{operation="query",status_class="2xx"}') == before + 5
    assert figure(tenant, "result_cache_lookups_total", '{outcome="hit"}') == hits + 5


def test_a_smaller_cap_is_not_answered_with_more(tenant: Tenant) -> None:
    """A limit of the database that changes holds for remembered answers, too."""
    assert tenant.ask(ALL).json()["truncated"] is False
    assert tenant.http.patch(tenant.url(), json={"max_rows": 1}).status_code == 200
    cut = tenant.ask(ALL)
    assert (cut.json()["truncated"], cut.json()["row_count"]) == (True, 1)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Tags and 304 stay; every other read is run."""
    with running_server(tmp_path, settings={"LBUG_RESULT_CACHE_MB": "0"}) as server, tenant_of(server) as tenant:
        answers = [tenant.ask(ALL) for _ in range(3)]
        assert not any("cache-status" in answer.headers for answer in answers)
        assert len({answer.headers["etag"] for answer in answers}) == 1
        assert get(tenant, known=answers[0].headers["etag"]).status_code == 304
        assert figure(tenant, "result_cache_bytes") == 0


def test_the_death_of_a_process_makes_tags_void(server: RunningServer, tenant: Tenant) -> None:
    """What was remembered may be more than what is left."""
    tag = get(tenant).headers["etag"]
    children = psutil.Process(server.process.pid).children(recursive=True)
    next(child for child in children if child.name() == f"graph:{tenant.graph_id}").kill()
    wait_until(lambda: get(tenant, known=tag).status_code == 200)
    assert get(tenant).json()["data"] == [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 20}]


# -- never out of date ------------------------------------------------------------------------------------------------

_SECONDS: Final = 3.0


class Race:
    """Writers count up, one row each; readers ask for all rows and hold them against what was acknowledged before."""

    def __init__(self, tenant: Tenant, server: RunningServer, writers: int) -> None:
        self.acknowledged = [0] * writers
        self.errors: list[str] = []
        self.hits = 0
        self.unchanged = 0
        self._tenant = tenant
        self._server = server
        self._until = time.monotonic() + _SECONDS

    def write(self, number: int) -> None:
        """Count up, with pauses in which answers can be remembered."""
        with self._server.client(checked=False) as http:
            value = 0
            while time.monotonic() < self._until:
                value += 1
                body = {
                    "cypher": "MATCH (p:Person {name: $name}) SET p.age = $value",
                    "parameters": {"name": f"w{number}", "value": value},
                }
                answer = http.post(self._tenant.url("/query"), json=body)
                if answer.status_code != 200:
                    self.errors.append(answer.text)
                self.acknowledged[number] = value
                time.sleep(0.02 * (value % 4))

    def read(self, reader: int) -> None:
        """Read by turns by POST, by GET, and by GET on a condition."""
        text = "MATCH (p:Person) WHERE p.name STARTS WITH 'w' RETURN p.name AS name, p.age AS age ORDER BY name"
        known: tuple[str, list[int]] = ("", [])
        with self._server.client(checked=False) as http:
            turn = reader
            while time.monotonic() < self._until:
                turn += 1
                least = list(self.acknowledged)
                if turn % 3 == 0:
                    answer = http.post(self._tenant.url("/query"), json={"cypher": text})
                else:
                    condition = {"If-None-Match": known[0]} if turn % 3 == 1 and known[0] else {}
                    answer = http.get(self._tenant.url("/query"), params={"cypher": text}, headers=condition)
                if answer.status_code == 304:
                    self.unchanged += 1
                    seen = known[1]
                else:
                    seen = [row["age"] for row in answer.json()["data"]]
                    known = answer.headers["etag"], seen
                    self.hits += answer.headers["cache-status"] == HIT
                if any(now < before for now, before in zip(seen, least, strict=True)):
                    self.errors.append(f"{seen} is older than {least} ({answer.status_code}, {answer.headers})")


def test_no_read_is_older_than_a_write_acknowledged_before_it(server: RunningServer, tenant: Tenant) -> None:
    """Whether it is run, remembered or answered with 304, while several write."""
    writers = 3
    tenant.rows("UNWIND range(0, $n) AS i CREATE (:Person {name: 'w' + string(i), age: 0})", parameters={"n": 2})
    race = Race(tenant, server, writers)
    threads = [threading.Thread(target=race.write, args=(number,)) for number in range(writers)]
    threads += [threading.Thread(target=race.read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not race.errors
    assert min(race.acknowledged) > 0
