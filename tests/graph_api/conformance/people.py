"""A small graph of people, and short forms for what tests do with it through the port."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.graph import DatabaseRecord, SchemaType
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode, EncodedResult, Query, ResultFormat
from robosystems.graph_api.domain.schema import (
    Column,
    Endpoint,
    GraphSchema,
    NodeTable,
    RelationshipTable,
    ScalarKind,
    ScalarType,
)
from tests.graph_api.waiting import eventually

PEOPLE: Final = GraphSchema(
    nodes=(
        NodeTable(
            "Person",
            (
                Column("id", ScalarType(ScalarKind.INT64), "Number of the person."),
                Column("name", ScalarType(ScalarKind.STRING)),
            ),
            "id",
            "Everybody.",
        ),
    ),
    relationships=(
        RelationshipTable("KNOWS", (Endpoint("Person", "Person"),), (Column("since", ScalarType(ScalarKind.INT64)),)),
    ),
)

ENDLESS: Final = "UNWIND range(1, 100000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a % b) AS s"
"""Runs for longer than any test, in little memory."""

ALL: Final = "MATCH (p:Person) RETURN p.id AS id, p.name AS name ORDER BY id"
ADD: Final = "CREATE (:Person {id: $id, name: $name})"

_numbers: Final[Iterator[int]] = itertools.count(1)


def fresh_name(prefix: str = "kg") -> GraphId:
    """Return a graph id that no other test uses."""
    return GraphId.parse(f"{prefix}{next(_numbers):06d}")


def fresh_query_id() -> str:
    """Return a query id that no other test uses."""
    return f"query-{next(_numbers)}"


def record_of(graph_id: GraphId) -> DatabaseRecord:
    """Return the record of a database to be created."""
    return DatabaseRecord(graph_id, SchemaType.CUSTOM, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def query(text: str, parameters: dict[str, object] | None = None, **fields: Any) -> Query:
    """Return a read, unless `fields` say otherwise."""
    defaults: dict[str, Any] = {
        "mode": AccessMode.READ,
        "timeout_s": 30.0,
        "query_id": fresh_query_id(),
        "parameters": json.dumps(parameters or {}).encode(),
    }
    return Query(text, **defaults | fields)


@dataclass(slots=True)
class People:
    """One database with the people's schema.

    Attributes:
        backend: Where it is.
        graph_id: Its name.
    """

    backend: GraphBackend
    graph_id: GraphId = field(default_factory=fresh_name)

    async def make(self) -> "People":
        """Create it."""
        await self.backend.create(record_of(self.graph_id), PEOPLE, ())
        return self

    async def run(self, text: str, parameters: dict[str, object] | None = None, **fields: Any) -> EncodedResult:
        """Run a statement."""
        return await self.backend.run(self.graph_id, query(text, parameters, **fields))

    async def document(self, text: str, parameters: dict[str, object] | None = None, **fields: Any) -> dict[str, Any]:
        """Run a statement and return its whole answer."""
        return json.loads(await whole(await self.run(text, parameters, **fields)))

    async def data(self, text: str, parameters: dict[str, object] | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        return (await self.document(text, parameters, **fields))["data"]

    async def write(self, text: str, parameters: dict[str, object] | None = None, **fields: Any) -> dict[str, Any]:
        """Run a write and return its whole answer."""
        return await self.document(text, parameters, mode=AccessMode.WRITE, **fields)

    async def add(self, *ids: int) -> None:
        """Add people, one write each."""
        for number in ids:
            await self.write(ADD, {"id": number, "name": f"name {number}"})

    async def ids(self) -> list[int]:
        """Return the ids of all people in order."""
        return [row["id"] for row in await self.data(ALL)]

    async def pending(self, count: int) -> None:
        """Wait until so many queries are pending, and a moment longer, so that they do run."""

        async def reached() -> bool:
            return (await self.backend.state(self.graph_id)).pending_queries == count

        await eventually(reached)
        await asyncio.sleep(0.05)

    async def lines(self, text: str, **fields: Any) -> list[dict[str, Any]]:
        """Run a statement as NDJSON and return all its lines."""
        body = await whole(await self.run(text, format=ResultFormat.NDJSON, **fields))
        return [json.loads(line) for line in body.splitlines()]


async def whole(result: EncodedResult) -> bytes:
    """Return all bytes of an answer."""
    if result.stream is None:
        assert result.body is not None
        return result.body
    assert result.body is None
    return b"".join([piece async for piece in result.stream])
