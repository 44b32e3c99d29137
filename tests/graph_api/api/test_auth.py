"""Keys: what opens the node, in which forms, and what answers without."""

import socket
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from tests.graph_api.api.contract import Contract, assert_problem
from tests.graph_api.api.running_server import KEY, RunningServer

if TYPE_CHECKING:
    from tests.graph_api.api.conftest import StartServer

ROUTES = [
    (method.upper(), path)
    for path, item in cast("dict[str, dict[str, Any]]", Contract.of_the_service().document["paths"]).items()
    for method in item
    if path not in {"/health", "/ready", "/status"}
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Graph-API-Key", KEY),
        ("x-graph-api-key", KEY),
        ("Authorization", f"Bearer {KEY}"),
        ("Authorization", f"bearer  {KEY}"),
        ("Authorization", f"X-Graph-API-Key: {KEY}"),
        ("authorization", f"x-graph-api-key:{KEY}"),
    ],
)
def test_a_key_opens_the_node_in_each_documented_form(stranger: httpx.Client, name: str, value: str) -> None:
    """Its own header, a bearer token, and the literal form of published examples."""
    assert stranger.get("/info", headers={name: value}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Graph-API-Key", "wrong"),
        ("X-Graph-API-Key", ""),
        ("X-Graph-API-Key", KEY[:-1]),
        ("X-Graph-API-Key", KEY + "x"),
        ("X-Graph-API-Key", KEY.upper()),
        ("X-Graph-API-Key", f"Bearer {KEY}"),
        ("X-Graph-API-Key", f"{KEY},other"),
        ("Authorization", KEY),
        ("Authorization", f"Basic {KEY}"),
        ("Authorization", "Bearer"),
        ("Authorization", ""),
        ("X-API-Key", KEY),
    ],
)
def test_anything_else_is_refused(stranger: httpx.Client, name: str, value: str) -> None:
    """Near misses are misses."""
    assert_problem(stranger.get("/info", headers={name: value}), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("value", ["schlüssel".encode(), "ключ".encode(), b"\xff\xfe", b"\x80" * 500])
@pytest.mark.parametrize("name", [b"X-Graph-API-Key", b"Authorization"])
def test_a_key_that_is_not_ascii_gives_401_and_never_500(stranger: httpx.Client, name: bytes, value: bytes) -> None:
    """Bytes that no key can hold are a wrong key."""
    prefix = b"Bearer " if name == b"Authorization" else b""
    request = stranger.build_request("GET", "/info", headers=[(name, prefix + value)])
    assert_problem(stranger.send(request), 401, "UNAUTHORIZED")


def test_two_headers_with_different_keys_are_refused(stranger: httpx.Client) -> None:
    """Which one counts would be a guess."""
    different = {"X-Graph-API-Key": KEY, "Authorization": "Bearer other"}
    assert_problem(stranger.get("/info", headers=different), 401, "UNAUTHORIZED", names="different keys")
    same = {"X-Graph-API-Key": KEY, "Authorization": f"Bearer {KEY}"}
    assert stranger.get("/info", headers=same).status_code == 200
    other_scheme = {"X-Graph-API-Key": KEY, "Authorization": "Basic abc"}
    assert stranger.get("/info", headers=other_scheme).status_code == 200


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/nothing")])
def test_every_other_route_is_closed_to_strangers(stranger: httpx.Client, method: str, path: str) -> None:
    """A new route is closed until somebody decides otherwise; unknown paths tell a stranger nothing."""
    response = stranger.request(method, path.replace("{graph_id}", "kg1").replace("{table}", "T"), content=b"{")
    assert_problem(response, 401, "UNAUTHORIZED")


@pytest.mark.parametrize("path", ["/info/", "//info", "/Info", "/./info", "/health/../info", "/ready/x", "/health/"])
def test_no_spelling_of_a_path_gets_around_the_key(server: RunningServer, path: str) -> None:
    """Only the exact open paths are open."""
    host, port = server.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split()[1] == b"401"


def test_strangers_learn_one_word(stranger: httpx.Client, client: httpx.Client) -> None:
    """Without a key the status is its word; with one it is everything."""
    assert stranger.get("/status").json() == {"status": "healthy"}
    assert client.get("/status").json()["max_databases"] == 500
    assert_problem(stranger.get("/status", headers={"X-Graph-API-Key": "wrong"}), 401, "UNAUTHORIZED")


def test_probes_ignore_keys(stranger: httpx.Client) -> None:
    """A stale key in a probe does not take the node out of service."""
    for path in ("/health", "/ready"):
        assert stranger.get(path).status_code == 200
        assert stranger.get(path, headers={"X-Graph-API-Key": "wrong"}).status_code == 200


def test_many_wrong_keys_lock_nobody_out(stranger: httpx.Client, client: httpx.Client) -> None:
    """Whoever shares an address with an attacker is served all the same."""
    for number in range(50):
        assert stranger.get("/info", headers={"X-Graph-API-Key": f"guess-{number}"}).status_code == 401
    assert client.get("/info").status_code == 200


def test_all_keys_of_a_rotation_open_the_node(start_server: "StartServer") -> None:
    """The old key stays valid while clients move to the new one."""
    server = start_server(key="old-key, new~key!")
    for key, status in (("old-key", 200), ("new~key!", 200), ("old-key, new~key!", 401), (",", 401)):
        with server.client(key=key) as client:
            assert client.get("/info").status_code == status


def test_a_node_without_keys_is_open_and_says_so(start_server: "StartServer") -> None:
    """On loopback a node may run without keys; its status and its log show it."""
    server = start_server(key="")
    with server.client() as client:
        assert client.get("/info").status_code == 200
        assert client.get("/status").json()["auth"] == "off"
        assert client.get("/info", headers={"X-Graph-API-Key": "any"}).status_code == 200
    assert server.wait_for_log(message="requests need no key")["level"] == "WARNING"


def test_keys_do_not_reach_the_log(start_server: "StartServer") -> None:
    """Neither right nor wrong keys are logged, on any level."""
    server = start_server(settings={"LBUG_LOG_LEVEL": "DEBUG"})
    with server.client() as client:
        client.get("/info")
        client.get("/info", headers={"X-Graph-API-Key": "almost-right-key"})
        client.get("/info", headers={"X-Request-ID": "last"})
    server.wait_for_log(request_id="last")
    assert server.stop() == 0
    log = server.log_file.read_text()
    assert KEY not in log
    assert "almost-right-key" not in log
