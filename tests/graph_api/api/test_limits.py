"""Bounds of bodies hold, however a body is sent."""

import json
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import KEY, RunningServer, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

LIMIT = 100_000
UPLOAD_LIMIT = 1_000_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> "Generator[RunningServer]":
    """Give a server with small limits."""
    settings = {"LBUG_MAX_BODY_BYTES": str(LIMIT), "LBUG_MAX_UPLOAD_BYTES": str(UPLOAD_LIMIT)}
    with running_server(tmp_path_factory.mktemp("narrow"), settings=settings) as server:
        yield server


@pytest.fixture
def tenant(narrow: RunningServer) -> "Generator[httpx.Client]":
    """Give a client of that server."""
    with narrow.client() as client:
        yield client


def body_of(size: int) -> bytes:
    """Return a body of a legal request for an unknown database, padded to a size."""
    start = json.dumps({"graph_id": "kg1", "schema_type": "nonsense"}).encode()
    return start + b" " * (size - len(start))


def pieces(body: bytes, size: int = 8192) -> Iterator[bytes]:
    """Yield a body in pieces, which makes the client send it chunked."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_at_its_limit_passes(tenant: httpx.Client, *, chunked: bool) -> None:
    """The limit itself is allowed; what is wrong with this body is its content."""
    body = body_of(LIMIT)
    response = tenant.post("/databases", content=pieces(body) if chunked else body, headers=JSON)
    assert_problem(response, 400, "INVALID_REQUEST", names="schema_type")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [LIMIT + 1, 3 * LIMIT, 100 * LIMIT])
def test_a_body_over_its_limit_is_refused(tenant: httpx.Client, size: int, *, chunked: bool) -> None:
    """A chunked body is counted while it is read, so no form of sending gets around the limit."""
    body = body_of(size)
    response = tenant.post("/databases", content=pieces(body) if chunked else body, headers=JSON)
    problem = assert_problem(response, 413, "PAYLOAD_TOO_LARGE", names="LBUG_MAX_BODY_BYTES")
    assert problem["limit_bytes"] == LIMIT


@pytest.mark.parametrize("chunked", [False, True])
def test_the_query_route_has_the_limit_too(tenant: httpx.Client, *, chunked: bool) -> None:
    """The fast route goes through the same door."""
    body = json.dumps({"cypher": "RETURN 1", "parameters": {"p": "x" * LIMIT}}).encode()
    response = tenant.post("/databases/kg1/query", content=pieces(body) if chunked else body, headers=JSON)
    assert_problem(response, 413, "PAYLOAD_TOO_LARGE", names="LBUG_MAX_BODY_BYTES")


@pytest.mark.parametrize("chunked", [False, True])
def test_files_to_load_have_a_limit_of_their_own(tenant: httpx.Client, *, chunked: bool) -> None:
    """What is too large for a request may be a small file."""
    created = {
        "graph_id": f"loads-{chunked}",
        "schema_type": "custom",
        "custom_schema_ddl": "CREATE NODE TABLE T(id INT64 PRIMARY KEY)",
    }
    assert tenant.post("/databases", json=created).status_code == 201
    path, kind = f"/databases/loads-{chunked}/load/T", {"Content-Type": "text/csv"}
    fits = b"id\n" + b"".join(b"%d\n" % number for number in range(20_000))
    assert LIMIT < len(fits) < UPLOAD_LIMIT
    assert tenant.post(path, content=pieces(fits) if chunked else fits, headers=kind).status_code == 200
    large = fits + b"\n" * UPLOAD_LIMIT
    response = tenant.post(path, content=pieces(large) if chunked else large, headers=kind)
    assert_problem(response, 413, "PAYLOAD_TOO_LARGE", names="LBUG_MAX_UPLOAD_BYTES")


def test_a_refused_body_is_not_waited_for(narrow: RunningServer) -> None:
    """An announced length over the limit is refused before a byte of the body is sent."""
    host, port = narrow.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /databases HTTP/1.1\r\nHost: x\r\nX-Graph-API-Key: {KEY}\r\nContent-Length: {10**12}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.makefile("rb").readline().split()[1] == b"413"


def test_strangers_cannot_send_large_bodies(narrow: RunningServer) -> None:
    """Without a key, nothing of a body is kept, and the answer still arrives."""
    with narrow.client(key="") as stranger:
        response = stranger.post("/databases/kg1/load/T", content=pieces(b"x" * 900_000))
        assert_problem(response, 401, "UNAUTHORIZED")
        assert_problem(stranger.post("/databases", content=b"x" * 900_000), 401, "UNAUTHORIZED")


def test_the_connection_serves_on_after_a_small_refusal(narrow: RunningServer) -> None:
    """A refusal costs its connection only when a large rest of a body would have to be read."""
    with narrow.client() as client:
        refused = client.post("/databases", json={"graph_id": "x" * 1000})
        assert refused.status_code == 400
        assert "connection" not in refused.headers
        refused = client.post("/databases", content=body_of(LIMIT + 1), headers=JSON)
        assert refused.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "+5", "0x10", "5, 6"])
def test_a_length_that_is_no_number_is_a_bad_request(narrow: RunningServer, length: str) -> None:
    """Nonsense is refused; it neither hangs nor fails the server."""
    host, port = narrow.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /databases HTTP/1.1\r\nHost: x\r\nX-Graph-API-Key: {KEY}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.makefile("rb").readline().split()[1] == b"400"
