"""The Python clients against a real server, the asynchronous and the synchronous one alike."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from robosystems.graph_api.client import (
    AsyncGraphClient,
    Database,
    GraphClient,
    IncompleteStreamError,
    LoadResult,
    QueryResult,
    ServerUnreachableError,
)
from robosystems.graph_api.client.stream_lines import LineDecoder
from robosystems.graph_api.client.uploads import LoadOptions, table_of_file
from robosystems.graph_api.domain.errors import (
    DatabaseExistsError,
    DatabaseNotFoundError,
    InvalidRequestError,
    LoadError,
    QueryTimeoutError,
    StatementError,
    UnauthorizedError,
)
from tests.graph_api.server_process import ServerProcess, free_port

pytestmark = pytest.mark.integration

DDL = """
CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name));
CREATE REL TABLE KNOWS(FROM Person TO Person, since INT64)
"""


class EitherClient:
    """Calls one of the two clients in the same asynchronous words, so that every test runs on both."""

    def __init__(self, client: AsyncGraphClient | GraphClient) -> None:
        self._client = client

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method and wait for its answer."""
        answer = getattr(self._client, method)(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def stream(self, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        """Read a whole stream."""
        rows = self._client.query_stream(*arguments, **options)
        if isinstance(rows, AsyncIterator):
            return [row async for row in rows]
        return list(rows)


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
    heavy = (
        "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a * b AS c WHERE c % 7 = 3 RETURN count(c) AS n"
    )
    with pytest.raises(QueryTimeoutError):
        await client.call("query", "people", heavy, timeout=0.3)


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
    result: LoadResult = await client.call("load_file", "loaded", "Person", file)
    assert result.rows_loaded == 2
    file.write_text("name,age\nRuth,1\nJoan,2\n")
    with pytest.raises(LoadError) as caught:
        await client.call("load_file", "loaded", "Person", file)
    assert caught.value.context["row"] == 2
    ends = tmp_path / "KNOWS.ndjson"
    ends.write_text('{"src": "Joan", "dst": "Mary", "since": 1999}\n')
    options = LoadOptions(from_column="src", to_column="dst")
    assert (await client.call("load_file", "loaded", "KNOWS", ends, options)).rows_loaded == 1
    await client.call("delete_database", "loaded")


async def test_a_file_of_an_unknown_kind_is_refused_before_it_is_sent(client: EitherClient, tmp_path: Path) -> None:
    """The ending decides the format, so an unknown one is an error of the caller."""
    file = tmp_path / "Person.xlsx"
    file.touch()
    with pytest.raises(InvalidRequestError, match=r"\.parquet"):
        await client.call("load_file", "people", "Person", file)


async def test_node_information_can_be_asked_for(client: EitherClient) -> None:
    """Health, status and information of the node."""
    assert (await client.call("health"))["status"]
    assert (await client.call("status"))["node_type"] == "writer"
    assert "available_capacity" in await client.call("info")


async def test_a_wrong_key_is_said_so(server: ServerProcess) -> None:
    """A key that nobody knows raises the error of the server."""
    async with AsyncGraphClient(server.url, "wrong") as client:
        with pytest.raises(UnauthorizedError):
            await client.query("people", "RETURN 1")


async def test_a_server_that_is_not_there_is_said_so() -> None:
    """Without an answer the error says where to look."""
    url = f"http://127.0.0.1:{free_port()}"
    async with AsyncGraphClient(url) as asynchronous:
        with pytest.raises(ServerUnreachableError, match="Does it run"):
            await asynchronous.health()
    with GraphClient(url) as synchronous, pytest.raises(ServerUnreachableError):
        synchronous.health()


def test_a_stream_without_its_last_line_is_broken() -> None:
    """A stream cut short never looks complete."""
    reader = LineDecoder()
    assert reader.feed(b'{"i": 1}\n') == [{"i": 1}]
    with pytest.raises(IncompleteStreamError):
        reader.finish()


def test_a_stream_that_ends_with_a_problem_raises_it() -> None:
    """The last line may be a problem: it becomes the error that it stands for."""
    reader = LineDecoder()
    assert reader.feed(b'{"problem": {"code": "QUERY_TIMEOUT", "detail": "too slow", "status": 504}}\n') == []
    with pytest.raises(QueryTimeoutError, match="too slow"):
        reader.finish()


@pytest.mark.parametrize(
    ("name", "table"), [("Entity.parquet", "Entity"), ("a/KNOWS.csv.gz", "KNOWS"), ("P.x.ndjson", "P")]
)
def test_the_table_of_a_file_is_its_name_without_endings(name: str, table: str) -> None:
    """`Entity.parquet` is for `Entity`, compressed or not."""
    assert table_of_file(name) == table


def test_the_specifications_header_forms_reach_the_server(server: ServerProcess) -> None:
    """All documented forms of the key header are accepted."""
    for header in (
        {"X-Graph-API-Key": server.key},
        {"Authorization": f"Bearer {server.key}"},
        {"Authorization": f"X-Graph-API-Key: {server.key}"},
    ):
        answer = httpx.post(f"{server.url}/databases/people/query", headers=header, json={"cypher": "RETURN 1 AS num"})
        assert answer.json()["data"] == [{"num": 1}]
