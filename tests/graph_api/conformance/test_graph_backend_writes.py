"""`GraphBackend`: writes, their order, transactions."""

import asyncio
import json

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import InvalidParameterError, QueryTimeoutError, StatementError
from robosystems.graph_api.domain.query import EncodedResult, TransactionStatement
from tests.graph_api.conformance.people import ADD, ALL, ENDLESS, People, fresh_query_id

pytestmark = pytest.mark.anyio


def add(number: int) -> TransactionStatement:
    """Return a statement that adds one person."""
    return TransactionStatement(ADD, json.dumps({"id": number, "name": f"name {number}"}).encode())


async def transaction(people: People, *statements: TransactionStatement, timeout_s: float = 30.0) -> EncodedResult:
    """Run statements in one transaction."""
    return await people.backend.run_transaction(
        people.graph_id, statements, timeout_s=timeout_s, query_id=fresh_query_id()
    )


async def test_a_write_is_seen_by_the_next_read(people: People) -> None:
    """A write that was answered is visible to everybody."""
    for number in range(20):
        await people.add(number)
        assert (await people.ids())[-1] == number


async def test_writes_happen_in_the_order_of_the_calls(people: People) -> None:
    """A hundred at once, each reading what the one before it left."""
    await people.write("CREATE (:Person {id: 0, name: ''})")
    text = "MATCH (p:Person {id: 0}) SET p.name = p.name + $letter"
    letters = "abcdefghij" * 10
    await asyncio.gather(*(people.write(text, {"letter": letter}) for letter in letters))
    assert (await people.data(ALL))[0]["name"] == letters


async def test_writes_at_once_all_happen(people: People) -> None:
    """No writer is refused because another one writes."""
    await asyncio.gather(*(people.add(number) for number in range(100)))
    assert await people.ids() == list(range(100))


async def test_one_failing_write_fails_alone(people: People) -> None:
    """Among many at once, the one with the taken key fails; all others are kept."""
    await people.add(5)
    outcomes = await asyncio.gather(*(people.add(number) for number in range(10)), return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [5]
    assert isinstance(outcomes[5], StatementError)
    assert await people.ids() == list(range(10))


@pytest.mark.requires("multi_statement_transactions")
async def test_a_transaction_happens_whole(people: People, backend: GraphBackend) -> None:
    """All statements in order, later ones see earlier ones, one answer with all results."""
    result = await transaction(people, add(1), add(2), TransactionStatement(ALL))
    assert result.body is not None
    answer = json.loads(result.body)
    assert [row["id"] for row in answer["results"][2]["data"]] == [1, 2]
    assert answer["execution_time_ms"] > 0
    assert await people.ids() == [1, 2]


@pytest.mark.requires("multi_statement_transactions")
async def test_a_failing_transaction_leaves_nothing(people: People, backend: GraphBackend) -> None:
    """What came before the failure is undone, what came after it did not happen; the error says which failed."""
    with pytest.raises(StatementError) as caught:
        await transaction(people, add(1), add(2), add(1), add(4))
    assert caught.value.context["statement_number"] == 3
    assert await people.ids() == []


@pytest.mark.requires("multi_statement_transactions")
async def test_a_transaction_checks_parameters_first(people: People, backend: GraphBackend) -> None:
    """A parameter missing in the last statement leaves nothing of the first."""
    with pytest.raises(InvalidParameterError):
        await transaction(people, add(1), TransactionStatement(ADD, b'{"id": 2}'))
    assert await people.ids() == []


@pytest.mark.requires("multi_statement_transactions")
async def test_a_transaction_that_is_too_slow_leaves_nothing(people: People, backend: GraphBackend) -> None:
    """The deadline is that of the whole; the lane is free afterwards."""
    with pytest.raises(QueryTimeoutError):
        await transaction(people, add(1), TransactionStatement(ENDLESS), timeout_s=0.4)
    assert await people.ids() == []
    await people.add(9)
    assert await people.ids() == [9]


async def test_readers_never_see_half_a_transaction(people: People) -> None:
    """Pairs are added together: every read finds an even number of people."""
    seen: list[int] = []
    writing = True

    async def read() -> None:
        while writing:
            seen.append(len(await people.ids()))

    async def write() -> None:
        nonlocal writing
        for number in range(0, 40, 2):
            await transaction(people, add(number), add(number + 1))
        writing = False

    await asyncio.gather(read(), read(), write())
    assert seen
    assert all(count % 2 == 0 for count in seen)


async def test_a_write_says_what_it_changed(people: People) -> None:
    """Counters of the answer are the differences of the tables that were named."""
    answer = await people.write("CREATE (:Person {id: 1}), (:Person {id: 2})", counted_tables=("Person",))
    counters = json.dumps(answer)
    assert "nodes_created" in counters
    assert await people.ids() == [1, 2]
