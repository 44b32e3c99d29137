"""Which default value fits which column type."""

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema.model import DefaultFunction, DefaultValue
from robosystems.graph_api.domain.schema.types import ColumnType, DecimalType, ScalarKind, ScalarType

MAX_DEFAULT_LENGTH: Final = 4_000
"""Characters of a text default."""

INTEGER_RANGES: Final = {
    kind: (0, 2**bits - 1) if kind.value.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for kind, bits in (
        (ScalarKind.INT8, 8),
        (ScalarKind.INT16, 16),
        (ScalarKind.INT32, 32),
        (ScalarKind.INT64, 64),
        (ScalarKind.INT128, 128),
        (ScalarKind.UINT8, 8),
        (ScalarKind.UINT16, 16),
        (ScalarKind.UINT32, 32),
        (ScalarKind.UINT64, 64),
    )
}
"""Smallest and largest value of each integer type."""

_LARGEST_FLOAT: Final = 3.4028234663852886e38
"""Largest finite value of FLOAT."""

_LONG_INTEGER_BITS: Final = 160
"""Integers longer than this are not printed: no type holds them, and printing huge ones is slow."""

_DIGITS: Final = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")

_TIMESTAMPS: Final = frozenset(
    {ScalarKind.TIMESTAMP, ScalarKind.TIMESTAMP_SEC, ScalarKind.TIMESTAMP_MS, ScalarKind.TIMESTAMP_NS}
)

_FUNCTION_TYPES: Final = {
    DefaultFunction.CURRENT_DATE: ScalarKind.DATE,
    DefaultFunction.CURRENT_TIMESTAMP: ScalarKind.TIMESTAMP,
    DefaultFunction.RANDOM_UUID: ScalarKind.UUID,
}


def check_default(column_type: ColumnType, value: object) -> DefaultValue:
    """Return the canonical form of a default value for a column of this type.

    Raises:
        InvalidSchemaError: The value does not fit the type, or the type takes no default.
    """
    if isinstance(value, DefaultFunction):
        wanted = _FUNCTION_TYPES[value]
        if column_type != ScalarType(wanted):
            raise InvalidSchemaError(
                f"the function {value.value} gives a {wanted.value}, but the column is {column_type}."
            )
        return value
    match column_type:
        case DecimalType():
            return _decimal(column_type, value)
        case ScalarType(kind):
            return _scalar(kind, value)
        case _:
            raise InvalidSchemaError(f"a column of type {column_type} takes no default.")


def _scalar(kind: ScalarKind, value: object) -> DefaultValue:  # noqa: PLR0911 - one return per family of types
    if kind in INTEGER_RANGES:
        return _integer(kind, value)
    if kind is ScalarKind.BOOL:
        if isinstance(value, bool):
            return value
        raise _misfit(kind, value, "true or false")
    if kind in {ScalarKind.FLOAT, ScalarKind.DOUBLE}:
        return _float(kind, value)
    if kind in {ScalarKind.STRING, ScalarKind.JSON}:
        return _text(kind, value)
    if kind is ScalarKind.DATE:
        return _date(value)
    if kind in _TIMESTAMPS:
        return _timestamp(kind, value, zone=False)
    if kind is ScalarKind.TIMESTAMP_TZ:
        return _timestamp(kind, value, zone=True)
    if kind is ScalarKind.UUID:
        return _uuid(value)
    raise InvalidSchemaError(f"a column of type {kind.value} takes no default.")


def _integer(kind: ScalarKind, value: object) -> int:
    low, high = INTEGER_RANGES[kind]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _misfit(kind, value, f"a whole number from {low} to {high}")
    return value


def _float(kind: ScalarKind, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _misfit(kind, value, "a number")
    try:
        number = float(value)
    except OverflowError:
        raise _misfit(kind, value, "a number") from None
    if not math.isfinite(number) or (kind is ScalarKind.FLOAT and abs(number) > _LARGEST_FLOAT):
        raise _misfit(kind, value, "a number in its range")
    return number


def _decimal(column_type: DecimalType, value: object) -> str:
    wanted = f'digits in quotes, for example "12.50", with at most {column_type.scale} after the point'
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _LONG_INTEGER_BITS:
        value = str(value)
    if not isinstance(value, str) or _DIGITS.fullmatch(value) is None:
        raise _misfit(column_type, value, wanted)
    number = Decimal(value)
    _, digits, exponent = number.as_tuple()
    fraction = -int(exponent)
    whole = len(digits) - fraction
    if fraction > column_type.scale or (number and whole > column_type.precision - column_type.scale):
        raise _misfit(column_type, value, wanted)
    return f"{number:.{column_type.scale}f}"


def _text(kind: ScalarKind, value: object) -> str:
    if not isinstance(value, str):
        raise _misfit(kind, value, "a text")
    if len(value) > MAX_DEFAULT_LENGTH:
        raise InvalidSchemaError(f"the default has {len(value)} characters; at most {MAX_DEFAULT_LENGTH} are allowed.")
    if "\0" in value or not _is_unicode(value):
        raise InvalidSchemaError("the default holds a null character or half a surrogate pair.")
    return value


def _date(value: object) -> str:
    wanted = 'a date such as "2024-12-31"'
    if not isinstance(value, str):
        raise _misfit(ScalarKind.DATE, value, wanted)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise _misfit(ScalarKind.DATE, value, wanted) from None


def _timestamp(kind: ScalarKind, value: object, *, zone: bool) -> str:
    wanted = 'a time such as "2024-12-31 18:00:00' + ('+00:00"' if zone else '", without an offset')
    if not isinstance(value, str):
        raise _misfit(kind, value, wanted)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _misfit(kind, value, wanted) from None
    if (moment.tzinfo is not None) is not zone:
        raise _misfit(kind, value, wanted)
    return moment.isoformat(sep=" ")


def _uuid(value: object) -> str:
    wanted = 'a UUID such as "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'
    if not isinstance(value, str):
        raise _misfit(ScalarKind.UUID, value, wanted)
    try:
        return str(UUID(value))
    except ValueError:
        raise _misfit(ScalarKind.UUID, value, wanted) from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _misfit(column_type: ScalarKind | DecimalType, value: object, wanted: str) -> InvalidSchemaError:
    printable = isinstance(value, str | float) or (isinstance(value, int) and value.bit_length() < _LONG_INTEGER_BITS)
    shown = repr(value)[:80] if printable else f"this {type(value).__name__}"
    return InvalidSchemaError(f"the default of a {column_type} column cannot be {shown}: give {wanted}.")
