"""The base directory: what a start finds there, and who may use it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robosystems.graph_api.domain.errors import DatabaseExistsError, DatabaseNotFoundError, UnavailableError
from robosystems.graph_api.domain.graph import DatabaseStatus
from robosystems.graph_api.domain.ids import GraphId
from tests.graph_api.conformance.people import People
from tests.graph_api.integration.ladybug_node import ObservedNode, is_running, outcome
from tests.graph_api.integration.survival.family import Family
from tests.graph_api.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_workers_end_with_their_server(tmp_path: Path) -> None:
    """Kill -9 of the server ends template and workers; the next server has every acknowledged row."""
    processes, acknowledged = await killed_server(tmp_path)
    async with ObservedNode(tmp_path) as node:
        assert acknowledged <= set(await People(node, GraphId("g1")).ids())
        await eventually(lambda: not any(is_running(number) for number in processes.values()))


async def test_a_torn_log_is_reported_for_good(tmp_path: Path) -> None:
    """What can be replayed is there, the database works, and its record says that rows may be lost."""
    await killed_server(tmp_path, with_its_processes=True)
    log = tmp_path / "databases" / "g1" / "graph.lbug.wal"
    content = log.read_bytes()
    log.write_bytes(content[: len(content) - 3])
    async with ObservedNode(tmp_path) as node:
        graph = People(node, GraphId("g1"))
        assert await graph.ids() is not None
        assert (await node.record(graph.graph_id)).possible_loss
    async with ObservedNode(tmp_path) as node:
        (record,) = await node.list()
        assert record.possible_loss
        assert record.status is DatabaseStatus.ACTIVE


async def test_a_directory_has_one_server(tmp_path: Path) -> None:
    """A second one is refused after a bounded wait, with a sentence; the first goes on."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
        with pytest.raises(UnavailableError, match="Another server"):
            async with ObservedNode(tmp_path, lock_wait_s=0.2):
                pass
        assert await graph.ids() == []


async def test_a_server_waits_for_the_one_that_is_ending(tmp_path: Path) -> None:
    """A restart may begin before the old server has ended."""
    first, second = ObservedNode(tmp_path), ObservedNode(tmp_path)
    async with first:
        graph = await first.graph("g1")
        starting = asyncio.ensure_future(second.__aenter__())
        await asyncio.sleep(0.2)
        assert not starting.done()
    await starting
    assert await People(second, graph.graph_id).ids() == []
    await second.__aexit__(None, None, None)


async def test_what_was_not_complete_is_removed(tmp_path: Path) -> None:
    """Interrupted creations and deletions leave nothing that is listed, and nothing on disk."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("kept")
        await node.graph("half")
    change_manifest(node.folder / "half", state="creating")
    for name in (".trash-1", ".new-2", ".probe-3"):
        shutil.copytree(node.folder / "kept", node.folder / name)
    async with ObservedNode(tmp_path) as node:
        assert [record.graph_id.value for record in await node.list()] == ["kept"]
        assert sorted(os.listdir(node.folder)) == [".server.lock", "kept"]  # noqa: PTH208 (names only)
        await node.graph("half")


@pytest.mark.parametrize("damage", ["missing", "not JSON", "of another database", "of a later version"])
async def test_a_database_without_a_usable_manifest_is_listed_as_broken(tmp_path: Path, damage: str) -> None:
    """Nobody takes it for gone: it has its name, a reason, and can be deleted."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
    manifest = node.folder / "g1" / "manifest.json"
    if damage == "missing":
        manifest.unlink()
    elif damage == "not JSON":
        manifest.write_text("{")
    elif damage == "of another database":
        change_manifest(manifest.parent, graph_id="g2")
    else:
        change_manifest(manifest.parent, manifest_version=99)
    async with ObservedNode(tmp_path) as node:
        (record,) = await node.list()
        assert (record.graph_id.value, record.status) == ("g1", DatabaseStatus.BROKEN)
        assert "manifest.json" in (record.status_reason or "")
        with pytest.raises(DatabaseExistsError):
            await node.graph("g1")
        await node.drop(record.graph_id)
        await node.graph("g1")


async def test_foreign_entries_are_left_alone(tmp_path: Path) -> None:
    """What cannot be a database is neither listed nor removed."""
    folder = tmp_path / "databases"
    (folder / "not a database").mkdir(parents=True)
    (folder / "file").write_text("x")
    async with ObservedNode(tmp_path) as node:
        assert await node.list() == []
        await node.graph("g1")
    assert (folder / "not a database").is_dir()
    assert (folder / "file").read_text() == "x"


async def test_a_link_is_no_database(tmp_path: Path) -> None:
    """A name that leads out of the base directory is not followed."""
    folder = tmp_path / "databases"
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (folder / "g1").symlink_to(outside)
    async with ObservedNode(tmp_path) as node:
        with pytest.raises(DatabaseNotFoundError):
            await People(node, GraphId("g1")).ids()
        assert await outcome(node.graph("g1")) != "answered"
    assert list(outside.iterdir()) == []


async def test_the_manifest_says_what_the_database_is(tmp_path: Path) -> None:
    """Versions, limits, schema document and expected files are on disk, for people and for the next server."""
    async with ObservedNode(tmp_path) as node:
        await node.graph("g1")
        manifest = json.loads((node.folder / "g1" / "manifest.json").read_text())
        assert manifest["state"] == "ready"
        assert manifest["graph_id"] == "g1"
        assert manifest["storage_version"] is not None
        assert manifest["expected_files"] == ["graph.lbug"]
        assert {table["name"] for table in manifest["schema_document"]["tables"]} == {"Person", "KNOWS"}
        assert (node.folder / "g1").stat().st_mode & 0o077 == 0


async def test_files_left_in_incoming_are_removed_when_the_database_opens(tmp_path: Path) -> None:
    """An upload that a crash interrupted takes no room for ever."""
    async with ObservedNode(tmp_path) as node:
        graph = await node.graph("g1")
    stale = node.folder / "g1" / "incoming" / "stale"
    stale.write_text("x")
    async with ObservedNode(tmp_path) as node:
        assert await People(node, graph.graph_id).ids() == []
        assert not stale.exists()


async def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    """A base path that is a file: one sentence, no process, and the same node can be started elsewhere."""
    (tmp_path / "databases").write_text("x")
    with pytest.raises(UnavailableError):
        async with ObservedNode(tmp_path):
            pass


async def killed_server(folder: Path, *, with_its_processes: bool = False) -> tuple[dict[str, int], set[int]]:
    """Run a server that writes to database `g1`, kill it; return its processes and the ids of acknowledged rows."""
    program = [sys.executable, "-m", "tests.graph_api.integration.backend_program", str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 (killed below)
        assert server.stdout is not None
        lines = server.stdout
        processes = json.loads(await asyncio.to_thread(lines.readline))
        acknowledged = [int(await asyncio.to_thread(lines.readline)) for _ in range(20)]
        if with_its_processes:
            Family(server.pid).kill_at_once()
        server.kill()
        acknowledged += [int(line) for line in lines.read().splitlines() if line]
    await eventually(lambda: not any(is_running(number) for number in processes.values()))
    return processes, {*range(10), *acknowledged}


def change_manifest(directory: Path, **fields: Any) -> None:
    """Change fields of the manifest in a directory."""
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
