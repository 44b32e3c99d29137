"""Servers for the tests of the HTTP interface."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.graph_api.api.running_server import KEY, RunningServer, running_server

StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give the server that all tests share; it has room for many databases."""
    settings = {
        "LBUG_MAX_DATABASES_PER_NODE": "500",
        "LBUG_MAX_OPEN_DATABASES": "16",
        "LBUG_MAX_WRONG_KEYS_PER_MINUTE": "1000000",  # Tests that send wrong keys share the server and the address.
    }
    with running_server(tmp_path_factory.mktemp("server"), settings=settings) as server:
        yield server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Give a function that starts servers with special settings; all end with the test."""
    with contextlib.ExitStack() as stack:
        number = 0

        def start(*arguments: str, key: str = KEY, settings: Mapping[str, str] | None = None) -> RunningServer:
            nonlocal number
            number += 1
            folder = tmp_path / f"server-{number}"
            return stack.enter_context(running_server(folder, *arguments, key=key, settings=settings))

        yield start


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """Give a client of the shared server that sends the key and checks every answer against the OpenAPI document."""
    with server.client() as client:
        yield client


@pytest.fixture
def stranger(server: RunningServer) -> Iterator[httpx.Client]:
    """Give a client of the shared server that sends no key."""
    with server.client(key="") as client:
        yield client
