"""Rows of an answer as Arrow: columns of the types that the answer names."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from robosystems.graph_api.client.libraries import ArrowTable, Library, library
from robosystems.graph_api.client.values import Converter, converter_of
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
    parts_of,
)

_NAMES: Final[Mapping[ScalarKind, str]] = {
    ScalarKind.BOOL: "bool_",
    ScalarKind.INT8: "int8",
    ScalarKind.INT16: "int16",
    ScalarKind.INT32: "int32",
    ScalarKind.INT64: "int64",
    ScalarKind.UINT8: "uint8",
    ScalarKind.UINT16: "uint16",
    ScalarKind.UINT32: "uint32",
    ScalarKind.UINT64: "uint64",
    ScalarKind.SERIAL: "int64",
    ScalarKind.FLOAT: "float32",
    ScalarKind.DOUBLE: "float64",
    ScalarKind.STRING: "string",
    ScalarKind.JSON: "string",
    ScalarKind.UUID: "string",
    ScalarKind.BLOB: "binary",
    ScalarKind.DATE: "date32",
}
_UNITS: Final[Mapping[ScalarKind, str]] = {
    ScalarKind.TIMESTAMP: "us",
    ScalarKind.TIMESTAMP_SEC: "s",
    ScalarKind.TIMESTAMP_MS: "ms",
    ScalarKind.TIMESTAMP_NS: "ns",
    ScalarKind.TIMESTAMP_TZ: "us",
}
_TEMPORAL: Final = frozenset({ScalarKind.DATE, *_UNITS})


def arrow_table(columns: Sequence[str], types: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> ArrowTable:
    """Return rows as a `pyarrow.Table`.

    A column whose type Arrow cannot express for these values (dates far out of range, unions, nodes whose properties
    disagree) holds text: strings as they are, everything else as JSON.

    Raises:
        MissingLibraryError: pyarrow is not installed.
    """
    arrow = library("pyarrow")
    arrays = [_array(arrow, [row[name] for row in rows], kind) for name, kind in zip(columns, types, strict=True)]
    return arrow.table(arrays, names=list(columns))


def _array(arrow: Library, values: list[Any], spelling: str) -> Any:  # noqa: ANN401 - pyarrow.Array
    """Return one column."""
    kind = parse_catalog_type(spelling)
    wanted = _arrow_type(arrow, kind)
    try:
        if isinstance(kind, ScalarType) and kind.kind in _TEMPORAL:
            return arrow.array(values, arrow.string()).cast(wanted)
        if wanted is None:
            return arrow.array(values)
        convert = _transport(kind, spelling)
        return arrow.array([None if each is None else convert(each) for each in values], wanted)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError):
        return arrow.array([_text(each) for each in values], arrow.string())


def _same(value: object) -> object:
    return value


def _pairs(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return list(value.items())


def _transport(kind: ColumnType, spelling: str) -> Converter:
    """Return what makes values that pyarrow takes for a type; it takes UUIDs as text, and maps as pairs."""
    if isinstance(kind, ScalarType) and kind.kind is ScalarKind.UUID:
        return str
    convert = converter_of(spelling)
    if convert is None:
        return _same
    return (lambda value: _pairs(convert(value))) if isinstance(kind, MapType) else convert


def _arrow_type(arrow: Library, kind: ColumnType) -> Any | None:  # noqa: ANN401 - pyarrow.DataType
    """Return the type of a column; None if pyarrow shall find it from the values."""
    match kind:
        case ScalarType(scalar):
            return _scalar_type(arrow, scalar)
        case DecimalType(precision, scale):
            return arrow.decimal128(precision, scale)
        case _:
            parts = [_arrow_type(arrow, part) for part in parts_of(kind)]
            return _nested_type(arrow, kind, parts) if parts and None not in parts else None


def _nested_type(arrow: Library, kind: ColumnType, parts: list[Any]) -> Any | None:  # noqa: ANN401 - pyarrow.DataType
    """Return the type of a column with parts."""
    match kind:
        case ListType():
            return arrow.list_(parts[0])
        case ArrayType(_, length):
            return arrow.list_(parts[0], length)
        case StructType(fields):
            return arrow.struct([(field.name, part) for field, part in zip(fields, parts, strict=True)])
        case _:
            return arrow.map_(*parts)


def _scalar_type(arrow: Library, kind: ScalarKind) -> Any | None:  # noqa: ANN401 - pyarrow.DataType
    """Return the type of a column without parts."""
    if kind in _NAMES:
        return getattr(arrow, _NAMES[kind])()
    if kind in _UNITS:
        return arrow.timestamp(_UNITS[kind], tz="UTC" if kind is ScalarKind.TIMESTAMP_TZ else None)
    if kind is ScalarKind.INTERVAL:
        return arrow.duration("us")
    return arrow.decimal128(38, 0) if kind is ScalarKind.INT128 else None


def _text(value: object) -> str | None:
    """Return a value as text."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
