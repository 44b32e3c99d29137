"""`GraphBackend`: reading and extending the schema."""

from typing import Any

import pytest

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    Column,
    Endpoint,
    GraphSchema,
    NodeTable,
    RelationshipTable,
    ScalarKind,
    ScalarType,
    parse_schema_document,
)
from tests.graph_api.conformance.people import PEOPLE, People

pytestmark = [pytest.mark.anyio, pytest.mark.requires("schema_introspection")]

MORE = GraphSchema(
    nodes=(NodeTable("City", (Column("name", ScalarType(ScalarKind.STRING), "What it is called."),), "name"),),
    relationships=(RelationshipTable("LIVES_IN", (Endpoint("Person", "City"),)),),
)


def tables(document: dict[str, object]) -> dict[str, Any]:
    """Return the tables of a schema document by name."""
    entries: Any = document["tables"]
    return {entry["name"]: entry for entry in entries}


async def test_the_schema_is_what_was_declared(people: People, backend: GraphBackend) -> None:
    """Tables, columns, types, keys, endpoints and descriptions come back as a document that can be declared again."""
    document = await backend.schema(people.graph_id)
    assert parse_schema_document(document) == PEOPLE


async def test_row_counts_are_given_on_request(people: People, backend: GraphBackend) -> None:
    """Counts for every table, relationships included; none unless asked for."""
    await people.add(1, 2)
    await people.write("MATCH (a:Person {id: 1}), (b:Person {id: 2}) CREATE (a)-[:KNOWS {since: 1999}]->(b)")
    counted = tables(await backend.schema(people.graph_id, counts=True))
    assert (counted["Person"]["row_count"], counted["KNOWS"]["row_count"]) == (2, 1)
    assert "row_count" not in tables(await backend.schema(people.graph_id))["Person"]


async def test_tables_can_be_added(people: People, backend: GraphBackend) -> None:
    """By a schema: it stands beside what was there, descriptions included, and can be used."""
    await backend.apply_ddl(people.graph_id, MORE, ())
    found = tables(await backend.schema(people.graph_id))
    assert set(found) == {"Person", "KNOWS", "City", "LIVES_IN"}
    assert found["City"]["columns"][0]["description"] == "What it is called."
    await people.write("CREATE (:City {name: 'Bonn'})")


@pytest.mark.requires("schema_first")
async def test_tables_can_be_added_by_statements(people: People, backend: GraphBackend) -> None:
    """DDL text gives tables as well."""
    await backend.apply_ddl(people.graph_id, None, ["CREATE NODE TABLE Town(name STRING, PRIMARY KEY(name))"])
    assert "Town" in tables(await backend.schema(people.graph_id))


@pytest.mark.requires("schema_first")
async def test_a_failing_extension_adds_nothing(people: People, backend: GraphBackend) -> None:
    """All or nothing; the error names the statement that failed."""
    ddl = ["CREATE NODE TABLE Town(name STRING, PRIMARY KEY(name))", "CREATE NODE TABLE Bad(name)"]
    with pytest.raises(InvalidSchemaError) as caught:
        await backend.apply_ddl(people.graph_id, None, ddl)
    assert caught.value.context["statement_number"] == 2
    assert "Town" not in tables(await backend.schema(people.graph_id))


async def test_a_table_that_exists_cannot_be_added(people: People, backend: GraphBackend) -> None:
    """The schema stays as it was."""
    with pytest.raises(InvalidSchemaError):
        await backend.apply_ddl(people.graph_id, PEOPLE, ())
    assert parse_schema_document(await backend.schema(people.graph_id)) == PEOPLE
