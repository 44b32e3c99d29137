"""One database of a real server as its tenant uses it, over HTTP; every answer is held against the OpenAPI document."""

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from tests.graph_api.api.contract import validate_response
from tests.graph_api.api.running_server import RunningServer

CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
PARQUET: Final = "application/vnd.apache.parquet"
HEAVY: Final = (
    "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a * b AS c WHERE c % 7 = 3 RETURN count(c) AS n"
)
"""A read that would run for minutes."""

PEOPLE: Final = (
    "CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name)); "
    "CREATE REL TABLE Knows(FROM Person TO Person, since INT64)"
)

_WAIT_S: Final = 20.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenant:
    """A database and a client of its server.

    Attributes:
        http: The client.
        graph_id: The database.
        directory: The database's files.
    """

    http: httpx.Client
    graph_id: str
    directory: Path

    def url(self, rest: str = "") -> str:
        """Return a path below the database."""
        return f"/databases/{self.graph_id}{rest}"

    def ask(self, cypher: str, *, query: str = "", **body: Any) -> httpx.Response:
        """Send a statement; the answer is a JSON document or a problem."""
        return checked(self.http.post(self.url("/query") + query, json={"cypher": cypher, **body}))

    def rows(self, cypher: str, **body: Any) -> list[dict[str, Any]]:
        """Send a statement and return its rows."""
        answer = self.ask(cypher, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def lines(self, cypher: str, **body: Any) -> list[dict[str, Any]]:
        """Send a statement and return the lines of its NDJSON answer."""
        answer = self.http.post(self.url("/query"), json={"cypher": cypher, **body}, headers={"Accept": NDJSON})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == NDJSON
        return [json.loads(line) for line in answer.text.splitlines()]

    def transact(self, *statements: str | dict[str, Any], **body: Any) -> httpx.Response:
        """Send statements as one transaction."""
        sent = [{"cypher": each} if isinstance(each, str) else each for each in statements]
        return checked(self.http.post(self.url("/transaction"), json={"statements": sent, **body}))

    def load(
        self, table: str, content: bytes | Iterator[bytes], kind: str = CSV, *, encoding: str = "", **options: Any
    ) -> httpx.Response:
        """Send a file."""
        headers = {"Content-Type": kind} | ({"Content-Encoding": encoding} if encoding else {})
        url = self.url(f"/load/{table}")
        return checked(self.http.post(url, content=content, headers=headers, params=options))

    def count(self, table: str = "Person") -> int:
        """Count the nodes of a table."""
        return self.rows(f"MATCH (n:{table}) RETURN count(*) AS n")[0]["n"]

    def running(self) -> list[dict[str, Any]]:
        """Return what runs."""
        return checked(self.http.get(self.url("/queries"))).json()["queries"]

    def incoming(self) -> list[str]:
        """Name the files that are coming in."""
        return sorted(path.name for path in (self.directory / "incoming").glob("*"))


def checked(response: httpx.Response) -> httpx.Response:
    """Return an answer that is as the OpenAPI document says."""
    validate_response(response)
    return response


@contextlib.contextmanager
def tenant_of(server: RunningServer, ddl: str | None = PEOPLE, **fields: Any) -> Generator[Tenant]:
    """Give a new database, created with `ddl` or other fields; it is deleted on leaving if it still exists."""
    graph_id = f"t{next(_numbers)}"
    body: dict[str, Any] = {"graph_id": graph_id, "schema_type": "custom", **fields}
    if ddl is not None:
        body["custom_schema_ddl"] = ddl
    with server.client(checked=False) as http:
        created = checked(http.post("/databases", json=body))
        assert created.status_code == 201, created.text
        yield Tenant(http, graph_id, server.base_path / graph_id)
        http.delete(f"/databases/{graph_id}")


def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition holds; fail if it does not come to."""
    deadline = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def parquet(**columns: Any) -> bytes:
    """Return a Parquet file with these columns, in this order."""
    file = BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()
