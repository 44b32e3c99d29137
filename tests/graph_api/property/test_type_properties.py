"""Values of every type go into the database and come out in every format as they were, nested and null ones too."""

import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.backends.lbug.wire import Format
from robosystems.graph_api.domain.errors import InvalidParameterError
from robosystems.graph_api.domain.schema import ColumnType, DecimalType, ScalarKind, ScalarType, holds, parse_type
from robosystems.graph_api.worker.encoding import pieces
from robosystems.graph_api.worker.loading.transport import why_not_loadable
from robosystems.graph_api.worker.parameters import decode_parameters
from robosystems.graph_api.worker.results import Figures, Shape
from tests.graph_api.property import generated_types as types
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph

_INTERVAL: Final = ScalarType(ScalarKind.INTERVAL)


def _cases(kinds: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[tuple[ColumnType, list[Any]]]:
    return kinds.flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(st.none() | types.values_of(kind), min_size=1, max_size=4))
    )


def _is_loadable(kind: ColumnType) -> bool:
    """Whether a file can hold all values of a type: an INTERVAL may be negative."""
    return why_not_loadable(kind) is None and not holds(kind, lambda part: part == _INTERVAL)


CASES: Final = _cases(types.TYPES)
LOADABLE: Final = _cases(types.TYPES.filter(_is_loadable))
REPEATABLE: Final = settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
_ROWS: Final = "MATCH (n:T) RETURN n.id AS id, n.v AS v ORDER BY id"
_decode: Final = msgspec.json.decode


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open a database without tables."""
    with open_graph(tmp_path_factory.mktemp("types") / "g") as opened:
        yield opened


class Table:
    """The table `T` with a column `v` of one type, made anew."""

    def __init__(self, graph: LoadingGraph, kind: ColumnType) -> None:
        self.graph = graph
        self.kind = kind
        self.connection = graph.connection
        graph.run("DROP TABLE IF EXISTS T")
        graph.run(f"CREATE NODE TABLE T(id INT64, v {_spelled(kind)}, PRIMARY KEY(id))")
        self.connection.forget_statements()

    def create(self, number: int, value: Any) -> bool:
        """Create a row by a typed parameter; return whether the engine had a type for it."""
        typed = {"$type": str(self.kind), "value": types.to_json(self.kind, value)}
        document = msgspec.json.encode({"id": number, "v": typed})
        try:
            parameters = decode_parameters(document, {"id", "v"})
            self.connection.run("CREATE (:T {id: $id, v: $v})", parameters).close()
        except InvalidParameterError:
            return False
        return True

    def seen(self, layout: Format) -> list[Any]:
        """Read the values back in one format."""
        with self.connection.run(_ROWS) as result:
            shape = Shape(result.columns, result.types)
            assert parse_type(shape.types[1]) == self.kind
            body = b"".join(pieces(result, shape, layout, None, Figures(1.0)))
        return _READERS[layout](self.kind, body)

    def check(self, expected: list[Any]) -> None:
        """Compare what every format says with the values."""
        for layout in Format:
            assert self.seen(layout) == expected, layout


def _spelled(kind: ColumnType) -> str:
    """Spell a type for DDL, where field names may be words of the language."""
    return str(kind).replace("_id ", "`_id` ").replace("Key ", "`Key` ").replace("value ", "`value` ")


def _documents(kind: ColumnType, body: bytes) -> list[Any]:
    return [types.from_json(kind, row["v"]) for row in _decode(body)["data"]]


def _arrays(kind: ColumnType, body: bytes) -> list[Any]:
    return [types.from_json(kind, row[1]) for row in _decode(body)["data"]]


def _lines(kind: ColumnType, body: bytes) -> list[Any]:
    *rows, summary = [_decode(line) for line in body.splitlines()]
    assert summary["summary"]["row_count"] == len(rows)
    return [types.from_json(kind, row["v"]) for row in rows]


def _events(kind: ColumnType, body: bytes) -> list[Any]:
    events = [part.split(b"\ndata: ") for part in body.removesuffix(b"\n\n").split(b"\n\n")]
    assert [name for name, _ in events][-1] == b"event: summary"
    return [types.from_json(kind, row["v"]) for name, data in events if name == b"event: rows" for row in _decode(data)]


def _stream(kind: ColumnType, body: bytes) -> list[Any]:
    table = pa.ipc.open_stream(body).read_all()
    table.validate(full=True)
    return [types.from_arrow(kind, value) for value in table["v"].to_pylist()]


def _csv(kind: ColumnType, body: bytes) -> list[Any]:
    options = pyarrow.csv.ConvertOptions(
        column_types={"id": pa.int64(), "v": pa.string()},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    table = pyarrow.csv.read_csv(io.BytesIO(body), convert_options=options, parse_options=parse)
    return [types.from_csv(kind, text, _decode) for text in table["v"].to_pylist()]


def _parquet(kind: ColumnType, body: bytes) -> list[Any]:
    return [types.from_arrow(kind, value) for value in pq.read_table(io.BytesIO(body))["v"].to_pylist()]


_READERS: Final = {
    Format.JSON: _documents,
    Format.JSON_ARRAYS: _arrays,
    Format.NDJSON: _lines,
    Format.EVENT_STREAM: _events,
    Format.ARROW: _stream,
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
}


@REPEATABLE
@given(CASES)
def test_typed_parameters_come_back_in_every_format(graph: LoadingGraph, case: tuple[ColumnType, list[Any]]) -> None:
    """What was sent as a typed parameter is read exactly, or was refused as a parameter without a type."""
    kind, values = case
    table = Table(graph, kind)
    accepted = [value for number, value in enumerate(values) if table.create(number, value)]
    event(f"accepted {len(accepted)} of {len(values)}")
    if isinstance(kind, ScalarType | DecimalType):
        assert len(accepted) == len(values)
    table.check(accepted)


@REPEATABLE
@given(LOADABLE)
def test_parquet_comes_back_in_every_format(graph: LoadingGraph, case: tuple[ColumnType, list[Any]]) -> None:
    """What was loaded from Parquet is read exactly."""
    kind, values = case
    table = Table(graph, kind)
    arrays = {
        "id": pa.array(range(len(values)), pa.int64()),
        "v": pa.array([types.to_arrow(kind, value) for value in values], types.arrow_type(kind)),
    }
    assert graph.load("T", graph.parquet(arrays))["rows_loaded"] == len(values)
    table.check(values)


@REPEATABLE
@given(LOADABLE)
def test_ndjson_comes_back_in_every_format(graph: LoadingGraph, case: tuple[ColumnType, list[Any]]) -> None:
    """What was loaded from NDJSON, in the look that answers have, is read exactly."""
    kind, values = case
    table = Table(graph, kind)
    lines = [{"id": number, "v": types.to_json(kind, value)} for number, value in enumerate(values)]
    assert graph.load_ndjson("T", lines)["rows_loaded"] == len(values)
    table.check(values)
