"""The Python clients against a real server, the asynchronous and the synchronous one alike."""

import asyncio
import datetime as dt
import inspect
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.client import (
    AsyncGraphClient,
    Database,
    GraphClient,
    GraphClientConfig,
    ImportResult,
    LoadOptions,
    LoadResult,
    QueryResult,
    ReadResult,
    ServerUnreachableError,
)
from robosystems.graph_api.domain.errors import (
    DatabaseExistsError,
    DatabaseNotFoundError,
    InvalidRequestError,
    LoadError,
    QueryCancelledError,
    QueryNotFoundError,
    QueryTimeoutError,
    ScopeError,
    StatementError,
    UnauthorizedError,
)
from tests.graph_api.server_process import ServerProcess, free_port
from tests.graph_api.waiting import eventually

pytestmark = pytest.mark.integration

DDL = """
CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name));
CREATE REL TABLE KNOWS(FROM Person TO Person, since INT64)
"""


HEAVY = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a * b AS c WHERE c % 7 = 3 RETURN count(c) AS n"
"""Runs for minutes if nobody stops it."""


class EitherClient:
    """Calls one of the two clients in the same asynchronous words, so that every test runs on both."""

    def __init__(self, client: AsyncGraphClient | GraphClient) -> None:
        self._client = client

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method and wait for its answer."""
        answer = getattr(self._client, method)(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def stream(self, *arguments: Any, method: str = "query_stream", **options: Any) -> list[Any]:
        """Read a whole stream."""
        items = getattr(self._client, method)(*arguments, **options)
        return [item async for item in items] if isinstance(items, AsyncIterator) else list(items)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file."""
    with ServerProcess(tmp_path_factory.mktemp("client")) as server:
        with server.client() as client:
            client.create_database("people", "custom", custom_schema_ddl=DDL)
            client.query("people", "CREATE (:Person {name: 'Ada', age: 36}), (:Person {name: 'Grace', age: 45})")
        yield server


@pytest.fixture(params=["async", "sync"])
async def client(request: pytest.FixtureRequest, server: ServerProcess) -> AsyncIterator[EitherClient]:
    """Give each of the two clients in turn."""
    if request.param == "async":
        async with AsyncGraphClient(server.url, server.key) as asynchronous:
            yield EitherClient(asynchronous)
    else:
        with server.client() as synchronous:
            yield EitherClient(synchronous)


async def test_both_clients_have_the_same_methods() -> None:
    """A method of one client exists in the other with the same parameters."""
    for name, method in inspect.getmembers(AsyncGraphClient, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method).parameters == inspect.signature(getattr(GraphClient, name)).parameters


async def test_a_query_returns_its_rows(client: EitherClient) -> None:
    """Rows, columns, types and the flag for truncation arrive as the server sent them."""
    cypher = "MATCH (p:Person) RETURN p.name AS name, p.age AS age ORDER BY age"
    result: QueryResult = await client.call("query", "people", cypher)
    assert result.rows == [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 45}]
    assert result.columns == ["name", "age"]
    assert result.types == ["STRING", "INT64"]
    assert not result.truncated
    assert len(result) == 2
    assert result[0]["name"] == "Ada"


async def test_parameters_and_row_caps_are_passed_on(client: EitherClient) -> None:
    """A parameter binds, and a cap cuts the answer and says so."""
    cypher = "UNWIND range(1, $n) AS i RETURN i"
    result: QueryResult = await client.call("query", "people", cypher, {"n": 10}, max_rows=3)
    assert [row["i"] for row in result] == [1, 2, 3]
    assert result.truncated


async def test_a_stream_yields_every_row(client: EitherClient) -> None:
    """A stream has no cap and ends with its summary."""
    rows = await client.stream("people", "UNWIND range(1, 150000) AS i RETURN i")
    assert len(rows) == 150_000
    assert rows[-1] == {"i": 150_000}


async def test_batches_stream_and_gather(client: EitherClient) -> None:
    """The same rows as Arrow: batch by batch, or as one table, with the engine's types."""
    cypher = "UNWIND range(1, 150000) AS i RETURN i, date('2020-01-02') AS d"
    batches = await client.stream("people", cypher, method="arrow_stream")
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == 150_000
    table = await client.call("arrow", "people", cypher)
    assert table.schema.types == [pa.int64(), pa.date32()]
    assert table.column("i").to_pylist() == list(range(1, 150_001))
    assert (await client.call("arrow", "people", "MATCH (p:Person {name: 'Nobody'}) RETURN p.age AS age")).num_rows == 0


async def test_parameters_keep_their_types(client: EitherClient) -> None:
    """Python values arrive as what they are, and come back so."""
    values = {
        "d": dt.date(2020, 1, 2),
        "t": dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - without zone on purpose
        "m": Decimal("1.50"),
        "u": UUID(int=7),
        "b": b"ab",
        "i": dt.timedelta(days=3, microseconds=7),
    }
    columns = ", ".join(f"${name} AS {name}" for name in values)
    result: QueryResult = await client.call("query", "people", f"RETURN {columns}", values)
    assert result.typed_rows() == [values]
    results = await client.call("transaction", "people", ["RETURN 1 AS i", ("RETURN $d AS d", {"d": values["d"]})])
    assert [each.typed_rows() for each in results] == [[{"i": 1}], [{"d": values["d"]}]]


async def test_plans_are_shown(client: EitherClient) -> None:
    """A plan comes without running anything, a profile after it."""
    cypher = "CREATE (:Person {name: 'Planned', age: 1})"
    assert (await client.call("explain", "people", cypher)).rows
    found = await client.call("query", "people", "MATCH (p:Person {name: 'Planned'}) RETURN count(p) AS n")
    assert found[0]["n"] == 0
    assert (await client.call("explain", "people", "MATCH (p:Person) RETURN p.age", profile=True)).rows


async def test_a_row_that_looks_like_a_terminal_record_is_a_row(client: EitherClient) -> None:
    """Only the last line of a stream is the terminal record, whatever the columns are called."""
    rows = await client.stream("people", "UNWIND [1, 2] AS i RETURN {row_count: i} AS summary")
    assert rows == [{"summary": {"row_count": 1}}, {"summary": {"row_count": 2}}]


async def test_a_transaction_is_all_or_nothing(client: EitherClient) -> None:
    """A failing statement undoes the ones before it and is named."""
    statements = [("CREATE (:Person {name: 'Alan', age: 41})", {}), ("CREATE (:Person {name: 'Ada', age: 1})", {})]
    with pytest.raises(StatementError) as caught:
        await client.call("transaction", "people", statements)
    assert caught.value.context["statement_number"] == 2
    found: QueryResult = await client.call("query", "people", "MATCH (p:Person {name: 'Alan'}) RETURN count(p) AS n")
    assert found[0]["n"] == 0


async def test_errors_are_raised_by_their_code(client: EitherClient) -> None:
    """An error of the server is raised as the class that has its code, with status and request id."""
    with pytest.raises(DatabaseNotFoundError) as caught:
        await client.call("query", "nobody", "RETURN 1")
    assert caught.value.context["status"] == 404
    assert caught.value.context["request_id"]
    with pytest.raises(DatabaseExistsError):
        await client.call("create_database", "people")
    with pytest.raises(StatementError):
        await client.call("query", "people", "RETURN nothing")
    with pytest.raises(StatementError):
        await client.stream("people", "RETURN nothing")


async def test_a_timeout_is_the_servers_error(client: EitherClient) -> None:
    """A query over its deadline raises the server's error, not one of the connection."""
    with pytest.raises(QueryTimeoutError):
        await client.call("query", "people", HEAVY, timeout=0.3)


async def test_databases_are_created_listed_and_deleted(client: EitherClient) -> None:
    """The life of a database through the client."""
    created: Database = await client.call("create_database", "brief", "entity")
    assert created.status == "active"
    assert "brief" in [each.graph_id for each in await client.call("list_databases")]
    schema = await client.call("get_schema", "brief", counts=True)
    assert len(schema["tables"]) == 42
    await client.call("delete_database", "brief")
    with pytest.raises(DatabaseNotFoundError):
        await client.call("get_database", "brief")


async def test_a_file_is_loaded_by_its_name(client: EitherClient, tmp_path: Path) -> None:
    """Format and compression follow from the file's name; a wrong row is named and nothing is kept."""
    await client.call("create_database", "loaded", "custom", custom_schema_ddl=DDL)
    file = tmp_path / "Person.csv"
    file.write_text("name,age\nJoan,1\nMary,2\n")
    result: LoadResult = await client.call("load", "loaded", "Person", file)
    assert result.rows_loaded == 2
    file.write_text("name,age\nRuth,1\nJoan,2\n")
    with pytest.raises(LoadError) as caught:
        await client.call("load", "loaded", "Person", file)
    assert caught.value.context["row"] == 2
    ends = tmp_path / "KNOWS.ndjson"
    ends.write_text('{"src": "Joan", "dst": "Mary", "since": 1999}\n')
    options = LoadOptions(from_column="src", to_column="dst")
    assert (await client.call("load", "loaded", "KNOWS", ends, options)).rows_loaded == 1
    await client.call("delete_database", "loaded")


async def test_everything_that_holds_rows_can_be_loaded(client: EitherClient) -> None:
    """Frames, tables, answers, rows and pieces of bytes arrive as the same rows."""
    await client.call("create_database", "sources", "custom", custom_schema_ddl=DDL)
    columns = {"name": ["Ada", "Grace"], "age": [36, 45]}
    answer: QueryResult = await client.call("query", "people", "MATCH (p:Person) RETURN p.name AS name, p.age AS age")
    sources = [
        pa.table(columns),
        pa.table(columns).to_reader(),
        pd.DataFrame(columns),
        pl.DataFrame(columns),
        answer,
        [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 45}],
    ]
    for source in sources:
        loaded: LoadResult = await client.call("load", "sources", "Person", source)
        assert loaded.rows_loaded == 2
        rows = await client.call("query", "sources", "MATCH (p:Person) RETURN p.name, p.age ORDER BY p.age")
        assert [list(row.values()) for row in rows] == [["Ada", 36], ["Grace", 45]]
        await client.call("query", "sources", "MATCH (p:Person) DELETE p")
    pieces = (f"{name},{number}\n".encode() for number, name in enumerate(["name", "Joan", "Mary"]))
    csv = LoadOptions(format="csv", ignore_unknown_columns=True)
    assert (await client.call("load", "sources", "Person", pieces, csv)).rows_loaded == 2
    await client.call("delete_database", "sources")


async def test_rows_that_are_left_out_can_be_read(client: EitherClient) -> None:
    """A load that skips says how many rows it left out, and which."""
    await client.call("create_database", "skipped", "custom", custom_schema_ddl=DDL)
    options = LoadOptions(format="csv", on_error="skip", columns=["name", "age"], null="-")
    loaded: LoadResult = await client.call("load", "skipped", "Person", b"Joan,1\nMary,old\nRuth,-\n", options)
    assert (loaded.rows_in_file, loaded.rows_loaded, loaded.rows_skipped) == (3, 2, 1)
    assert loaded.load_id is not None
    rejects = await client.call("read_rejects", "skipped", loaded.load_id)
    assert [(reject["row"], reject["column"]) for reject in rejects] == [(2, "age")]
    upsert = LoadOptions(mode="upsert")
    changed: LoadResult = await client.call("load", "skipped", "Person", [{"name": "Joan", "age": 2}], upsert)
    assert (changed.rows_loaded, changed.rows_updated, changed.load_id) == (0, 1, None)
    replaced: LoadResult = await client.call(
        "load", "skipped", "Person", pa.table({"name": ["Edith"], "age": [7]}), LoadOptions(mode="replace")
    )
    assert replaced.rows_deleted == 2
    await client.call("delete_database", "skipped")


async def test_answers_are_written_into_files(client: EitherClient, tmp_path: Path) -> None:
    """A file appears when it is complete, in the format of its name; a failure leaves what was there."""
    cypher = "UNWIND range(1, 20000) AS i RETURN i, $x AS x"
    for name, read in (("a.parquet", pq.read_table), ("a.csv", pc.read_csv), ("a.arrow", _read_arrow)):
        path = await client.call("download", "people", cypher, tmp_path / name, {"x": "y"})
        assert path == tmp_path / name
        assert read(path).num_rows == 20_000
    (tmp_path / "kept.csv").write_text("before")
    with pytest.raises(StatementError):
        await client.call("download", "people", "RETURN nothing", tmp_path / "kept.csv")
    assert (tmp_path / "kept.csv").read_text() == "before"
    assert len(os.listdir(tmp_path)) == 4  # noqa: PTH208 - asynchronous code has no path of its own
    with pytest.raises(InvalidRequestError, match="format"):
        await client.call("download", "people", "RETURN 1", tmp_path / "a.xlsx")


async def test_a_graph_moves_as_an_archive(client: EitherClient, tmp_path: Path) -> None:
    """What was exported can be imported elsewhere, all of it."""
    path = await client.call("export", "people", tmp_path / "people.tar")
    await client.call("create_database", "moved", "custom", custom_schema_ddl=DDL)
    moved: ImportResult = await client.call("import_archive", "moved", path)
    assert (moved.nodes_imported, moved.source_graph_id) == (2, "people")
    await client.call("delete_database", "moved")


async def test_an_answer_that_has_not_changed_is_not_sent_again(client: EitherClient) -> None:
    """A read with the tag of its last answer brings nothing until the data change."""
    await client.call("create_database", "tagged", "custom", custom_schema_ddl=DDL)
    cypher = "MATCH (p:Person) WHERE p.age < $age RETURN count(p) AS n"
    first: ReadResult = await client.call("read", "tagged", cypher, {"age": 50})
    assert first.result is not None
    assert first.result.rows == [{"n": 0}]
    again: ReadResult = await client.call("read", "tagged", cypher, {"age": 50}, etag=first.etag)
    assert (again.result, again.etag) == (None, first.etag)
    await client.call("query", "tagged", "CREATE (:Person {name: 'New', age: 1})")
    changed: ReadResult = await client.call("read", "tagged", cypher, {"age": 50}, etag=first.etag)
    assert changed.result is not None
    assert changed.result.rows == [{"n": 1}]
    await client.call("delete_database", "tagged")


async def test_keys_are_made_changed_and_deleted(client: EitherClient, server: ServerProcess) -> None:
    """A key of one's own opens what it may, until it is disabled."""
    made = await client.call("create_key", "reader", "read", graphs=["people"])
    async with AsyncGraphClient(server.url, made["key"]) as reader:
        assert len((await reader.query("people", "MATCH (p:Person) RETURN p.name")).rows) == 2
        with pytest.raises(ScopeError):
            await reader.query("people", "CREATE (:Person {name: 'Nobody', age: 1})")
        token = await reader.issue_token(expires_in_seconds=60)
        async with AsyncGraphClient(server.url, token["access_token"]) as browser:
            assert (await browser.query("people", "RETURN 1 AS one")).rows == [{"one": 1}]
        await client.call("change_key", made["key_id"], disabled=True)
        assert (await client.call("get_key", made["key_id"]))["disabled"]
        with pytest.raises(UnauthorizedError):
            await reader.query("people", "RETURN 1")
    assert made["key_id"] in [key["key_id"] for key in (await client.call("list_keys"))["keys"]]
    await client.call("delete_key", made["key_id"])


async def test_the_specifications_examples_run(client: EitherClient) -> None:
    """Creating and querying by keyword arguments, as the specification shows it."""
    await client.call("create_database", graph_id="kg1a2b3c4d5", schema_type="entity")
    counted = await client.call("query", graph_id="kg1a2b3c4d5", cypher="MATCH (n) RETURN count(n) as count")
    assert counted.rows == [{"count": 0}]
    data = await client.call("query", graph_id="kg1a2b3c4d5", cypher="MATCH (n) RETURN n LIMIT 10")
    assert data.rows == []
    await client.call("delete_database", "kg1a2b3c4d5")


async def test_answers_may_be_compressed(server: ServerProcess) -> None:
    """Compressed answers are the same answers, whole or streamed."""
    cypher = "UNWIND range(1, 20000) AS i RETURN i, 'the same text again' AS text"
    config = GraphClientConfig(compression=True)
    async with AsyncGraphClient(server.url, server.key, config=config) as client:
        rows = (await client.query("people", cypher)).rows
        assert len(rows) == 20_000
        assert [row async for row in client.query_stream("people", cypher)] == rows
        assert (await client.arrow("people", cypher)).to_pylist() == rows


async def test_an_asynchronous_source_needs_the_asynchronous_client(server: ServerProcess) -> None:
    """Pieces that come later are sent as they come; the synchronous client says that it cannot wait for them."""

    async def pieces() -> AsyncIterator[bytes]:
        for line in (b"name,age\n", b"Later,1\n"):
            await asyncio.sleep(0)
            yield line

    csv = LoadOptions(format="csv")
    async with AsyncGraphClient(server.url, server.key) as client:
        assert (await client.load("people", "Person", pieces(), csv)).rows_loaded == 1
        await client.query("people", "MATCH (p:Person {name: 'Later'}) DELETE p")
    with GraphClient(server.url, server.key) as client, pytest.raises(InvalidRequestError, match="AsyncGraphClient"):
        client.load("people", "Person", pieces(), csv)


async def test_a_file_of_an_unknown_kind_is_refused_before_it_is_sent(client: EitherClient, tmp_path: Path) -> None:
    """The ending decides the format, so an unknown one is an error of the caller."""
    file = tmp_path / "Person.xlsx"
    file.touch()
    with pytest.raises(InvalidRequestError, match=r"\.parquet"):
        await client.call("load", "people", "Person", file)


async def test_every_database_is_found_page_by_page(client: EitherClient) -> None:
    """The iterator over databases goes on to the end whatever the size of a page."""
    names = [f"page{number}" for number in range(3)]
    for name in names:
        await client.call("create_database", name, "custom", custom_schema_ddl=DDL, limits={"max_rows": 7})
    found = await client.stream(method="databases", page_size=2)
    assert {*names, "people"} <= {database.graph_id for database in found}
    changed: Database = await client.call("set_limits", names[0], query_timeout_s=5)
    assert (changed.document["limits"]["query_timeout_s"], changed.document["limits"]["max_rows"]) == (5, 7)
    reset: Database = await client.call("set_limits", names[0], max_rows=None)
    assert reset.document["limits"]["max_rows"] is None
    for name in names:
        await client.call("delete_database", name)


async def test_a_schema_grows(client: EitherClient) -> None:
    """Tables are added by DDL and by a document; what `get_schema` returns makes another database."""
    await client.call("create_database", "grown", "custom", custom_schema_ddl=DDL)
    await client.call("extend_schema", "grown", ddl="CREATE NODE TABLE City(name STRING PRIMARY KEY)")
    table = {"name": "Town", "kind": "node", "columns": [{"name": "name", "type": "STRING", "primary_key": True}]}
    schema = await client.call("extend_schema", "grown", schema={"tables": [table]})
    assert {"Person", "KNOWS", "City", "Town"} <= {each["name"] for each in schema["tables"]}
    await client.call("create_database", "copied", "custom", custom_schema=await client.call("get_schema", "grown"))
    assert (await client.call("database_metrics", "copied"))["limits"]["max_rows"] is None
    assert (await client.call("retry_database", "copied")).status == "active"
    for name in ("grown", "copied"):
        await client.call("delete_database", name)


async def test_node_information_can_be_asked_for(client: EitherClient) -> None:
    """Health, status and information of the node."""
    assert (await client.call("health"))["status"]
    assert (await client.call("status"))["node_type"] == "writer"
    assert "available_capacity" in await client.call("info")
    assert (await client.call("ready"))["status"] == "ready"
    assert "people" in [each["graph_id"] for each in await client.call("database_states")]
    assert "# TYPE" in await client.call("metrics")


async def test_a_running_query_is_listed_and_stopped(client: EitherClient, server: ServerProcess) -> None:
    """What runs can be seen and cancelled; its caller is told."""
    async with AsyncGraphClient(server.url, server.key) as other:
        running = asyncio.get_running_loop().create_task(other.query("people", HEAVY, timeout=60))
        await eventually(lambda: _is_running(other))
        query = (await client.call("list_queries", "people"))[0]
        assert query.cypher == HEAVY
        await client.call("cancel_query", "people", query.query_id)
        with pytest.raises(QueryCancelledError):
            await running
        with pytest.raises(QueryNotFoundError):
            await client.call("cancel_query", "people", query.query_id)


async def test_a_cancelled_task_stops_its_query(server: ServerProcess) -> None:
    """Cancelling an awaited query ends it on the server; the client goes on to work."""
    async with AsyncGraphClient(server.url, server.key) as client, AsyncGraphClient(server.url, server.key) as other:
        running = asyncio.get_running_loop().create_task(client.query("people", HEAVY, timeout=60))
        await eventually(lambda: _is_running(other))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: _is_idle(other))
        assert (await client.query("people", "RETURN 1 AS one")).rows == [{"one": 1}]


async def test_a_client_that_waits_no_longer_stops_its_query(server: ServerProcess) -> None:
    """A client that gives up before the server does closes its connection, which ends the query."""
    config = GraphClientConfig(timeout_s=0.5, grace_s=0, retries_enabled=False, breakers_enabled=False)
    async with AsyncGraphClient(server.url, server.key) as other:
        with GraphClient(server.url, server.key, config=config) as client, pytest.raises(ServerUnreachableError):
            await asyncio.to_thread(client.query, "people", HEAVY)
        await eventually(lambda: _is_idle(other))


def test_an_interrupted_program_stops_its_query(server: ServerProcess) -> None:
    """A KeyboardInterrupt in the synchronous client ends the query on the server."""
    usual = signal.signal(signal.SIGUSR1, signal.default_int_handler)  # As ^C does, without stopping the test run.
    with GraphClient(server.url, server.key) as client, GraphClient(server.url, server.key) as other:
        interrupted = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        interrupted.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                client.query("people", HEAVY, timeout=60)
        finally:
            interrupted.join()
            signal.signal(signal.SIGUSR1, usual)
        asyncio.run(eventually(lambda: not other.list_queries("people")))
        assert client.query("people", "RETURN 1 AS one").rows == [{"one": 1}]


async def test_a_stream_that_is_closed_early_stops_its_query(server: ServerProcess) -> None:
    """Whoever leaves a stream early stops the query; the connection is not used again for another answer."""
    cypher = "UNWIND range(1, 3000000) AS i RETURN i"
    async with AsyncGraphClient(server.url, server.key) as client:
        async with client.query_stream("people", cypher) as rows:
            assert await anext(rows) == {"i": 1}
            assert rows.summary is None
        await eventually(lambda: _is_idle(client))
        with GraphClient(server.url, server.key) as synchronous:
            with synchronous.query_stream("people", cypher) as lines:
                assert next(lines) == {"i": 1}
            assert synchronous.query("people", "RETURN 1 AS one").rows == [{"one": 1}]
        await eventually(lambda: _is_idle(client))


async def test_a_sync_client_works_inside_a_running_loop_and_in_threads(server: ServerProcess) -> None:
    """The synchronous client needs no loop of its own: a notebook's is left alone, and threads share one client."""
    with GraphClient(server.url, server.key) as client:
        for number in range(2):
            assert client.query("people", "RETURN $n AS n", {"n": number}).rows == [{"n": number}]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(
                lambda number: client.query("people", "RETURN $n AS n", {"n": number})[0]["n"], range(64)
            )
            assert list(answers) == list(range(64))


def test_an_async_client_moves_from_loop_to_loop(server: ServerProcess) -> None:
    """A client that was made outside of any loop works in one loop after the other."""
    client = AsyncGraphClient(server.url, server.key)

    async def ask() -> Any:
        async with client:
            return (await client.query("people", "RETURN 1 AS one"))[0]["one"]

    assert [asyncio.run(ask()), asyncio.run(ask())] == [1, 1]


async def test_many_tasks_share_a_client(server: ServerProcess) -> None:
    """Answers reach the tasks that asked."""
    async with AsyncGraphClient(server.url, server.key) as client:

        async def ask(number: int) -> int:
            return (await client.query("people", "RETURN $n AS n", {"n": number}))[0]["n"]

        assert await asyncio.gather(*map(ask, range(100))) == list(range(100))


def _read_arrow(path: Path) -> pa.Table:
    """Read an Arrow stream from a file."""
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_stream(file).read_all()


async def _is_running(client: AsyncGraphClient) -> bool:
    """Whether a query runs."""
    return bool(await client.list_queries("people"))


async def _is_idle(client: AsyncGraphClient) -> bool:
    """Whether no query runs."""
    return not await client.list_queries("people")


async def test_a_wrong_key_is_said_so(server: ServerProcess) -> None:
    """A key that nobody knows raises the error of the server."""
    async with AsyncGraphClient(server.url, "wrong") as client:
        with pytest.raises(UnauthorizedError):
            await client.query("people", "RETURN 1")


async def test_a_server_that_is_not_there_is_said_so() -> None:
    """Without an answer the error says where to look."""
    config = GraphClientConfig(breakers_enabled=False, retry_delay_s=0.01)
    url = f"http://127.0.0.1:{free_port()}"
    async with AsyncGraphClient(url, config=config) as asynchronous:
        with pytest.raises(ServerUnreachableError, match="Does it run"):
            await asynchronous.health()
    with GraphClient(url, config=config) as synchronous, pytest.raises(ServerUnreachableError):
        synchronous.health()


def test_the_specifications_header_forms_reach_the_server(server: ServerProcess) -> None:
    """All documented forms of the key header are accepted."""
    for header in (
        {"X-Graph-API-Key": server.key},
        {"Authorization": f"Bearer {server.key}"},
        {"Authorization": f"X-Graph-API-Key: {server.key}"},
    ):
        answer = httpx.post(f"{server.url}/databases/people/query", headers=header, json={"cypher": "RETURN 1 AS num"})
        assert answer.json()["data"] == [{"num": 1}]
