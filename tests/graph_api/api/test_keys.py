"""Keys of the store: made, used, changed, deleted, and what each one may see and do."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.graph_api.api.contract import Contract, assert_problem
from tests.graph_api.api.running_server import KEY, RunningServer, running_server

if TYPE_CHECKING:
    from tests.graph_api.api.conftest import StartServer

DDL = "CREATE NODE TABLE P(id INT64, PRIMARY KEY(id))"
READ = {"cypher": "MATCH (p:P) RETURN count(*) AS n"}
WRITE = {"cypher": "CREATE (p:P {id: 1})"}


@pytest.fixture(scope="module")
def names(server: RunningServer) -> Iterator[tuple[str, str]]:
    """Give two databases of the shared server: one that restricted keys see, one that they do not."""
    mine, theirs = f"mine-{secrets.token_hex(4)}", f"theirs-{secrets.token_hex(4)}"
    with server.client() as client:
        for name in (mine, theirs):
            body = {"graph_id": name, "schema_type": "custom", "custom_schema_ddl": DDL}
            assert client.post("/databases", json=body).status_code == 201
        yield mine, theirs
        for name in (mine, theirs):
            client.delete(f"/databases/{name}")


def make_key(client: httpx.Client, scope: str, graphs: list[str] | None = None, **fields: object) -> dict[str, Any]:
    """Make a key."""
    body = {"name": "test", "scope": scope, **({"graphs": graphs} if graphs is not None else {}), **fields}
    response = client.post("/keys", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def issue_token(client: httpx.Client, **body: object) -> str:
    """Issue a token."""
    response = client.post("/tokens", json=body)
    assert response.status_code == 201, response.text
    return response.json()["access_token"]


# -- life -------------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once(client: httpx.Client, server: RunningServer) -> None:
    """Its making answers with it; nothing else ever does, and no file of the node holds it."""
    made = make_key(client, "read", ["a", "b*"], expires_in_seconds=60)
    secret = made.pop("key")
    assert secret.startswith(f"graph_api_{made['key_id']}")
    assert client.get(f"/keys/{made['key_id']}").json() == made
    page = client.get("/keys", params={"limit": 1_000}).json()
    assert made in page["keys"]
    files = [path.read_bytes() for path in (server.base_path / ".node").iterdir()]
    assert files
    assert not [content for content in files if secret[22:].encode() in content]


def test_keys_are_listed_by_pages(client: httpx.Client) -> None:
    """Sorted by id, each once."""
    made = {make_key(client, "read")["key_id"] for _ in range(3)}
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.get("/keys", params={"limit": 2, **({"after": after} if after else {})}).json()
        seen += [key["key_id"] for key in page["keys"]]
        after = page["next_after"]
    assert seen == sorted(set(seen))
    assert made <= set(seen)
    assert client.get("/keys").json()["total"] == len(seen)


def test_a_key_is_disabled_enabled_and_deleted_at_once(client: httpx.Client, server: RunningServer) -> None:
    """The next request after the answer sees it, and so do its tokens."""
    made = make_key(client, "read")
    path = f"/keys/{made['key_id']}"
    with server.client(key=made["key"]) as user:
        token = issue_token(user)
        with server.client(key=token) as bearer:
            for user_or_bearer in (user, bearer):
                assert user_or_bearer.get("/info").status_code == 200
            assert client.patch(path, json={"disabled": True}).json()["disabled"] is True
            for user_or_bearer in (user, bearer):
                assert_problem(user_or_bearer.get("/info"), 401, "UNAUTHORIZED", names="disabled")
            client.patch(path, json={"disabled": False, "name": "renamed"})
            assert user.get("/info").status_code == 200
            client.patch(path, json={"expires_in_seconds": 3_600})
            expires_at = datetime.fromisoformat(client.get(path).json()["expires_at"])
            assert timedelta(0) < expires_at - datetime.now(UTC) <= timedelta(hours=1)
            assert client.patch(path, json={"expires_in_seconds": None}).json()["expires_at"] is None
            assert client.delete(path).json() == {"status": "success", "key_id": made["key_id"]}
            for user_or_bearer in (user, bearer):
                assert_problem(user_or_bearer.get("/info"), 401, "UNAUTHORIZED")
    for method in ("GET", "DELETE"):
        assert_problem(client.request(method, path), 404, "KEY_NOT_FOUND")
    assert_problem(client.patch(path, json={"disabled": True}), 404, "KEY_NOT_FOUND")


def test_the_use_of_a_key_is_seen(client: httpx.Client, server: RunningServer) -> None:
    """When it was used last is in its description."""
    made = make_key(client, "read")
    assert made["last_used_at"] is None
    with server.client(key=made["key"]) as user:
        user.get("/info")
    used = datetime.fromisoformat(client.get(f"/keys/{made['key_id']}").json()["last_used_at"])
    assert used >= datetime.fromisoformat(made["created_at"])


@pytest.mark.parametrize(
    ("body", "names_field"),
    [
        ({"scope": "read"}, "name"),
        ({"name": "x"}, "scope"),
        ({"name": "x", "scope": "root"}, "scope"),
        ({"name": "", "scope": "read"}, "name"),
        ({"name": "x", "scope": "read", "graphs": []}, "graphs"),
        ({"name": "x", "scope": "read", "graphs": ["*"]}, "graphs"),
        ({"name": "x", "scope": "read", "graphs": ["a/b"]}, "graphs"),
        ({"name": "x", "scope": "read", "expires_in_seconds": 0}, "expires_in_seconds"),
        ({"name": "x", "scope": "read", "key": "mine"}, "key"),
    ],
)
def test_a_malformed_key_is_refused(client: httpx.Client, body: dict[str, object], names_field: str) -> None:
    """The field is named."""
    assert_problem(client.post("/keys", json=body), 400, "INVALID_REQUEST", names=names_field)


@pytest.mark.parametrize("body", [{"name": None}, {"disabled": None}, {"scope": "admin"}, {"graphs": ["x"]}])
def test_scope_and_graphs_of_a_key_never_change(client: httpx.Client, body: dict[str, object]) -> None:
    """Nor is null a name; a key that should do something else is another key."""
    made = make_key(client, "read")
    assert_problem(client.patch(f"/keys/{made['key_id']}", json=body), 400, "INVALID_REQUEST")


# -- what a key may do ------------------------------------------------------------------------------------------------


def test_a_read_key_reads_and_nothing_else(client: httpx.Client, server: RunningServer, names: tuple[str, str]) -> None:
    """A query that writes is refused whatever its mode says; the scope that is missing is named."""
    graph, _ = names
    made = make_key(client, "read")
    with server.client(key=made["key"]) as reader:
        for mode in ("auto", "read"):
            assert reader.post(f"/databases/{graph}/query", json=READ | {"mode": mode}).json()["data"] == [{"n": 0}]
        for mode in ("auto", "write"):
            refused = reader.post(f"/databases/{graph}/query", json=WRITE | {"mode": mode})
            assert_problem(refused, 403, "FORBIDDEN_SCOPE", names="'write'")
        waiting = reader.post(f"/databases/{graph}/query", json=READ | {"mode": "write"})
        assert_problem(waiting, 403, "FORBIDDEN_SCOPE", names="'write'")
        profiled = reader.post(f"/databases/{graph}/query", params={"explain": "profile"}, json=WRITE)
        assert_problem(profiled, 403, "FORBIDDEN_SCOPE")
        for method, path, needed in (
            ("POST", f"/databases/{graph}/transaction", "write"),
            ("POST", f"/databases/{graph}/load/P", "write"),
            ("POST", f"/databases/{graph}/schema", "write"),
            ("DELETE", f"/databases/{graph}", "admin"),
            ("PATCH", f"/databases/{graph}", "admin"),
            ("POST", "/databases", "admin"),
            ("GET", "/keys", "admin"),
            ("POST", "/keys", "admin"),
        ):
            refused = reader.request(method, path, json={})
            assert_problem(refused, 403, "FORBIDDEN_SCOPE", names=f"'{needed}'")
        assert_problem(reader.get("/nothing"), 404, "NOT_FOUND")
    assert client.post(f"/databases/{graph}/query", json=READ).json()["data"] == [{"n": 0}]


def test_a_write_key_changes_data_but_not_databases(
    client: httpx.Client, server: RunningServer, names: tuple[str, str]
) -> None:
    """It loads, writes and extends schemas; databases and keys are for administrators."""
    graph, _ = names
    made = make_key(client, "write", [graph])
    with server.client(key=made["key"]) as writer:
        for body in ({"cypher": "CREATE (p:P {id: 7})"}, {"cypher": "MATCH (p:P {id: 7}) DELETE p"}):
            assert writer.post(f"/databases/{graph}/query", json=body).status_code == 200
        schema = {"ddl": f"CREATE NODE TABLE Q{secrets.token_hex(4)}(id INT64, PRIMARY KEY(id))"}
        assert writer.post(f"/databases/{graph}/schema", json=schema).status_code == 200
        for method, path in (("DELETE", f"/databases/{graph}"), ("POST", "/databases"), ("GET", "/keys")):
            assert_problem(writer.request(method, path, json={}), 403, "FORBIDDEN_SCOPE", names="'admin'")


def test_an_administrator_of_some_graphs_is_none_of_the_node(client: httpx.Client, server: RunningServer) -> None:
    """It makes and deletes databases of its names; keys and figures of the node are not its affair."""
    prefix = f"team-{secrets.token_hex(3)}-"
    made = make_key(client, "admin", [f"{prefix}*"])
    with server.client(key=made["key"]) as administrator:
        body = {"graph_id": f"{prefix}1", "schema_type": "custom"}
        assert administrator.post("/databases", json=body).status_code == 201
        other = administrator.post("/databases", json=body | {"graph_id": "elsewhere"})
        assert_problem(other, 403, "FORBIDDEN_SCOPE", names=f"{prefix}*")
        assert administrator.delete(f"/databases/{prefix}1").status_code == 200
        for path in ("/keys", "/metrics"):
            assert_problem(administrator.get(path), 403, "FORBIDDEN_SCOPE", names="whole node")
        assert administrator.get("/status").json() == {"status": "healthy"}


def test_what_a_key_may_not_see_is_not_there(
    client: httpx.Client, server: RunningServer, names: tuple[str, str]
) -> None:
    """Every route answers as if there were no such database, in the same words; no list has it."""
    mine, theirs = names
    made = make_key(client, "admin", [mine])
    missing = "not-there-at-all"
    with server.client(key=made["key"]) as limited:
        for method, path in sorted(database_routes()):
            answers: list[dict[str, Any]] = []
            for graph in (theirs, missing):
                response = limited.request(method, path.replace("{graph_id}", graph), content=b"{}")
                assert response.status_code == 404, (method, path, response.text)
                problem = response.json()
                del problem["request_id"]
                answers.append(json.loads(json.dumps(problem).replace(graph, "GRAPH")))
            assert answers[0] == answers[1]
        unlimited = client.get(f"/databases/{missing}").json()
        assert unlimited["detail"] == limited.get(f"/databases/{missing}").json()["detail"]
        listed = limited.get("/databases").json()
        assert ([record["graph_id"] for record in listed["databases"]], listed["total"]) == ([mine], 1)
        states = limited.get("/status/databases").json()["databases"]
        assert [state["graph_id"] for state in states] == [mine]
        assert limited.get(f"/databases/{mine}").status_code == 200


def database_routes() -> set[tuple[str, str]]:
    """Return method and path of each route below a database, its other parameters filled in."""
    return {
        (method.upper(), path.replace("{table}", "P").replace("{query_id}", "q").replace("{load_id}", "l"))
        for path, item in Contract.of_the_service().document["paths"].items()
        if path.startswith("/databases/{graph_id}")
        for method in item
    }


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_reads_by_url_and_writes_nothing(
    client: httpx.Client, stranger: httpx.Client, server: RunningServer, names: tuple[str, str]
) -> None:
    """In the URL of a GET and as a header; for the graphs that it names."""
    mine, theirs = names
    token = issue_token(client, graphs=[mine])
    assert stranger.get(f"/databases/{mine}", params={"access_token": token}).status_code == 200
    assert stranger.get(f"/databases/{mine}", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    listed = stranger.get("/databases", params={"limit": 5, "access_token": token}).json()
    assert [record["graph_id"] for record in listed["databases"]] == [mine]
    hidden = stranger.get(f"/databases/{theirs}", params={"access_token": token})
    assert_problem(hidden, 404, "DATABASE_NOT_FOUND")
    with server.client(key=token) as bearer:
        assert bearer.post(f"/databases/{mine}/query", json=READ).status_code == 200
        assert_problem(bearer.post(f"/databases/{mine}/query", json=WRITE), 403, "FORBIDDEN_SCOPE")
        assert_problem(bearer.post("/tokens", json={}), 403, "FORBIDDEN_SCOPE", names="token")


def test_an_administrators_token_manages_no_keys(client: httpx.Client, server: RunningServer) -> None:
    """What lives for minutes makes nothing that lives for ever."""
    with server.client(key=issue_token(client, scope="admin")) as bearer:
        assert bearer.get("/databases").status_code == 200
        assert_problem(bearer.get("/keys"), 403, "FORBIDDEN_SCOPE", names="token")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_only_get_takes_a_token_in_the_url(client: httpx.Client, stranger: httpx.Client, method: str) -> None:
    """A form on a foreign page could send the others."""
    token = issue_token(client, scope="admin")
    response = stranger.request(method, "/databases/x", params={"access_token": token}, json={})
    assert_problem(response, 401, "UNAUTHORIZED", names="access_token")


def test_a_key_in_the_url_is_refused(stranger: httpx.Client, client: httpx.Client) -> None:
    """It would stand in histories and logs; so does it now, and has to be replaced."""
    refused = stranger.get("/info", params={"access_token": KEY})
    assert_problem(refused, 401, "UNAUTHORIZED", names="replace it")
    both = client.get("/info", params={"access_token": issue_token(client)})
    assert_problem(both, 401, "UNAUTHORIZED", names="different keys")


def test_a_token_is_never_more_than_its_key(client: httpx.Client, server: RunningServer) -> None:
    """Neither in scope nor in graphs."""
    made = make_key(client, "read", ["a*", "b"])
    with server.client(key=made["key"]) as reader:
        assert_problem(reader.post("/tokens", json={"scope": "write"}), 403, "FORBIDDEN_SCOPE", names="scope")
        for graphs in (["c"], ["b*"], ["a", "c"]):
            refused = reader.post("/tokens", json={"graphs": graphs})
            assert_problem(refused, 403, "FORBIDDEN_SCOPE", names="graphs")
        assert reader.post("/tokens", json={"graphs": ["ab*", "b"]}).json()["graphs"] == ["ab*", "b"]


def test_tokens_do_not_reach_the_log(client: httpx.Client, stranger: httpx.Client, server: RunningServer) -> None:
    """Neither by their URL nor by an error."""
    token = issue_token(client)
    stranger.get("/databases", params={"access_token": token, "limit": "wrong"})
    stranger.get("/databases", params={"access_token": token[:-1] + "x"}, headers={"X-Request-ID": "last-token"})
    server.wait_for_log(request_id="last-token")
    assert token[:-1] not in server.log_file.read_text()


# -- wrong keys -------------------------------------------------------------------------------------------------------


def test_wrong_keys_are_slowed_down_and_right_ones_are_not(start_server: "StartServer") -> None:
    """After so many from one address they get 429; right keys, of every kind, are served in between."""
    server = start_server(settings={"LBUG_MAX_WRONG_KEYS_PER_MINUTE": "10"})
    with server.client() as client, server.client(key="") as stranger:
        made = make_key(client, "read")
        statuses = [stranger.get("/info", headers={"X-Graph-API-Key": f"guess-{n}"}).status_code for n in range(20)]
        assert statuses[:10] == [401] * 10
        assert 429 in statuses[10:]
        slowed = stranger.get("/info", headers={"X-Graph-API-Key": "guess"})
        for _ in range(20):
            if slowed.status_code == 429:
                break
            slowed = stranger.get("/info", headers={"X-Graph-API-Key": "guess"})
        problem = assert_problem(slowed, 429, "TOO_MANY_WRONG_KEYS")
        assert problem["retry_after"] > 0
        assert client.get("/info").status_code == 200
        with server.client(key=made["key"]) as reader:
            assert reader.get("/info").status_code == 200
        assert stranger.get("/info").status_code == 401  # No key is no guess.
        assert stranger.get("/health").status_code == 200


# -- what is left of it -----------------------------------------------------------------------------------------------


def test_keys_tokens_and_uses_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """And a key that was disabled or deleted before stays so."""
    folder = tmp_path_factory.mktemp("restarted")
    with running_server(folder) as server, server.client() as client:
        kept, disabled, deleted = (make_key(client, "read") for _ in range(3))
        with server.client(key=kept["key"]) as user:
            token = issue_token(user)
        client.patch(f"/keys/{disabled['key_id']}", json={"disabled": True})
        client.delete(f"/keys/{deleted['key_id']}")
        assert server.stop() == 0
    with running_server(folder) as server, server.client() as client:
        for key, status in ((kept["key"], 200), (token, 200), (disabled["key"], 401), (deleted["key"], 401)):
            with server.client(key=key) as user:
                assert user.get("/info").status_code == status
        assert client.get(f"/keys/{kept['key_id']}").json()["last_used_at"] is not None


def test_administrative_acts_are_written_down(start_server: "StartServer") -> None:
    """Each with who, what, where from and how it ended; none with a secret; reads and queries are no acts."""
    server = start_server()
    with server.client() as client:
        made = make_key(client, "admin", ["kg*"])
        database = {"graph_id": "kg1", "schema_type": "custom", "custom_schema_ddl": DDL}
        with server.client(key=made["key"]) as administrator:
            administrator.post("/databases", json=database, headers={"X-Request-ID": "creation"})
            administrator.post("/databases", json=database)
            administrator.post("/databases/kg1/query", json=WRITE)
            administrator.patch("/databases/kg1", json={"max_rows": 5})
            schema = {"ddl": "CREATE NODE TABLE Q(id INT64, PRIMARY KEY(id))"}
            administrator.post("/databases/kg1/schema", json=schema)
            administrator.delete("/databases/kg1")
        client.patch(f"/keys/{made['key_id']}", json={"disabled": True})
        client.delete(f"/keys/{made['key_id']}")
        client.delete(f"/keys/{made['key_id']}")
        assert server.stop() == 0
    text = (server.base_path / ".node" / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    acts = [(line["act"], line.get("target"), line["outcome"], line["key_id"]) for line in lines]
    key_id = made["key_id"]
    assert acts == [
        ("node.start", None, "success", "node"),
        ("key.create", key_id, "success", "admin"),
        ("database.create", "kg1", "success", key_id),
        ("database.create", "kg1", "DATABASE_EXISTS", key_id),
        ("database.limits", "kg1", "success", key_id),
        ("schema.extend", "kg1", "success", key_id),
        ("database.delete", "kg1", "success", key_id),
        ("key.change", key_id, "success", "admin"),
        ("key.delete", key_id, "success", "admin"),
        ("key.delete", key_id, "KEY_NOT_FOUND", "admin"),
        ("node.stop", None, "success", "node"),
    ]
    assert (lines[2]["request_id"], lines[2]["address"]) == ("creation", "127.0.0.1")
    assert made["key"][22:] not in text
    assert KEY not in text
