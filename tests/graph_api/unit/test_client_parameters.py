"""Python values that the clients send as parameters: typed where JSON has no type, exact or refused."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from robosystems.graph_api.client.parameters import MAX_DEPTH, Typed, encode_parameters
from robosystems.graph_api.domain.errors import InvalidParameterError

_UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def _typed(name: str, value: object) -> dict[str, object]:
    return {"$type": name, "value": value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("x\0\U0001f600", "x\0\U0001f600"),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (1.5, 1.5),
        (-0.0, -0.0),
        (2**63, _typed("UINT64", 2**63)),
        (2**64, _typed("INT128", 2**64)),
        (-(2**63) - 1, _typed("INT128", -(2**63) - 1)),
        (math.nan, _typed("DOUBLE", "NaN")),
        (-math.inf, _typed("DOUBLE", "-Infinity")),
        (Decimal("-1.50"), _typed("DECIMAL(3, 2)", "-1.50")),
        (Decimal("0.001"), _typed("DECIMAL(3, 3)", "0.001")),
        (Decimal("1E+3"), _typed("DECIMAL(4, 0)", "1000")),
        (Decimal("1E-7"), _typed("DECIMAL(7, 7)", "0.0000001")),
        (Decimal("-0.00"), _typed("DECIMAL(2, 2)", "0.00")),
        (Decimal("0E+999999"), _typed("DECIMAL(1, 0)", "0")),
        (Decimal("9" * 38), _typed("DECIMAL(38, 0)", "9" * 38)),
        (date(1, 1, 1), _typed("DATE", "0001-01-01")),
        (datetime(2020, 1, 2, 3, 4, 5), _typed("TIMESTAMP", "2020-01-02T03:04:05")),  # noqa: DTZ001 (without a zone)
        (datetime(2020, 1, 2, 3, 4, 5, 6, UTC), _typed("TIMESTAMP_TZ", "2020-01-02T03:04:05.000006Z")),
        (
            datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            _typed("TIMESTAMP_TZ", "2019-12-31T23:00:00Z"),
        ),
        (timedelta(0), _typed("INTERVAL", "PT0S")),
        (timedelta(days=3, hours=1), _typed("INTERVAL", "P3DT3600S")),
        (timedelta(microseconds=-1_500_000), _typed("INTERVAL", "-PT1.5S")),
        (UUID(_UUID), _typed("UUID", _UUID)),
        (b"\x00\xff", _typed("BLOB", "AP8=")),
        (memoryview(bytearray(b"ab")), _typed("BLOB", "YWI=")),
        ([1, (date(2020, 1, 2),)], [1, [_typed("DATE", "2020-01-02")]]),
        ({1}, [1]),
        ({"a": {"b": b""}}, {"a": {"b": _typed("BLOB", "")}}),
        ({"$type": "date", "value": "x"}, _typed("STRUCT", {"$type": "date", "value": "x"})),
        ({1: date(2020, 1, 2)}, _typed("MAP", [[1, _typed("DATE", "2020-01-02")]])),
        (Typed("uint8", 5), _typed("uint8", 5)),
        (Typed("DATE[]", [date(2020, 1, 2), None]), _typed("DATE[]", ["2020-01-02", None])),
        (
            Typed("STRUCT(a DECIMAL(9, 1), b MAP(DATE, BLOB))", {"a": Decimal("1.5"), "b": {date(1, 1, 1): b"a"}}),
            _typed("STRUCT(a DECIMAL(9, 1), b MAP(DATE, BLOB))", {"a": "1.5", "b": [["0001-01-01", "YQ=="]]}),
        ),
    ],
)
def test_value_is_sent_as_what_it_is(value: object, expected: object) -> None:
    """Each Python type has one JSON form, and `json.dumps` writes it."""
    encoded = encode_parameters({"p": value})
    assert encoded == {"p": expected}
    assert json.loads(json.dumps(encoded, allow_nan=False)) == encoded


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), r"Parameter p: .*builtins\.object"),
        ([1, {"a": time(1, 2)}], r"Parameter p\[1\]\.a: .*datetime\.time"),
        (Fraction(1, 3), "Fraction"),
        (1j, "complex"),
        ({"a": {1: {2: range(3)}}}, r"p\.a\[1\]\[2\]: .*range"),
        (2**127, "128 bits"),
        (Decimal("NaN"), "no number"),
        (Decimal("1e999999"), "1000000 digits"),
        (Decimal("1e-39"), "39 digits"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "years 1 to 9999"),
        (Typed("DATE", [object()]), r"p\[0\]: .*object"),
    ],
)
def test_value_that_cannot_be_sent_exactly_is_refused(value: object, reason: str) -> None:
    """The error names the place of the value and what is wrong with it."""
    with pytest.raises(InvalidParameterError, match=reason):
        encode_parameters({"p": value})


@pytest.mark.parametrize(
    "wrap",
    [lambda value: [value], lambda value: {"a": value}, lambda value: {1: value}],
    ids=["list", "object", "map"],
)
def test_depth_is_bounded(wrap: Any) -> None:
    """A value that contains itself, or is nested deeper than the server takes, is refused."""
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    encode_parameters({"p": value})
    for each in (wrap(value), Typed("INT64[]", value)):
        with pytest.raises(InvalidParameterError, match="deeper"):
            encode_parameters({"p": each})
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(InvalidParameterError, match="deeper"):
        encode_parameters({"p": endless})


def test_the_given_values_stay_as_they_are() -> None:
    """Encoding makes new values and leaves the caller's alone."""
    rows = [{"a": date(2020, 1, 2)}]
    encode_parameters({"rows": rows})
    assert rows == [{"a": date(2020, 1, 2)}]
