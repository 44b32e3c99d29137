"""Places for loads: how many at once, how many wait, and who comes next."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from robosystems.graph_api.core.load_places import LoadPlaces, PlaceLimits
from robosystems.graph_api.domain.errors import IngestionQueueFullError
from robosystems.graph_api.domain.ids import GraphId

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = (GraphId.parse(name) for name in ("one", "two", "three"))


def places(*, running: int = 4, waiting: int = 8, per_database: int = 4, wait_s: float = 20.0) -> LoadPlaces:
    """Return places with these limits."""
    return LoadPlaces(PlaceLimits(running, waiting, per_database, wait_s))


async def settle() -> None:
    """Let other tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_database_cannot_take_all_places() -> None:
    """Two of its loads run; the place of a third is for others."""
    given = places(running=3)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for _ in range(2):
            await stack.enter_async_context(given.place(ONE))
        begun = asyncio.Event()

        async def third() -> None:
            async with given.place(ONE):
                begun.set()

        group.create_task(third())
        await settle()
        assert (given.waiting, begun.is_set()) == (1, False)
        async with given.place(TWO):
            await settle()
            assert not begun.is_set()
        await stack.aclose()
        await begun.wait()
    assert given.waiting == 0


async def test_databases_take_turns() -> None:
    """Who sent many files first does not keep the others waiting for all of them."""
    given = places(running=1)
    order: list[str] = []

    async def load(graph_id: GraphId) -> None:
        async with given.place(graph_id):
            order.append(graph_id.value)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group, given.place(THREE):
        for graph_id in (ONE, ONE, ONE, TWO, TWO, THREE):
            group.create_task(load(graph_id))
            await settle()
    assert order == ["one", "two", "three", "one", "two", "one"]


async def test_one_database_cannot_fill_the_queue() -> None:
    """Its own share is bounded, and so is the whole."""
    given = places(running=1, waiting=3, per_database=2)

    async def load(graph_id: GraphId) -> None:
        async with given.place(graph_id):
            pass

    async with asyncio.TaskGroup() as group, given.place(ONE):
        for _ in range(2):
            group.create_task(load(ONE))
        await settle()
        with pytest.raises(IngestionQueueFullError, match="2 wait"):
            await load(ONE)
        group.create_task(load(TWO))
        await settle()
        with pytest.raises(IngestionQueueFullError, match="3 wait"):
            await load(THREE)
    assert given.waiting == 0


async def test_a_wait_ends_in_time_or_when_it_is_cancelled() -> None:
    """And leaves nothing in the queue."""
    given = places(running=1, wait_s=0.01)
    async with given.place(ONE):
        with pytest.raises(IngestionQueueFullError):
            async with given.place(TWO):
                pass
        assert given.waiting == 0
        given = places(running=1)
        async with given.place(ONE):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01), given.place(TWO):
                    pass
            assert given.waiting == 0
        async with given.place(TWO):
            pass


async def test_a_place_that_becomes_free_skips_who_has_just_given_up() -> None:
    """The next in the queue gets it, and the number of places stays what it was."""
    given = places(running=1)

    async def load(graph_id: GraphId) -> None:
        async with given.place(graph_id):
            pass

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        await stack.enter_async_context(given.place(ONE))
        impatient = group.create_task(load(TWO))
        patient = group.create_task(load(TWO))
        await settle()
        impatient.cancel()
        await stack.aclose()  # In the same moment: the task that was cancelled has not run since.
        await patient
    assert given.waiting == 0
    async with given.place(THREE):
        pass
