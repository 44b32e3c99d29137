"""`GraphBackend`: loading files into tables."""

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import LoadError, LoadNotFoundError, TableNotFoundError
from robosystems.graph_api.domain.load import (
    FileFormat,
    LoadMode,
    LoadPhase,
    LoadProgress,
    LoadReport,
    LoadRequest,
    OnError,
    Reject,
)
from tests.graph_api.conformance.people import ALL, People, fresh_query_id

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.requires("bulk_load")]


async def load(people: People, table: str, content: str, *, ignore_unknown_columns: bool = False) -> LoadReport:
    """Load CSV text."""
    backend = people.backend
    async with backend.incoming(people.graph_id) as path:
        path.write_text(content)
        request = LoadRequest(table, path, FileFormat.CSV, 30.0, ignore_unknown_columns=ignore_unknown_columns)
        return await backend.load(people.graph_id, request, query_id=fresh_query_id())


async def test_columns_are_matched_by_name(people: People, backend: GraphBackend) -> None:
    """Swapped columns land where their names say."""
    report = await load(people, "Person", "name,id\nAda,1\nBob,2\n")
    assert (report.table, report.rows_loaded) == ("Person", 2)
    assert set(report.columns) == {"id", "name"}
    assert await people.data(ALL) == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]


async def test_relationships_are_loaded_by_their_ends(people: People, backend: GraphBackend) -> None:
    """`from` and `to` hold keys; other columns are properties."""
    await people.add(1, 2)
    report = await load(people, "KNOWS", "since,to,from\n1999,2,1\n")
    assert report.rows_loaded == 1
    rows = await people.data("MATCH (a)-[k:KNOWS]->(b) RETURN a.id AS a, b.id AS b, k.since AS since")
    assert rows == [{"a": 1, "b": 2, "since": 1999}]


async def test_an_unknown_column_is_refused_unless_told_otherwise(people: People, backend: GraphBackend) -> None:
    """The error names it; on request it is left out and reported."""
    content = "id,name,colour\n1,Ada,red\n"
    with pytest.raises(LoadError, match="colour"):
        await load(people, "Person", content)
    assert await people.ids() == []
    report = await load(people, "Person", content, ignore_unknown_columns=True)
    assert report.ignored_columns == ("colour",)


@pytest.mark.parametrize("content", ["id,name\n1,a\n2,b\n1,c\n", "id,name\nx,a\n", "id,name\n,a\n"])
async def test_one_wrong_row_fails_the_load_whole(people: People, backend: GraphBackend, content: str) -> None:
    """A repeated key, a wrong kind, a missing key: nothing of the file is kept."""
    with pytest.raises(LoadError):
        await load(people, "Person", content)
    assert await people.ids() == []


async def test_a_relationship_to_nobody_fails_the_load_whole(people: People, backend: GraphBackend) -> None:
    """A dangling end is an error, not a skipped row."""
    await people.add(1, 2)
    with pytest.raises(LoadError):
        await load(people, "KNOWS", "from,to,since\n1,2,1\n1,99,1\n")
    assert await people.data("MATCH ()-[k:KNOWS]->() RETURN count(k) AS n") == [{"n": 0}]


async def test_a_table_that_does_not_exist_is_named(people: People, backend: GraphBackend) -> None:
    """The file isn't looked at."""
    with pytest.raises(TableNotFoundError, match="Nobody"):
        await load(people, "Nobody", "id\n1\n")


async def test_the_incoming_file_is_removed(people: People, backend: GraphBackend) -> None:
    """On leaving, whether it was loaded, was never made, or something failed meanwhile; no path is given twice."""

    async def receive(content: str | None, error: Exception | None = None) -> None:
        async with backend.incoming(people.graph_id) as path:
            paths.append(path)
            assert not path.exists()
            if content is not None:
                path.write_text(content)
            if error is not None:
                raise error

    paths: list[Path] = []
    await receive("x")
    await receive(None)
    with pytest.raises(RuntimeError):
        await receive("x", RuntimeError())
    assert not any(path.exists() for path in paths)
    assert len(set(paths)) == 3


async def test_wrong_rows_are_left_out_and_kept_for_reading(people: People, backend: GraphBackend) -> None:
    """Their file is there under the name of the load, and under no other."""
    load_id = "0123456789abcdef"
    async with backend.incoming(people.graph_id) as path:
        path.write_text("id,name\n1,Ada\nx,Bob\n")
        request = LoadRequest("Person", path, FileFormat.CSV, 30.0, on_error=OnError.SKIP, load_id=load_id)
        report = await backend.load(people.graph_id, request, query_id=fresh_query_id())
    assert (report.rows_in_file, report.rows_loaded, report.rows_skipped, report.rejects_kept) == (2, 1, 1, 1)
    kept = (await backend.rejects(people.graph_id, load_id)).read_bytes()
    assert msgspec.json.decode(kept, type=Reject) == report.rejects[0]
    for other in ("f" * 16, "../manifest", ""):
        with pytest.raises(LoadNotFoundError):
            await backend.rejects(people.graph_id, other)


@pytest.mark.parametrize("mode", [LoadMode.UPSERT, LoadMode.REPLACE])
async def test_progress_is_told(people: People, backend: GraphBackend, mode: LoadMode) -> None:
    """Each phase at least once, in order, while the load runs."""
    told: list[LoadProgress] = []
    await people.add(1, 2)
    async with backend.incoming(people.graph_id) as path:
        path.write_text("id,name\n2,Bob\n3,Cid\n")
        request = LoadRequest("Person", path, FileFormat.CSV, 30.0, mode=mode)
        report = await backend.load(people.graph_id, request, query_id=fresh_query_id(), on_progress=told.append)
    assert (report.rows_loaded, report.rows_updated) == (1, 1)
    phases = [progress.phase for progress in told]
    assert phases == [LoadPhase.CONVERTING, LoadPhase.CHECKING, LoadPhase.COPYING, LoadPhase.CHECKPOINTING]
    assert await people.ids() == ([2, 3] if mode is LoadMode.REPLACE else [1, 2, 3])


async def test_loads_take_their_turn_among_the_writes(people: People, backend: GraphBackend) -> None:
    """A write that was called after a load finds its rows."""
    async with backend.incoming(people.graph_id) as path:
        path.write_text("id,name\n" + "".join(f"{number},n\n" for number in range(5000)))
        request = LoadRequest("Person", path, FileFormat.CSV, 30.0)
        load_task = backend.load(people.graph_id, request, query_id=fresh_query_id())
        count = people.write("MATCH (p:Person) WITH count(p) AS n CREATE (:Person {id: 100000 + n})")
        await asyncio.gather(load_task, count)
    assert (await people.ids())[-1] == 105_000
