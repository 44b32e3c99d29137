"""Background tasks and places for open databases."""

import asyncio
import logging

import pytest

from robosystems.graph_api.backends.lbug.open_slots import OpenSlots
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain.errors import PoolExhaustedError

pytestmark = pytest.mark.anyio


async def fail() -> None:
    """Fail."""
    raise ValueError("broken")


async def test_a_failure_that_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the name of the task."""
    tasks = BackgroundTasks()
    task = tasks.start(fail(), "the task")
    await asyncio.wait((task,))
    await asyncio.sleep(0)
    assert "the task failed" in caplog.text


async def test_a_failure_that_somebody_awaits_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The caller has it."""
    with pytest.raises(ValueError, match="broken"):
        await BackgroundTasks().finish(fail(), "the task")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    """It ends all the same."""
    tasks, done = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.set()

    caller = asyncio.ensure_future(tasks.finish(work(), "work"))
    await asyncio.sleep(0)
    caller.cancel()
    assert await tasks.drain(5) == 0
    assert done.is_set()


async def test_draining_is_bounded() -> None:
    """What does not end in time is cancelled and counted."""
    tasks = BackgroundTasks()
    endless = tasks.start(asyncio.sleep(60), "endless")
    tasks.start(asyncio.sleep(0), "short")
    assert await tasks.drain(0.05) == 1
    assert endless.cancelled()


async def test_places_go_round_in_the_order_of_asking() -> None:
    """Who asked first is first; a place given back is never lost."""
    slots = OpenSlots(1, 5, evict=lambda: False)
    await slots.acquire()
    order: list[int] = []

    async def take(number: int) -> None:
        await slots.acquire()
        order.append(number)
        slots.release()

    waiting = asyncio.gather(*(take(number) for number in range(5)))
    await asyncio.sleep(0)
    slots.release()
    await waiting
    assert order == list(range(5))
    await slots.acquire()


async def test_waiting_for_a_place_is_bounded() -> None:
    """The error says when to come back; the place is not lost."""
    slots = OpenSlots(1, 0.05, evict=lambda: False)
    await slots.acquire()
    with pytest.raises(PoolExhaustedError, match="Connection pool exhausted") as caught:
        await slots.acquire()
    assert caught.value.retry_after == 0.05
    slots.release()
    await slots.acquire()


async def test_a_cancelled_wait_loses_no_place() -> None:
    """Not even when the place is given in the same moment."""
    slots = OpenSlots(1, 5, evict=lambda: False)
    for give_first in (True, False):
        await slots.acquire()
        waiter = asyncio.ensure_future(slots.acquire())
        await asyncio.sleep(0)
        if give_first:
            slots.release()
        waiter.cancel()
        await asyncio.wait((waiter,))
        if not give_first:
            slots.release()
        if not waiter.cancelled():
            slots.release()


async def test_room_is_made_once_for_each_that_waits() -> None:
    """Two that wait have two databases closed, not more, however often it is asked."""
    evicted: list[int] = []

    def evict() -> bool:
        evicted.append(1)
        return True

    slots = OpenSlots(2, 5, evict)
    for _ in range(2):
        await slots.acquire()
    waiting = [asyncio.ensure_future(slots.acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    slots.make_room()
    slots.make_room()
    assert len(evicted) == 2
    for _ in range(2):
        slots.release()
    await asyncio.gather(*waiting)
