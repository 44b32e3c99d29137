"""A real server process for the benchmarks, and its data."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from robosystems.graph_api.client import GraphClient
from robosystems.graph_api.client.operations import LoadOptions
from tests.graph_api.bench import workload

KEY = "graph_api_benchmark"


class Node:
    """A server on a free loopback port, with databases below `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start and wait until it is ready."""
        environment = os.environ | {"GRAPH_API_KEY": KEY, "LBUG_LOG_LEVEL": "WARNING"} | self._settings
        arguments = ["--base-path", str(self.folder / "databases"), "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "robosystems.graph_api", *arguments], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/ready").status_code == httpx.codes.OK:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError((self.folder / "server.log").read_text())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)

    @property
    def process_id(self) -> int:
        """The API process."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> GraphClient:
        """Return a client."""
        return GraphClient(self.url, KEY, timeout_s=600)

    def fill(self, graph_id: str, files: Path) -> float:
        """Create a database with the workload's data; return the seconds that loading the nodes took."""
        with self.client() as client:
            ddl = f"{workload.PERSON_DDL}; {workload.KNOWS_DDL}"
            client.create_database(graph_id, "custom", custom_schema_ddl=ddl)
            started = time.perf_counter()
            client.load_file(graph_id, "Person", files / "Person.parquet")
            seconds = time.perf_counter() - started
            client.load_file(graph_id, "KNOWS", files / "KNOWS.parquet", LoadOptions())
        return seconds


def private_bytes(process_id: int) -> int:
    """Return the private memory of a process."""
    total = 0
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1]) << 10
    return total


def resident_bytes(process_id: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
