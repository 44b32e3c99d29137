"""Answers in the forms of Python, Arrow, pandas, polars, networkx and notebooks."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
import pytest

from robosystems.graph_api.client import MissingLibraryError, QueryResult
from robosystems.graph_api.client.display import MAX_CHARACTERS, MAX_COLUMNS, MAX_ROWS
from robosystems.graph_api.client.libraries import library

IDENTIFIER = "12345678-1234-5678-1234-567812345678"

VALUES: list[tuple[str, Any, Any, pa.DataType]] = [
    ("BOOL", True, True, pa.bool_()),
    ("INT64", 2**62, 2**62, pa.int64()),
    ("UINT64", 2**64 - 1, 2**64 - 1, pa.uint64()),
    ("INT128", 10**30, 10**30, pa.decimal128(38, 0)),
    ("DOUBLE", "-Infinity", float("-inf"), pa.float64()),
    ("STRING", "x", "x", pa.string()),
    ("DECIMAL(10, 2)", "1.50", Decimal("1.50"), pa.decimal128(10, 2)),
    ("DECIMAL(4, 0)", 12, Decimal(12), pa.decimal128(4, 0)),
    ("DATE", "2020-01-02", dt.date(2020, 1, 2), pa.date32()),
    ("TIMESTAMP", "2020-01-02T03:04:05.000006", dt.datetime(2020, 1, 2, 3, 4, 5, 6), pa.timestamp("us")),  # noqa: DTZ001
    (
        "TIMESTAMP_TZ",
        "2020-01-02T03:04:05Z",
        dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        pa.timestamp("us", "UTC"),
    ),
    ("INTERVAL", "-P1DT0.5S", -dt.timedelta(days=1, milliseconds=500), pa.duration("us")),
    ("UUID", IDENTIFIER, UUID(IDENTIFIER), pa.string()),
    ("BLOB", "YWI=", b"ab", pa.binary()),
    ("DATE[]", ["2020-01-02", None], [dt.date(2020, 1, 2), None], pa.list_(pa.date32())),
    ("FLOAT[2]", [1.0, 2.5], [1.0, 2.5], pa.list_(pa.float32(), 2)),
    (
        "STRUCT(a DATE, b INT64)",
        {"a": "2020-01-02", "b": 1},
        {"a": dt.date(2020, 1, 2), "b": 1},
        pa.struct([("a", pa.date32()), ("b", pa.int64())]),
    ),
    ("MAP(STRING, DATE)", {"k": "2020-01-02"}, {"k": dt.date(2020, 1, 2)}, pa.map_(pa.string(), pa.date32())),
    ("MAP(INT64, STRING)", [[1, "x"]], {1: "x"}, pa.map_(pa.int64(), pa.string())),
]

ADA = {"_id": "0:1", "_label": "Person", "name": "Ada", "label": "mine"}
GRACE = {"_id": "0:2", "_label": "Person", "name": "Grace"}
KNOWS = {"_id": "1:0", "_label": "KNOWS", "_src": "0:1", "_dst": "0:2", "since": 1950}


def result(kind: str, *values: Any) -> QueryResult:
    """Return an answer of one column."""
    return QueryResult(["x"], [kind], [{"x": value} for value in values], truncated=False, execution_time_ms=1.0)


@pytest.mark.parametrize(("kind", "value", "python", "arrow"), VALUES, ids=[each[0] for each in VALUES])
def test_values_have_the_types_of_their_columns(kind: str, value: Any, python: Any, arrow: pa.DataType) -> None:
    """The types that the answer names give Python values and Arrow columns; null stays null."""
    found = result(kind, value, None)
    assert found.typed_rows() == [{"x": python}, {"x": None}]
    assert found.rows[0]["x"] == value
    table = found.arrow()
    assert table.schema.field("x").type == arrow
    assert table.column("x").null_count == 1
    assert result(kind).arrow().schema.field("x").type == arrow


@pytest.mark.parametrize(
    ("kind", "text"),
    [("DATE", "20000-01-01"), ("TIMESTAMP", "-0980-01-01T00:00:00"), ("TIMESTAMP_NS", "2020-01-01T00:00:00.000000001")],
)
def test_what_python_cannot_hold_stays_text(kind: str, text: str) -> None:
    """A value is never rounded to fit."""
    assert result(kind, text).typed_rows() == [{"x": text}]


def test_nanoseconds_reach_arrow() -> None:
    """Arrow holds what Python's datetime cannot."""
    column = result("TIMESTAMP_NS", "2020-01-01T00:00:00.000000001").arrow().column("x")
    assert column.cast(pa.int64()).to_pylist() == [1577836800000000001]


def test_columns_that_arrow_cannot_type_hold_text() -> None:
    """Values of several types in one column, as unions give them, become JSON text."""
    table = result("UNION(a INT64, b STRING)", 1, "x", None, [1]).arrow()
    assert table.column("x").to_pylist() == ["1", "x", None, "[1]"]
    assert result("DATE", "20000-01-01", "not a date").arrow().column("x").type == pa.string()


def test_nodes_of_different_tables_share_a_column() -> None:
    """Nodes become structs with the properties of all."""
    table = result("NODE", ADA, GRACE).arrow()
    assert table.column("x").to_pylist()[1]["name"] == "Grace"
    assert table.column("x").to_pylist()[1]["label"] is None


def test_frames_hold_the_rows() -> None:
    """Pandas and polars take the answer, polars and pyarrow also through the C stream interface."""
    found = result("INT64", 1, 2, None)
    assert found.to_pandas()["x"].sum() == 3
    assert found.to_polars()["x"].to_list() == [1, 2, None]
    assert pl.DataFrame(found)["x"].to_list() == [1, 2, None]
    assert pa.table(found).column("x").to_pylist() == [1, 2, None]


def test_nodes_and_relationships_become_a_graph() -> None:
    """Elements are found wherever they lie; paths bring theirs; a property keeps its name."""
    path = {"_nodes": [ADA, GRACE], "_rels": [KNOWS]}
    graph = result("RECURSIVE_REL", path).to_networkx()
    assert graph.nodes["0:1"] == {"_label": "Person", "name": "Ada", "label": "mine"}
    assert graph.edges["0:1", "0:2", "1:0"] == {"_label": "KNOWS", "since": 1950}
    alone = result("REL[]", [KNOWS]).to_networkx()
    assert sorted(alone.nodes) == ["0:1", "0:2"]
    assert result("STRUCT(_id INT64, _label STRING)", {"_id": [1], "_label": "x"}).to_networkx().number_of_nodes() == 0


def test_a_notebook_shows_escaped_and_bounded_rows() -> None:
    """Nothing of a tenant's data is markup, and a large answer is small on the page."""
    columns = ["<script>alert(1)</script>"] + [f"c{number}" for number in range(99)]
    row = dict.fromkeys(columns, "<img src=x onerror=alert(1)>" + "y" * 10_000)
    found = QueryResult(columns, ["STRING"] * 100, [row] * 1_000, truncated=True, execution_time_ms=1.0)
    html = found._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "truncated" in html
    assert "1,000 rows" in html
    assert len(html) < MAX_ROWS * MAX_COLUMNS * (MAX_CHARACTERS * 6 + 9) + 10_000
    assert html.count("<tr>") == MAX_ROWS + 1


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library, the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "networkx", None)
    with pytest.raises(MissingLibraryError, match=r"robosystems-graph-api\[networkx\]"):
        library("networkx")
