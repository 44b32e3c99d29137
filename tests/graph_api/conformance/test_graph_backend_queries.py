"""`GraphBackend`: statements, parameters, answers, errors, deadlines and cancelling."""

import asyncio
import time

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import (
    InvalidParameterError,
    PoolExhaustedError,
    QueryCancelledError,
    QueryNotFoundError,
    QueryTimeoutError,
    StatementError,
    StatementForbiddenError,
)
from robosystems.graph_api.domain.graph import DatabaseLimits
from robosystems.graph_api.domain.query import AccessMode, ResultFormat
from tests.graph_api.conformance.people import ADD, ALL, ENDLESS, People, fresh_query_id, query

pytestmark = pytest.mark.anyio

_SLACK_S = 5.0
"""A busy machine may be late itself; a time-out that waits for the end of the query would be late by minutes."""


async def test_an_answer_has_columns_rows_and_figures(people: People) -> None:
    """The JSON document as the specification of `ResultFormat.JSON` says."""
    await people.add(1, 2)
    answer = await people.document(ALL)
    assert answer["columns"] == ["id", "name"]
    assert len(answer["types"]) == 2
    assert answer["data"] == [{"id": 1, "name": "name 1"}, {"id": 2, "name": "name 2"}]
    assert answer["row_count"] == 2
    assert answer["truncated"] is False
    assert answer["execution_time_ms"] > 0


async def test_rows_can_be_arrays(people: People) -> None:
    """The same rows, an array for each."""
    await people.add(1)
    assert await people.data(ALL, format=ResultFormat.JSON_ARRAYS) == [[1, "name 1"]]


async def test_an_empty_answer_has_columns_all_the_same(people: People) -> None:
    """No row, but names and types."""
    answer = await people.document(ALL)
    assert (answer["columns"], answer["data"], answer["row_count"]) == (["id", "name"], [], 0)


async def test_repeated_column_names_are_told_apart(people: People) -> None:
    """`x, x` becomes `x, x_2`: no value is lost in a row keyed by column."""
    answer = await people.document("RETURN 1 AS x, 2 AS y, 3 AS x")
    assert answer["columns"] == ["x", "y", "x_2"]
    assert answer["data"] == [{"x": 1, "y": 2, "x_2": 3}]


async def test_parameters_are_bound_as_values(people: People) -> None:
    """Text that looks like Cypher stays text; kinds survive."""
    values: dict[str, object] = {
        "text": "x'}) MATCH (n) DETACH DELETE n //",
        "number": 9_007_199_254_740_993,
        "fraction": 1.5,
        "truth": True,
        "list": [1, 2, 3],
    }
    rows = await people.data("RETURN $text AS t, $number AS n, $fraction AS f, $truth AS b, $list AS l", values)
    assert rows == [{"t": values["text"], "n": values["number"], "f": 1.5, "b": True, "l": [1, 2, 3]}]


async def test_a_missing_parameter_is_an_error_and_not_null(people: People) -> None:
    """The name of what is missing is told."""
    with pytest.raises(InvalidParameterError, match="name"):
        await people.write(ADD, {"id": 1})
    assert await people.ids() == []


@pytest.mark.parametrize(
    "text", ["MATCH (", "MATCH (n:Nobody) RETURN n", "RETURN undefined_name", "RETURN nonsense(1)"]
)
async def test_a_wrong_statement_says_so(people: People, text: str) -> None:
    """Syntax, tables, names and functions: one kind of error with a sentence, and the database goes on."""
    with pytest.raises(StatementError) as caught:
        await people.run(text)
    assert caught.value.detail
    assert await people.data("RETURN 1 AS x") == [{"x": 1}]


async def test_rows_above_the_cap_are_cut_and_told(people: People) -> None:
    """`truncated` says that there was more; exactly as many rows as the cap are no truncation."""
    text = "UNWIND range(1, 10) AS x RETURN x"
    cut = await people.document(text, max_rows=4)
    assert ([row["x"] for row in cut["data"]], cut["row_count"], cut["truncated"]) == ([1, 2, 3, 4], 4, True)
    full = await people.document(text, max_rows=10)
    assert (full["row_count"], full["truncated"]) == (10, False)


async def test_the_summary_tells_what_the_document_tells(people: People) -> None:
    """Who doesn't read the document finds the figures beside it."""
    result = await people.run("UNWIND range(1, 10) AS x RETURN x", max_rows=4)
    assert (result.summary.row_count, result.summary.truncated) == (4, True)
    assert result.summary.execution_time_ms > 0


async def test_rows_for_the_service_are_values(people: People) -> None:
    """`rows` gives JSON values in the order of the columns."""
    await people.add(3)
    assert await people.backend.rows(people.graph_id, query(ALL)) == [[3, "name 3"]]


@pytest.mark.requires("read_only_transactions")
async def test_a_read_cannot_write(people: People, backend: GraphBackend) -> None:
    """The engine refuses it, whatever the caller believed about the text; nothing is changed."""
    with pytest.raises(StatementForbiddenError):
        await people.run(ADD, {"id": 1, "name": "n"})
    assert await people.ids() == []


async def test_a_deadline_is_kept(people: People) -> None:
    """The answer comes at most half a second late, and the database goes on."""
    began = time.monotonic()
    with pytest.raises(QueryTimeoutError):
        await people.run(ENDLESS, timeout_s=0.3)
    assert 0.3 <= time.monotonic() - began < 0.8 + _SLACK_S
    assert await people.data("RETURN 1 AS x") == [{"x": 1}]


async def test_a_deadline_holds_for_a_write_and_leaves_nothing(people: People) -> None:
    """What was stopped has changed nothing."""
    text = "UNWIND range(1, 100000) AS a UNWIND range(1, 1000000) AS b WITH max(a % b) AS m CREATE (:Person {id: m})"
    with pytest.raises(QueryTimeoutError):
        await people.write(text, timeout_s=0.3)
    assert await people.ids() == []
    await people.add(1)


async def test_slow_queries_do_not_block_fast_ones(people: People) -> None:
    """A fast query beside slow ones is answered while they run."""
    slow = [asyncio.ensure_future(people.run(ENDLESS)) for _ in range(3)]
    await people.pending(3)
    assert await people.data("RETURN 1 AS x") == [{"x": 1}]
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    await people.pending(0)


@pytest.mark.requires("cancel")
async def test_a_query_can_be_listed_and_cancelled(people: People, backend: GraphBackend) -> None:
    """The list tells text, mode and time; cancelling ends it with its own error."""
    name = fresh_query_id()
    task = asyncio.ensure_future(people.run(ENDLESS, query_id=name))
    await people.pending(1)
    (running,) = await backend.running(people.graph_id)
    assert (running.query_id, running.text, running.mode, running.timeout_s) == (name, ENDLESS, AccessMode.READ, 30.0)
    assert running.elapsed_ms > 0
    await backend.cancel(people.graph_id, name)
    async with asyncio.timeout(20):
        with pytest.raises(QueryCancelledError):
            await task
    assert await backend.running(people.graph_id) == []


@pytest.mark.requires("cancel")
async def test_a_waiting_write_can_be_cancelled(people: People, backend: GraphBackend) -> None:
    """One that waits behind another is answered before the other ends, and never runs."""
    slow = "UNWIND range(1, 100000) AS a UNWIND range(1, 1000000) AS b WITH max(a % b) AS m CREATE (:Person {id: m})"
    name = fresh_query_id()
    first = asyncio.ensure_future(people.write(slow))
    await people.pending(1)
    second = asyncio.ensure_future(people.write(ADD, {"id": 5, "name": "n"}, query_id=name))
    await people.pending(2)
    await backend.cancel(people.graph_id, name)
    with pytest.raises(QueryCancelledError):
        await second
    assert not first.done()
    first.cancel()
    await people.pending(0)
    assert await people.ids() == []


async def test_cancelling_what_does_not_run_is_an_error(people: People) -> None:
    """It may have ended: the caller is told."""
    with pytest.raises(QueryNotFoundError):
        await people.backend.cancel(people.graph_id, "nobody")


@pytest.mark.requires("cancel")
async def test_a_caller_that_goes_away_stops_its_query(people: People, backend: GraphBackend) -> None:
    """Cancelling the task that waits is enough: nothing stays pending."""
    task = asyncio.ensure_future(people.run(ENDLESS))
    await people.pending(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await people.pending(0)


async def test_too_many_pending_queries_are_refused_at_once(people: People) -> None:
    """The limit is the database's own; the error says when to come back; what was admitted is answered."""
    await people.backend.set_limits(people.graph_id, DatabaseLimits(max_pending_queries=3))
    admitted = [asyncio.ensure_future(people.run(ENDLESS, timeout_s=4)) for _ in range(3)]
    await people.pending(3)
    with pytest.raises(PoolExhaustedError, match="Connection pool exhausted") as caught:
        await people.run("RETURN 1 AS x")
    assert caught.value.retry_after
    await asyncio.gather(*admitted, return_exceptions=True)
    assert await people.data("RETURN 1 AS x") == [{"x": 1}]


async def test_many_callers_at_once_are_all_answered(people: People) -> None:
    """Each gets its own answer."""
    answers = await asyncio.gather(*(people.data("RETURN $x AS x", {"x": number}) for number in range(200)))
    assert [rows[0]["x"] for rows in answers] == list(range(200))
