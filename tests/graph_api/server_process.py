"""A real server process on a free loopback port, as tests and benchmarks start it."""

import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from robosystems.graph_api.client import GraphClient, GraphClientConfig

_START_WAIT_S: Final = 60.0
_STOP_WAIT_S: Final = 60.0


def free_port() -> int:
    """Return a loopback port that nobody listens on now.

    The system takes the source ports of connections from a range that this port is not in: a client that tries to
    reach a server that is just being restarted can never take the server's port away.
    """
    first_of_the_system = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10_000, max(first_of_the_system, 20_000))
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """`python -m robosystems.graph_api` below a folder of its own; can be stopped, killed and started again.

    Args:
        folder: Where databases and the log go.
        more_keys: Keys that the server accepts besides `key`.
        program: The module that is the server.
        settings: Environment variables of the server.
    """

    def __init__(
        self, folder: Path, *, more_keys: tuple[str, ...] = (), program: str = "robosystems.graph_api", **settings: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = f"graph_api_{secrets.token_hex(32)}"
        keys = ",".join((self.key, *more_keys))
        self._settings = {"GRAPH_API_KEY": keys, "LBUG_LOG_LEVEL": "INFO"} | settings
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start and wait until ready."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop cleanly."""
        self.stop()

    def start(self) -> None:
        """Start and wait until it is ready. Raises `RuntimeError` with the log if it does not become so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--base-path", str(self.folder / "databases"), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, *arguments],
                env=os.environ | self._settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_WAIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._is_ready():
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(self.log.read_text()[-4_000:])

    def stop(self) -> int:
        """Send SIGTERM and return the exit status. Idempotent."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=_STOP_WAIT_S)
        self._process = None
        return status

    def kill(self) -> None:
        """Send SIGKILL to the API process alone. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=_STOP_WAIT_S)
            self._process = None

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.folder / "server.log"

    @property
    def is_running(self) -> bool:
        """Whether the API process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The API process."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def client(self, timeout_s: float = 120.0) -> GraphClient:
        """Return a client with the server's key that shows each answer as it is: it repeats nothing."""
        config = GraphClientConfig(retries_enabled=False, breakers_enabled=False)
        return GraphClient(self.url, self.key, timeout_s=timeout_s, config=config)

    def http(self) -> httpx.Client:
        """Return a bare HTTP client with the server's key."""
        return httpx.Client(base_url=self.url, headers={"X-Graph-API-Key": self.key}, timeout=120.0)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False
