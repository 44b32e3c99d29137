"""JSON values of typed parameters that have no parts: exact, or refused with what to write instead.

The rules are those of a load (`worker.loading.scalars`), value by value, since a parameter is mostly a single one.
"""

import binascii
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias
from uuid import UUID

from robosystems.graph_api.backends.lbug.engine_values import MAX_DIGITS, EngineDecimal
from robosystems.graph_api.domain.schema import DecimalType, ScalarKind
from robosystems.graph_api.worker.durations import MAX_MICROSECONDS, microseconds_of

Converter: TypeAlias = Callable[[Any], object]
"""From a JSON value, not null, to one that the engine's binding takes."""

_SHOWN: Final = 80
_MAX_NUMBER: Final = 100
"""Characters that a number written as text may have: more than any type holds, and quick to read."""

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_RANGES: Final[dict[ScalarKind, tuple[int, int]]] = {
    **{ScalarKind(f"INT{bits}"): (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)},
    **{ScalarKind(f"UINT{bits}"): (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_DIGITS_AFTER_SECOND: Final = {ScalarKind.TIMESTAMP_SEC: 0, ScalarKind.TIMESTAMP_MS: 3}

_WHOLE: Final = re.compile(r"-?[0-9]+", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FAR_YEAR: Final = re.compile(r"([+-][0-9]{4,}|[0-9]{5,}|0000)-[0-9]{2}-[0-9]{2}([ T].*)?", re.ASCII | re.DOTALL)
_MOMENT: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"([ T](?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2})?)((?<=:[0-9]{2}:[0-9]{2})\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.ASCII,
)
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


class UnfitValueError(Exception):
    """A value that cannot be bound.

    Attributes:
        reason: What is wrong and what to do about it, a sentence.
        path: Where it is, below the parameter: `[3].born`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def inside(self, step: str) -> "UnfitValueError":
        """Return the same error as seen from one level higher."""
        self.path = step + self.path
        return self


NO_WAY_IN: Final[dict[str, str]] = {
    "SERIAL": "a SERIAL is numbered by the database; compare it with an INT64.",
    "JSON": "send JSON as plain text: the engine keeps it as text.",
    "UNION": "a UNION has no values of its own: send the value of the member, with its own $type if it needs one.",
    "UINT128": "the engine cannot return UINT128; use INT128 or DECIMAL(38, 0).",
    "NODE": "a node is no value: match it by its key, for example MATCH (n:Person {name: $name}).",
    "REL": "a relationship is no value: match it between its nodes.",
    "RECURSIVE_REL": "a path is no value: match it.",
    "INTERNAL_ID": "an internal id is not sent: match by the key, which lasts.",
}
"""Types whose values cannot be sent, and what to do instead."""


def scalar_converter(kind: ScalarKind) -> Converter:
    """Return what converts values of a type without parts; raises `UnfitValueError` if there is no way in."""
    if kind.value in NO_WAY_IN:
        raise UnfitValueError(NO_WAY_IN[kind.value])
    if kind in _RANGES:
        return lambda value: _integer(value, kind)
    if kind.value.startswith("TIMESTAMP"):
        return lambda value: _timestamp(value, kind)
    return _SIMPLE[kind]


def shown(value: object) -> str:
    """Return a value as an error shows it."""
    if isinstance(value, int) and value.bit_length() > 2 * _SHOWN:
        # Writing out a very long integer is slow, and refused above a limit.
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value[: 2 * _SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def unfit(value: object, name: str, rule: str) -> UnfitValueError:
    """Return the error for a value that a type does not have."""
    return UnfitValueError(f"{shown(value)} is not {name}: {rule}")


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise unfit(value, "BOOL", "write true or false.")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise unfit(value, "STRING", "write text.")
    return value


def _integer(value: Any, kind: ScalarKind) -> object:  # noqa: ANN401 (any JSON value)
    number = _whole(value)
    if number is None:
        raise unfit(value, kind.value, "write a whole number, or its digits as text.")
    least, most = _RANGES[kind]
    if not least <= number <= most:
        raise unfit(value, kind.value, "it is out of the range.")
    if _INT64_MIN <= number <= _INT64_MAX:
        return number
    # The binding has no integers of this size; the engine casts such a decimal without loss where it is used.
    if abs(number) >= 10**MAX_DIGITS:
        raise unfit(
            value, kind.value, "38 digits can be bound; send longer ones as text and write CAST($name AS INT128)."
        )
    return EngineDecimal(number, 20 if kind is ScalarKind.UINT64 else MAX_DIGITS, 0)


def _whole(value: Any) -> int | None:  # noqa: ANN401 (any JSON value)
    if isinstance(value, str):
        return int(value) if len(value) <= _MAX_NUMBER and _WHOLE.fullmatch(value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _double(value: Any) -> float:  # noqa: ANN401 (any JSON value)
    if isinstance(value, float):
        return value
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if isinstance(value, int) and not isinstance(value, bool):
        return exact_float(value)
    raise unfit(value, "DOUBLE", 'write a number, "NaN", "Infinity" or "-Infinity".')


def exact_float(value: int) -> float:
    """Return a whole number as a float; raises `UnfitValueError` if it would change."""
    try:
        number = float(value)
    except OverflowError:
        number = 0.0
    if number != value:
        raise unfit(value, "DOUBLE", "it would be rounded.")
    return number


def _float(value: Any) -> float:  # noqa: ANN401 (any JSON value)
    number = _double(value)
    try:
        (short,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        raise unfit(value, "FLOAT", "it is out of the range.") from None
    if isinstance(value, int) and short != value:
        raise unfit(value, "FLOAT", "it would be rounded.")
    return short


def _decimal_of(value: Any) -> Decimal:  # noqa: ANN401 (any JSON value)
    """Read a number exactly; a float counts as it prints."""
    if isinstance(value, str):
        if len(value) <= _MAX_NUMBER and _DECIMAL.fullmatch(value):
            try:
                return Decimal(value)
            except InvalidOperation:
                pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, int) and value.bit_length() > 2 * _SHOWN:
            raise unfit(value, "DECIMAL", f"it has at most {MAX_DIGITS} digits.")
        return Decimal(repr(value))
    raise unfit(value, "DECIMAL", 'write its digits as text, for example "1.50".')


def _figures(number: Decimal) -> tuple[int, int]:
    """Return how many digits a decimal needs before and after the point."""
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or not any(digits):
        return 0, 0
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    significant = len(digits) - zeros
    exponent += zeros
    return max(0, significant + exponent), max(0, -exponent)


def decimal_converter(column_type: DecimalType) -> Converter:
    """Return what reads numbers with the digits of a type."""
    precision, scale = column_type.precision, column_type.scale

    def convert(value: object) -> EngineDecimal:
        number = _decimal_of(value)
        before, after = _figures(number)
        if after > scale or before > precision - scale:
            room = f"it has {precision - scale} digits before and {scale} after the point."
            raise unfit(value, str(column_type), room)
        return EngineDecimal(number, precision, scale)

    return convert


def decimal_as_written(value: object) -> EngineDecimal:
    """Read a number with the digits that it has, trailing zeros included."""
    number = _decimal_of(value)
    before, after = _figures(number)
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and after < -exponent <= MAX_DIGITS - before:
        after = -exponent
    if before + after > MAX_DIGITS:
        raise unfit(value, "DECIMAL", f"it has at most {MAX_DIGITS} digits.")
    return EngineDecimal(number, max(1, before + after), after)


def _uuid(value: object) -> UUID:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise unfit(value, "UUID", "write 8-4-4-4-12 hexadecimal digits.")
    return UUID(value)


def _blob(value: object) -> bytes:
    if isinstance(value, str) and len(value) % 4 == 0:  # The decoder takes a surplus sign at the end.
        try:
            return binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
        except (UnicodeEncodeError, binascii.Error):
            pass
    raise unfit(value, "BLOB", "write base64.")


def _date(value: object) -> date:
    if isinstance(value, str):
        _check_year(value, "DATE")
        if _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise unfit(value, "DATE", "there is no such day.") from None
    raise unfit(value, "DATE", "write YYYY-MM-DD.")


def _check_year(text: str, name: str) -> None:
    if _FAR_YEAR.fullmatch(text):
        raise unfit(text, name, f"years 1 to 9999 can be bound; send others as text and write CAST($name AS {name}).")


def _timestamp(value: object, kind: ScalarKind) -> datetime:
    """Return a moment in UTC, without a zone: the binding takes no other."""
    name = kind.value
    found = _MOMENT.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_NUMBER else None
    if found is None:
        if isinstance(value, str):
            _check_year(value, name)
        raise unfit(value, name, "write YYYY-MM-DDThh:mm:ss, with a fraction and an offset if it has them.")
    day, time, fraction, zone = found.group("date", "time", "fraction", "zone")
    digits = _DIGITS_AFTER_SECOND.get(kind, 6)
    if fraction and fraction[digits:].strip("0"):
        rule = "the engine cuts off what is finer" if kind is ScalarKind.TIMESTAMP_NS else "it has no more"
        raise unfit(value, name, f"{digits} digits can follow the second; {rule}.")
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or '').upper()}")
        moment = moment.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6]))
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise unfit(value, name, "in UTC it lies outside the years 1 to 9999.") from None
    except ValueError:
        _check_year(day, name)
        raise unfit(value, name, "there is no such time.") from None


def _interval(value: object) -> timedelta:
    micros = microseconds_of(value) if isinstance(value, str) else None
    if micros is None:
        raise unfit(
            value,
            "INTERVAL",
            "write ISO 8601 in weeks, days, hours, minutes and seconds, for example P3DT4H5.5S; "
            "for months and years send text such as 2 months and write CAST($name AS INTERVAL).",
        )
    if abs(micros) > MAX_MICROSECONDS:
        raise unfit(value, "INTERVAL", "it has at most 106751991 days.")
    return timedelta(microseconds=micros)


_SIMPLE: Final[dict[ScalarKind, Converter]] = {
    ScalarKind.BOOL: _bool,
    ScalarKind.STRING: _string,
    ScalarKind.DOUBLE: _double,
    ScalarKind.FLOAT: _float,
    ScalarKind.UUID: _uuid,
    ScalarKind.BLOB: _blob,
    ScalarKind.DATE: _date,
    ScalarKind.INTERVAL: _interval,
}
