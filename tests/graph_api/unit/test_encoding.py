"""Rows to JSON: what every type looks like, and that both ways of encoding give the same."""

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.backends.lbug.wire import Format
from robosystems.graph_api.domain.errors import StatementError
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.columns import iso_duration, joined_rows, json_texts, text_bytes
from robosystems.graph_api.worker.encoding import pieces
from robosystems.graph_api.worker.json_rows import texts_of_rows
from robosystems.graph_api.worker.results import Figures, Shape, unique_names

_TEXTS = [Format.JSON, Format.JSON_ARRAYS, Format.NDJSON]
_UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConnection]:
    """Connect to a database with nodes and relationships of many types."""
    path = tmp_path_factory.mktemp("encoding") / "graph.lbug"
    with Engine.open(EngineConfig(path=path, buffer_pool_bytes=128 << 20, max_db_bytes=1 << 33)) as engine:
        connection = engine.connect(1)
        for text in (
            "CREATE NODE TABLE P(id INT64, name STRING, tags STRING[], d DATE, PRIMARY KEY(id))",
            "CREATE NODE TABLE Q(id INT64, name STRING, PRIMARY KEY(id))",
            "CREATE REL TABLE K(FROM P TO P, since DATE, w DOUBLE)",
            "CREATE REL TABLE L(FROM Q TO Q, w DOUBLE)",
            "CREATE (:P {id: 1, name: 'x', tags: ['a', NULL], d: date('2020-01-02')}), (:P {id: 2})",
            "CREATE (:Q {id: 1, name: 'one'}), (:Q {id: 2})",
            "MATCH (a:P {id: 1}), (b:P {id: 2}) CREATE (a)-[:K {since: date('2021-01-01'), w: 2.5}]->(b)",
            "MATCH (a:Q {id: 1}), (b:Q {id: 2}) CREATE (a)-[:L {w: 0.5}]->(b)",
        ):
            connection.run_plain(text).close()
        yield connection
        connection.close()


def _encode(
    connection: EngineConnection, text: str, layout: Format = Format.JSON, max_rows: int | None = None
) -> tuple[bytes, Shape]:
    with connection.run(text) as result:
        shape = Shape(result.columns, result.types)
        body = b"".join(pieces(result, shape, layout, max_rows, Figures(1.25)))
        return body, shape


def _value(connection: EngineConnection, expression: str) -> Any:
    document = msgspec.json.decode(_encode(connection, f"RETURN {expression} AS x")[0])
    return document["data"][0]["x"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("NULL", None),
        ("true", True),
        ("CAST(-128 AS INT8)", -128),
        ("-9223372036854775808", -(2**63)),
        ("CAST('18446744073709551615' AS UINT64)", 2**64 - 1),
        ("CAST('-170141183460469231731687303715884105727' AS INT128)", -(2**127) + 1),
        ("1.0", 1.0),
        ("1e300", 1e300),
        ("CAST(0.1 AS FLOAT)", 0.10000000149011612),
        ("CAST('NaN' AS DOUBLE)", "NaN"),
        ("CAST('inf' AS DOUBLE)", "Infinity"),
        ("CAST('-inf' AS FLOAT)", "-Infinity"),
        ("CAST('1.50' AS DECIMAL(10, 4))", "1.5000"),
        ("CAST('0.0000001' AS DECIMAL(18, 10))", "0.0000001000"),
        ("CAST(5 AS DECIMAL(10, 0))", 5),
        ("''", ""),
        ("'\"\\\\\\n\u00e9\u2028\U0001f600'", '"\\\n\u00e9\u2028\U0001f600'),
        ("date('2020-01-02')", "2020-01-02"),
        ("date('20000-01-01')", "20000-01-01"),
        ("date('2020-01-01') - interval('3000 years')", "-0980-01-01"),
        ("timestamp('2020-01-02 03:04:05')", "2020-01-02T03:04:05"),
        ("timestamp('1960-01-02 03:04:05.25')", "1960-01-02T03:04:05.250000"),
        ("timestamp('20000-01-01 00:00:00')", "20000-01-01T00:00:00"),
        ("CAST('2020-01-02 03:04:05.123456789' AS TIMESTAMP_NS)", "2020-01-02T03:04:05.123456000"),
        ("CAST('2020-01-02 03:04:05.123' AS TIMESTAMP_MS)", "2020-01-02T03:04:05.123000"),
        ("CAST('2020-01-02 03:04:05' AS TIMESTAMP_SEC)", "2020-01-02T03:04:05"),
        ("CAST('2020-01-02 03:04:05+02' AS TIMESTAMP_TZ)", "2020-01-02T01:04:05Z"),
        ("interval('1 day 2 hours 3 seconds')", "P1DT7203S"),
        (f"UUID('{_UUID}')", _UUID),
        ("BLOB('\\\\xAA\\\\xBB')", "qrs="),
        ("[1, NULL, 3]", [1, None, 3]),
        ("[[1], [], [NULL]]", [[1], [], [None]]),
        ("CAST([1, 2] AS INT64[2])", [1, 2]),
        ("{a: 1, `b c`: 'x', d: {e: [1.5]}}", {"a": 1, "b c": "x", "d": {"e": [1.5]}}),
        ("map(['k', 'l'], [1, NULL])", {"k": 1, "l": None}),
        ("map([1, 2], ['a', 'b'])", [[1, "a"], [2, "b"]]),
        ("map([[1]], [2])", [[[1], 2]]),
        ("CAST('abc' AS UNION(x INT64, y STRING))", "abc"),
        ("[date('20000-01-01')]", ["20000-01-01"]),
        ("{at: timestamp('20000-01-01 00:00:00')}", {"at": "20000-01-01T00:00:00"}),
    ],
)
def test_value_of_each_type(connection: EngineConnection, expression: str, expected: object) -> None:
    """Each type of the engine has one look in JSON, whatever its value."""
    value = _value(connection, expression)
    assert value == expected
    assert type(value) is type(expected)


def test_graph_values_are_objects(connection: EngineConnection) -> None:
    """Nodes, relationships and paths carry their id and label under lower-case names, then their properties."""
    text = "MATCH path = (a:Q)-[r:L]->(b:Q) RETURN a, r, path, id(a) AS i, [id(a)] AS ids"
    row = msgspec.json.decode(_encode(connection, text)[0])["data"][0]
    one = {"_id": row["a"]["_id"], "_label": "Q", "id": 1, "name": "one"}
    two = {"_id": row["r"]["_dst"], "_label": "Q", "id": 2, "name": None}
    relationship = {"_id": row["r"]["_id"], "_label": "L", "_src": one["_id"], "_dst": two["_id"], "w": 0.5}
    assert row["a"] == one
    assert row["r"] == relationship
    assert row["path"] == {"_nodes": [one, two], "_rels": [relationship]}
    assert (row["i"], row["ids"]) == (one["_id"], [one["_id"]])
    assert list(row["r"]) == ["_id", "_label", "_src", "_dst", "w"]


def test_absent_graph_value_is_null(connection: EngineConnection) -> None:
    """An optional match without a partner gives null, not an object of nulls."""
    assert msgspec.json.decode(_encode(connection, "OPTIONAL MATCH (q:Q {id: 99}) RETURN q")[0])["data"] == [
        {"q": None}
    ]


_EXPRESSIONS: dict[str, Callable[[random.Random], str]] = {
    "integer": lambda rng: str(rng.choice([0, 1, -1, 2**63 - 1, -(2**63) + 1, rng.randrange(10**12)])),
    "double": lambda rng: rng.choice(
        [
            "CAST('NaN' AS DOUBLE)",
            "CAST('-inf' AS DOUBLE)",
            "0.0",
            "-0.0",
            f"{rng.random()!r}",
            f"{rng.randrange(10**14)}.0",
            f"CAST({rng.uniform(-1, 1)!r} * 1e{rng.randrange(-300, 300)} AS DOUBLE)",
        ]
    ),
    "float": lambda rng: f"CAST({rng.uniform(-1e6, 1e6)!r} AS FLOAT)",
    "boolean": lambda rng: rng.choice(["true", "false"]),
    "string": lambda rng: (
        "'"
        + "".join(rng.choice(["a", '"', "\\\\", "\\n", "\\t", "\u00e9", "\U0001f600", " ", "\x7f"]) for _ in range(6))
        + "'"
    ),
    "decimal": lambda rng: f"CAST('{rng.randrange(-(10**9), 10**9) / 10000:.4f}' AS DECIMAL(18, 4))",
    "shortest decimal": lambda rng: f"CAST('{rng.randrange(-9999, 10**4) / 100:.2f}' AS DECIMAL(4, 2))",
    "short decimal": lambda rng: f"CAST('{rng.randrange(-(10**9) + 1, 10**9) / 10**9:.9f}' AS DECIMAL(9, 9))",
    "whole decimal": lambda rng: f"CAST('{rng.randrange(-(10**18) + 1, 10**18)}' AS DECIMAL(18, 0))",
    "long decimal": lambda rng: f"CAST('{rng.randrange(-(10**25), 10**25)}.5' AS DECIMAL(38, 10))",
    "wide": lambda rng: f"CAST('{rng.randrange(-(10**37), 10**37)}' AS INT128)",
    "uuid": lambda rng: f"UUID('{rng.randbytes(16).hex()}')",
    "list": lambda rng: f"[{rng.randrange(9)}.5, NULL]",
    "struct": lambda rng: f"{{a: {rng.randrange(9)}, b: [{{c: 'x{rng.randrange(9)}'}}]}}",
}


@pytest.mark.parametrize("kind", _EXPRESSIONS)
def test_both_ways_give_the_same_values(connection: EngineConnection, rng: random.Random, kind: str) -> None:
    """Rows as Python values and columns as Arrow kernels end in the same JSON values, nulls among them."""
    values = [_EXPRESSIONS[kind](rng) if rng.random() < 0.9 else "NULL" for _ in range(40)]
    text = f"UNWIND [{', '.join([_EXPRESSIONS[kind](rng), *values])}] AS x RETURN x"
    with connection.run(text) as result:
        by_columns = [
            msgspec.json.decode(line)
            for batch in result.batches(7)
            for line in joined_rows([json_texts(batch.columns[0])], ["[", "]"]).to_pylist()
        ]
    first, shape = _encode(connection, text)
    assert msgspec.json.decode(first)["data"] == [{"x": value} for (value,) in by_columns]
    with connection.run(text) as result:  # By now a plan for rows is known, for nested types too.
        assert shape.plan is not None
        again = b"".join(pieces(result, shape, Format.JSON_ARRAYS, None, Figures(1.0)))
    decoded = msgspec.json.decode(again)["data"]
    assert decoded == by_columns
    assert [type(value) for (value,) in decoded] == [type(value) for (value,) in by_columns]


def test_nodes_look_the_same_by_rows_and_by_columns(connection: EngineConnection) -> None:
    """After the first result has shown that a node holds no dates, rows are used, and nothing changes."""
    text = "MATCH (a:Q)-[r:L]->(b:Q) RETURN a, r, b, id(a) AS i ORDER BY a.id"
    with connection.run(text) as result:
        shape = Shape(result.columns, result.types)
        assert shape.plan is None
        first = b"".join(pieces(result, shape, Format.JSON, None, Figures(1.0)))
    assert shape.plan is not None
    with connection.run(text) as result:
        assert b"".join(pieces(result, shape, Format.JSON, None, Figures(1.0))) == first


@pytest.mark.parametrize(
    "text", ["MATCH (p:P) RETURN p", "RETURN date('2020-01-01') AS d", "RETURN map(['a'], [1]) AS m"]
)
def test_types_with_dates_and_maps_never_go_by_rows(connection: EngineConnection, text: str) -> None:
    """The binding ends the process for a date after 9999, so such types are never made into Python values."""
    assert _encode(connection, text)[1].plan is None


@pytest.mark.parametrize("layout", _TEXTS)
@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 20_000, 90_000])
def test_all_layouts_hold_all_rows(connection: EngineConnection, layout: Format, count: int) -> None:
    """From no row to several batches, encoded one after the other or side by side, all rows come once and in order."""
    body, _ = _encode(connection, f"UNWIND range(1, {count}) AS x RETURN x, 'n\"' + string(x) AS s", layout)
    expected = [[x, f'n"{x}'] for x in range(1, count + 1)]
    if layout is Format.NDJSON:
        *lines, last = [msgspec.json.decode(line) for line in body.splitlines()]
        assert [[line["x"], line["s"]] for line in lines] == expected
        summary = last["summary"]
    else:
        summary = msgspec.json.decode(body)
        rows = summary.pop("data")
        assert (rows if layout is Format.JSON_ARRAYS else [[row["x"], row["s"]] for row in rows]) == expected
    assert summary == {
        "columns": ["x", "s"],
        "types": ["INT64", "STRING"],
        "row_count": count,
        "truncated": False,
        "execution_time_ms": 1.25,
    }


@pytest.mark.parametrize("layout", _TEXTS)
@pytest.mark.parametrize(("count", "cap"), [(5, 5), (5, 4), (5, 0), (1000, 350), (90_000, 350), (90_000, 60_000)])
def test_cap_on_rows_is_exact_and_told(connection: EngineConnection, layout: Format, count: int, cap: int) -> None:
    """With more rows than the cap exactly as many as the cap come, and the answer says that it is cut."""
    body, _ = _encode(connection, f"UNWIND range(1, {count}) AS x RETURN x", layout, cap)
    if layout is Format.NDJSON:
        *lines, last = body.splitlines()
        rows, summary = len(lines), msgspec.json.decode(last)["summary"]
    else:
        summary = msgspec.json.decode(body)
        rows = len(summary["data"])
    assert (rows, summary["row_count"], summary["truncated"]) == (cap, cap, cap < count)


def test_statement_without_columns_gives_an_empty_document(connection: EngineConnection) -> None:
    """A write that returns nothing has no columns and no rows."""
    document = msgspec.json.decode(_encode(connection, "CREATE (:Q {id: 77})")[0])
    assert (document["columns"], document["data"], document["row_count"]) == ([], [], 0)


def test_repeated_columns_get_numbers(connection: EngineConnection) -> None:
    """No column swallows another; a number that is taken is left out."""
    assert unique_names(["x", "x", "x_2", "x", "y"]) == ["x", "x_3", "x_2", "x_4", "y"]
    assert unique_names(["a", "a", "a"]) == ["a", "a_2", "a_3"]
    document = msgspec.json.decode(_encode(connection, "RETURN 1 AS x, 'b' AS x, 3 AS x")[0])
    assert document["columns"] == ["x", "x_2", "x_3"]
    assert document["data"] == [{"x": 1, "x_2": "b", "x_3": 3}]


def test_names_of_columns_are_escaped(connection: EngineConnection) -> None:
    """A column name with quotes is a key like any other, by rows and by columns."""
    for count in (1, 400):
        body, _ = _encode(connection, f'UNWIND range(1, {count}) AS x RETURN x AS `a"b\\c`', Format.NDJSON)
        assert msgspec.json.decode(body.splitlines()[0]) == {'a"b\\c': 1}


def test_value_without_counterpart_is_the_statements_error(connection: EngineConnection) -> None:
    """A type that neither way can take is refused with a reason."""
    with pytest.raises(StatementError, match="UINT128"):
        _encode(connection, "RETURN CAST(1 AS UINT128)")


def test_large_batches_are_encoded_in_parts() -> None:
    """A batch of many bytes does not become one huge text."""
    batch = arrow.record_batch({"x": arrow.array(["a" * (1 << 20)] * 100)})
    parts = [len(text) for text in texts_of_rows(batch, ["", "\n"], json_texts)]
    assert sum(parts) == 100 * ((1 << 20) + 3)
    assert max(parts) < 40 << 20


@pytest.mark.parametrize("exponent", range(-20, 25))
def test_whole_floats_stay_floats(exponent: int) -> None:
    """A float never looks like an integer in JSON, whatever its size."""
    values = [float(f"{digits}e{exponent}") for digits in ("1", "-1", "123456789", "9.999999999", "1.5")]
    texts = text_bytes(joined_rows([json_texts(arrow.array(values))], ["", "\n"]))
    decoded = [msgspec.json.decode(line) for line in bytes(texts).splitlines()]
    assert decoded == values
    assert {type(value) for value in decoded} == {float}


def test_slices_of_arrays_are_encoded_from_their_offset() -> None:
    """A slice of nested data does not drag its neighbours along."""
    rows: list[Any] = [{"l": [i, i + 1], "m": [(str(i), i)], "f": [i, i], "s": {"x": f"v{i}"}} for i in range(10)]
    kind = arrow.struct(
        {
            "l": arrow.list_(arrow.int64()),
            "m": arrow.map_(arrow.string(), arrow.int64()),
            "f": arrow.list_(arrow.int64(), 2),
            "s": arrow.struct({"x": arrow.string()}),
        }
    )
    array = arrow.array([*rows[:4], None, *rows[5:]], kind).slice(3, 3)
    texts = joined_rows([json_texts(array)], ["", ""]).to_pylist()
    assert [msgspec.json.decode(text) for text in texts] == [
        {**rows[3], "m": {"3": 3}},
        None,
        {**rows[5], "m": {"5": 5}},
    ]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "PT0S"), (1, "PT0.000001S"), (-500_000, "-PT0.5S"), (86_400_000_000, "P1D"), (-90_061_000_000, "-P1DT3661S")],
)
def test_durations_are_iso(microseconds: int, text: str) -> None:
    """A duration is written in days and seconds, with its sign in front."""
    assert iso_duration(microseconds) == text


def test_row_of_nan_is_not_null(connection: EngineConnection) -> None:
    """No special float becomes null on the way through rows."""
    assert math.isnan(float(_value(connection, "CAST('NaN' AS DOUBLE)")))


def test_columns_are_found_again(tmp_path: Path) -> None:
    """A shape is kept only as long as the columns of the statement stay the same."""
    with Engine.open(
        EngineConfig(path=tmp_path / "graph.lbug", buffer_pool_bytes=64 << 20, max_db_bytes=1 << 33)
    ) as engine:
        connection = engine.connect()
        with connection.run("RETURN $x AS x", {"x": 1}) as one, connection.run("RETURN $x AS x", {"x": "a"}) as other:
            shape = Shape(one.columns, one.types)
            assert shape.fits(one)
            assert not shape.fits(other)
        connection.close()
