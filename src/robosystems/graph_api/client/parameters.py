"""Python values as JSON parameters, with their types where JSON has none.

`encode_parameters` turns the parameters of a statement into what goes into the request: plain JSON where that means the
same, and `{"$type": "DATE", "value": "2020-01-02"}` for dates, decimals, UUIDs, bytes and the like. Nothing is rounded
or guessed: a value that cannot be sent exactly is refused, with the path to it.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from numbers import Integral, Rational, Real
from typing import Any, Final, cast
from uuid import UUID

from robosystems.graph_api.domain.errors import InvalidParameterError

TYPE_KEY: Final = "$type"
"""The key that makes an object a typed value."""

VALUE_KEY: Final = "value"
"""The key of the value beside it."""

MAX_DEPTH: Final = 32
"""Lists and mappings may lie so deep in one another, as on the server."""

MAX_DECIMAL_DIGITS: Final = 38
"""Digits of the longest decimal of the engine."""

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Typed:
    """A value that is sent with a type of your choice: `Typed("UINT64", 5)`, `Typed("INT64[]", [1, 2])`.

    Attributes:
        type: Name of the type, as the engine spells it, in any case.
        value: The value; in it, dates, decimals and the like are written without types of their own, which the type
            has already.
    """

    type: str
    value: object


def encode_parameters(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters as values that `json.dumps` writes and the server reads as what they were.

    | Python | sent as |
    |---|---|
    | `None`, `bool`, `str`, finite `float`, `int` of 64 bits, the like of numpy | itself |
    | larger `int` | `UINT64` or `INT128` |
    | NaN and infinities | `DOUBLE` |
    | `Decimal` | `DECIMAL(p, s)` with the digits it has |
    | `date`, `datetime` without and with a zone, `timedelta` | `DATE`, `TIMESTAMP`, `TIMESTAMP_TZ`, `INTERVAL` |
    | `UUID`; `bytes`, `bytearray`, `memoryview` | `UUID`; `BLOB` |
    | `list`, `tuple`, `set`, `frozenset` | list |
    | mapping with text as keys; with other keys | object; `MAP` |
    | `Typed` | its type |

    Args:
        parameters: A value for each name; it is not changed.

    Raises:
        InvalidParameterError: A value is of another type, or none of the engine's types holds it. The message says
            where it is.
    """
    return {name: _encode(value, name, 0) for name, value in parameters.items()}


def _encode(value: object, path: str, depth: int) -> object:
    if value is None or isinstance(value, str | bool):
        return value
    found = _typed(value, path)
    if found is not None:
        name, text = found
        return text if name is None else {TYPE_KEY: name, VALUE_KEY: text}
    if depth >= MAX_DEPTH:
        raise InvalidParameterError(f"Parameter {path}: values are nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Typed):
        return {TYPE_KEY: value.type, VALUE_KEY: _bare(value.value, path, depth + 1)}
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[object, object]", value), path, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return _items(cast("Iterable[object]", value), path, depth + 1, _encode)
    raise _unknown(value, path)


def _bare(value: object, path: str, depth: int) -> object:
    """Encode a value whose type is known from outside: no types in it."""
    if value is None or isinstance(value, str | bool):
        return value
    found = _typed(value, path)
    if found is not None:
        return found[1]
    if depth >= MAX_DEPTH:
        raise InvalidParameterError(f"Parameter {path}: values are nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        if all(isinstance(key, str) for key in entries):
            return {key: _bare(item, f"{path}.{key}", depth + 1) for key, item in entries.items()}
        return [
            [_bare(key, f"{path} (key)", depth + 1), _bare(item, f"{path}[{key!r}]", depth + 1)]
            for key, item in entries.items()
        ]
    if isinstance(value, list | tuple | set | frozenset):
        return _items(cast("Iterable[object]", value), path, depth + 1, _bare)
    raise _unknown(value, path)


def _items(
    values: Iterable[object], path: str, depth: int, encode: Callable[[object, str, int], object]
) -> list[object]:
    return [encode(value, f"{path}[{index}]", depth) for index, value in enumerate(values)]


def _mapping(value: Mapping[object, object], path: str, depth: int) -> object:
    if all(isinstance(key, str) for key in value):
        encoded: dict[str, object] = {str(key): _encode(item, f"{path}.{key}", depth) for key, item in value.items()}
        # An object with this key would be read as a typed value.
        return {TYPE_KEY: "STRUCT", VALUE_KEY: encoded} if TYPE_KEY in encoded else encoded
    pairs = [
        [_encode(key, f"{path} (key)", depth), _encode(item, f"{path}[{key!r}]", depth)] for key, item in value.items()
    ]
    return {TYPE_KEY: "MAP", VALUE_KEY: pairs}


def _typed(value: object, path: str) -> tuple[str | None, object] | None:
    """Return type and JSON value of what has no parts, without a type if JSON has one; None for all else."""
    if isinstance(value, Integral):
        return _integer(int(value), path)
    if isinstance(value, Real) and not isinstance(value, Rational):
        number = float(value)
        return (None, number) if isfinite(number) else ("DOUBLE", _special(number))
    for kind, encode in _ENCODERS:
        if isinstance(value, kind):
            return encode(value, path)
    return None


def _integer(value: int, path: str) -> tuple[str | None, int]:
    if -(2**63) <= value < 2**63:
        return None, value
    if 0 <= value < 2**64:
        return "UINT64", value
    if -(2**127) <= value < 2**127:
        return "INT128", value
    raise InvalidParameterError(f"Parameter {path}: an integer of {value.bit_length()} bits fits into no type.")


def _special(value: float) -> str:
    if value != value:  # noqa: PLR0124 (only NaN differs from itself)
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal, path: str) -> tuple[str, str]:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidParameterError(f"Parameter {path}: the decimal {value} is no number; send a float instead.")
    scale = max(0, -exponent)
    whole = len(digits) + exponent if any(digits) else 0
    precision = max(1, scale, scale + whole)
    if precision > MAX_DECIMAL_DIGITS:
        raise InvalidParameterError(
            f"Parameter {path}: the decimal needs {precision} digits; the engine's have at most {MAX_DECIMAL_DIGITS}."
        )
    plain = value if any(digits) else Decimal((0, (0,), -scale))
    return f"DECIMAL({precision}, {scale})", format(plain, "f")


def _moment(value: datetime, path: str) -> tuple[str, str]:
    if value.tzinfo is None or value.utcoffset() is None:
        return "TIMESTAMP", value.replace(tzinfo=None, fold=0).isoformat()
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise InvalidParameterError(f"Parameter {path}: in UTC, {value} lies outside the years 1 to 9999.") from None
    return "TIMESTAMP_TZ", moment.replace(tzinfo=None).isoformat() + "Z"


def _duration(value: timedelta, _path: str) -> tuple[str, str]:
    """Write a duration as ISO 8601, in days and seconds."""
    sign, left = ("-", -value) if value < timedelta(0) else ("", value)
    days, left = divmod(left, _DAY)
    seconds, left = divmod(left, _SECOND)
    micros = left // _MICROSECOND
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    time = f"T{seconds}{fraction}S" if seconds or micros or not days else ""
    return "INTERVAL", f"{sign}P{f'{days}D' if days else ''}{time}"


_ENCODERS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any, str], tuple[str | None, object]]], ...]] = (
    (Decimal, _decimal),
    (datetime, _moment),
    (date, lambda value, _: ("DATE", value.isoformat())),
    (timedelta, _duration),
    (UUID, lambda value, _: ("UUID", str(value))),
    ((bytes, bytearray, memoryview), lambda value, _: ("BLOB", base64.b64encode(value).decode())),
)
"""Types without parts for which JSON has none; `datetime` is a `date`, so it comes first."""


def _unknown(value: object, path: str) -> InvalidParameterError:
    kind = type(value)
    return InvalidParameterError(
        f"Parameter {path}: a value of type {kind.__module__}.{kind.__qualname__} cannot be sent. "
        "Send numbers, text, dates, times, UUIDs, bytes, lists or mappings of these, or wrap a value in Typed."
    )
