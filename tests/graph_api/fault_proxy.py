"""A proxy on loopback that does what networks and load balancers do: it loses, delays, cuts, and answers itself."""

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_JOIN_WAIT_S: Final = 20.0
_RESET: Final = struct.pack("ii", 1, 0)  # Linger for 0 s: closing sends a reset.


class Fate(Enum):
    """What happens to a request."""

    PASS = "pass"
    """It arrives, and so does its answer."""
    RESET = "reset"
    """The connection is reset before the server sees anything."""
    CLOSE = "close"
    """The connection is closed without an answer, before the server sees anything."""
    LOSE_ANSWER = "lose_answer"
    """The server serves it; the connection is reset in place of the answer."""
    CUT_ANSWER = "cut_answer"
    """The server serves it; the connection is closed after some bytes of the answer."""
    REFUSE = "refuse"
    """The proxy answers with a status of its own; the server sees nothing."""
    SPOIL = "spoil"
    """The server serves it; the proxy answers with a status of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    Attributes:
        fate: In general.
        status: Of the proxy's own answer.
        retry_after: Its `Retry-After`, seconds.
        keep: Bytes of the answer that pass before it is cut.
        delay_s: Seconds before anything happens.
    """

    fate: Fate = Fate.PASS
    status: int = 502
    retry_after: int | None = None
    keep: int = 40
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came to the proxy."""

    method: str
    path: str
    headers: dict[str, str]


class FaultProxy:
    """Forwards requests to a server, one per connection, each with the next planned fault; after the last one all pass.

    Args:
        url: Of the server.
        spared: Paths that always pass and use up no fault.
    """

    def __init__(self, url: str, *, spared: Iterable[str] = ("/info", "/health")) -> None:
        place = urlsplit(url)
        self._server = (place.hostname, place.port)
        self._spared = frozenset(spared)
        self._plan: deque[Fault] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.seen: list[Seen] = []
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fault proxy")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        assert self._started.wait(_JOIN_WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close every connection."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_JOIN_WAIT_S)

    def plan(self, *faults: Fault) -> None:
        """Say what happens to the next requests, in place of what was planned before."""
        self._plan = deque(faults)

    @property
    def left(self) -> int:
        """Planned faults that were not used yet."""
        return len(self._plan)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._handle, sock=self._listener)
        self._started.set()
        await self._stop.wait()
        server.close()  # `asyncio.run` cancels what is still being served.

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve_one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client went away.
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen = _parsed(head)
        self.seen.append(seen)
        fault = Fault() if seen.path in self._spared or not self._plan else self._plan.popleft()
        await asyncio.sleep(fault.delay_s)
        if fault.fate is Fate.RESET:
            _reset(writer)
            return
        if fault.fate is Fate.CLOSE:
            return
        body = await _body(reader, seen.headers)
        if fault.fate is not Fate.REFUSE:
            answer = await self._forward(head, body)
        else:
            answer = b""
        if fault.fate is Fate.LOSE_ANSWER:
            _reset(writer)
            return
        if fault.fate is Fate.CUT_ANSWER:
            answer = answer[: fault.keep]
        elif fault.fate is not Fate.PASS:
            answer = _own_answer(fault)
        writer.write(answer)
        await writer.drain()

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        """Send a request on and return the whole answer."""
        reader, writer = await asyncio.open_connection(*self._server)
        try:
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            writer.write(b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""]) + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


def _parsed(head: bytes) -> Seen:
    """Return what the head of a request says."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Seen(method, target.partition("?")[0], headers)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Return the body of a request as it came."""
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces: list[bytes] = []
    while True:
        line = await reader.readline()
        size = int(line.split(b";")[0], 16)
        pieces += [line, await reader.readexactly(size + 2)]
        if not size:
            return b"".join(pieces)


def _own_answer(fault: Fault) -> bytes:
    """Return an answer that is not the service's."""
    text = b"<html>upstream says no</html>"
    again = f"Retry-After: {fault.retry_after}\r\n" if fault.retry_after is not None else ""
    head = f"HTTP/1.1 {fault.status} Own\r\nContent-Type: text/html\r\nContent-Length: {len(text)}\r\n{again}"
    return f"{head}Connection: close\r\n\r\n".encode() + text


def _reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
