"""Logs: one JSON object a line, in one format for everything that the process says.

`{"timestamp","level","node_type","tier","instance_id","graph_id","operation","duration_ms","status","request_id",...}`;
members that do not apply are left out. A line never holds keys, parameters or the text of statements: the access log
has no member for them, events hide members of such names, and a traceback shows the kinds of its exceptions and where
they were raised, but their messages only on level DEBUG, because a message may quote values.

Lines go to one `LineSink`, where a thread writes them, so that a slow reader of the log never holds up a request.
"""

import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgspec
import structlog

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Name of the request that is being served; every line written meanwhile carries it."""

_GATHER_S: Final = 0.01
"""Seconds that a line may wait for others: a busy node writes a hundred times a second, not for every request."""

_SECRET_FIELDS: Final = frozenset(
    {
        "api_key",
        "key",
        "keys",
        "authorization",
        "password",
        "secret",
        "token",
        "parameters",
        "cypher",
        "statement",
        "text",
    }
)
_HIDDEN: Final = "***"
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_SUCCESS_BELOW: Final = 400
_SERVER_ERROR_FROM: Final = 500
_CLIENT_CLOSED: Final = 499


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Members that are the same in every line of a process."""

    node_type: str
    tier: str
    instance_id: str


class AccessEntry(msgspec.Struct, frozen=True):
    """What is said about one request.

    Attributes:
        operation: Name of the route; a fixed set.
        graph_id: Database that the path named, if any.
        duration_ms: Milliseconds from the head of the request to the last byte of the answer.
        status: HTTP status; 499 if the client went away before it had one.
        request_id: Name of the request.
        code: For errors, the stable name of the error.
    """

    operation: str
    graph_id: str | None
    duration_ms: float
    status: int
    request_id: str
    code: str | None = None


class _AccessMembers(msgspec.Struct, omit_defaults=True):
    """Members of a request's line, in their order."""

    operation: str
    duration_ms: float
    status: str
    http_status: int
    request_id: str
    graph_id: str | None = None
    code: str | None = None


class LineSink:
    """Takes lines and writes them in order.

    Until `writing` is entered, and after it is left, a line is written by whoever hands it over. Inside, a thread
    writes; at most `max_pending` lines wait for it, and what comes beyond is dropped, counted, and reported by the next
    line that fits.
    """

    def __init__(self, stream: BinaryIO, *, max_pending: int = 50_000) -> None:
        self._stream = stream
        self._max_pending = max_pending
        self._pending: deque[bytes] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._running = False

    @property
    def dropped(self) -> int:
        """Lines dropped so far and not yet reported."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Take one line, its end included."""
        if not self._running:
            self._put(line)
        elif len(self._pending) >= self._max_pending:
            self._dropped += 1
        else:
            self._pending.append(line)
            if not self._wake.is_set():
                self._wake.set()

    @contextmanager
    def writing(self) -> Generator[None]:
        """Let a thread write until the block is left; then everything that waits has been written."""
        self._running = True
        thread = threading.Thread(target=self._work, name="log-writer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._running = False
            self._wake.set()
            thread.join(timeout=5)
            self._flush()

    def _work(self) -> None:
        """Write what has gathered until the sink stops."""
        while self._running:
            self._wake.wait()
            if self._running:
                time.sleep(_GATHER_S)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        """Write everything that waits."""
        lines = [self._pending.popleft() for _ in range(len(self._pending))]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            lines.append(b'{"level":"WARNING","message":"log lines dropped","dropped":%d}\n' % dropped)
        if lines:
            self._put(b"".join(lines))

    def _put(self, data: bytes) -> None:
        """Write to the stream; a log that cannot be written must not end the service."""
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):
            self._dropped += 1


class JsonLog:
    """Writes access lines, and renders the events of structlog and the standard library in the same format.

    Args:
        identity: Members of every line.
        sink: Where lines go.
        level: Least level that is written (`logging.DEBUG`, ...).
    """

    def __init__(self, identity: LogIdentity, sink: LineSink, level: int = logging.INFO) -> None:
        self._identity = identity
        self._sink = sink
        self._level = level
        static = msgspec.json.encode(
            {"node_type": identity.node_type, "tier": identity.tier, "instance_id": identity.instance_id}
        )[1:-1]
        self._after_level = {
            logging.getLevelName(number): b'","level":"%s",%s' % (logging.getLevelName(number).encode(), static)
            for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
        }
        self._second = (-1, b"")

    @property
    def sink(self) -> LineSink:
        """Where lines go."""
        return self._sink

    def access(self, entry: AccessEntry) -> None:
        """Write the line of a request: INFO, or WARNING for errors of the service."""
        server_error = entry.status >= _SERVER_ERROR_FROM
        if self._level > (logging.WARNING if server_error else logging.INFO):
            return
        members = _AccessMembers(
            entry.operation,
            round(entry.duration_ms, 3),
            _outcome(entry),
            entry.status,
            entry.request_id,
            entry.graph_id,
            entry.code,
        )
        self._sink.write(self._line("WARNING" if server_error else "INFO", _encode(members)))

    def _line(self, level: str, members: bytes) -> bytes:
        """Return one line of a level; fixed members come first, then those of an encoded object that is not empty."""
        head = self._after_level.get(level) or self._after_level["INFO"]
        return b'{"timestamp":"%s%s,%s\n' % (self._timestamp(), head, members[1:])

    def render(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
        """Last processor of structlog: return the line of an event."""
        members: dict[str, object] = {"message": event.pop("event", "")}
        request_id = REQUEST_ID.get()
        if request_id is not None:
            members["request_id"] = request_id
        failure = event.pop("exc_info", None)
        for name, value in event.items():
            members[name] = _HIDDEN if name in _SECRET_FIELDS else value
        if failure:
            members["traceback"] = self._traceback(failure)
        try:
            encoded = _encode(members)
        except (UnicodeEncodeError, ValueError, TypeError):
            encoded = _encode({name: ascii(value) for name, value in members.items()})
        return self._line(_LEVEL_OF_METHOD.get(method, "INFO"), encoded)

    def install(self) -> None:
        """Send everything that the process says through structlog, logging and warnings to this log."""
        structlog.configure(
            processors=[self.render],
            wrapper_class=structlog.make_filtering_bound_logger(self._level),
            logger_factory=lambda *_names: _SinkLogger(self._sink),
            cache_logger_on_first_use=True,
        )
        root = logging.getLogger()
        root.handlers = [_SinkHandler(self)]
        root.setLevel(self._level)
        logging.captureWarnings(capture=True)

    def _timestamp(self) -> bytes:
        """Return the time in UTC with milliseconds; the text of a second is made once."""
        now = time.time()
        second = int(now)
        cached, text = self._second
        if second != cached:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
            self._second = (second, text)
        return b"%s.%03dZ" % (text, int((now - second) * 1000))

    def _traceback(self, failure: object) -> str:
        """Return where an exception and its causes were raised."""
        error = failure if isinstance(failure, BaseException) else sys.exc_info()[1]
        if error is None:
            return ""
        if self._level <= logging.DEBUG:
            return "".join(traceback.format_exception(error))
        return _without_messages(error)


class _SinkLogger:
    """What structlog calls with a finished line."""

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink

    def msg(self, line: bytes) -> None:
        """Write a line."""
        self._sink.write(line)

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


class _SinkHandler(logging.Handler):
    """Carries records of the standard library over."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        event: dict[str, Any] = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info[1]
        method = record.levelname.lower()
        self._log.sink.write(self._log.render(None, method, event))


_LEVEL_OF_METHOD: Final = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "warn": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
    "fatal": "CRITICAL",
}


def _outcome(entry: AccessEntry) -> str:
    """Return the word for how a request ended; a stream can fail after its status was sent."""
    if entry.status == _CLIENT_CLOSED:
        return "cancelled"
    return "success" if entry.status < _SUCCESS_BELOW and entry.code is None else "error"


def _without_messages(error: BaseException) -> str:
    """Return a traceback that holds no message, innermost cause last."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(type(current).__qualname__)
        lines += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(lines)
