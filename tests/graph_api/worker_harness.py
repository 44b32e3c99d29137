"""A real template and real workers, spoken to over their sockets by a small synchronous client."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from robosystems.graph_api.backends.lbug.wire import (
    CREDIT,
    HEADER,
    SUMMARY,
    Exited,
    Failure,
    Forked,
    ForkOrder,
    Format,
    Kind,
    Ready,
    RunRequest,
    StatementPart,
    TransactionRequest,
    WorkerConfig,
)

WAIT_S = 30.0
"""Bound of every wait; nothing should come near it."""


@dataclass
class Answer:
    """One answer, whole.

    Attributes:
        body: The bytes of DOCUMENT, or of all CHUNKs.
        rows: From the summary.
        execution_ms: From the summary.
        flags: From the summary.
        failure: The payload of ERROR, if that came.
        streamed: Whether HEAD came.
    """

    body: bytes = b""
    rows: int = 0
    execution_ms: float = 0.0
    flags: int = 0
    failure: Failure | None = None
    streamed: bool = False
    ended: bool = False
    chunks: list[bytes] = field(default_factory=list[bytes])

    @property
    def json(self) -> Any:
        """The body as JSON values; integers exact."""
        assert self.failure is None, self.failure
        return msgspec.json.decode(self.body)

    @property
    def data(self) -> Any:
        """The rows of a document."""
        return self.json["data"]

    @property
    def lines(self) -> list[Any]:
        """The lines of NDJSON."""
        assert self.failure is None, self.failure
        return [msgspec.json.decode(line) for line in self.body.splitlines()]

    @property
    def error(self) -> str:
        """The error's code."""
        assert self.failure is not None, self.body[:300]
        return self.failure.code


class WorkerClient:
    """The API side of one worker's socket."""

    def __init__(self, sock: socket.socket, worker_id: int) -> None:
        self.sock = sock
        self.worker_id = worker_id
        self.process_id = 0
        self.ready: Ready | None = None
        self.failed: Failure | None = None
        self.answers: dict[int, Answer] = {}
        self.auto_credit = True
        self._buffer = bytearray()
        self._last_id = 0

    # -- sending

    def post(self, kind: Kind, request_id: int, payload: bytes = b"") -> None:
        """Send one frame."""
        self.sock.sendall(HEADER.pack(len(payload), kind, request_id) + payload)

    def ask(self, kind: Kind, payload: bytes) -> int:
        """Send a request and return its id."""
        self._last_id += 1
        self.answers[self._last_id] = Answer()
        self.post(kind, self._last_id, payload)
        return self._last_id

    def start(self, text: str, parameters: Mapping[str, object] | bytes | None = None, **options: Any) -> int:
        """Send RUN and return its id."""
        document = parameters if isinstance(parameters, bytes) else msgspec.json.encode(parameters or {})
        options = {
            "write": False,
            "format": Format.JSON,
            "timeout_s": WAIT_S,
            "max_rows": None,
            "credit": 1 << 20,
            "counted_tables": (),
        } | options
        return self.ask(Kind.RUN, msgspec.msgpack.encode(RunRequest(text=text, parameters=document, **options)))

    def run(self, text: str, parameters: Mapping[str, object] | bytes | None = None, **options: Any) -> Answer:
        """Run a read (or, with `write=True`, a write) and wait for its answer."""
        return self.wait(self.start(text, parameters, **options))

    def write(self, text: str, parameters: Mapping[str, object] | bytes | None = None, **options: Any) -> Answer:
        """Run a write that has to succeed."""
        answer = self.run(text, parameters, write=True, **options)
        assert answer.failure is None, answer.failure
        return answer

    def transact(self, *texts: str, timeout_s: float = WAIT_S, counted_tables: tuple[str, ...] | None = ()) -> Answer:
        """Run a transaction."""
        parts = tuple(StatementPart(text, b"{}", counted_tables) for text in texts)
        return self.wait(self.ask(Kind.TRANSACTION, msgspec.msgpack.encode(TransactionRequest(parts, timeout_s))))

    def cancel(self, request_id: int) -> None:
        """Send CANCEL."""
        self.post(Kind.CANCEL, request_id)

    def stats(self) -> dict[str, int]:
        """Ask for figures."""
        return self.wait(self.ask(Kind.STATS, b"")).json

    # -- receiving

    def wait(self, request_id: int, timeout_s: float = WAIT_S) -> Answer:
        """Receive until a request is answered."""
        self.pump(lambda: self.answers[request_id].ended, timeout_s)
        return self.answers.pop(request_id)

    def pump(self, done: Any, timeout_s: float = WAIT_S) -> None:
        """Receive frames until `done()`."""
        give_up = time.monotonic() + timeout_s
        while not done():
            self.receive(give_up)

    def receive(self, give_up: float) -> None:
        """Receive something."""
        if not select.select([self.sock], [], [], max(0.0, give_up - time.monotonic()))[0]:
            raise TimeoutError("the worker is silent")
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError("the worker has closed its socket")
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind, request_id = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < HEADER.size + length:
                return
            payload = bytes(self._buffer[HEADER.size : HEADER.size + length])
            del self._buffer[: HEADER.size + length]
            self._handle(Kind(kind), request_id, payload)

    def _handle(self, kind: Kind, request_id: int, payload: bytes) -> None:
        if kind is Kind.READY:
            self.ready = msgspec.msgpack.decode(payload, type=Ready)
            return
        if kind is Kind.FAILED:
            self.failed = msgspec.msgpack.decode(payload, type=Failure)
            return
        answer = self.answers[request_id]
        assert not answer.ended, "answered twice"
        if kind is Kind.HEAD:
            answer.streamed = True
        elif kind is Kind.CHUNK:
            answer.chunks.append(payload)
            if self.auto_credit:
                self.post(Kind.CREDIT, request_id, CREDIT.pack(len(payload)))
        elif kind is Kind.ERROR:
            answer.failure = msgspec.msgpack.decode(payload, type=Failure)
            answer.ended = True
        else:
            answer.rows, answer.execution_ms, answer.flags = SUMMARY.unpack_from(payload)
            answer.body = payload[SUMMARY.size :] if kind is Kind.DOCUMENT else b"".join(answer.chunks)
            answer.ended = True

    def close(self) -> None:
        """Close the socket without a word."""
        self.sock.close()


class TemplateHarness:
    """A running template and its workers."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "robosystems.graph_api.worker.template", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
                process_group=0,
            )
        self.exits: dict[int, int] = {}
        self._forks: dict[int, int] = {}
        self._clients: list[WorkerClient] = []
        self._last_id = 0

    def fork(self, directory: Path, **options: Any) -> WorkerClient:
        """Order a worker for a directory and return its client without waiting for READY."""
        self._last_id += 1
        ours, theirs = socket.socketpair()
        options = {"graph_id": "test", "buffer_pool_bytes": 64 << 20, "max_db_bytes": 1 << 33} | options
        config = WorkerConfig(directory=str(directory), **options)
        with theirs:
            order = msgspec.msgpack.encode(ForkOrder(self._last_id, config))
            socket.send_fds(self.control, [order], [theirs.fileno()])
        client = WorkerClient(ours, self._last_id)
        self._clients.append(client)
        return client

    def open(self, directory: Path, **options: Any) -> WorkerClient:
        """Order a worker and wait until it is ready."""
        client = self.fork(directory, **options)
        client.pump(lambda: client.ready is not None or client.failed is not None)
        assert client.failed is None, client.failed
        client.process_id = self.process_id_of(client)
        return client

    def process_id_of(self, client: WorkerClient) -> int:
        """Wait for the message that the worker was forked."""
        self._listen(lambda: client.worker_id in self._forks)
        return self._forks[client.worker_id]

    def exit_of(self, client: WorkerClient, timeout_s: float = WAIT_S) -> int:
        """Wait until a worker has ended; return its exit code, negative for a signal."""
        self._listen(lambda: client.worker_id in self.exits, timeout_s)
        return os.waitstatus_to_exitcode(self.exits[client.worker_id])

    def shut(self, client: WorkerClient) -> int:
        """Close a worker cleanly and return its exit code."""
        client.post(Kind.CLOSE, 0)
        status = self.exit_of(client)
        client.close()
        return status

    def _listen(self, done: Any, timeout_s: float = WAIT_S) -> None:
        give_up = time.monotonic() + timeout_s
        while not done():
            if not select.select([self.control], [], [], max(0.0, give_up - time.monotonic()))[0]:
                raise TimeoutError("the template is silent")
            message = self.control.recv(1 << 16)
            if not message:
                raise EOFError("the template has closed its socket")
            news: Forked | Exited = msgspec.msgpack.decode(message, type=Forked | Exited)
            if isinstance(news, Forked):
                self._forks[news.worker_id] = news.process_id
            else:
                self.exits[news.worker_id] = news.status

    def stop(self) -> int:
        """End the template and everything it has forked; return its exit code."""
        self.control.close()
        for client in self._clients:
            client.close()
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise


@contextmanager
def running_template() -> Generator[TemplateHarness]:
    """Start a template for a block."""
    harness = TemplateHarness()
    try:
        yield harness
    finally:
        harness.stop()
