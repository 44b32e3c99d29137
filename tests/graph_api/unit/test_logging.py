"""Log lines: one format for everything, nothing secret, nobody waits."""

import io
import json
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from robosystems.graph_api.observability.logging import REQUEST_ID, AccessEntry, JsonLog, LineSink, LogIdentity

IDENTITY = LogIdentity("writer", "standard", "i-1234567890")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def lines_of(stream: io.BytesIO) -> list[dict[str, Any]]:
    """Return the lines that were written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.BytesIO:
    """What the log writes to."""
    return io.BytesIO()


@pytest.fixture
def log(stream: io.BytesIO) -> Iterator[JsonLog]:
    """Give a log that everything in the process writes to, for the length of a test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log = JsonLog(IDENTITY, LineSink(stream))
    log.install()
    yield log
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_an_access_line_has_the_members_of_the_specification(log: JsonLog, stream: io.BytesIO) -> None:
    """Whoever reads the logs finds the documented names."""
    log.access(AccessEntry("query", "kg1a2b3c4d5", 45.0, 200, "r-1"))
    (line,) = lines_of(stream)
    assert TIMESTAMP.fullmatch(line.pop("timestamp"))
    assert line == {
        "level": "INFO",
        "node_type": "writer",
        "tier": "standard",
        "instance_id": "i-1234567890",
        "graph_id": "kg1a2b3c4d5",
        "operation": "query",
        "duration_ms": 45.0,
        "status": "success",
        "http_status": 200,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("status", "code", "level", "word"),
    [
        (201, None, "INFO", "success"),
        (404, "DATABASE_NOT_FOUND", "INFO", "error"),
        (503, "POOL_EXHAUSTED", "WARNING", "error"),
        (499, None, "INFO", "cancelled"),
        (200, "QUERY_TIMEOUT", "INFO", "error"),
    ],
)
def test_the_status_word_tells_how_a_request_ended(
    log: JsonLog, stream: io.BytesIO, status: int, code: str | None, level: str, word: str
) -> None:
    """Errors of the service are warnings; a stream that failed after its status is no success."""
    log.access(AccessEntry("query", None, 1.0, status, "r-1", code))
    (line,) = lines_of(stream)
    assert (line["level"], line["status"], line.get("code")) == (level, word, code)
    assert "graph_id" not in line


def test_events_and_records_share_the_format(log: JsonLog, stream: io.BytesIO) -> None:
    """structlog, logging and warnings look the same and carry the request that they happened in."""
    REQUEST_ID.set("r-7")
    structlog.get_logger().info("database opened", graph_id="kg1", operation="open")
    logging.getLogger("some.library").warning("watch %s", "out")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    REQUEST_ID.set(None)
    opened, watch, old = lines_of(stream)
    for line in (opened, watch, old):
        assert line["instance_id"] == "i-1234567890"
        assert line["request_id"] == "r-7"
    assert (opened["message"], opened["graph_id"], opened["level"]) == ("database opened", "kg1", "INFO")
    assert (watch["message"], watch["logger"], watch["level"]) == ("watch out", "some.library", "WARNING")
    assert "UserWarning: old" in old["message"]


def test_members_that_may_hold_secrets_are_hidden(log: JsonLog, stream: io.BytesIO) -> None:
    """A careless caller gives no key, parameter or statement away."""
    structlog.get_logger().info("x", api_key="graph_api_abc", parameters={"name": "Ann"}, cypher="RETURN 'Ann'")
    assert b"Ann" not in stream.getvalue()
    assert b"graph_api_abc" not in stream.getvalue()


def _raise_with_value() -> None:
    raise ValueError("the tenant's literal")


@pytest.mark.parametrize(("level", "shown"), [(logging.INFO, False), (logging.DEBUG, True)])
def test_tracebacks_quote_messages_on_level_debug_only(stream: io.BytesIO, level: int, *, shown: bool) -> None:
    """The kinds and places are always there; what may quote a tenant's values is not."""
    log = JsonLog(IDENTITY, LineSink(stream), level)
    try:
        try:
            _raise_with_value()
        except ValueError as cause:
            raise RuntimeError("quotes it, too: the tenant's literal") from cause
    except RuntimeError as error:
        log.sink.write(log.render(None, "error", {"event": "failed", "exc_info": error}))
    (line,) = lines_of(stream)
    assert ("literal" in line["traceback"]) is shown
    for part in ("RuntimeError", "ValueError", "_raise_with_value", "test_logging.py"):
        assert part in line["traceback"]


@pytest.mark.parametrize("value", [{1: object()}, "lone \ud800 surrogate", float("nan"), 1 << 70, b"\xff", {"a", 1}])
def test_every_value_gives_a_line(log: JsonLog, stream: io.BytesIO, value: object) -> None:
    """A value that JSON lacks does not cost the line."""
    structlog.get_logger().info("odd", value=value)
    (line,) = lines_of(stream)
    assert "odd" in line["message"]


def test_levels_below_the_least_are_not_written(stream: io.BytesIO) -> None:
    """On WARNING, only what went wrong is logged."""
    log = JsonLog(IDENTITY, LineSink(stream), logging.WARNING)
    log.access(AccessEntry("query", "kg1", 1.0, 200, "r-1"))
    log.access(AccessEntry("query", "kg1", 1.0, 500, "r-2"))
    assert [line["request_id"] for line in lines_of(stream)] == ["r-2"]


def test_a_reader_that_does_not_read_holds_up_nobody() -> None:
    """Lines wait for the writer in a bounded number; what is dropped is counted and reported."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream, os.fdopen(reading, "rb") as reader:
        sink = LineSink(stream, max_pending=1000)
        with sink.writing():
            for _ in range(400):
                sink.write(b"x" * 999 + b"\n")
            deadline = time.monotonic() + 10
            while not sink.dropped and time.monotonic() < deadline:
                sink.write(b"y" * 999 + b"\n")
            assert sink.dropped
            received = bytearray()
            drain = threading.Thread(target=lambda: received.extend(iter_bytes(reader)))
            drain.start()
        stream.close()
        drain.join(timeout=10)
    assert b'"log lines dropped"' in received
    assert received.endswith(b"\n")


def iter_bytes(reader: io.BufferedReader) -> bytes:
    """Return everything until the end."""
    return reader.read()


def test_all_lines_are_written_in_order_when_the_sink_stops(stream: io.BytesIO) -> None:
    """Leaving the block loses nothing."""
    sink = LineSink(stream)
    with sink.writing():
        for number in range(5000):
            sink.write(b"%d\n" % number)
    sink.write(b"after\n")
    assert stream.getvalue().split() == [*(b"%d" % number for number in range(5000)), b"after"]


def test_a_closed_stream_ends_nobody() -> None:
    """A log that cannot be written must not stop the service."""
    stream = io.BytesIO()
    stream.close()
    sink = LineSink(stream)
    sink.write(b"line\n")
    assert sink.dropped == 1
