"""Which type of a Parquet column can fill which type of a table's column, through the real engine.

For each Arrow type there is a sample, and for each column type what the sample becomes. A pair that is not listed has
to be refused: no value is ever rounded, cut, wrapped or reinterpreted.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from robosystems.graph_api.domain.errors import LoadError
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph, refusal

UTC = dt.UTC
DAY = dt.date(2024, 5, 6)
MIDNIGHT = dt.datetime(2024, 5, 6)  # noqa: DTZ001 - times without zone are the point
NOON = dt.datetime(2024, 5, 6, 12, 30, 15, 123456)  # noqa: DTZ001 - as above
SECOND = NOON.replace(microsecond=0)
LONG_AGO = dt.datetime(1900, 1, 1)  # noqa: DTZ001 - as above
UUID_TEXT = "00000000-0000-0000-0000-0000000000a5"

INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
NUMBERS = (*INTEGERS, "INT128", "FLOAT", "DOUBLE", "DECIMAL(10, 2)")
TIMES = ("TIMESTAMP", "TIMESTAMP_SEC", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP_TZ")
NESTED = ("INT64[]", "DOUBLE[2]", "STRUCT(a INT64, b STRING)", "MAP(STRING, INT64)")
COLUMNS = (*NUMBERS, *TIMES, "BOOL", "STRING", "BLOB", "UUID", "DATE", "INTERVAL", "JSON", *NESTED)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open a database with one table for each column type."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        for index, column in enumerate(COLUMNS):
            opened.run(f"CREATE NODE TABLE T{index}(id INT64 PRIMARY KEY, v {column})")
        yield opened


def numbers(value: float) -> dict[str, Any]:
    """Return what a small whole number becomes in each numeric type."""
    exact = Decimal(int(value))
    return {
        **dict.fromkeys(NUMBERS, int(value)),
        "FLOAT": float(value),
        "DOUBLE": float(value),
        "INT128": exact,
        "DECIMAL(10, 2)": exact,
    }


def times(value: dt.datetime) -> dict[str, Any]:
    """Return what an instant becomes in each type of times."""
    return {**dict.fromkeys(TIMES, value), "TIMESTAMP_TZ": value.replace(tzinfo=UTC)}


def without(expected: dict[str, Any], *columns: str) -> dict[str, Any]:
    """Leave out column types that have to refuse."""
    return {column: value for column, value in expected.items() if column not in columns}


NARROW = ("TIMESTAMP_SEC", "TIMESTAMP_MS")
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "bool": (pa.bool_(), True, {"BOOL": True, "STRING": "true"}),
    **{
        f"{kind} 5": (kind, 5, numbers(5) | {"STRING": "5"})
        for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
    "int64 -1": (
        pa.int64(),
        -1,
        without(numbers(-1), "UINT8", "UINT16", "UINT32", "UINT64") | {"STRING": "-1"},
    ),
    "int64 2^53+1": (
        pa.int64(),
        2**53 + 1,
        {"INT64": 2**53 + 1, "UINT64": 2**53 + 1, "INT128": Decimal(2**53 + 1), "STRING": str(2**53 + 1)},
    ),
    "uint64 max": (
        pa.uint64(),
        2**64 - 1,
        {"UINT64": 2**64 - 1, "INT128": Decimal(2**64 - 1), "STRING": str(2**64 - 1)},
    ),
    "int32 2^24+1": (
        pa.int32(),
        2**24 + 1,
        without(numbers(2**24 + 1), "FLOAT", "INT8", "INT16", "UINT8", "UINT16") | {"STRING": str(2**24 + 1)},
    ),
    "half 2": (pa.float16(), 2.0, numbers(2) | {"STRING": "2"}),
    "float 2": (pa.float32(), 2.0, numbers(2) | {"STRING": "2"}),
    "double 2": (pa.float64(), 2.0, numbers(2) | {"STRING": "2"}),
    "double 2.5": (
        pa.float64(),
        2.5,
        {"FLOAT": 2.5, "DOUBLE": 2.5, "DECIMAL(10, 2)": Decimal("2.50"), "STRING": "2.5"},
    ),
    "double 0.125": (pa.float64(), 0.125, {"FLOAT": 0.125, "DOUBLE": 0.125, "STRING": "0.125"}),
    "double 1e300": (pa.float64(), 1e300, {"DOUBLE": 1e300, "STRING": "1e+300"}),
    "double inf": (pa.float64(), float("inf"), {"FLOAT": float("inf"), "DOUBLE": float("inf"), "STRING": "inf"}),
    "decimal 2.50": (
        pa.decimal128(5, 2),
        Decimal("2.50"),
        {"FLOAT": 2.5, "DOUBLE": 2.5, "DECIMAL(10, 2)": Decimal("2.50"), "STRING": "2.50"},
    ),
    "decimal 7": (pa.decimal128(38, 0), Decimal(7), numbers(7) | {"STRING": "7"}),
    "decimal 2.505": (
        pa.decimal128(10, 3),
        Decimal("2.505"),
        {"FLOAT": pytest.approx(2.505), "DOUBLE": 2.505, "STRING": "2.505"},
    ),
    "decimal tiny": (
        pa.decimal128(20, 12),
        Decimal("0.000000000001"),
        {"FLOAT": pytest.approx(1e-12), "DOUBLE": 1e-12, "STRING": "0.000000000001"},
    ),
    "decimal256": (pa.decimal256(50, 2), Decimal("9.00"), numbers(9) | {"STRING": "9.00"}),
    "text": (pa.string(), "héllo \U0001f600", {"STRING": "héllo \U0001f600"}),
    "large text": (pa.large_string(), "x", {"STRING": "x"}),
    "text view": (pa.string_view(), "a rather long text", {"STRING": "a rather long text"}),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), "x", {"STRING": "x"}),
    "text 12": (
        pa.string(),
        "12",
        numbers(12) | {"STRING": "12", "JSON": "12"},
    ),
    "text 2.5": (
        pa.string(),
        "2.5",
        {"FLOAT": 2.5, "DOUBLE": 2.5, "DECIMAL(10, 2)": Decimal("2.50"), "STRING": "2.5", "JSON": "2.5"},
    ),
    "text true": (pa.string(), "true", {"BOOL": True, "STRING": "true", "JSON": "true", "BLOB": b"\xb6\xbb\x9e"}),
    "text date": (
        pa.string(),
        "2024-05-06",
        times(MIDNIGHT) | {"DATE": DAY, "STRING": "2024-05-06"},
    ),
    "text time": (
        pa.string(),
        "2024-05-06T12:30:15.123456",
        without(times(NOON), *NARROW) | {"STRING": "2024-05-06T12:30:15.123456"},
    ),
    "text zone": (
        pa.string(),
        "2024-05-06T14:30:15+02:00",
        times(SECOND) | {"STRING": "2024-05-06T14:30:15+02:00"},
    ),
    "text uuid": (pa.string(), UUID_TEXT.upper(), {"UUID": UUID_TEXT, "STRING": UUID_TEXT.upper()}),
    "text interval": (pa.string(), "3 days", {"INTERVAL": dt.timedelta(3), "STRING": "3 days"}),
    "text list": (
        pa.string(),
        "[1, 2]",
        {"INT64[]": [1, 2], "DOUBLE[2]": [1.0, 2.0], "STRING": "[1, 2]", "JSON": "[1, 2]"},
    ),
    "text object": (
        pa.string(),
        '{"a": 1}',
        {
            "STRUCT(a INT64, b STRING)": {"a": 1, "b": None},
            "MAP(STRING, INT64)": {"a": 1},
            "STRING": '{"a": 1}',
            "JSON": '{"a": 1}',
        },
    ),
    "bytes": (pa.binary(), b"ab", {"BLOB": b"ab", "STRING": "ab"}),
    "bytes no text": (pa.binary(), b"\x00\xff", {"BLOB": b"\x00\xff"}),
    "large bytes": (pa.large_binary(), b"\x00\xff", {"BLOB": b"\x00\xff"}),
    "four bytes": (pa.binary(4), b"\x00\xff12", {"BLOB": b"\x00\xff12"}),
    "date32": (pa.date32(), DAY, times(MIDNIGHT) | {"DATE": DAY, "STRING": "2024-05-06"}),
    "date64": (pa.date64(), DAY, times(MIDNIGHT) | {"DATE": DAY, "STRING": "2024-05-06"}),
    "timestamp s": (
        pa.timestamp("s"),
        MIDNIGHT,
        times(MIDNIGHT) | {"DATE": DAY, "STRING": "2024-05-06 00:00:00.000"},
    ),
    "timestamp ms": (
        pa.timestamp("ms"),
        SECOND,
        times(SECOND) | {"STRING": "2024-05-06 12:30:15.000"},
    ),
    "timestamp us": (
        pa.timestamp("us"),
        NOON,
        without(times(NOON), *NARROW) | {"STRING": "2024-05-06 12:30:15.123456"},
    ),
    "timestamp ns": (
        pa.timestamp("ns"),
        LONG_AGO,
        times(LONG_AGO) | {"DATE": dt.date(1900, 1, 1), "STRING": "1900-01-01 00:00:00.000000000"},
    ),
    "timestamp zone": (
        pa.timestamp("us", "America/New_York"),
        SECOND.replace(tzinfo=UTC),
        times(SECOND) | {"STRING": "2024-05-06 08:30:15.000000-0400"},
    ),
    "time": (pa.time64("us"), dt.time(1, 2, 3), {"STRING": "01:02:03.000000"}),
    "duration": (pa.duration("us"), dt.timedelta(1, 2, 3), {"INTERVAL": dt.timedelta(1, 2, 3)}),
    "negative duration": (pa.duration("us"), dt.timedelta(-1), {}),
    "list": (pa.list_(pa.int32()), [1, 2], {"INT64[]": [1, 2], "DOUBLE[2]": [1.0, 2.0]}),
    "long list": (pa.list_(pa.int64()), [1, None, 3], {"INT64[]": [1, None, 3]}),
    "empty list": (pa.large_list(pa.int64()), [], {"INT64[]": []}),
    "fixed list": (pa.list_(pa.float32(), 2), [1.5, 2.5], {"DOUBLE[2]": [1.5, 2.5]}),
    "text in list": (pa.list_(pa.string()), ["1", "x"], {}),
    "struct": (
        pa.struct([("b", pa.string()), ("a", pa.int8())]),
        {"a": 1, "b": "x"},
        {"STRUCT(a INT64, b STRING)": {"a": 1, "b": "x"}},
    ),
    "surplus field": (pa.struct([("a", pa.int64()), ("c", pa.string())]), {"a": 1, "c": "x"}, {}),
    "map": (pa.map_(pa.string(), pa.int64()), [("k", 1), ("l", None)], {"MAP(STRING, INT64)": {"k": 1, "l": None}}),
}


@pytest.mark.parametrize("case", CASES)
def test_values_arrive_exactly(graph: LoadingGraph, case: str) -> None:
    """Each sample, with nulls around it, is loaded into every column type that takes it."""
    kind, value, expected = CASES[case]
    name = f"C{list(CASES).index(case)}"
    columns = {f"c{COLUMNS.index(column)}": column for column in expected}
    graph.run(
        f"CREATE NODE TABLE {name}(id INT64 PRIMARY KEY{''.join(f', {name} {kind}' for name, kind in columns.items())})"
    )
    values = pa.array([None, value, None], kind)
    graph.load(name, graph.parquet({"id": [1, 2, 3], **dict.fromkeys(columns, values)}))
    for column, column_type in columns.items():
        found = [row[0] for row in graph.run(f"MATCH (n:{name}) RETURN n.{column} ORDER BY n.id")]
        if column_type == "UUID":
            found[1] = str(found[1])
        assert found == [None, expected[column_type], None], column_type


@pytest.mark.parametrize("case", CASES)
def test_all_else_is_refused(graph: LoadingGraph, case: str) -> None:
    """Each sample is refused by every other column type; nothing is left behind."""
    kind, value, expected = CASES[case]
    path = graph.parquet({"id": [1, 2, 3], "v": pa.array([None, value, None], kind)})
    others = [column for column in COLUMNS if column not in expected]
    assert [column for column in others if not _is_refused(graph, f"T{COLUMNS.index(column)}", path)] == []
    assert graph.leftovers() == []


def _is_refused(graph: LoadingGraph, table: str, path: Path) -> bool:
    """Load a file; tell whether it was refused."""
    try:
        graph.load(table, path)
    except LoadError:
        return True
    return False


def test_a_column_of_nulls_fits_every_type(graph: LoadingGraph) -> None:
    """Parquet has a type for columns without any value."""
    path = graph.parquet({"id": [1, 2, 3], "v": pa.nulls(3)})
    for index in range(len(COLUMNS)):
        graph.load(f"T{index}", path)
        assert graph.run(f"MATCH (n:T{index}) WHERE n.v IS NULL RETURN count(*)") == [[3]]
        graph.run(f"MATCH (n:T{index}) DELETE n")


def test_the_refusal_names_the_first_unfit_row(graph: LoadingGraph) -> None:
    """Row, column, value and type are in the error, far into a large file too."""
    values = ["2024-05-06"] * 150_000
    values[140_001] = "06.05.2024"
    values[140_077] = "x"
    index = COLUMNS.index("DATE")
    error = refusal(graph.load, f"T{index}", graph.parquet({"id": range(150_000), "v": values}))
    assert "Row 140002, column 'v': '06.05.2024' is not DATE (YYYY-MM-DD)" in error.detail
    assert error.context == {"row": 140_002, "column": "v", "value": "'06.05.2024'", "reason": "unfit_value"}
    assert graph.count(f"T{index}") == 0


@pytest.mark.parametrize(
    "column", ["DECIMAL(5, 2)[]", "MAP(STRING, DECIMAL(5, 2))", "STRUCT(a DECIMAL(5, 2))[]", "UNION(a INT64, b STRING)"]
)
def test_types_that_crash_the_engine_or_have_no_form_in_files_are_refused(graph: LoadingGraph, column: str) -> None:
    """A cast to decimals inside of a collection ends the process: it never gets that far."""
    graph.run(f"CREATE NODE TABLE Unloadable(id INT64 PRIMARY KEY, v {column})")
    error = refusal(graph.load, "Unloadable", graph.parquet({"id": [1], "v": ["[1.25]"]}))
    assert error.detail.startswith("Column 'v' cannot be loaded")
    assert graph.load("Unloadable", graph.parquet({"id": [1]}))["rows_loaded"] == 1
    graph.run("DROP TABLE Unloadable")


def test_decimals_inside_of_a_struct_are_exact(graph: LoadingGraph) -> None:
    """Structs of types that need a cast are cast field by field, many rows and nulls included."""
    graph.run(
        "CREATE NODE TABLE Priced(id INT64 PRIMARY KEY, v STRUCT(a DECIMAL(20,10), b STRUCT(c INT128, d UUID), "
        "e TIMESTAMP_TZ[]))"
    )
    kind = pa.struct(
        [
            ("a", pa.decimal128(20, 10)),
            ("b", pa.struct([("c", pa.int64()), ("d", pa.string())])),
            ("e", pa.list_(pa.timestamp("us"))),
        ]
    )
    row = {"a": Decimal("0.0000000001"), "b": {"c": 5, "d": UUID_TEXT}, "e": [NOON, None]}
    graph.load("Priced", graph.parquet({"id": range(6000), "v": pa.array([row, None] * 3000, kind)}))
    found = graph.run("MATCH (n:Priced) RETURN n.v ORDER BY n.id LIMIT 2")
    value = found[0][0]
    assert found[1][0] is None
    assert (value["a"], value["b"]["c"], str(value["b"]["d"])) == (Decimal("0.0000000001"), Decimal(5), UUID_TEXT)
    assert value["e"] == [NOON.replace(tzinfo=UTC), None]
    assert graph.run("MATCH (n:Priced) WHERE n.v IS NULL RETURN count(*)") == [[3000]]
