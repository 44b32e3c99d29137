"""Column types and their values, generated; and what a value looks like in each place where it can be seen.

A value is a Python value that can be compared exactly: `int`, `bool`, `str`, `bytes`, `Decimal`, `date`, `datetime` in
UTC without a zone, `timedelta`, `UUID`, a list, a dictionary for a STRUCT, a list of pairs for a MAP; a float is the
text that Python prints for it, so that NaN equals NaN and zero does not equal minus zero.
"""

import base64
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
from hypothesis import strategies as st

from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    ScalarKind,
    ScalarType,
    StructType,
)

_MICROSECOND: Final = dt.timedelta(microseconds=1)
_FIRST_DAY, _LAST_DAY = dt.date(1, 1, 1), dt.date(9999, 12, 31)
_FIRST, _LAST = dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)  # noqa: DTZ001 (moments of the engine have no zone)
_NS_FIRST, _NS_LAST = dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)  # noqa: DTZ001
_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

_BITS: Final = {ScalarKind(f"INT{bits}"): bits for bits in (8, 16, 32, 64)}
_UNSIGNED_BITS: Final = {ScalarKind(f"UINT{bits}"): bits for bits in (8, 16, 32, 64)}
_ARROW: Final[dict[ScalarKind, pa.DataType]] = {
    **{kind: getattr(pa, kind.value.lower())() for kind in (*_BITS, *_UNSIGNED_BITS)},
    ScalarKind.INT128: pa.decimal128(38, 0),
    ScalarKind.BOOL: pa.bool_(),
    ScalarKind.FLOAT: pa.float32(),
    ScalarKind.DOUBLE: pa.float64(),
    ScalarKind.STRING: pa.string(),
    ScalarKind.BLOB: pa.binary(),
    ScalarKind.DATE: pa.date32(),
    ScalarKind.TIMESTAMP: pa.timestamp("us"),
    ScalarKind.TIMESTAMP_TZ: pa.timestamp("us", "UTC"),
    ScalarKind.TIMESTAMP_NS: pa.timestamp("ns"),
    ScalarKind.TIMESTAMP_MS: pa.timestamp("ms"),
    ScalarKind.TIMESTAMP_SEC: pa.timestamp("s"),
    ScalarKind.INTERVAL: pa.duration("us"),
    ScalarKind.UUID: pa.binary(16),
}
_KEYS: Final = [kind for kind in _ARROW if kind not in {ScalarKind.FLOAT, ScalarKind.DOUBLE}]


def _decimal_types() -> st.SearchStrategy[ColumnType]:
    return st.integers(1, 38).flatmap(
        lambda precision: st.integers(0, precision).map(lambda scale: DecimalType(precision, scale))
    )


def _nested(parts: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    names = st.lists(st.sampled_from(["a", "b", "Key", "_id", "value"]), min_size=1, max_size=3, unique=True)
    structs = names.flatmap(
        lambda chosen: st.tuples(*(parts for _ in chosen)).map(
            lambda kinds: StructType(tuple(Field(name, kind) for name, kind in zip(chosen, kinds, strict=True)))
        )
    )
    keys = st.sampled_from(_KEYS).map(ScalarType)
    return st.one_of(
        parts.map(ListType),
        st.tuples(parts, st.integers(1, 3)).map(lambda pair: ArrayType(*pair)),
        structs,
        st.tuples(keys, parts).map(lambda pair: MapType(*pair)),
    )


SCALARS: Final = st.sampled_from([*_ARROW]).map(ScalarType) | _decimal_types()
"""Types without parts."""

TYPES: Final = st.one_of(SCALARS, _nested(SCALARS), _nested(_nested(SCALARS)))
"""Types with up to two levels around their scalars."""


def values_of(kind: ColumnType) -> st.SearchStrategy[Any]:
    """Generate values of a type; null only inside."""
    match kind:
        case ScalarType(scalar):
            return _scalars(scalar)
        case DecimalType(precision, scale):
            most = 10**precision - 1
            return st.integers(-most, most).map(lambda digits: Decimal(f"{digits}e-{scale}"))
        case ListType(element):
            return st.lists(_optional(element), max_size=3)
        case ArrayType(element, length):
            return st.lists(_optional(element), min_size=length, max_size=length)
        case StructType(fields):
            return st.fixed_dictionaries({field.name: _optional(field.type) for field in fields})
        case MapType(key, value):
            pairs = st.tuples(values_of(key), _optional(value))
            return st.lists(pairs, max_size=3, unique_by=lambda pair: pair[0])
        case _:
            raise AssertionError(kind)


def _optional(kind: ColumnType) -> st.SearchStrategy[Any]:
    return st.none() | values_of(kind)


def _scalars(kind: ScalarKind) -> st.SearchStrategy[Any]:
    if kind in _BITS:
        return st.integers(-(2 ** (_BITS[kind] - 1)), 2 ** (_BITS[kind] - 1) - 1)
    if kind in _UNSIGNED_BITS:
        return st.integers(0, 2 ** _UNSIGNED_BITS[kind] - 1)
    return _OTHERS[kind]


def _rounded(step: dt.timedelta) -> Callable[[dt.datetime], dt.datetime]:
    return lambda moment: moment - (moment - _FIRST) % step


_MOMENTS: Final = st.datetimes(_FIRST, _LAST)
_OTHERS: Final[dict[ScalarKind, st.SearchStrategy[Any]]] = {
    ScalarKind.INT128: st.integers(-(10**38) + 1, 10**38 - 1),
    ScalarKind.BOOL: st.booleans(),
    ScalarKind.FLOAT: st.floats(width=32).map(repr),
    ScalarKind.DOUBLE: st.floats().map(repr),
    ScalarKind.STRING: _TEXT,
    ScalarKind.BLOB: st.binary(max_size=8),
    ScalarKind.DATE: st.dates(_FIRST_DAY, _LAST_DAY),
    ScalarKind.TIMESTAMP: _MOMENTS,
    ScalarKind.TIMESTAMP_TZ: _MOMENTS,
    ScalarKind.TIMESTAMP_NS: st.datetimes(_NS_FIRST, _NS_LAST),
    ScalarKind.TIMESTAMP_MS: _MOMENTS.map(_rounded(dt.timedelta(milliseconds=1))),
    ScalarKind.TIMESTAMP_SEC: _MOMENTS.map(_rounded(dt.timedelta(seconds=1))),
    ScalarKind.INTERVAL: st.timedeltas(dt.timedelta(days=-100_000_000), dt.timedelta(days=100_000_000)),
    ScalarKind.UUID: st.uuids(),
}


# ---------------------------------------------------------------------------------------------------------------------
# Values on their way in
# ---------------------------------------------------------------------------------------------------------------------


def to_json(kind: ColumnType, value: Any) -> Any:
    """Write a value as JSON, as `docs/types.md` says."""
    if value is None:
        return None
    match kind:
        case ListType(element) | ArrayType(element):
            return [to_json(element, each) for each in value]
        case StructType(fields):
            return {field.name: to_json(field.type, value[field.name]) for field in fields}
        case MapType(key, item):
            pairs = [[to_json(key, name), to_json(item, each)] for name, each in value]
            return {name: each for name, each in pairs} if key == ScalarType(ScalarKind.STRING) else pairs  # noqa: C416
        case DecimalType():
            return format(value, "f")
        case ScalarType(scalar):
            return _scalar_to_json(scalar, value)
        case _:
            raise AssertionError(kind)


def _scalar_to_json(kind: ScalarKind, value: Any) -> Any:
    if kind in _FLOATS:
        return _SPECIAL.get(value) or float(value)
    zone = "Z" if kind is ScalarKind.TIMESTAMP_TZ else ""
    texts: dict[type, Callable[[Any], str]] = {
        bytes: lambda data: base64.b64encode(data).decode(),
        dt.datetime: lambda moment: moment.isoformat() + zone,
        dt.date: dt.date.isoformat,
        dt.timedelta: _iso_duration,
        UUID: str,
    }
    text = texts.get(type(value))
    return value if text is None else text(value)


def _iso_duration(length: dt.timedelta) -> str:
    micros = length // _MICROSECOND
    return f"{'-' if micros < 0 else ''}PT{abs(micros) // 10**6}.{abs(micros) % 10**6:06}S"


_FLOATS: Final = (ScalarKind.FLOAT, ScalarKind.DOUBLE)
_SPECIAL: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def arrow_type(kind: ColumnType) -> pa.DataType:
    """Return the Arrow type that a file with such values has."""
    match kind:
        case ScalarType(scalar):
            return _ARROW[scalar]
        case DecimalType(precision, scale):
            return pa.decimal128(precision, scale)
        case ListType(element):
            return pa.list_(arrow_type(element))
        case ArrayType(element, length):
            return pa.list_(arrow_type(element), length)
        case StructType(fields):
            return pa.struct([(field.name, arrow_type(field.type)) for field in fields])
        case MapType(key, value):
            return pa.map_(arrow_type(key), arrow_type(value))
        case _:
            raise AssertionError(kind)


def to_arrow(kind: ColumnType, value: Any) -> Any:
    """Return a value in the form in which pyarrow takes it for `arrow_type`."""
    if value is None:
        return None
    match kind:
        case ListType(element) | ArrayType(element):
            return [to_arrow(element, each) for each in value]
        case StructType(fields):
            return {field.name: to_arrow(field.type, value[field.name]) for field in fields}
        case MapType(key, item):
            return [(to_arrow(key, name), to_arrow(item, each)) for name, each in value]
        case ScalarType(scalar) if scalar in _INTO_ARROW:
            return _INTO_ARROW[scalar](value)
        case _:
            return value


_INTO_ARROW: Final[dict[ScalarKind, Callable[[Any], Any]]] = {
    ScalarKind.FLOAT: float,
    ScalarKind.DOUBLE: float,
    ScalarKind.UUID: lambda value: value.bytes,
    ScalarKind.INT128: Decimal,
    ScalarKind.TIMESTAMP_TZ: lambda value: value.replace(tzinfo=dt.UTC),
}


# ---------------------------------------------------------------------------------------------------------------------
# Values on their way out
# ---------------------------------------------------------------------------------------------------------------------


def from_json(kind: ColumnType, value: Any) -> Any:
    """Read a value from an answer in JSON."""
    if value is None:
        return None
    match kind:
        case ListType(element) | ArrayType(element):
            return [from_json(element, each) for each in value]
        case StructType(fields):
            assert [*value] == [field.name for field in fields]
            return {field.name: from_json(field.type, value[field.name]) for field in fields}
        case MapType(key, item):
            pairs = value.items() if isinstance(value, dict) else value
            assert isinstance(value, dict) == (key == ScalarType(ScalarKind.STRING))
            return [(from_json(key, name), from_json(item, each)) for name, each in pairs]
        case DecimalType(_, scale):
            assert isinstance(value, str if scale else int)
            return Decimal(value)
        case ScalarType(scalar):
            return _scalar_from_json(scalar, value)
        case _:
            raise AssertionError(kind)


def _scalar_from_json(kind: ScalarKind, value: Any) -> Any:
    if kind in _FROM_JSON:
        return _FROM_JSON[kind](value)
    if kind.value.startswith("TIMESTAMP"):
        return dt.datetime.fromisoformat(value)
    assert type(value) is {ScalarKind.BOOL: bool, ScalarKind.STRING: str}.get(kind, int)
    return value


def _float(value: Any) -> str:
    assert value in _SPECIAL.values() or type(value) is float
    return repr(float(value))


def _duration(text: str) -> dt.timedelta:
    sign, _, rest = text.partition("P")
    days, _, seconds = rest.partition("T")
    whole, _, fraction = seconds.rstrip("S").partition(".")
    length = dt.timedelta(int(days.rstrip("D") or 0), int(whole or 0), int(fraction.ljust(6, "0")))
    return -length if sign else length


_FROM_JSON: Final[dict[ScalarKind, Callable[[Any], Any]]] = {
    ScalarKind.FLOAT: _float,
    ScalarKind.DOUBLE: _float,
    ScalarKind.BLOB: lambda value: base64.b64decode(value, validate=True),
    ScalarKind.DATE: dt.date.fromisoformat,
    ScalarKind.TIMESTAMP_TZ: lambda value: dt.datetime.fromisoformat(value).replace(tzinfo=None),
    ScalarKind.INTERVAL: _duration,
    ScalarKind.UUID: UUID,
}


def from_arrow(kind: ColumnType, value: Any) -> Any:
    """Read a value from an answer in Arrow or Parquet, as pyarrow makes it a Python value."""
    if value is None:
        return None
    match kind:
        case ListType(element) | ArrayType(element):
            return [from_arrow(element, each) for each in value]
        case StructType(fields):
            return {field.name: from_arrow(field.type, value[field.name]) for field in fields}
        case MapType(key, item):
            return [(from_arrow(key, name), from_arrow(item, each)) for name, each in value]
        case ScalarType(scalar) if scalar in _FROM_ARROW:
            return _FROM_ARROW[scalar](value)
        case _:
            return value


def _without_zone(value: dt.datetime) -> dt.datetime:
    assert value.utcoffset() == dt.timedelta(0)
    return value.replace(tzinfo=None)


_FROM_ARROW: Final[dict[ScalarKind, Callable[[Any], Any]]] = {
    ScalarKind.FLOAT: repr,
    ScalarKind.DOUBLE: repr,
    ScalarKind.UUID: lambda value: value if isinstance(value, UUID) else UUID(bytes=value),
    ScalarKind.INT128: int,
    ScalarKind.TIMESTAMP_TZ: _without_zone,
    ScalarKind.TIMESTAMP_NS: lambda value: dt.datetime.fromisoformat(value.isoformat()),
}


def from_csv(kind: ColumnType, text: str | None, decode: Callable[[str], Any]) -> Any:
    """Read a field of an answer in CSV: values with parts are JSON, others what JSON has without its quotes."""
    if text is None:
        return None
    match kind:
        case ScalarType(scalar):
            return _from_csv(scalar)(text)
        case DecimalType():
            return Decimal(text)
        case _:
            return from_json(kind, decode(text))


def _from_csv(kind: ScalarKind) -> Callable[[str], Any]:
    simple: dict[ScalarKind, Callable[[str], Any]] = {
        ScalarKind.STRING: str,
        ScalarKind.BOOL: {"true": True, "false": False}.__getitem__,
        ScalarKind.FLOAT: lambda text: repr(float(text)),
        ScalarKind.DOUBLE: lambda text: repr(float(text)),
    }
    if "INT" in kind.value and kind is not ScalarKind.INTERVAL:
        return int
    return simple.get(kind) or (lambda text: _scalar_from_json(kind, text))
