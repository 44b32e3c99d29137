"""Reading streamed answers: every row whatever the cuts, and an error for every stream that is not whole."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.client.exceptions import IncompleteStreamError
from robosystems.graph_api.client.stream_arrow import ArrowDecoder, ByteQueue, read_arrow
from robosystems.graph_api.client.stream_lines import LineDecoder
from robosystems.graph_api.domain.errors import QueryTimeoutError
from robosystems.graph_api.domain.query import SUMMARY_KEY

ROWS = [{"i": 1, "s": "a"}, {"i": 2, "s": 'line\n"break"'}, {"i": 3, "s": None}]
SUMMARY = {"columns": ["i", "s"], "types": ["INT64", "STRING"], "row_count": 3, "truncated": False}
LINES = b"".join(json.dumps(each).encode() + b"\n" for each in [*ROWS, {"summary": SUMMARY}])


def arrow_stream(*, summary: bool = True, dictionaries: bool = False) -> bytes:
    """Return an answer as the server sends it: two batches, the summary, the end."""
    text = pa.dictionary(pa.int8(), pa.string()) if dictionaries else pa.string()
    schema = pa.schema([("i", pa.int64()), ("s", text)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for rows in (ROWS[:2], ROWS[2:]):
            columns = {"i": [row["i"] for row in rows], "s": [row["s"] for row in rows]}
            writer.write_batch(pa.table(columns).cast(schema).combine_chunks().to_batches()[0])
        if summary:
            metadata = {SUMMARY_KEY: json.dumps(SUMMARY)}
            writer.write_batch(pa.record_batch([[], []], schema=schema), custom_metadata=metadata)
    return sink.getvalue().to_pybytes()


def pieces(content: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Yield content cut at these places."""
    places = sorted({cut % (len(content) + 1) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(content)], strict=True):
        yield content[start:end]


def read(decoder: Any, content: Iterator[bytes]) -> list[Any]:
    """Read a whole stream."""
    items = [item for piece in content for item in decoder.feed(piece)]
    decoder.finish()
    return items


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@settings(max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=CUTS)
def test_lines_are_read_however_they_are_cut(cuts: list[int]) -> None:
    """Rows and summary do not depend on where the network cuts."""
    decoder = LineDecoder()
    assert read(decoder, pieces(LINES, cuts)) == ROWS
    assert decoder.summary == SUMMARY


def test_no_beginning_of_a_line_stream_looks_complete() -> None:
    """Wherever a stream ends too early, the reader says so; every row it gave before is a row of the stream."""
    for end in range(len(LINES)):
        decoder = LineDecoder()
        rows = decoder.feed(LINES[:end])
        assert rows == ROWS[: len(rows)]
        with pytest.raises(IncompleteStreamError):
            decoder.finish()
        assert decoder.summary is None


def test_a_row_that_looks_like_a_summary_does_not_end_a_stream() -> None:
    """A column named `summary` is a column, also in the last row before the connection breaks."""
    row = {"summary": {"columns": ["x"], "types": ["y"], "row_count": 5}}
    decoder = LineDecoder()
    assert decoder.feed(json.dumps(row).encode() + b"\n") == []
    with pytest.raises(IncompleteStreamError):
        decoder.finish()
    summary = {"summary": SUMMARY | {"row_count": 1}}
    assert decoder.feed(json.dumps(summary).encode() + b"\n") == [row]
    decoder.finish()


def test_a_stream_with_too_few_rows_is_refused() -> None:
    """A line that was lost on the way is noticed by its absence."""
    second_line = LINES.index(b"\n") + 1
    decoder = LineDecoder()
    decoder.feed(LINES[second_line:])
    with pytest.raises(IncompleteStreamError, match="3 rows, but 2"):
        decoder.finish()


def test_a_problem_at_the_end_is_raised() -> None:
    """A stream that failed half-way raises the error that its last line stands for, with its request id."""
    decoder = LineDecoder()
    problem = {"code": "QUERY_TIMEOUT", "detail": "too slow", "status": 504, "request_id": "r-7", "retryable": False}
    decoder.feed(json.dumps({"problem": problem}).encode() + b"\n")
    with pytest.raises(QueryTimeoutError, match="too slow") as caught:
        decoder.finish()
    assert caught.value.context["request_id"] == "r-7"


def test_damaged_lines_are_an_error_of_the_stream() -> None:
    """Bytes that are not JSON do not reach the caller as another kind of error."""
    with pytest.raises(IncompleteStreamError):
        LineDecoder().feed(b'{"i": \xff}\n')


@pytest.mark.parametrize("dictionaries", [False, True])
@settings(max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=CUTS)
def test_batches_are_read_however_they_are_cut(cuts: list[int], *, dictionaries: bool) -> None:
    """Batches, schema and summary do not depend on where the network cuts."""
    decoder = ArrowDecoder()
    batches = read(decoder, pieces(arrow_stream(dictionaries=dictionaries), cuts))
    assert [row for batch in batches for row in batch.to_pylist()] == ROWS
    assert decoder.schema.names == ["i", "s"]
    assert decoder.summary == SUMMARY


def test_no_beginning_of_an_arrow_stream_looks_complete() -> None:
    """Wherever the bytes end too early, the reader says so."""
    whole = arrow_stream()
    for end in range(0, len(whole), 7):
        decoder = ArrowDecoder()
        decoder.feed(whole[:end])
        with pytest.raises(IncompleteStreamError):
            decoder.finish()
    assert read_arrow(whole).num_rows == 3


def test_an_arrow_stream_without_its_summary_is_refused() -> None:
    """The end mark alone does not show that all rows came."""
    with pytest.raises(IncompleteStreamError):
        read_arrow(arrow_stream(summary=False))


@pytest.mark.parametrize("content", [b"<html>nothing here</html>", b"\xff\xff\xff\xff\x08\x00\x00\x00" + b"\xee" * 64])
def test_other_bytes_are_no_arrow_stream(content: bytes) -> None:
    """What is no Arrow at all is an error of the stream, not of a library."""
    decoder = ArrowDecoder()
    with pytest.raises(IncompleteStreamError):
        decoder.feed(content)


def test_the_queue_reads_as_a_file_does() -> None:
    """Bytes come out in order, in any portions; looking ahead takes nothing."""
    queue = ByteQueue()
    for piece in (b"abc", b"", b"de", b"fghi"):
        queue.put(piece)
    assert queue.peek(1, 5) == b"bcdef"
    assert queue.peek(8, 5) == b"i"
    assert [queue.read(2), queue.read(4), queue.read(), queue.read(3)] == [b"ab", b"cdef", b"ghi", b""]
    assert queue.size == 0
