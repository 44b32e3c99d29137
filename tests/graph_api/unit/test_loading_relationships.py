"""Loading relationships: which columns hold the end points, and which tables they belong to."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from robosystems.graph_api.domain.errors import LoadError
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph, refusal


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open a database with some nodes."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        opened.run("CREATE NODE TABLE P(id INT64 PRIMARY KEY)")
        opened.run("CREATE NODE TABLE Q(code STRING PRIMARY KEY)")
        opened.load("P", opened.parquet({"id": range(10)}))
        opened.load("Q", opened.parquet({"code": [str(i) for i in range(5)]}))
        opened.run("CREATE REL TABLE K(FROM P TO P, w DOUBLE, since DATE)")
        opened.run("CREATE REL TABLE M(FROM P TO P, FROM P TO Q, FROM Q TO P, n INT32 DEFAULT 3)")
        opened.run("CREATE REL TABLE F(FROM P TO Q, `from` STRING, w INT64, `to` STRING DEFAULT 'there')")
        yield opened


@pytest.fixture(autouse=True)
def emptied(graph: LoadingGraph) -> Iterator[None]:
    """Leave the relationship tables empty."""
    yield
    for table in "KMF":
        graph.run(f"MATCH ()-[r:{table}]->() DELETE r")
    assert graph.leftovers() == []


def edges(graph: LoadingGraph, table: str, columns: str) -> list[list[Any]]:
    """Return relationships with their end points."""
    return graph.run(f"MATCH (a)-[r:{table}]->(b) RETURN {columns} ORDER BY {columns}")


def test_the_end_points_are_found_by_name(graph: LoadingGraph) -> None:
    """The usual names, anywhere in the file; the report names the properties."""
    report = graph.load("K", graph.parquet({"w": [0.5, None], "to": [2, 3], "from": [1, 2]}))
    assert (report["rows_loaded"], report["columns"]) == (2, ["w"])
    assert edges(graph, "K", "a.id, b.id, r.w, r.since") == [[1, 2, 0.5, None], [2, 3, None, None]]


def test_other_names_can_be_given_and_are_suggested(graph: LoadingGraph) -> None:
    """The error says which parameter to give; nothing is guessed."""
    path = graph.parquet({"src": [1], "dst": [2]})
    assert "give from_column=src" in refusal(graph.load, "K", path).detail
    assert "give to_column=dst" in refusal(graph.load, "K", path, from_column="src").detail
    assert "give from_column=FROM" in refusal(graph.load, "K", graph.parquet({"FROM": [1], "to": [2]})).detail
    assert "It has 'x', 'y': give from_column=" in refusal(graph.load, "K", graph.parquet({"x": [1], "y": [2]})).detail
    assert "must differ" in refusal(graph.load, "K", path, from_column="src", to_column="src").detail
    graph.load("K", path, from_column="src", to_column="dst")
    assert edges(graph, "K", "a.id, b.id") == [[1, 2]]


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint32(), pa.int64(), pa.float64(), pa.string(), pa.decimal128(12, 0)], ids=str
)
def test_the_keys_are_converted_to_the_type_of_the_key(graph: LoadingGraph, kind: Any) -> None:
    """Whatever type the file has for them."""
    graph.load("K", graph.parquet({"from": pa.array([1, 2]).cast(pa.int32()).cast(kind), "to": pa.array([3, 4])}))
    assert edges(graph, "K", "a.id, b.id") == [[1, 3], [2, 4]]


def test_every_format_loads_relationships(graph: LoadingGraph) -> None:
    """CSV and NDJSON as well as Parquet."""
    graph.load_csv("K", "from,to,since\n1,2,2024-01-02\n3,4,\n")
    graph.load_ndjson("K", [{"to": 6, "from": 5, "w": 1}, {"from": 7, "to": 8}])
    found = edges(graph, "K", "a.id, b.id, r.w, r.since")
    assert found == [[1, 2, None, dt.date(2024, 1, 2)], [3, 4, None, None], [5, 6, 1.0, None], [7, 8, None, None]]


def test_a_table_with_several_pairs_needs_to_know_which(graph: LoadingGraph) -> None:
    """As much as is needed to choose one has to be given; the choices are named."""
    path = graph.parquet({"from": [1], "to": [2]})
    error = refusal(graph.load, "M", path)
    assert error.context["choices"] == [
        "from_table=P to_table=P",
        "from_table=P to_table=Q",
        "from_table=Q to_table=P",
    ]
    assert "does not connect" in refusal(graph.load, "M", path, from_table="Q", to_table="Q").detail
    assert "does not connect" in refusal(graph.load, "K", path, to_table="Q").detail
    graph.load("M", path, from_table="P", to_table="P")
    graph.load("M", graph.parquet({"from": [1], "to": ["2"]}), to_table="Q")
    graph.load("M", graph.parquet({"from": ["3"], "to": [4]}), from_table="Q")
    assert sorted(graph.run("MATCH (a)-[r:M]->(b) RETURN label(a), label(b), r.n")) == [
        ["P", "P", 3],
        ["P", "Q", 3],
        ["Q", "P", 3],
    ]


def test_endpoint_tables_make_no_sense_for_nodes(graph: LoadingGraph) -> None:
    """The error says so."""
    assert "table of nodes" in refusal(graph.load, "P", graph.parquet({"id": [99]}), from_table="P").detail


def test_properties_named_like_the_end_points_get_their_own_values(graph: LoadingGraph) -> None:
    """The engine's COPY fills properties named from and to with the keys, whatever the file has for them."""
    path = graph.parquet({"src": [1, 2], "dst": ["1", "2"], "from": ["a", None], "w": [5, 6], "to": ["x", "y"]})
    graph.load("F", path, from_column="src", to_column="dst")
    assert edges(graph, "F", "a.id, b.code, r.`from`, r.w, r.`to`") == [[1, "1", "a", 5, "x"], [2, "2", None, 6, "y"]]
    graph.load("F", graph.parquet({"src": [3], "dst": ["3"]}), from_column="src", to_column="dst")
    assert edges(graph, "F", "a.id, r.`from`, r.`to`")[2] == [3, None, "there"]
    assert [row[1] for row in graph.run("CALL table_info('F') RETURN *")] == ["from", "w", "to"]


def test_an_endpoint_column_that_names_a_property_fills_both(graph: LoadingGraph) -> None:
    """No value of the file gets lost."""
    graph.load("F", graph.parquet({"from": [1], "to": ["2"]}))
    assert edges(graph, "F", "a.id, b.code, r.`from`, r.`to`") == [[1, "2", "1", "2"]]
    graph.load_ndjson("F", [{"from": 3, "to": "4"}])
    graph.load_csv("F", "from,to\n4,4\n")
    assert edges(graph, "F", "a.id, r.`from`, r.`to`")[1:] == [[3, "3", "4"], [4, "4", "4"]]


def test_a_failed_load_gives_the_properties_their_names_back(graph: LoadingGraph) -> None:
    """They are renamed inside of the transaction that fails."""
    refusal(graph.load, "F", graph.parquet({"from": [1, 99], "to": ["2", "2"]}))
    assert [row[1] for row in graph.run("CALL table_info('F') RETURN *")] == ["from", "w", "to"]
    assert edges(graph, "F", "r.w") == []


def test_loading_a_file_again_appends_it_again(graph: LoadingGraph) -> None:
    """Parallel relationships are legitimate: documented, not prevented."""
    path = graph.parquet({"from": [1, 1], "to": [2, 2]})
    graph.load("K", path)
    graph.load("K", path)
    assert graph.run("MATCH ()-[r:K]->() RETURN count(*)") == [[4]]


@pytest.mark.parametrize(
    ("sides", "row", "column", "value"),
    [
        ({"from": [1, 99, 98], "to": [2, 2, 97]}, 2, "from", "99"),
        ({"from": [1, 2, 3], "to": [2, 99, 2]}, 2, "to", "99"),
        ({"from": [1, 99, 2], "to": [99, 2, 2]}, 1, "to", "99"),
    ],
)
def test_an_end_that_does_not_exist_is_named(
    graph: LoadingGraph, sides: dict[str, list[int]], row: int, column: str, value: str
) -> None:
    """Row, side, table and key; nothing is kept."""
    error = refusal(graph.load, "K", graph.parquet(sides))
    assert error.context == {"reason": "dangling_end", "row": row, "column": column, "value": value, "table": "P"}
    assert graph.run("MATCH ()-[r:K]->() RETURN count(*)") == [[0]]


def test_the_side_that_lacks_the_node_is_named(graph: LoadingGraph) -> None:
    """A key that exists on one side and not on the other, in two tables."""
    error = refusal(graph.load, "M", graph.parquet({"from": [7, 1], "to": ["1", "7"]}), to_table="Q")
    assert (error.context["row"], error.context["column"], error.context["table"]) == (2, "to", "Q")


@pytest.mark.parametrize("side", ["from", "to"])
def test_a_missing_end_is_named(graph: LoadingGraph, side: str) -> None:
    """Null refers to no node."""
    sides = {"from": [1, 2, 3], "to": [2, 3, 4]} | {side: [1, None, 3]}
    for load in (lambda: graph.load("K", graph.parquet(sides)), lambda: graph.load_csv("K", _csv(sides))):
        error = refusal(load)
        assert (error.context["row"], error.context["column"]) == (2, side)


def _csv(sides: dict[str, Any]) -> str:
    lines = [
        ",".join("" if value is None else str(value) for value in row) for row in zip(*sides.values(), strict=True)
    ]
    return "\n".join([",".join(sides), *lines])


KEYS: list[tuple[str, Any, Any]] = [
    ("STRING", pa.string(), "it's, which\nviolates"),
    ("DATE", pa.date32(), dt.date(2024, 1, 2)),
    ("TIMESTAMP", pa.timestamp("us"), dt.datetime(2024, 1, 2, 3, 4, 5, 600)),  # noqa: DTZ001 - no zone is the point
    ("TIMESTAMP_TZ", pa.timestamp("us", "UTC"), dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ("UUID", pa.string(), "00000000-0000-0000-0000-0000000000a5"),
    ("INT128", pa.string(), "170141183460469231731687303715884105727"),
    ("UINT64", pa.uint64(), 2**64 - 1),
    ("DOUBLE", pa.float64(), 0.5),
]


@pytest.mark.parametrize(("key", "kind", "value"), KEYS, ids=[key for key, _, _ in KEYS])
def test_rows_are_found_by_keys_of_every_type(graph: LoadingGraph, key: str, kind: Any, value: Any) -> None:
    """The engine prints some keys as bare bits: the row is found all the same."""
    graph.run(f"CREATE NODE TABLE X(k {key} PRIMARY KEY)")
    graph.run("CREATE REL TABLE Y(FROM X TO X)")
    try:
        values = pa.array([value, value], kind)
        error = refusal(graph.load, "X", graph.parquet({"k": values}))
        assert (error.context["reason"], error.context["row"]) == ("duplicate_key", 2)
        error = refusal(graph.load, "Y", graph.parquet({"from": values, "to": values}))
        assert (error.context["reason"], error.context["row"]) == ("dangling_end", 1)
        graph.load("X", graph.parquet({"k": values.slice(1)}))
        error = refusal(graph.load, "X", graph.parquet({"k": values.slice(1)}))
        assert (error.context["reason"], error.context["row"]) == ("key_exists", 1)
        graph.load("Y", graph.parquet({"from": values, "to": values}))
    finally:
        graph.run("DROP TABLE Y")
        graph.run("DROP TABLE X")


@pytest.mark.parametrize(
    ("multiplicity", "side"), [("MANY_ONE", "from"), ("ONE_MANY", "to"), ("ONE_ONE", "from"), ("ONE_ONE", "to")]
)
def test_a_broken_multiplicity_is_refused_with_both_rows(graph: LoadingGraph, multiplicity: str, side: str) -> None:
    """A node that may have one relationship and gets two."""
    graph.run(f"CREATE REL TABLE One(FROM P TO P, {multiplicity})")
    try:
        sides = {"from": [1, 2, 3], "to": [4, 5, 6]} | {side: [7, 8, 7]}
        error = refusal(graph.load, "One", graph.parquet(sides))
        assert isinstance(error, LoadError)
        assert "Rows 1 and 3" in error.detail
        assert (error.context["column"], error.context["value"]) == (side, "7")
    finally:
        graph.run("DROP TABLE One")


def test_nodes_with_numbers_of_the_database_can_be_connected(graph: LoadingGraph) -> None:
    """A SERIAL key is an integer for those who refer to it."""
    graph.run("CREATE NODE TABLE N(id SERIAL PRIMARY KEY, name STRING)")
    graph.run("CREATE REL TABLE NN(FROM N TO N)")
    graph.load("N", graph.parquet({"name": ["a", "b"]}))
    graph.load_csv("NN", "from,to\n0,1\n")
    assert graph.run("MATCH (a)-[:NN]->(b) RETURN a.name, b.name") == [["a", "b"]]
