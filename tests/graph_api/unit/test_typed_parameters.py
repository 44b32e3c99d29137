"""Typed parameters: what the engine gets for each type, and what is refused with advice."""

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.client.parameters import Typed, encode_parameters
from robosystems.graph_api.domain.errors import GraphApiError, InvalidParameterError
from robosystems.graph_api.worker.parameters import MAX_DEPTH, decode_parameters

_UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def _typed(name: str, value: object) -> dict[str, object]:
    return {"$type": name, "value": value}


def _decode(value: object) -> Any:
    return decode_parameters(json.dumps({"p": value}).encode(), {"p"})["p"]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineConnection]:
    """Connect to an empty database."""
    path = tmp_path_factory.mktemp("typed") / "graph.lbug"
    with Engine.open(EngineConfig(path=path, buffer_pool_bytes=64 << 20, max_db_bytes=1 << 33)) as engine:
        connection = engine.connect(1)
        yield connection
        connection.close()


def _bound(connection: EngineConnection, value: object) -> tuple[str, Any]:
    """Return the type that the engine gives to a parameter, and the value as it comes back."""
    with connection.run("RETURN $p AS p", {"p": _decode(value)}) as result:
        return result.types[0], result.take(1)[0][0]


@pytest.mark.parametrize(
    ("name", "value", "bound_as", "expected"),
    [
        ("bool", True, "BOOL", True),
        ("INT8", -128, "INT8", -128),
        ("INT64", "9007199254740993", "INT64", 9007199254740993),
        ("uint32", 2.0, "INT8", 2),
        ("UINT64", 2**64 - 1, "DECIMAL(20, 0)", Decimal(2**64 - 1)),
        ("INT128", -(10**38) + 1, "DECIMAL(38, 0)", Decimal(-(10**38) + 1)),
        ("DOUBLE", 3, "DOUBLE", 3.0),
        ("DOUBLE", "Infinity", "DOUBLE", math.inf),
        ("FLOAT", 0.1, "DOUBLE", 0.10000000149011612),
        ("FLOAT", "-Infinity", "DOUBLE", -math.inf),
        ("DECIMAL(18, 3)", "-1.5", "DECIMAL(18, 3)", Decimal("-1.500")),
        ("DECIMAL(38,38)", "0.1", "DECIMAL(38, 38)", Decimal("0.1")),
        ("DECIMAL(4, 0)", -7, "DECIMAL(4, 0)", Decimal(-7)),
        ("decimal", "1.50", "DECIMAL(3, 2)", Decimal("1.50")),
        ("DECIMAL", "1e-5", "DECIMAL(5, 5)", Decimal("0.00001")),
        ("DECIMAL", "1E+3", "DECIMAL(4, 0)", Decimal(1000)),
        ("DECIMAL", 12.5, "DECIMAL(3, 1)", Decimal("12.5")),
        ("DECIMAL", "-0.00", "DECIMAL(2, 2)", Decimal(0)),
        ("STRING", "a\0\U0001f600", "STRING", "a\0\U0001f600"),
        ("DATE", "0001-01-01", "DATE", date(1, 1, 1)),
        ("timestamp", "2020-01-02", "TIMESTAMP", datetime(2020, 1, 2)),  # noqa: DTZ001 (the engine's have none)
        ("TIMESTAMP", "2020-01-02 03:04:05.5+02:00", "TIMESTAMP", datetime(2020, 1, 2, 1, 4, 5, 500_000)),  # noqa: DTZ001
        ("TIMESTAMP_TZ", "2020-01-02T03:04:05Z", "TIMESTAMP", datetime(2020, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ("TIMESTAMP_NS", "2020-01-02T03:04:05.123456000", "TIMESTAMP", datetime(2020, 1, 2, 3, 4, 5, 123456)),  # noqa: DTZ001
        ("INTERVAL", "P3DT1H2.5S", "INTERVAL", timedelta(days=3, hours=1, seconds=2.5)),
        ("INTERVAL", "-PT0.000001S", "INTERVAL", timedelta(microseconds=-1)),
        ("INTERVAL", "P106751991D", "INTERVAL", timedelta(days=106_751_991)),
        ("UUID", _UUID.upper(), "UUID", UUID(_UUID)),
        ("BLOB", "AP8=", "BLOB", b"\x00\xff"),
        ("INT64[]", [1, None, 300], "INT64[]", [1, None, 300]),
        ("DATE[2]", ["2020-01-02", None], "DATE[]", [date(2020, 1, 2), None]),
        ("INT64[][]", [None, [1], []], "INT64[][]", [None, [1], []]),
        ("UINT64[]", [1, 2**64 - 1], "DECIMAL(20, 0)[]", [Decimal(1), Decimal(2**64 - 1)]),
        (
            "STRUCT(b DATE, `a` DECIMAL(9, 1)[])",
            {"a": ["1.5"], "b": "2020-01-02"},
            "STRUCT(b DATE, a DECIMAL(9, 1)[])",
            {"b": date(2020, 1, 2), "a": [Decimal("1.5")]},
        ),
        ("MAP(STRING, DATE)", {"a": "2020-01-02"}, "MAP(STRING, DATE)", {"a": date(2020, 1, 2)}),
        ("MAP(INT64, BLOB)", {"-1": "YQ=="}, "MAP(INT64, BLOB)", {-1: b"a"}),
        ("MAP(DATE, INT64)", [["2020-01-02", 5]], "MAP(DATE, INT64)", {date(2020, 1, 2): 5}),
        ("MAP", [[1, "a"], [2, None]], "MAP(INT64, STRING)", {1: "a", 2: None}),
        ("map", {"a": _typed("DATE", "2020-01-02")}, "MAP(STRING, DATE)", {"a": date(2020, 1, 2)}),
        ("struct", {"$type": "x", "value": 1}, "STRUCT($type STRING, value INT8)", {"$type": "x", "value": 1}),
    ],
)
def test_engine_gets_the_type(
    connection: EngineConnection, name: str, value: object, bound_as: str, expected: object
) -> None:
    """A typed value reaches the engine as the type that the table of types says, and exactly."""
    kind, found = _bound(connection, _typed(name, value))
    assert kind == bound_as
    assert found == expected
    assert type(found) is type(expected)


def test_not_a_number_stays_one(connection: EngineConnection) -> None:
    """NaN compares with nothing, so it has a test of its own."""
    for name in ("DOUBLE", "FLOAT"):
        kind, found = _bound(connection, _typed(name, "NaN"))
        assert (kind, math.isnan(found)) == ("DOUBLE", True)


@pytest.mark.parametrize("name", ["DATE", "STRUCT(a INT64)", "INT64[]", "MAP", "STRUCT", "DECIMAL"])
def test_null_is_null_whatever_its_type(name: str) -> None:
    """A typed null is accepted for every type."""
    assert _decode(_typed(name, None)) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (_typed("DATE", "2020-02-30"), "no such day"),
        (_typed("DATE", "20200102"), "YYYY-MM-DD"),
        (_typed("DATE", 18262), "18262 is not DATE"),
        (_typed("DATE", "20000-01-01"), r"years 1 to 9999 .* CAST\(\$name AS DATE\)"),
        (_typed("DATE", "0000-01-01"), "years 1 to 9999"),
        (_typed("DATE", "\u0662020-01-02"), "YYYY-MM-DD"),
        (_typed("TIMESTAMP", "-0044-03-15 00:00:00"), "years 1 to 9999"),
        (_typed("TIMESTAMP", "2020-01-02T24:00:00"), "no such time"),
        (_typed("TIMESTAMP", "2020-01-02T03:04.5"), "YYYY-MM-DDThh:mm:ss"),
        (_typed("TIMESTAMP", "2020-01-02T03:04:05.1234567"), "6 digits"),
        (_typed("TIMESTAMP_MS", "2020-01-02T03:04:05.1234"), "3 digits"),
        (_typed("TIMESTAMP_SEC", "2020-01-02T03:04:05.1"), "0 digits"),
        (_typed("TIMESTAMP_NS", "2020-01-02T03:04:05.123456789"), "cuts off"),
        (_typed("TIMESTAMP_TZ", "9999-12-31T23:59:59-01"), "outside the years"),
        (_typed("INTERVAL", "3 days"), "ISO 8601"),
        (_typed("INTERVAL", "P1Y"), "months and years"),
        (_typed("INTERVAL", "P106751992D"), "at most"),
        (_typed("INTERVAL", "P" + "9" * 10_000 + "D"), "ISO 8601"),
        (_typed("UUID", _UUID.replace("-", "")), "hexadecimal"),
        (_typed("BLOB", "a"), "base64"),
        (_typed("BLOB", "+AP8="), "base64"),
        (_typed("BLOB", "AP8=AP8="), "base64"),
        (_typed("BLOB", "\u00e9"), "base64"),
        (_typed("BOOL", 1), "true or false"),
        (_typed("STRING", 1), "text"),
        (_typed("INT8", 128), "range"),
        (_typed("INT64", value=True), "whole number"),
        (_typed("INT64", 1.5), "whole number"),
        (_typed("INT64", "1e3"), "whole number"),
        (_typed("INT64", "9" * 10_000), "whole number"),
        (_typed("UINT64", 2**64), "range"),
        (_typed("UINT64", 10**4000), "bits is not UINT64"),
        (_typed("INT128", 10**38), r"CAST\(\$name AS INT128\)"),
        (_typed("DOUBLE", "nan"), '"NaN"'),
        (_typed("DOUBLE", 2**53 + 1), "rounded"),
        (_typed("DOUBLE", 10**400), "rounded"),
        (_typed("FLOAT", 1e300), "range"),
        (_typed("FLOAT", 2**24 + 1), "rounded"),
        (_typed("DECIMAL", "1e999999"), "38 digits"),
        (_typed("DECIMAL", "1e-999999999"), "38 digits"),
        (_typed("DECIMAL", "1e9999999999"), "digits as text"),
        (_typed("DECIMAL", "1" * 39), "38 digits"),
        (_typed("DECIMAL", 10**4000), "38 digits"),
        (_typed("DECIMAL", "NaN"), "digits as text"),
        (_typed("DECIMAL", "1_000"), "digits as text"),
        (_typed("DECIMAL(5, 2)", "1.234"), "3 digits before and 2 after"),
        (_typed("DECIMAL(5, 2)", "1000"), "3 digits before and 2 after"),
        (_typed("INT64[2]", [1]), "it has 2"),
        (_typed("INT64[]", {"a": 1}), "JSON array"),
        (_typed("DATE[]", ["2020-01-02", "x"]), r"Parameter p\[1\]: 'x'"),
        (_typed("STRUCT(a DATE[])", {"a": [1]}), r"Parameter p\.a\[0\]"),
        (_typed("STRUCT(a DATE)", {"b": 1}), "no field 'b'"),
        (_typed("STRUCT(a DATE)", []), "JSON object"),
        (_typed("STRUCT", [1]), "JSON object"),
        (_typed("MAP(STRING, DATE)", {"a": "x"}), r"Parameter p\['a'\]"),
        (_typed("MAP(INT64, INT64)", {"x": 1}), "'x' is not INT64"),
        (_typed("MAP", 1), "pairs"),
        (_typed("DATE", [[1] * 1000] * 1000), "a list is not DATE"),
        (_typed("UUID", {"a": 1}), "an object is not UUID"),
        (_typed("MAP", [[1, 2, 3]]), "pairs"),
        (_typed("MAP", [[None, 1]]), "null key"),
        (_typed("MAP(STRING, INT64)", [["a", 1], ["a", 2]]), "twice"),
        (_typed("MAP", [[1, [1]], [2, None]]), "null behind"),
        (_typed("UNION(a INT64)", 1), "send the value of the member"),
        (_typed("STRUCT(a UNION(b INT64))", {"a": 1}), "send the value of the member"),
        (_typed("SERIAL", 1), "numbered by the database"),
        (_typed("JSON", "{}"), "plain text"),
        (_typed("UINT128", 1), "INT128"),
        (_typed("NODE", {}), "match it"),
        (_typed("INTERNAL_ID", "0:1"), "match by the key"),
        (_typed("BIGINT", 1), "use INT64"),
        (_typed("nonsense", 1), "not a known type"),
        (_typed("INT64" + "[]" * 20, []), "nested deeper"),
        (_typed("STRUCT(" * 5000, []), "characters"),
        ({"$type": "DATE"}, '"STRUCT"'),
        ({"$type": "DATE", "value": "2020-01-02", "more": 1}, '"STRUCT"'),
        ({"$type": 1, "value": 1}, '"STRUCT"'),
        ([1, {"a": [_typed("DATE", "x")]}], r"Parameter p\[1\]\.a\[0\]: 'x' is not DATE"),
        ([_typed("DATE", "2020-01-02"), "2020-01-02"], "mixes date and text"),
        ([_typed("DATE", "2020-01-02"), _typed("TIMESTAMP", "2020-01-02")], "mixes date and timestamp"),
        ([_typed("DECIMAL", "1.5"), 1.5], "mixes decimal and number"),
        ([_typed("DECIMAL", "1e37"), _typed("DECIMAL", "0.001")], "41 digits"),
    ],
)
def test_what_cannot_be_bound_exactly_is_refused(value: object, reason: str) -> None:
    """The error names the parameter and the place in it, and says what to write instead; it is short."""
    with pytest.raises(InvalidParameterError, match=reason) as caught:
        _decode(value)
    assert caught.value.detail.startswith("Parameter p")
    assert len(caught.value.detail) < 500


def test_a_hidden_type_key_is_seen() -> None:
    """Escapes in the spelling of the key change nothing."""
    document = b'{"p": {"\\u0024t\\u0079pe": "DATE", "value": "2020-01-02"}}'
    assert decode_parameters(document, {"p"}) == {"p": date(2020, 1, 2)}


def test_depth_is_bounded() -> None:
    """Typed values deep inside are found down to the bound; deeper ones are refused."""
    value: Any = _typed("DATE", "2020-01-02")
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    _decode(value)
    with pytest.raises(InvalidParameterError, match="deeper"):
        _decode([[[value]]])


def test_lists_have_one_type(connection: EngineConnection) -> None:
    """Decimals of several types in one list get the one that holds all; rows get all keys; maps all entries' types."""
    decimals = [_typed("DECIMAL", "1.5"), 300, None, _typed("DECIMAL", "0.25")]
    assert _bound(connection, decimals) == (
        "DECIMAL(5, 2)[]",
        [Decimal("1.50"), Decimal(300), None, Decimal("0.25")],
    )
    rows = [{"a": _typed("DATE", "2020-01-02")}, {"b": _typed("UUID", _UUID)}]
    assert _bound(connection, rows) == (
        "STRUCT(a DATE, b UUID)[]",
        [{"a": date(2020, 1, 2), "b": None}, {"a": None, "b": UUID(_UUID)}],
    )
    maps = [_typed("MAP", {"a": 1}), _typed("MAP", {}), _typed("MAP", {"b": 300})]
    assert _bound(connection, maps) == ("MAP(STRING, INT64)[]", [{"a": 1}, {}, {"b": 300}])


def test_client_and_server_agree(connection: EngineConnection) -> None:
    """What the client makes of Python values comes back from the engine as the same values."""
    values: list[Any] = [
        date(2020, 1, 2),
        datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 (a local time)
        timedelta(days=-3, microseconds=7),
        UUID(_UUID),
        b"\x00\xff",
        Decimal("-12.50"),
        {"$type": "x", "value": [1]},
        [{"a": Decimal("0.10")}],
        {date(2020, 1, 2): Decimal(5)},
        math.inf,
        Typed("DATE[]", [date(2020, 1, 2)]).value,
    ]
    for value in values:
        assert _bound(connection, encode_parameters({"p": value})["p"])[1] == value


@pytest.mark.parametrize("value", [{"a": None}, {"a": {"b": []}}, [{"a": None}], _typed("MAP", {"a": None})])
def test_a_value_without_a_type_is_a_parameter_error(connection: EngineConnection, value: object) -> None:
    """Where the engine finds no type for a null or an empty list, the error asks for a CAST."""
    with pytest.raises(GraphApiError, match="CAST") as caught:
        _bound(connection, value)
    assert caught.value.code == "INVALID_PARAMETER"


@pytest.mark.parametrize("expression", ["CAST('{}' AS JSON)", "CAST('1' AS UINT128)", "map([NULL], [1])"])
def test_unreadable_results_say_what_to_do(connection: EngineConnection, expression: str) -> None:
    """Types that the engine cannot give away are refused with the cast that helps, and the cast does."""
    with connection.run(f"RETURN {expression} AS x") as result, pytest.raises(GraphApiError, match="CAST"):
        list(result.batches(10))
    with connection.run(f"RETURN CAST({expression} AS STRING) AS x") as result:
        assert result.row_count == 1
