"""JSON values of a load: what an answer looks like in JSON can be loaded again, and nothing is rounded on the way."""

import json
import math
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from robosystems.graph_api.domain.schema import parse_type
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.json_values import decode_texts
from robosystems.graph_api.worker.loading.scalars import ConversionError


def _loaded(column_type: str, value: object) -> Any:
    kind = parse_type(column_type)
    return to_transport(decode_texts([json.dumps(value), None], kind), kind).to_pylist()[0]


@pytest.mark.parametrize(
    ("column_type", "value", "expected"),
    [
        ("DOUBLE", "Infinity", math.inf),
        ("FLOAT", "-Infinity", -math.inf),
        ("DOUBLE", 2**60, float(2**60)),
        ("DOUBLE[]", [1, 0.5, None, "Infinity"], [1.0, 0.5, None, math.inf]),
        ("INTERVAL", "P3DT2.5S", "259202500000us"),
        ("INTERVAL", "PT0S", "0us"),
        ("INTERVAL", "3 days 2 hours", "3 days 2 hours"),
        ("MAP(INT64, STRING)", {"1": "a"}, [(1, "a")]),
        ("MAP(INT64, STRING)", [[1, "a"], [2, None]], [(1, "a"), (2, None)]),
        ("MAP(DOUBLE, INT64)", [[0.5, 1]], [(0.5, 1)]),
        ("MAP(STRING, DOUBLE)", {"a": "Infinity"}, [("a", math.inf)]),
        ("TIMESTAMP_NS", "2020-01-02T03:04:05.123456000", "2020-01-02 03:04:05.123456"),
        ("TIMESTAMP_MS", "2020-01-02T03:04:05.123000", datetime(2020, 1, 2, 3, 4, 5, 123000)),  # noqa: DTZ001
        ("TIMESTAMP_TZ", "2020-01-02T03:04:05.100000000+01:00", datetime(2020, 1, 2, 2, 4, 5, 100000)),  # noqa: DTZ001
    ],
)
def test_the_look_in_answers_can_be_loaded(column_type: str, value: object, expected: object) -> None:
    """Special floats, ISO durations, pairs of maps and nine digits of a second are read as they are written."""
    assert _loaded(column_type, value) == expected


def test_not_a_number_is_loaded() -> None:
    """NaN compares with nothing, so it has a test of its own."""
    assert math.isnan(_loaded("DOUBLE", "NaN"))


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("DOUBLE", 2**53 + 1),
        ("DOUBLE", "nan"),
        ("DOUBLE", 10**400),
        ("INTERVAL", "P1M"),
        ("INTERVAL", "-P1D"),
        ("INTERVAL", "P"),
        ("MAP(INT64, STRING)", [[1, "a", 2]]),
        ("MAP(INT64, STRING)", [["1", "a"]]),
        ("TIMESTAMP_NS", "2020-01-02T03:04:05.123456789"),
        ("TIMESTAMP", "2020-01-02T03:04:05.1234567"),
        ("TIMESTAMP_MS", "2020-01-02T03:04:05.123400"),
        ("TIMESTAMP_SEC", "2020-01-02T03:04:05.1"),
    ],
)
def test_what_would_change_is_refused(column_type: str, value: object) -> None:
    """Nothing is rounded, cut off or guessed."""
    with pytest.raises(ConversionError):
        _loaded(column_type, value)


def test_nanoseconds_of_arrow_are_refused_with_the_reason() -> None:
    """The engine cuts them off without a word."""
    kind = parse_type("TIMESTAMP_NS")
    whole = to_transport(pa.array([1_000, None], pa.timestamp("ns")), kind).to_pylist()
    assert whole == ["1970-01-01 00:00:00.000001", None]
    with pytest.raises(ConversionError, match="cut off"):
        to_transport(pa.array([1], pa.timestamp("ns")), kind)
