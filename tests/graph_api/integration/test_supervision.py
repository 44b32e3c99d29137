"""Processes die, get stuck and are killed: what callers see, and that all is well afterwards."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robosystems.graph_api.domain.errors import QueryTimeoutError, WorkerCrashedError
from robosystems.graph_api.domain.query import AccessMode, ResultFormat
from tests.graph_api.conformance.people import ADD, ENDLESS
from tests.graph_api.integration.ladybug_node import Footprint, ObservedNode, is_running, outcome, repeated
from tests.graph_api.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

SLOW = "UNWIND range(1, 20000) AS a UNWIND range(1, 2000) AS b RETURN sum(a % b) AS s"
MANY = "UNWIND range(1, 300000) AS x RETURN x, 'a text that takes some room in every row of the answer' AS t"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ObservedNode]:
    """A running backend of this test's own."""
    async with ObservedNode(tmp_path) as running:
        yield running


async def test_a_killed_worker_costs_its_queries_and_nothing_else(node: ObservedNode) -> None:
    """In-flight calls are told, acknowledged rows are there, the next query works, other tenants see nothing."""
    victim, neighbour = await node.graph("victim"), await node.graph("neighbour")
    await victim.add(1, 2)
    beside = asyncio.ensure_future(neighbour.run(ENDLESS, timeout_s=3))
    read = asyncio.ensure_future(victim.run(ENDLESS))
    write = asyncio.ensure_future(victim.write(ENDLESS))
    await victim.pending(2)
    await node.kill_worker(victim)
    for task, repeatable in ((read, True), (write, False)):
        with pytest.raises(WorkerCrashedError) as caught:
            await task
        assert caught.value.context["retryable"] is repeatable
    async with asyncio.timeout(30):
        assert await victim.ids() == [1, 2]
    with pytest.raises(QueryTimeoutError):
        await beside
    await eventually(lambda: "crashed victim SIGKILL" in node.recorder.events)
    assert (await node.state(victim.graph_id)).restarts == 1
    assert (await node.state(neighbour.graph_id)).restarts == 0


async def test_a_dead_worker_is_replaced_before_anybody_asks(node: ObservedNode) -> None:
    """The database opens again by itself."""
    graph = await node.graph("g1")
    old = await node.kill_worker(graph)
    await eventually(lambda: node.recorder.count("opened g1") == 2)
    assert await node.process_of(graph) != old


async def test_one_that_keeps_dying_is_replaced_on_demand_only(tmp_path: Path) -> None:
    """Two early deaths in a row: no endless loop of restarts, and the next query works all the same."""
    async with ObservedNode(tmp_path, early_death_s=600) as node:
        graph = await node.graph("g1")
        await node.kill_worker(graph)
        await eventually(lambda: node.recorder.count("opened g1") == 2)
        await node.kill_worker(graph)
        await node.until_closed(graph)
        assert node.recorder.count("opened g1") == 2
        assert await graph.ids() == []


async def test_calls_that_come_while_it_is_replaced_wait_for_it(node: ObservedNode) -> None:
    """Between death and replacement nothing fails: it takes a little longer."""
    graph = await node.graph("g1")
    await node.kill_worker(graph)
    await eventually(lambda: bool(node.recorder.count("crashed")))
    answers = await asyncio.gather(*(graph.data("RETURN $x AS x", {"x": number}) for number in range(20)))
    assert [rows[0]["x"] for rows in answers] == list(range(20))


async def test_every_acknowledged_write_survives_a_kill(node: ObservedNode) -> None:
    """Writers go on while their worker is killed: what was answered is there."""
    graph = await node.graph("g1")
    acknowledged: list[int] = []

    async def write(first: int) -> None:
        for number in range(first, first + 300):
            try:
                await graph.write(ADD, {"id": number, "name": "n"})
            except WorkerCrashedError:
                continue
            acknowledged.append(number)

    writers = asyncio.gather(*(write(1000 * number) for number in range(4)))
    for _ in range(3):
        await asyncio.sleep(0.1)
        await node.kill_worker(graph)
    await writers
    assert acknowledged
    assert set(acknowledged) <= set(await repeated(graph.ids))


async def test_a_killed_template_disturbs_nobody(node: ObservedNode) -> None:
    """Running queries end as they would have; databases open afterwards as before."""
    graph = await node.graph("g1")
    running = asyncio.ensure_future(
        graph.data("UNWIND range(1, 20000) AS a UNWIND range(1, 2000) AS b RETURN count(a % b)")
    )
    await graph.pending(1)
    await node.kill_template()
    assert await outcome(running) == "answered"
    assert await (await node.graph("g2")).ids() == []
    assert await graph.ids() == []
    assert (await node.state(graph.graph_id)).restarts == 0


async def test_a_worker_without_its_template_is_still_supervised(node: ObservedNode) -> None:
    """An orphan that dies is noticed, waited for and replaced by the new template's."""
    graph = await node.graph("g1")
    await node.kill_template()
    await node.kill_worker(graph)
    async with asyncio.timeout(30):
        assert await repeated(graph.ids) == []
    await eventually(lambda: Footprint.now().zombies == 0)
    await eventually(lambda: "crashed g1 SIGKILL" in node.recorder.events)


async def test_template_and_worker_may_die_together(node: ObservedNode) -> None:
    """In either order; the next query works."""
    graph = await node.graph("g1")
    for first_worker in (True, False):
        worker, template = await node.process_of(graph), node.template
        restarts = node.recorder.count("template")
        for process_id in (worker, template) if first_worker else (template, worker):
            os.kill(process_id, signal.SIGKILL)
        await eventually(lambda seen=restarts: node.recorder.count("template") > seen)
        async with asyncio.timeout(30):
            while await outcome(graph.ids()) != "answered":
                pass
        await eventually(lambda: Footprint.now().zombies == 0)


async def test_a_template_that_dies_while_databases_open_is_replaced(node: ObservedNode) -> None:
    """Openings that were under way are repeated; none is counted against the database."""
    graphs = [await node.graph(f"g{number}") for number in range(4)]
    for graph in graphs:
        await node.kill_worker(graph)
    os.kill(node.template, signal.SIGKILL)
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(outcome(graph.ids()) for graph in graphs))
        assert set(answers) <= {"answered", "WORKER_CRASHED"}
        assert [await repeated(graph.ids) for graph in graphs] == [[]] * 4
    assert node.recorder.count("open_failed") == 0


async def test_a_stopped_template_is_replaced(node: ObservedNode) -> None:
    """One that does not answer is killed after its time-out."""
    graph = await node.graph("g1")
    os.kill(node.template, signal.SIGSTOP)
    assert await graph.ids() == []
    async with asyncio.timeout(60):
        await node.graph("g2")
    assert "template SIGKILL" in node.recorder.events


async def test_a_stuck_worker_is_answered_for_and_then_killed(node: ObservedNode) -> None:
    """A worker that is stopped answers nothing: callers get their time-outs all the same, then it is replaced."""
    graph = await node.graph("g1")
    await graph.add(1)
    stopped = await node.kill_worker(graph, signal.SIGSTOP)
    assert await outcome(graph.run("RETURN 1 AS x", timeout_s=0.3)) == "QUERY_TIMEOUT"
    async with asyncio.timeout(30):
        while await outcome(graph.run("RETURN 1 AS x", timeout_s=1)) != "answered":
            pass
    assert not is_running(stopped)
    assert "killed g1 stuck" in node.recorder.events
    assert not node.recorder.count("crashed")
    assert await graph.ids() == [1]


async def test_a_stream_of_a_killed_worker_breaks_off_with_an_error(node: ObservedNode) -> None:
    """A reader in the middle of a stream is told that the rest is missing."""
    graph = await node.graph("g1")
    result = await graph.run(MANY, format=ResultFormat.NDJSON)
    assert result.stream is not None
    await anext(result.stream)
    await node.kill_worker(graph)
    with pytest.raises(WorkerCrashedError):
        async for _ in result.stream:
            pass


async def test_a_slow_reader_stops_the_producer(node: ObservedNode) -> None:
    """While nobody reads, no more than the credit is on its way, for as long as it takes."""
    graph = await node.graph("g1")
    result = await graph.run(MANY, format=ResultFormat.NDJSON)
    (call,) = next(iter(node._catalog)).calls()
    assert call.stream is not None
    stream = call.stream

    async def stands_still() -> bool:
        before = sum(map(len, stream._pieces))
        await asyncio.sleep(0.5)
        return 0 < before == sum(map(len, stream._pieces))

    await eventually(stands_still)
    held = sum(map(len, stream._pieces))
    assert held <= 1 << 20
    memory = (await node.state(graph.graph_id)).memory_bytes
    await asyncio.sleep(0.5)
    assert sum(map(len, stream._pieces)) == held
    assert (await node.state(graph.graph_id)).memory_bytes <= memory + (8 << 20)
    assert result.stream is not None
    assert sum([piece.count(b"\n") async for piece in result.stream]) == 300_001


async def test_leaving_stops_what_does_not_end(tmp_path: Path) -> None:
    """Endless queries are cancelled after the time for draining; no process is left."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        worker, template = await node.process_of(graph), node.template
        read = asyncio.ensure_future(graph.run(ENDLESS, timeout_s=60))
        write = asyncio.ensure_future(graph.run(ENDLESS, timeout_s=60, mode=AccessMode.WRITE))
        await graph.pending(2)
    assert [await outcome(read), await outcome(write)] == ["QUERY_CANCELLED"] * 2
    assert not is_running(worker)
    assert not is_running(template)
    assert "closed g1 shutdown" in node.recorder.events


async def test_leaving_ends_stuck_processes_too(tmp_path: Path) -> None:
    """A stopped worker and a stopped template are killed in the end."""
    async with ObservedNode(tmp_path, close_timeout_s=0.5) as node:
        graph = await node.graph("g1")
        worker, template = await node.process_of(graph), node.template
        for process_id in (worker, template):
            os.kill(process_id, signal.SIGSTOP)
    assert not is_running(worker)
    assert not is_running(template)
    assert "killed g1 close_timeout" in node.recorder.events
