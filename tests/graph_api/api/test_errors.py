"""Errors: one shape, the right status, a request id, and nothing that was not meant to be shown."""

from typing import Any

import httpx
import pytest

from tests.graph_api.api.contract import Contract, assert_problem


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schema_type": "entity"}, "body.graph_id: field required"),
        ({"graph_id": 7}, "body.graph_id: "),
        ({"graph_id": "kg1", "colour": "red"}, "body.colour: unknown field"),
        ({"graph_id": "kg1", "schema_type": "nonsense"}, "body.schema_type: "),
        ({"graph_id": "kg1", "limits": {"max_rows": 0}}, "body.limits.max_rows: "),
        ([], "body: "),
        ("text", "body: "),
    ],
)
def test_validation_errors_are_400_and_name_the_field(client: httpx.Client, body: object, field: str) -> None:
    """Never 422; the caller reads which field and what to do."""
    problem = assert_problem(client.post("/databases", json=body), 400, "INVALID_REQUEST", names=field)
    assert problem["errors"][0]["field"] == field.split(":", maxsplit=1)[0]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"nul", b'{"graph_id": "a"} x', b"[" * 100_000])
def test_bodies_that_are_not_json_are_400(client: httpx.Client, content: bytes) -> None:
    """Whatever the bytes are."""
    response = client.post("/databases", content=content, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "INVALID_REQUEST")


def test_values_that_were_sent_are_not_repeated(client: httpx.Client) -> None:
    """A body may hold secrets; the answer names fields only."""
    response = client.post("/databases", json={"graph_id": {"password": "hunter2"}, "secret": "hunter3"})
    assert_problem(response, 400, "INVALID_REQUEST")
    assert "hunter" not in response.text


def test_a_long_list_of_errors_is_cut(client: httpx.Client) -> None:
    """An answer does not grow with what is wrong."""
    body = {f"field_{number}_{'x' * 300}": number for number in range(500)}
    response = client.post("/databases", json=body)
    assert_problem(response, 400, "INVALID_REQUEST", names="more")
    assert len(response.content) < 4000


def test_lone_surrogates_come_back_as_they_can(client: httpx.Client) -> None:
    """Text that JSON can express and UTF-8 cannot is the client's error, not the server's."""
    response = client.post(
        "/databases", content=b'{"\\ud800": 1, "graph_id": "\\udfff"}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["code"] in {"INVALID_REQUEST", "INVALID_GRAPH_ID"}


def test_unknown_paths_are_404(client: httpx.Client) -> None:
    """With the place where the paths are listed."""
    assert_problem(client.get("/nothing"), 404, "NOT_FOUND", names="/openapi.json")
    assert_problem(client.get("/databases/"), 404, "NOT_FOUND")


def test_a_wrong_method_is_405_and_lists_the_right_ones(client: httpx.Client) -> None:
    """All methods of the path, not only those of the route that happened to match first."""
    response = client.put("/databases", json={})
    assert_problem(response, 405, "INVALID_REQUEST")
    assert response.headers["allow"] == "GET, POST"
    assert client.post("/databases/kg1").headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("graph_id", ["..", "%2e%2e", "a%2Fb", "-a", "a" * 64, "a b", "ä", "a%00b", "%FF", "a.b"])
@pytest.mark.parametrize("route", ["", "/query", "/schema", "/queries"])
def test_hostile_ids_are_refused_by_name(client: httpx.Client, graph_id: str, route: str) -> None:
    """An id that is not legal is never looked for."""
    method = "POST" if route == "/query" else "GET"
    response = client.request(method, f"/databases/{graph_id}{route}", json={"cypher": "RETURN 1"})
    assert response.status_code in {400, 404, 405}
    assert response.json()["code"] in {"INVALID_GRAPH_ID", "NOT_FOUND", "INVALID_REQUEST"}


def test_missing_databases_are_404_everywhere(client: httpx.Client) -> None:
    """Every route below a database says the same."""
    document: dict[str, Any] = Contract.of_the_service().document
    bodies = {"/query": {"cypher": "RETURN 1"}, "/transaction": {"statements": [{"cypher": "RETURN 1"}]}}
    paths = [path for path in document["paths"] if path in {"/databases/{graph_id}", "/databases/{graph_id}/schema"}]
    for path in paths:
        assert_problem(client.get(path.format(graph_id="missing")), 404, "DATABASE_NOT_FOUND")
    for route, body in bodies.items():
        assert_problem(client.post(f"/databases/missing{route}", json=body), 404, "DATABASE_NOT_FOUND")


@pytest.mark.parametrize("given", ["my-request.1", "A" * 128, "0:1_2"])
def test_a_sane_request_id_is_kept(client: httpx.Client, given: str) -> None:
    """A caller can follow a request through its own systems."""
    assert client.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "A" * 129, "x\ty", "ü".encode().decode("latin-1"), "a;b", '"}'])
def test_any_other_request_id_is_replaced(client: httpx.Client, given: str) -> None:
    """Nothing that could confuse a log or a header comes through."""
    request = client.build_request("GET", "/health", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    answered = client.send(request).headers["x-request-id"]
    assert answered
    assert answered != given


def test_request_ids_are_unique(client: httpx.Client) -> None:
    """Each request has its own name."""
    assert len({client.get("/health").headers["x-request-id"] for _ in range(20)}) == 20


def test_the_document_promises_no_422() -> None:
    """Validation is 400, in the document too, and every error is a problem."""
    for item in Contract.of_the_service().document["paths"].values():
        for operation in item.values():
            assert "422" not in operation["responses"]
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_document_is_served(client: httpx.Client) -> None:
    """What the service serves is what is checked in."""
    assert client.get("/openapi.json").json() == Contract.of_the_service().document
