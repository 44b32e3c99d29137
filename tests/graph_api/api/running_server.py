"""A real server process on a free loopback port, and requests to it whose answers are checked against the contract."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.graph_api.api.contract import Contract

KEY = "graph_api_" + "0123456789abcdef" * 4
START_S = 30.0
STOP_S = 60.0


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that holds no settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LBUG_", "GRAPH_", "WRITER_"))}
    return {**kept, **settings}


def command(*arguments: str) -> list[str]:
    """Return the command of a server on a free port, or of whatever the arguments say."""
    return [sys.executable, "-m", "robosystems.graph_api", *arguments]


@dataclass(frozen=True)
class RunningServer:
    """A server that serves.

    Attributes:
        base_url: Where.
        key: A key that opens it; empty if it needs none.
        process: The server process.
        log_file: Its standard error.
        output_file: Its standard output.
        base_path: Directory of its databases.
        contract: What its answers have to look like.
    """

    base_url: str
    key: str
    process: subprocess.Popen[bytes]
    log_file: Path
    output_file: Path
    base_path: Path
    contract: Contract

    @contextlib.contextmanager
    def client(self, *, key: str | None = None, checked: bool = True) -> Generator[httpx.Client]:
        """Give a client; `key=""` sends none. Checked: every answer must be as the OpenAPI document says."""
        key = self.key if key is None else key
        headers = {"X-Graph-API-Key": key} if key else {}
        hooks: dict[str, list[Any]] = {"response": [self._check]} if checked else {}
        with httpx.Client(base_url=self.base_url, headers=headers, event_hooks=hooks, timeout=60) as client:
            yield client

    def logs(self) -> list[dict[str, Any]]:
        """Return the complete lines of the log so far."""
        text = self.log_file.read_bytes()
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def wait_for_log(self, **members: object) -> dict[str, Any]:
        """Return the first line with these members; fail if it does not come."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for line in self.logs():
                if all(line.get(name) == value for name, value in members.items()):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no log line {members} in:\n{self.log_file.read_text()}")

    def stop(self) -> int:
        """Ask the server to end, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_S)

    def _check(self, response: httpx.Response) -> None:
        response.read()
        self.contract.validate(response)


@contextlib.contextmanager
def running_server(
    folder: Path, *arguments: str, key: str = KEY, settings: Mapping[str, str] | None = None
) -> Generator[RunningServer]:
    """Start a server whose files are in `folder`; end it on leaving."""
    base_path = folder / "databases"
    base_path.mkdir(parents=True, exist_ok=True)
    log_file, output_file = folder / "server.log", folder / "server.out"
    environment = environment_of({"GRAPH_API_KEY": key, "LBUG_DATABASE_PATH": str(base_path), **(settings or {})})
    with log_file.open("wb") as log, output_file.open("wb") as output:
        process = subprocess.Popen(
            command("--port", "0", *arguments), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=log
        )
    server = RunningServer("", key, process, log_file, output_file, base_path, Contract.of_the_service())
    try:
        yield replace(server, base_url=_url(server))
    finally:
        try:
            server.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _url(server: RunningServer) -> str:
    """Wait until a server serves, and return its URL."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        for line in server.logs():
            if line.get("message") == "serving":
                return str(line["url"])
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{server.log_file.read_text()}")
