"""`GraphBackend`: versions of the content, by which answers are known to be still right."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import DatabaseNotFoundError, GraphApiError, StatementError
from robosystems.graph_api.domain.load import FileFormat, LoadRequest
from robosystems.graph_api.domain.query import TransactionStatement
from tests.graph_api.conformance.conftest import MakeBackend
from tests.graph_api.conformance.people import ADD, ENDLESS, People, fresh_name, fresh_query_id

pytestmark = [pytest.mark.anyio, pytest.mark.requires("result_versions")]


def version_of(people: People) -> str:
    """Return the version; a backend that has none says so by name."""
    people.backend.capabilities.require("result_versions")
    version = people.backend.version(people.graph_id)
    assert version is not None
    return version


async def test_reads_change_nothing(people: People, backend: GraphBackend) -> None:
    """However many, also failing ones, beside one another."""
    version = version_of(people)
    await asyncio.gather(*(people.ids() for _ in range(10)))
    with pytest.raises(StatementError):
        await people.run("MATCH (p:Nobody) RETURN p")
    assert version_of(people) == version


async def _write(people: People) -> None:
    await people.add(1)


async def _fail(people: People) -> None:
    with pytest.raises(StatementError):
        await people.write("CREATE (:Nobody)")


async def _transact(people: People) -> None:
    statements = [TransactionStatement(ADD, json.dumps({"id": 2, "name": ""}).encode())]
    await people.backend.run_transaction(people.graph_id, statements, timeout_s=30.0, query_id=fresh_query_id())


async def _define(people: People) -> None:
    await people.backend.apply_ddl(people.graph_id, None, ["CREATE NODE TABLE More(id INT64, PRIMARY KEY(id))"])


async def _load(people: People) -> None:
    async with people.backend.incoming(people.graph_id) as path:
        path.write_text("id,name\n3,Ada\n")
        request = LoadRequest("Person", path, FileFormat.CSV, 30.0)
        await people.backend.load(people.graph_id, request, query_id=fresh_query_id())


async def _give_up(people: People) -> None:
    endless = asyncio.ensure_future(people.write(ENDLESS))
    await people.pending(1)
    endless.cancel()
    await people.pending(0)


CHANGES: Final[dict[str, Callable[[People], Awaitable[None]]]] = {
    "write": _write,
    "failed write": _fail,
    "transaction": _transact,
    "definition": _define,
    "load": _load,
    "abandoned write": _give_up,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_what_may_change_something_gives_a_new_version(
    people: People, backend: GraphBackend, change: Callable[[People], Awaitable[None]]
) -> None:
    """Whatever kind it is and however it ends; afterwards the version stays."""
    before = version_of(people)
    await change(people)
    after = version_of(people)
    assert after != before
    assert version_of(people) == after


async def test_while_a_change_runs_no_version_comes_twice(people: People, backend: GraphBackend) -> None:
    """Reads beside it may see it or not, so that their versions must never be taken for equal."""
    before = version_of(people)
    query_id = fresh_query_id()
    running = asyncio.ensure_future(people.write(ENDLESS, query_id=query_id))
    await people.pending(1)
    during = [version_of(people) for _ in range(5)]
    await backend.cancel(people.graph_id, query_id)
    with pytest.raises(GraphApiError):
        await running
    assert len({before, *during, version_of(people)}) == 7
    assert version_of(people) == version_of(people)


async def test_changes_of_one_database_leave_the_others_alone(people: People, backend: GraphBackend) -> None:
    """Each has its own version."""
    other = await People(backend).make()
    version = version_of(people)
    await other.add(1)
    assert version_of(people) == version != version_of(other)
    await backend.drop(other.graph_id)


async def test_a_database_made_again_has_no_old_version(people: People, backend: GraphBackend) -> None:
    """The name says nothing; one that is not there has no version at all."""
    backend.capabilities.require("result_versions")
    again = People(backend, fresh_name())
    versions: set[str] = set()
    for _ in range(3):
        with pytest.raises(DatabaseNotFoundError):
            backend.version(again.graph_id)
        await again.make()
        versions.add(version_of(again))
        await backend.drop(again.graph_id)
    assert len(versions) == 3


async def test_a_restart_brings_new_versions(make_backend: MakeBackend) -> None:
    """What was the same before may have been changed by somebody else meanwhile."""
    versions: set[str] = set()
    graph_id = fresh_name()
    for number in range(2):
        async with make_backend() as running:
            people = People(running, graph_id)
            if number == 0:
                await people.make()
            versions.add(version_of(people))
    assert len(versions) == 2
