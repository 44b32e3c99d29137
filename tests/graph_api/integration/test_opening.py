"""Which databases are open, which are closed to make room, and which cannot be opened."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from robosystems.graph_api.domain.errors import DatabaseBrokenError, DatabaseNotFoundError
from robosystems.graph_api.domain.graph import DatabaseStatus
from tests.graph_api.conformance.people import ADD, ENDLESS, People
from tests.graph_api.integration.ladybug_node import Footprint, ObservedNode, outcome
from tests.graph_api.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_the_least_recently_used_database_makes_room(tmp_path: Path) -> None:
    """With two places, a third database closes the one that was used longest ago; all keep working."""
    async with ObservedNode(tmp_path, max_open=2) as node:
        first, second = await node.graph("first"), await node.graph("second")
        await first.add(1)
        third = await node.graph("third")
        assert "closed second evicted" in node.recorder.events
        assert [(await node.state(graph.graph_id)).open for graph in (first, second, third)] == [True, False, True]
        for graph, ids in ((second, []), (first, [1]), (third, [])):
            assert await graph.ids() == ids


async def test_a_database_in_use_is_never_closed(tmp_path: Path) -> None:
    """If all places are in use, the wait is bounded and ends in an error that says when to come back."""
    async with ObservedNode(tmp_path, max_open=1, slot_wait_s=0.3) as node:
        first, second = await node.graph("first"), await node.graph("second")
        running = asyncio.ensure_future(first.run(ENDLESS, timeout_s=3))
        await first.pending(1)
        assert await outcome(second.ids()) == "POOL_EXHAUSTED"
        assert await outcome(running) == "QUERY_TIMEOUT"
        await eventually(lambda: answered(second))


async def test_one_who_waits_for_room_gets_the_first_place(tmp_path: Path) -> None:
    """As soon as the running query has ended, not only when somebody asks again."""
    async with ObservedNode(tmp_path, max_open=1, slot_wait_s=10) as node:
        first, second = await node.graph("first"), await node.graph("second")
        running = asyncio.ensure_future(first.run(ENDLESS, timeout_s=0.7))
        await first.pending(1)
        assert await second.ids() == []
        assert await outcome(running) == "QUERY_TIMEOUT"


async def test_an_idle_database_is_closed_and_opens_again(tmp_path: Path) -> None:
    """After the idle time it has no process; the next query finds everything."""
    async with ObservedNode(tmp_path, idle_close_s=0.5) as node:
        graph = await node.graph("g1")
        await graph.add(1)
        await node.until_closed(graph)
        assert "closed g1 idle" in node.recorder.events
        assert await graph.ids() == [1]


async def test_calls_at_once_open_a_database_once(tmp_path: Path) -> None:
    """All wait for the same opening, and writes keep the order in which they were called."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
    async with ObservedNode(tmp_path) as node:
        graph = People(node, (await node.list())[0].graph_id)
        await asyncio.gather(*(graph.add(number) for number in range(50)))
        assert node.recorder.count("opened") == 1
        rows = await graph.data("MATCH (p:Person) RETURN p.id AS id")
        assert [row["id"] for row in rows] == list(range(50))


async def test_pending_calls_are_bounded_while_it_opens(tmp_path: Path) -> None:
    """A database that is just opening takes no more than its limit, either."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
    async with ObservedNode(tmp_path, max_pending_queries=5) as node:
        graph = People(node, (await node.list())[0].graph_id)
        outcomes = await asyncio.gather(*(outcome(graph.ids()) for _ in range(12)))
        assert (outcomes.count("answered"), outcomes.count("POOL_EXHAUSTED")) == (5, 7)


async def test_a_deadline_holds_while_a_database_opens(tmp_path: Path) -> None:
    """A call that waits for the opening is answered in time."""
    async with ObservedNode(tmp_path, max_open=1, slot_wait_s=20) as node:
        first, second = await node.graph("first"), await node.graph("second")
        running = asyncio.ensure_future(first.run(ENDLESS))
        await first.pending(1)
        assert await outcome(second.run("RETURN 1 AS x", timeout_s=0.2)) == "QUERY_TIMEOUT"
        assert not running.done()
        running.cancel()
        await asyncio.wait((running,))


async def test_a_damaged_database_is_quarantined_and_can_be_repaired(tmp_path: Path) -> None:
    """After two failed openings it is broken: listed with the reason, for good, until its files are put right."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        await graph.add(1)
    file = node.folder / "g1" / "graph.lbug"
    good = file.read_bytes()
    file.write_bytes(b"nonsense" * 1000)
    async with ObservedNode(tmp_path) as node:
        graph = People(node, graph.graph_id)
        assert await outcome(graph.ids()) == "DATABASE_BROKEN"
        assert node.recorder.count("open_failed g1") == 2
        assert node.recorder.count("quarantined g1") == 1
        assert await outcome(graph.ids()) == "DATABASE_BROKEN"
        assert node.recorder.count("open_failed g1") == 2
        (record,) = await node.list()
        assert record.status is DatabaseStatus.BROKEN
        assert record.status_reason
    async with ObservedNode(tmp_path) as node:
        assert (await node.record(graph.graph_id)).status is DatabaseStatus.BROKEN
        with pytest.raises(DatabaseBrokenError):
            await node.retry_open(graph.graph_id)
        file.write_bytes(good)
        assert (await node.retry_open(graph.graph_id)).status is DatabaseStatus.ACTIVE
        assert await People(node, graph.graph_id).ids() == [1]


@pytest.mark.parametrize("loss", ["missing", "empty"])
async def test_a_lost_file_is_noticed_and_not_taken_for_an_empty_database(tmp_path: Path, loss: str) -> None:
    """The engine would open it without a word: the manifest knows better."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        await graph.add(1)
    file = node.folder / "g1" / "graph.lbug"
    file.unlink()
    if loss == "empty":
        file.touch()
    async with ObservedNode(tmp_path) as node:
        graph = People(node, graph.graph_id)
        with pytest.raises(DatabaseBrokenError, match=r"graph\.lbug"):
            await graph.ids()
        assert await outcome(graph.write(ADD, {"id": 2, "name": "n"})) == "DATABASE_BROKEN"


async def test_a_file_of_another_storage_version_is_refused_as_it_is(tmp_path: Path) -> None:
    """The error says what it is each time; the database is not taken for broken, and its file is not touched."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
    file = node.folder / "g1" / "graph.lbug"
    good = file.read_bytes()
    assert good[:4] == b"LBUG"
    old = good[:4] + (30).to_bytes(8, "little") + good[12:]
    file.write_bytes(old)
    async with ObservedNode(tmp_path) as node:
        graph = People(node, graph.graph_id)
        for _ in range(3):
            assert await outcome(graph.ids()) == "STORAGE_VERSION"
        assert (await node.record(graph.graph_id)).status is DatabaseStatus.ACTIVE
        assert node.recorder.count("quarantined") == 0
        assert file.read_bytes() == old
        file.write_bytes(good)
        assert await graph.ids() == []


async def test_a_broken_database_can_be_dropped(tmp_path: Path) -> None:
    """It goes, and its name is free."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
    (node.folder / "g1" / "graph.lbug").write_bytes(b"nonsense" * 1000)
    async with ObservedNode(tmp_path) as node:
        graph = People(node, (await node.list())[0].graph_id)
        assert await outcome(graph.ids()) == "DATABASE_BROKEN"
        await node.drop(graph.graph_id)
        assert await (await node.graph("g1")).ids() == []


async def test_a_database_may_be_dropped_while_it_opens(tmp_path: Path) -> None:
    """Callers that waited for the opening are told; nothing is left."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
    async with ObservedNode(tmp_path) as node:
        graph = People(node, (await node.list())[0].graph_id)
        waiting = [asyncio.ensure_future(graph.ids()) for _ in range(3)]
        await asyncio.sleep(0.005)
        await node.drop(graph.graph_id)
        assert {await outcome(task) for task in waiting} <= {"QUERY_CANCELLED", "answered"}
        with pytest.raises(DatabaseNotFoundError):
            await graph.ids()
        assert not (node.folder / "g1").exists()
        assert not list(node.folder.glob(".trash-*"))


@pytest.mark.timeout(400)
async def test_two_hundred_openings_leave_nothing(tmp_path: Path) -> None:
    """No zombie, descriptor, thread or socket more than before."""
    async with ObservedNode(tmp_path, max_open=1) as node:
        graphs = [await node.graph("a"), await node.graph("b")]
        for graph in graphs * 3:
            await graph.ids()
        before = Footprint.now()
        for _ in range(100):
            for graph in graphs:
                assert await graph.ids() == []
        assert node.recorder.count("opened") >= 200
        await eventually(lambda: Footprint.now().descriptors <= before.descriptors)
        after = Footprint.now()
        assert after.children <= before.children
        assert after.zombies == 0
        assert after.threads <= before.threads + 1
    assert node.recorder.count("crashed") == 0


async def test_a_foreign_lock_is_waited_for(tmp_path: Path) -> None:
    """What another process holds is opened when that has ended, not before; if it never ends, the error says so."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
    async with ObservedNode(tmp_path, lock_wait_s=3.0) as node:
        graph = People(node, graph.graph_id)
        with (node.folder / "g1" / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert await outcome(graph.ids()) == "DATABASE_LOCKED"
            waiting = asyncio.ensure_future(graph.ids())
            await asyncio.sleep(0.3)
            assert not waiting.done()
        assert await waiting == []
        assert (await node.record(graph.graph_id)).status is DatabaseStatus.ACTIVE


async def answered(graph: People) -> bool:
    """Whether a query is answered now."""
    return await outcome(graph.ids()) == "answered"
