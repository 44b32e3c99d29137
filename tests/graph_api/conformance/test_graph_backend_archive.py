"""`GraphBackend`: a whole graph as an archive, and back."""

import io
from pathlib import Path

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.archive import ExportRequest, ImportRequest
from robosystems.graph_api.domain.archive_index import read_archive
from robosystems.graph_api.domain.errors import ArchiveError, DatabaseNotEmptyError
from tests.graph_api.conformance.people import ALL, People, fresh_query_id

pytestmark = [pytest.mark.anyio, pytest.mark.requires("export_import")]


async def archive_of(people: People) -> bytes:
    """Export the database."""
    request = ExportRequest(30.0, "the conformance suite")
    result = await people.backend.export(people.graph_id, request, query_id=fresh_query_id())
    if result.stream is None:
        return result.body or b""
    return b"".join([piece async for piece in result.stream])


async def import_into(people: People, archive: bytes) -> list[tuple[str, int]]:
    """Import an archive; return the tables and how many rows they got."""
    backend = people.backend
    async with backend.incoming(people.graph_id) as path:
        path.write_bytes(archive)
        request = ImportRequest(path, 60.0)
        report = await backend.import_archive(people.graph_id, request, query_id=fresh_query_id())
    return [(table.name, table.rows) for table in report.tables]


async def test_an_archive_holds_all_rows(people: People, backend: GraphBackend) -> None:
    """Its documents say what is in it, and its checksums hold."""
    await people.add(1, 2)
    index = read_archive(io.BytesIO(await archive_of(people)))
    assert {table.name: table.rows for table in index.summary.tables} == {"Person": 2, "KNOWS": 0}
    assert index.manifest.graph_id == people.graph_id.value
    assert index.manifest.engine == backend.capabilities.backend


async def test_what_was_exported_can_be_imported(people: People, backend: GraphBackend) -> None:
    """Into the database that was emptied meanwhile; relationships that are parallel stay so."""
    await people.add(1, 2)
    for year in (1999, 1999, 2001):
        await people.write(
            f"MATCH (a:Person {{id: 1}}), (b:Person {{id: 2}}) CREATE (a)-[:KNOWS {{since: {year}}}]->(b)"
        )
    everything = await people.data(ALL)
    archive = await archive_of(people)
    await people.write("MATCH (p:Person) DETACH DELETE p")
    assert sorted(await import_into(people, archive)) == [("KNOWS", 3), ("Person", 2)]
    assert await people.data(ALL) == everything
    years = "MATCH (a)-[k:KNOWS]->(b) RETURN a.id AS a, b.id AS b, k.since AS since ORDER BY since"
    assert [row["since"] for row in await people.data(years)] == [1999, 1999, 2001]


async def test_an_import_needs_a_database_without_rows(people: People, backend: GraphBackend) -> None:
    """What is there stays."""
    await people.add(1)
    archive = await archive_of(people)
    with pytest.raises(DatabaseNotEmptyError, match="Person"):
        await import_into(people, archive)
    assert await people.ids() == [1]


async def test_a_damaged_archive_changes_nothing(people: People, backend: GraphBackend, tmp_path: Path) -> None:
    """The error says what is wrong."""
    await people.add(1)
    archive = await archive_of(people)
    await people.write("MATCH (p:Person) DELETE p")
    with pytest.raises(ArchiveError) as caught:
        await import_into(people, archive[: len(archive) // 2])
    assert caught.value.context["reason"] == "incomplete"
    assert await people.ids() == []
