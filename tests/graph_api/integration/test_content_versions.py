"""Versions of the content where processes die, databases are closed, and files come back damaged."""

import asyncio
from pathlib import Path

import pytest

from robosystems.graph_api.domain.errors import DatabaseBrokenError
from tests.graph_api.conformance.people import ENDLESS, People
from tests.graph_api.integration.ladybug_node import ObservedNode, outcome
from tests.graph_api.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_closing_keeps_the_version_and_a_look_opens_nothing(tmp_path: Path) -> None:
    """The server holds the directory: while a database is closed nobody changes it."""
    async with ObservedNode(tmp_path, max_open=1) as node:
        first = await node.graph("first")
        await first.add(1)
        version = node.version(first.graph_id)
        second = await node.graph("second")
        await node.until_closed(first)
        assert node.version(first.graph_id) == version
        assert not (await node.state(first.graph_id)).open
        assert await first.ids() == [1]
        assert node.version(first.graph_id) == version
        assert await second.ids() == []


async def test_the_death_of_a_process_gives_a_new_version(tmp_path: Path) -> None:
    """Nobody knows what of the writes it was busy with has become of."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        await graph.add(1)
        version = node.version(graph.graph_id)
        await node.kill_worker(graph)
        await eventually(lambda: node.version(graph.graph_id) != version)
        assert await graph.ids() == [1]


async def test_a_write_that_dies_with_its_process_has_ended(tmp_path: Path) -> None:
    """Afterwards the version stands still again, and never is one of before."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        seen = {node.version(graph.graph_id)}
        write = asyncio.ensure_future(graph.write(ENDLESS))
        await graph.pending(1)
        seen.add(node.version(graph.graph_id))
        await node.kill_worker(graph)
        assert await outcome(write) == "WORKER_CRASHED"
        version = node.version(graph.graph_id)
        assert version not in seen
        assert await graph.ids() == []
        assert node.version(graph.graph_id) == version


async def test_writes_that_were_never_sent_have_ended(tmp_path: Path) -> None:
    """One is given up while its database waits for a place; the version stands still once it is gone."""
    async with ObservedNode(tmp_path, max_open=1, slot_wait_s=0.3) as node:
        first, second = await node.graph("first"), await node.graph("second")
        await node.until_closed(first)
        busy = asyncio.ensure_future(second.write(ENDLESS))
        await second.pending(1)
        assert await outcome(first.add(1)) == "POOL_EXHAUSTED"
        assert node.version(first.graph_id) == node.version(first.graph_id)
        await node.kill_worker(second)
        assert await outcome(busy) == "WORKER_CRASHED"


async def test_a_broken_database_has_no_version_and_a_mended_one_a_new_one(tmp_path: Path) -> None:
    """Its file was put right by hand: nothing that was known of it holds."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        await graph.add(1)
    file = tmp_path / "databases" / "g1" / "graph.lbug"
    content = file.read_bytes()
    file.write_bytes(b"not a database" + content[14:])
    async with ObservedNode(tmp_path) as node:
        graph = People(node, graph.graph_id)
        version = node.version(graph.graph_id)
        assert await outcome(graph.ids()) == "DATABASE_BROKEN"
        with pytest.raises(DatabaseBrokenError):
            node.version(graph.graph_id)
        file.write_bytes(content)
        await node.retry_open(graph.graph_id)
        assert node.version(graph.graph_id) != version
        assert await graph.ids() == [1]
