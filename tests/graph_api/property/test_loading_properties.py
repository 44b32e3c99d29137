"""Properties of loading that hold for every value, in every format, through the real engine."""

import base64
import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.schema import DecimalType, ScalarKind, ScalarType
from robosystems.graph_api.worker.loading.convert import fitting_parts, to_transport
from robosystems.graph_api.worker.loading.csv_text import CsvText, Dialect
from robosystems.graph_api.worker.loading.scalars import ConversionError
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DAYS: Final = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
MOMENTS: Final = st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2300, 1, 1))  # noqa: DTZ001 - without zone on purpose

COLUMNS: Final[dict[str, tuple[str, Any, st.SearchStrategy[Any]]]] = {
    "s": ("STRING", pa.string(), TEXT),
    "i": ("INT32", pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "u": ("UINT64", pa.uint64(), st.integers(0, 2**64 - 1)),
    "f": ("DOUBLE", pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "b": ("BOOL", pa.bool_(), st.booleans()),
    "d": ("DATE", pa.date32(), DAYS),
    "t": ("TIMESTAMP", pa.timestamp("us"), MOMENTS),
    "z": ("TIMESTAMP_TZ", pa.timestamp("us", "UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    "m": (
        "DECIMAL(25, 9)",
        pa.decimal128(25, 9),
        st.integers(-(10**25) + 1, 10**25 - 1).map(lambda digits: Decimal(digits).scaleb(-9)),
    ),
    "h": (
        "INT128",
        pa.decimal128(38, 0),
        st.integers(-(10**37), 10**37).map(Decimal),
    ),
    "q": ("UUID", pa.string(), st.uuids().map(str)),
    "o": ("BLOB", pa.binary(), st.binary(max_size=12)),
    "l": ("STRING[]", pa.list_(pa.string()), st.lists(st.none() | TEXT, max_size=4)),
    "r": (
        "STRUCT(a INT64, b STRING)",
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": st.none() | st.integers(-(2**63), 2**63 - 1), "b": st.none() | TEXT}),
    ),
    "p": (
        "MAP(STRING, INT64)",
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(TEXT, st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3),
    ),
}
ROWS: Final = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, _, values) in COLUMNS.items()}), max_size=6
)
WITH_ENGINE: Final = settings(
    max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open a database with one table that has a column of each type."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        columns = ", ".join(f"{name} {column}" for name, (column, _, _) in COLUMNS.items())
        opened.run(f"CREATE NODE TABLE T(id INT64 PRIMARY KEY, {columns})")
        yield opened


def stored(graph: LoadingGraph) -> list[dict[str, Any]]:
    """Return all rows as they were given, and empty the table."""
    found = graph.run(f"MATCH (n:T) RETURN {', '.join(f'n.{name}' for name in COLUMNS)} ORDER BY n.id")
    graph.run("MATCH (n:T) DELETE n")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    return [row | {"q": None if row["q"] is None else str(row["q"])} for row in rows]


def as_json(value: Any) -> Any:
    """Return a value as a JSON document has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, dt.date) else value


def as_csv(value: Any) -> str:
    """Return a value as a field of CSV: quoted where it is something, empty where it is null."""
    if value is None:
        return ""
    value = as_json(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return '"{}"'.format(text.replace('"', '""'))


@WITH_ENGINE
@given(rows=ROWS)
def test_values_survive_parquet(graph: LoadingGraph, rows: list[dict[str, Any]]) -> None:
    """Each type in its own Parquet type."""
    arrays = {
        name: pa.array(
            [list(row[name].items()) if name == "p" and row[name] is not None else row[name] for row in rows], kind
        )
        for name, (_, kind, _) in COLUMNS.items()
    }
    graph.load("T", graph.parquet({"id": pa.array(range(len(rows)), pa.int64()), **arrays}))
    assert stored(graph) == rows


@WITH_ENGINE
@given(rows=ROWS)
def test_values_survive_ndjson(graph: LoadingGraph, rows: list[dict[str, Any]]) -> None:
    """Each type in its JSON form."""
    graph.load_ndjson(
        "T", [{"id": i} | {name: as_json(value) for name, value in row.items()} for i, row in enumerate(rows)]
    )
    assert stored(graph) == rows


@WITH_ENGINE
@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), delimiter=st.sampled_from([",", ";", "\t", "|"]))
def test_values_survive_csv(graph: LoadingGraph, rows: list[dict[str, Any]], end: str, delimiter: str) -> None:
    """Each type as text; lists, structs and maps as JSON."""
    lines = [
        ["id", *COLUMNS],
        *([str(i), *(as_csv(row[name]) for name in COLUMNS)] for i, row in enumerate(rows)),
    ]
    graph.load_csv("T", "".join(delimiter.join(line) + end for line in lines), delimiter=delimiter)
    assert stored(graph) == rows


@WITH_ENGINE
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), form=st.sampled_from(["csv", "ndjson"]))
def test_any_bytes_load_or_are_refused(graph: LoadingGraph, content: bytes, form: str) -> None:
    """Nothing else happens: no other error, nothing left behind."""
    for text in (content, b"id,s\n" + content, b'{"id": ' + content, b'id,s\n1,"' + content + b'"\n'):
        try:
            graph.load("T", graph.place(text), form)
        except LoadError:
            assert graph.count("T") == 0
        else:
            graph.run("MATCH (n:T) DELETE n")
    assert graph.leftovers() == []
    assert graph.reopened == 0


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_quotes_is_well_formed(records: list[list[str]], end: str) -> None:
    """All that the standard writer makes passes the check of quotes, and the header is read as it was."""
    names = ["a", 'b"\n,']
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([names, *records])
    text = CsvText(file.getvalue().encode(), Dialect())
    assert text.header() == names
    rest = b"".join(piece for piece, _ in text.pieces())
    assert list(csv.reader(io.StringIO(rest.decode(), newline=""))) == records
    assert {record.fields for record in text.records()} == {2}


@given(st.binary(max_size=80))
def test_the_check_of_quotes_ends_for_any_bytes(data: bytes) -> None:
    """Whatever the bytes, it finds a broken line or none."""
    lines = 0
    try:
        list(CsvText(b'a,b\n"' + data, Dialect()).pieces())
    except LoadError as error:
        lines = int(str(error.context["line"]))
    assert 0 <= lines <= 2 + data.count(b"\n") + data.count(b"\r")


@given(st.lists(st.sampled_from(["1", "x", None]), min_size=1, max_size=200))
def test_all_unfit_values_are_found_and_all_others_converted(values: list[str | None]) -> None:
    """In order, whatever stands between them."""
    array = pa.array(values, pa.string())
    kind = ScalarType(ScalarKind.INT64)
    found: list[Any] = []
    for begin, part in fitting_parts(lambda low, high: to_transport(array[low:high], kind), 0, len(array)):
        assert begin == len(found)
        found += ["x"] if isinstance(part, ConversionError) else part.to_pylist()
    assert found == [1 if value == "1" else value for value in values]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), st.integers(0, 12), st.integers(1, 26))
def test_a_decimal_is_exact_or_refused(value: Decimal, scale: int, whole: int) -> None:
    """No digit is cut off, and none is made up."""
    kind = DecimalType(scale + whole, scale)
    try:
        digits = to_transport(pa.array([str(value), None]), kind).to_pylist()
    except ConversionError:
        sign, parts, exponent = value.as_tuple()
        normal = value.normalize().as_tuple()
        assert (
            -int(normal.exponent) > scale
            or len(normal.digits) + int(normal.exponent) > whole
            or (len(parts), int(exponent), sign) > (38, -1000, 0)
            or abs(int(exponent)) > 30
        )
    else:
        assert digits[1] is None
        assert "E" not in digits[0]
        assert Decimal(digits[0]) == value


@given(st.uuids())
def test_uuids_are_read_from_bytes_and_text(value: UUID) -> None:
    """Both forms give the same text."""
    kind = ScalarType(ScalarKind.UUID)
    assert to_transport(pa.array([value.bytes], pa.binary(16)), kind).to_pylist() == [str(value)]
    assert to_transport(pa.array([str(value).upper()]), kind).to_pylist() == [str(value)]
