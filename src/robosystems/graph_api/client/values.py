"""JSON values of an answer back to Python values, by the types that the answer names.

What a Python type cannot hold stays text: dates before the year 1 or after 9999, timestamps with nanoseconds. Nodes,
relationships and unions don't name the types of their parts; those stay as JSON has them.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from robosystems.graph_api.domain.schema.spelling import parse_catalog_type
from robosystems.graph_api.domain.schema.types import (
    ArrayType,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    ScalarKind,
    ScalarType,
    StructType,
)

Converter: TypeAlias = Callable[[Any], Any]
"""From a JSON value other than null to a Python value."""

_DURATION: Final = re.compile(r"(-)?P(?:(-?\d+)D)?(?:T(-?[\d.]+)S)?")
_MICRO_DIGITS: Final = 6
_NANOSECONDS: Final = re.compile(r"\.\d{6}(\d*[1-9]\d*)")


def converted_rows(
    columns: Sequence[str], types: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return rows with Python values of the columns' types."""
    converters = {name: found for name, kind in zip(columns, types, strict=True) if (found := converter_of(kind))}
    if not converters:
        return [dict(row) for row in rows]
    return [
        {
            name: converters[name](value) if value is not None and name in converters else value
            for name, value in row.items()
        }
        for row in rows
    ]


@lru_cache(maxsize=256)
def converter_of(spelling: str) -> Converter | None:
    """Return what converts values of an engine type; None if they are right as JSON has them."""
    return _converter(parse_catalog_type(spelling))


def _converter(kind: ColumnType) -> Converter | None:
    match kind:
        case ScalarType(scalar):
            return _SCALARS.get(scalar)
        case DecimalType():
            return Decimal
        case ListType(element) | ArrayType(element):
            inner = _converter(element)
            return None if inner is None else lambda values: [None if each is None else inner(each) for each in values]
        case StructType(fields):
            parts = {field.name: found for field in fields if (found := _converter(field.type))}
            return (lambda value: _struct(value, parts)) if parts else None
        case MapType(key, value):
            return _map_converter(_converter(key), _converter(value))
        case _:
            return None


def _struct(value: dict[str, Any], parts: Mapping[str, Converter]) -> dict[str, Any]:
    return {name: parts[name](part) if part is not None and name in parts else part for name, part in value.items()}


def _map_converter(key: Converter | None, value: Converter | None) -> Converter:
    """Return what makes a dict of a map: an object if its keys are strings, else a list of pairs."""

    def convert(entries: dict[str, Any] | list[list[Any]]) -> dict[Any, Any]:
        pairs: Any = entries.items() if isinstance(entries, dict) else entries
        return {
            (key(name) if key is not None else name): (value(each) if value is not None and each is not None else each)
            for name, each in pairs
        }

    return convert


def _date(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _moment(text: str) -> datetime | str:
    if _NANOSECONDS.search(text):
        return text
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _duration(text: str) -> timedelta | str:
    found = _DURATION.fullmatch(text)
    if found is None:
        return text
    sign = -1 if found[1] else 1
    seconds = Decimal(found[3] or 0)
    try:
        return sign * (timedelta(days=int(found[2] or 0)) + timedelta(microseconds=int(seconds.scaleb(_MICRO_DIGITS))))
    except OverflowError:
        return text


_SCALARS: Final[Mapping[ScalarKind, Converter]] = {
    ScalarKind.DATE: _date,
    ScalarKind.TIMESTAMP: _moment,
    ScalarKind.TIMESTAMP_SEC: _moment,
    ScalarKind.TIMESTAMP_MS: _moment,
    ScalarKind.TIMESTAMP_NS: _moment,
    ScalarKind.TIMESTAMP_TZ: _moment,
    ScalarKind.INTERVAL: _duration,
    ScalarKind.UUID: UUID,
    ScalarKind.BLOB: base64.b64decode,
    ScalarKind.FLOAT: float,
    ScalarKind.DOUBLE: float,
}
