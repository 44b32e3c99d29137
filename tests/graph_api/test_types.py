"""Every row of the tables of types, against a real server: in every format, as a parameter, and in a load."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.architecture.source_tree import ROOT
from tests.graph_api.corpora.types import EXAMPLES, GRAPH, ROWS, TypeExample
from tests.graph_api.tenant import NDJSON, Tenant, tenant_of

pytestmark = pytest.mark.integration

_ACCEPT: Final = {
    "json": "application/json",
    "ndjson": NDJSON,
    "events": "text/event-stream",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


def _name(row: TypeExample) -> str:
    return f"{row.type} {row.json}"


SENT: Final = [row for row in EXAMPLES if row.parameter is not None]
CAST: Final = [row for row in EXAMPLES if row.exactly is not None]
LOADED: Final = [row for row in EXAMPLES if row.in_files]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("types")) as server:
        yield server


@pytest.fixture(scope="module")
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give a database with what the examples are taken from."""
    with tenant_of(server, "; ".join(GRAPH)) as tenant:
        for text in ROWS:
            tenant.rows(text)
        yield tenant


def _answer(tenant: Tenant, accept: str, cypher: str, **parameters: Any) -> bytes:
    body = {"cypher": cypher, "parameters": parameters}
    headers = {"Accept": _ACCEPT[accept], "Accept-Encoding": "identity"}
    answer = tenant.http.post(tenant.url("/query"), json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def _returned(tenant: Tenant, cypher: str, **parameters: Any) -> tuple[str, str]:
    """Return the type of the only value of a result, and its JSON text."""
    document = msgspec.json.decode(_answer(tenant, "json", cypher, **parameters), type=dict[str, msgspec.Raw])
    (kind,) = msgspec.json.decode(document["types"])
    (row,) = msgspec.json.decode(document["data"], type=list[dict[str, msgspec.Raw]])
    (value,) = row.values()
    return kind, bytes(value).decode()


@pytest.mark.parametrize("row", EXAMPLES, ids=_name)
def test_the_type_looks_as_the_table_says_in_json(tenant: Tenant, row: TypeExample) -> None:
    """The JSON document, its lines and its events hold the same text, and name the type."""
    kind, text = _returned(tenant, row.query)
    assert (kind, text) == (row.type, row.json)
    line, summary = _answer(tenant, "ndjson", row.query).splitlines()
    assert line.decode() == f'{{"x":{row.json}}}'
    assert json.loads(summary)["summary"]["types"] == [row.type]
    assert _answer(tenant, "events", row.query).startswith(f'event: rows\ndata: [{{"x":{row.json}}}]\n\n'.encode())


@pytest.mark.parametrize("row", EXAMPLES, ids=_name)
def test_the_type_looks_as_the_table_says_in_files(tenant: Tenant, row: TypeExample) -> None:
    """The CSV field has this text, a reader of CSV the JSON text; Arrow and Parquet have a column of this type."""
    text = _answer(tenant, "csv", row.query).decode()
    assert text == f"x\r\n{row.csv_field}\r\n"
    _, (field,) = csv.reader(io.StringIO(text, newline=""))
    assert field in (row.json, json.loads(row.json))
    table = pa.ipc.open_stream(_answer(tenant, "arrow", row.query)).read_all()
    assert str(table.schema.field("x").type) == row.arrow
    stored = pq.read_table(io.BytesIO(_answer(tenant, "parquet", row.query)))
    assert stored.num_rows == 1
    if not row.type.startswith(("UNION", "TIMESTAMP_SEC")):  # Parquet has neither; see docs/formats.md.
        assert stored["x"].to_pylist() == table["x"].to_pylist() or "NaN" in row.json


@pytest.mark.parametrize("row", SENT, ids=_name)
def test_the_parameter_is_bound_as_the_table_says(tenant: Tenant, row: TypeExample) -> None:
    """The parameter has this type in the engine, and comes back as the example, as far as the type shows it so."""
    assert row.parameter is not None
    kind, text = _returned(tenant, "RETURN $x AS x", x=json.loads(row.parameter))
    assert kind == row.bound_as
    if row.exactly is None:
        assert text == row.json
    else:
        assert _alike(json.loads(text), json.loads(row.json))


def _alike(bound: object, exact: object) -> bool:
    """Whether a value says the same, apart from the zone and the digits that another type of moments has."""
    return bound == exact or str(exact).startswith(str(bound))


@pytest.mark.parametrize("row", CAST, ids=_name)
def test_the_cast_gives_exactly_the_type(tenant: Tenant, row: TypeExample) -> None:
    """Where the parameter is bound as another type, the cast in the table gives the type itself."""
    assert row.exactly is not None
    assert _returned(tenant, f"RETURN CAST($x AS {row.type}) AS x", x=json.loads(row.exactly)) == (row.type, row.json)


@pytest.mark.parametrize("row", SENT, ids=_name)
def test_the_parameter_fills_a_column(tenant: Tenant, row: TypeExample) -> None:
    """A parameter of each type is stored in a column of the type without loss, and found again by a comparison."""
    assert row.parameter is not None
    value = json.loads(row.parameter)
    tenant.rows(f"CREATE NODE TABLE C(id INT64, v {row.type}, PRIMARY KEY(id))")
    try:
        tenant.rows("CREATE (:C {id: 1, v: $x})", parameters={"x": value})
        assert _returned(tenant, "MATCH (c:C) RETURN c.v AS x") == (row.type, row.json)
        if "NaN" not in row.json and not row.type.startswith(("UNION", "MAP")):
            found = tenant.rows("MATCH (c:C) WHERE c.v = $x RETURN count(*) AS n", parameters={"x": value})
            assert found == [{"n": 1}]
    finally:
        tenant.rows("DROP TABLE C")


@pytest.mark.parametrize("row", LOADED, ids=_name)
def test_the_look_in_json_can_be_loaded(tenant: Tenant, row: TypeExample) -> None:
    """What an answer has in NDJSON fills a column of the type, and looks the same afterwards."""
    tenant.rows(f"CREATE NODE TABLE L(id INT64, v {row.type}, PRIMARY KEY(id))")
    try:
        loaded = tenant.load("L", f'{{"id": 1, "v": {row.json}}}\n'.encode(), NDJSON)
        assert loaded.status_code == 200, loaded.text
        assert _returned(tenant, "MATCH (l:L) RETURN l.v AS x") == (row.type, row.json)
    finally:
        tenant.rows("DROP TABLE L")


def test_the_example_of_the_document_runs(tenant: Tenant) -> None:
    """The request in docs/types.md creates what it says."""
    (body,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "types.md").read_text(encoding="utf-8"), re.DOTALL)
    tenant.rows("CREATE NODE TABLE Person(name STRING, born DATE, PRIMARY KEY(name))")
    request = json.loads(body)
    tenant.rows(request["cypher"], parameters=request["parameters"])
    assert tenant.rows("MATCH (p:Person) RETURN p.born AS born") == [{"born": "2020-01-02"}]


def test_errors_of_parameters_are_answered_with_their_code(tenant: Tenant) -> None:
    """What cannot be bound is INVALID_PARAMETER with 400 and names the place, in a transaction too."""
    value = [{"born": {"$type": "DATE", "value": "2020-13-01"}}]
    answers = [
        tenant.ask("UNWIND $rows AS r RETURN r", parameters={"rows": value}),
        tenant.transact({"cypher": "UNWIND $rows AS r RETURN r", "parameters": {"rows": value}}),
    ]
    for answer in answers:
        assert answer.status_code == 400
        problem = answer.json()
        assert problem["code"] == "INVALID_PARAMETER"
        assert "rows[0].born" in problem["detail"]
