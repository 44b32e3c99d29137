"""`GraphBackend`: creating, listing, limiting and deleting databases."""

import asyncio
from dataclasses import replace

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import (
    DatabaseBusyError,
    DatabaseExistsError,
    DatabaseNotFoundError,
    GraphApiError,
    InvalidGraphIdError,
    InvalidSchemaError,
    NodeFullError,
    ShuttingDownError,
)
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseStatus, SchemaType
from robosystems.graph_api.domain.ids import GraphId
from tests.graph_api.conformance.backends import NodeSize
from tests.graph_api.conformance.conftest import MakeBackend
from tests.graph_api.conformance.people import ALL, ENDLESS, PEOPLE, People, fresh_name, query, record_of
from tests.graph_api.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_created_database_is_found_with_all_that_was_said(backend: GraphBackend) -> None:
    """The record comes back from create, record and list alike, completed with versions."""
    wanted = replace(record_of(fresh_name()), schema_type=SchemaType.SHARED, repository_name="sec")
    created = await backend.create(wanted, PEOPLE, ())
    assert created.engine_version
    assert created.storage_version is not None
    assert (created.graph_id, created.schema_type, created.repository_name, created.created_at) == (
        wanted.graph_id,
        wanted.schema_type,
        wanted.repository_name,
        wanted.created_at,
    )
    assert created.status is DatabaseStatus.ACTIVE
    assert await backend.record(wanted.graph_id) == created
    assert created in await backend.list()
    await backend.drop(wanted.graph_id)


@pytest.mark.requires("multiple_databases")
async def test_databases_are_listed_by_name(backend: GraphBackend) -> None:
    """The list is sorted, whatever the order of creation."""
    names = [fresh_name(prefix) for prefix in ("b", "a", "c")]
    for name in names:
        await People(backend, name).make()
    listed = [record.graph_id for record in await backend.list()]
    assert [name for name in listed if name in names] == sorted(names)
    for name in names:
        await backend.drop(name)


async def test_a_name_is_taken_once(people: People) -> None:
    """A second database of the same name is refused, and the first is untouched."""
    await people.add(1)
    with pytest.raises(DatabaseExistsError):
        await People(people.backend, people.graph_id).make()
    assert await people.ids() == [1]


@pytest.mark.requires("multiple_databases")
async def test_names_may_not_differ_in_case_only(backend: GraphBackend) -> None:
    """So no file system can mix two databases up."""
    graph = await People(backend, fresh_name("Case")).make()
    with pytest.raises(DatabaseExistsError, match="case"):
        await People(backend, GraphId.parse(graph.graph_id.value.lower())).make()
    await backend.drop(graph.graph_id)


async def test_of_two_that_create_the_same_name_one_wins(backend: GraphBackend) -> None:
    """At the same moment: one database, one error, and the one works."""
    graph_id = fresh_name()
    outcomes = await asyncio.gather(*(People(backend, graph_id).make() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(outcome, People) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, DatabaseExistsError) for outcome in outcomes) == 3
    assert await People(backend, graph_id).ids() == []
    await backend.drop(graph_id)


async def test_what_does_not_exist_is_not_found(backend: GraphBackend) -> None:
    """Every method on a database says so."""
    graph_id = fresh_name()
    for attempt in (
        backend.record(graph_id),
        backend.state(graph_id),
        backend.drop(graph_id),
        backend.set_limits(graph_id, DatabaseLimits()),
        backend.run(graph_id, query("RETURN 1")),
        backend.rows(graph_id, query("RETURN 1")),
        backend.run_transaction(graph_id, (), timeout_s=1, query_id="q"),
        backend.running(graph_id),
        backend.cancel(graph_id, "q"),
        backend.schema(graph_id),
        backend.apply_ddl(graph_id, PEOPLE, ()),
    ):
        with pytest.raises(DatabaseNotFoundError):
            await attempt
    with pytest.raises(DatabaseNotFoundError):
        async with backend.incoming(graph_id):
            pass


async def test_a_dropped_database_is_gone_and_its_name_free(backend: GraphBackend) -> None:
    """A new database of the same name is empty."""
    graph = await People(backend).make()
    await graph.add(1)
    await backend.drop(graph.graph_id)
    with pytest.raises(DatabaseNotFoundError):
        await graph.ids()
    await graph.make()
    assert await graph.ids() == []
    await backend.drop(graph.graph_id)


async def test_a_drop_ends_running_queries(backend: GraphBackend) -> None:
    """They end as cancelled, at once, and the database is gone."""
    graph = await People(backend).make()

    async def outcome() -> str:
        try:
            await graph.run(ENDLESS)
        except GraphApiError as error:
            return error.code
        return "answered"

    queries = asyncio.gather(*(outcome() for _ in range(3)))
    await graph.pending(3)
    await backend.drop(graph.graph_id)
    async with asyncio.timeout(30):
        assert await queries == ["QUERY_CANCELLED"] * 3
    assert graph.graph_id not in [record.graph_id for record in await backend.list()]


async def test_two_drops_delete_once(backend: GraphBackend) -> None:
    """At the same moment: one deletes, the other is told that it is being done, or done."""
    graph = await People(backend).make()
    outcomes = await asyncio.gather(backend.drop(graph.graph_id), backend.drop(graph.graph_id), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert all(
        outcome is None or isinstance(outcome, DatabaseBusyError | DatabaseNotFoundError) for outcome in outcomes
    )


async def test_what_is_being_created_is_not_there_yet(backend: GraphBackend) -> None:
    """It is neither listed nor found, and cannot be deleted before it is complete."""
    graph = People(backend)
    creating = asyncio.ensure_future(graph.make())
    await asyncio.sleep(0)
    assert graph.graph_id not in [record.graph_id for record in await backend.list()]
    with pytest.raises(DatabaseNotFoundError):
        await graph.ids()
    with pytest.raises(DatabaseBusyError):
        await backend.drop(graph.graph_id)
    await creating
    await backend.drop(graph.graph_id)


async def test_a_creation_whose_caller_goes_away_is_whole_or_nothing(backend: GraphBackend) -> None:
    """Cancelled in the middle: in the end the database is either complete or not there, and its name usable."""
    graph = People(backend)
    creating = asyncio.ensure_future(graph.make())
    await asyncio.sleep(0.01)
    creating.cancel()

    async def settled() -> bool:
        try:
            await backend.drop(graph.graph_id)
        except DatabaseBusyError:
            return False
        except DatabaseNotFoundError:
            return True
        return True

    await eventually(settled)
    await graph.make()
    assert await graph.ids() == []
    await backend.drop(graph.graph_id)


async def test_a_failing_definition_leaves_nothing_behind(backend: GraphBackend) -> None:
    """The error names the statement; the name is free again."""
    graph_id = fresh_name()
    ddl = [
        "CREATE NODE TABLE A(id INT64, PRIMARY KEY(id))",
        "CREATE NODE TABLE B(id NONSENSE, PRIMARY KEY(id))",
        "CREATE NODE TABLE C(id INT64, PRIMARY KEY(id))",
    ]
    with pytest.raises(InvalidSchemaError) as caught:
        await backend.create(record_of(graph_id), None, ddl)
    assert caught.value.context["statement_number"] == 2
    assert caught.value.context["statement"] == ddl[1]
    with pytest.raises(DatabaseNotFoundError):
        await backend.record(graph_id)
    assert graph_id not in [record.graph_id for record in await backend.list()]
    graph = await People(backend, graph_id).make()
    assert await graph.ids() == []
    await backend.drop(graph_id)


async def test_a_full_node_takes_no_more(make_backend: MakeBackend) -> None:
    """Capacity counts databases that are being created, too; deleting one makes room."""
    async with make_backend(NodeSize(databases=2)) as backend:
        graphs = [People(backend) for _ in range(4)]
        outcomes = await asyncio.gather(*(graph.make() for graph in graphs), return_exceptions=True)
        assert sum(isinstance(outcome, NodeFullError) for outcome in outcomes) == 2
        made = await backend.list()
        assert len(made) == 2
        await backend.drop(made[0].graph_id)
        await People(backend).make()


async def test_limits_are_kept_for_good(make_backend: MakeBackend) -> None:
    """What the operator sets is there after a restart."""
    limits = DatabaseLimits(query_timeout_s=3.5, max_rows=10, max_disk_bytes=1 << 20, max_pending_queries=7)
    async with make_backend() as backend:
        graph = await People(backend).make()
        assert (await backend.set_limits(graph.graph_id, limits)).limits == limits
        before = await backend.record(graph.graph_id)
    async with make_backend() as backend:
        assert await backend.record(graph.graph_id) == before
        assert before.limits == limits


async def test_data_is_there_after_a_restart(make_backend: MakeBackend) -> None:
    """Leaving the backend closes databases cleanly; entering a new one finds them, closed, with all rows."""
    async with make_backend() as backend:
        graph = await People(backend).make()
        await graph.add(1, 2, 3)
    async with make_backend() as backend:
        assert [record.graph_id for record in await backend.list()] == [graph.graph_id]
        assert not (await backend.state(graph.graph_id)).open
        assert await People(backend, graph.graph_id).ids() == [1, 2, 3]


async def test_a_left_backend_refuses_work(make_backend: MakeBackend) -> None:
    """Before entering it is not there, after leaving it is shutting down; leaving twice does nothing."""
    backend = make_backend()
    async with backend:
        graph = await People(backend).make()
        await backend.ping()
    for attempt in (backend.run(graph.graph_id, query(ALL)), backend.list(), backend.ping(), graph.make()):
        with pytest.raises(ShuttingDownError):
            await attempt
    await backend.__aexit__(None, None, None)


async def test_leaving_lets_running_queries_finish(make_backend: MakeBackend) -> None:
    """A query that ends in time is answered, although the backend is being left."""
    backend = make_backend()
    async with backend:
        graph = await People(backend).make()
        text = "UNWIND range(1, 20000) AS a UNWIND range(1, 1000) AS b RETURN sum(a % b) AS s"
        running = asyncio.gather(graph.data(text))
        await graph.pending(1)
    assert (await running)[0][0]["s"] > 0


async def test_state_tells_the_figures_of_the_moment(people: People) -> None:
    """Pending queries are counted; bytes on disk are there."""
    await people.add(1)
    idle = await people.backend.state(people.graph_id)
    assert idle.open
    assert idle.pending_queries == 0
    assert idle.size_bytes > 0
    running = asyncio.gather(people.run(ENDLESS, timeout_s=4), return_exceptions=True)
    await people.pending(1)
    assert (await people.backend.state(people.graph_id)).pending_queries == 1
    await running


async def test_an_id_that_was_not_checked_reaches_no_file(backend: GraphBackend) -> None:
    """Even a caller that goes round `GraphId.parse` cannot leave the node's directory."""
    with pytest.raises((InvalidGraphIdError, DatabaseNotFoundError)):
        await backend.create(record_of(GraphId("../escape")), PEOPLE, ())
    with pytest.raises(DatabaseNotFoundError):
        await backend.run(GraphId("../escape"), query("RETURN 1"))
