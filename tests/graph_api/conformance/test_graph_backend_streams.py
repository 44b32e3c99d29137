"""`GraphBackend`: answers that come as a stream."""

import asyncio
import json

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import GraphApiError, QueryTimeoutError
from robosystems.graph_api.domain.query import EncodedResult, ResultFormat
from tests.graph_api.conformance.people import ALL, People, whole

pytestmark = [pytest.mark.anyio, pytest.mark.requires("streaming")]

ROWS = 200_000
MANY = f"UNWIND range(1, {ROWS}) AS x RETURN x, 'a text that takes some room in every row of the answer' AS t"


async def test_ndjson_is_a_row_a_line_and_ends_with_a_summary(people: People, backend: GraphBackend) -> None:
    """Small answers, too: every row, then the one line that says that it is complete."""
    await people.add(1, 2)
    *rows, last = await people.lines(ALL)
    assert rows == [{"id": 1, "name": "name 1"}, {"id": 2, "name": "name 2"}]
    assert last["summary"]["row_count"] == 2
    assert last["summary"]["truncated"] is False


async def test_a_large_stream_is_complete(people: People, backend: GraphBackend) -> None:
    """All rows in order, no line broken between pieces, the summary at the end and in the result."""
    result = await people.run(MANY, format=ResultFormat.NDJSON)
    lines = (await whole(result)).splitlines()
    assert len(lines) == ROWS + 1
    assert [json.loads(lines[number])["x"] for number in (0, 1, ROWS // 2, ROWS - 1)] == [1, 2, ROWS // 2 + 1, ROWS]
    assert json.loads(lines[-1])["summary"]["row_count"] == ROWS
    assert result.summary.row_count == ROWS


async def test_a_large_json_document_is_complete(people: People, backend: GraphBackend) -> None:
    """Large documents stream, too, and are valid JSON as a whole."""
    answer = json.loads(await whole(await people.run(MANY)))
    assert len(answer["data"]) == answer["row_count"] == ROWS


async def test_a_stream_with_a_cap_says_truncated(people: People, backend: GraphBackend) -> None:
    """The summary at the end says that there was more."""
    *rows, last = await people.lines(MANY, max_rows=5000)
    assert len(rows) == 5000
    assert last["summary"]["truncated"] is True


async def test_a_stream_closed_early_frees_its_place(people: People, backend: GraphBackend) -> None:
    """Closing in the middle, and closing before the first piece, end the query."""
    for pieces in (1, 0):
        result = await _started(people)
        assert result.stream is not None
        for _ in range(pieces):
            await anext(result.stream)
        await result.stream.aclose()
        await people.pending(0)


async def test_a_forgotten_stream_ends_at_its_deadline(people: People, backend: GraphBackend) -> None:
    """A reader that stops reading holds nothing for ever; when it reads on, it learns that the rest is missing."""
    result = await people.run(MANY, format=ResultFormat.NDJSON, timeout_s=2)
    await people.pending(0)
    assert result.stream is not None
    with pytest.raises(QueryTimeoutError):
        await whole(result)


async def test_a_slow_reader_does_not_disturb_others(people: People, backend: GraphBackend) -> None:
    """While a stream waits for its reader, the database answers others; in the end the stream is complete."""
    result = await _started(people)
    assert result.stream is not None
    pieces = [await anext(result.stream)]
    for _ in range(5):
        assert await people.data("RETURN 1 AS x") == [{"x": 1}]
        await asyncio.sleep(0.05)
    pieces += [piece async for piece in result.stream]
    assert b"".join(pieces).count(b"\n") == ROWS + 1


async def test_an_error_before_the_first_row_is_raised_by_run(people: People, backend: GraphBackend) -> None:
    """No stream begins for a statement that fails."""
    with pytest.raises(GraphApiError):
        await people.run("MATCH (n:Nobody) RETURN n", format=ResultFormat.NDJSON)


async def _started(people: People) -> EncodedResult:
    """Return a large answer that has begun."""
    result = await people.run(MANY, format=ResultFormat.NDJSON)
    assert result.stream is not None, "large answers come as a stream"
    return result
