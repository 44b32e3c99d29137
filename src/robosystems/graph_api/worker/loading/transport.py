"""How the values of each column type travel: as which Arrow type they are written, and what the engine makes of it.

The engine's own casts are lenient (2.5 becomes 2 and 1e300 becomes infinite without a word), so every value has its
final form before the engine sees it. A cast is left to the engine only where Parquet has no such type, and only from a
form of which it can lose nothing.
"""

from typing import Final

from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    StructType,
    UnionType,
    parts_of,
)
from robosystems.graph_api.worker.arrow import DataType, arrow

PLAIN: Final[dict[ScalarKind, DataType]] = {
    ScalarKind.BOOL: arrow.bool_(),
    ScalarKind.INT8: arrow.int8(),
    ScalarKind.INT16: arrow.int16(),
    ScalarKind.INT32: arrow.int32(),
    ScalarKind.INT64: arrow.int64(),
    ScalarKind.UINT8: arrow.uint8(),
    ScalarKind.UINT16: arrow.uint16(),
    ScalarKind.UINT32: arrow.uint32(),
    ScalarKind.UINT64: arrow.uint64(),
    ScalarKind.FLOAT: arrow.float32(),
    ScalarKind.DOUBLE: arrow.float64(),
    ScalarKind.STRING: arrow.string(),
    ScalarKind.JSON: arrow.string(),
    ScalarKind.BLOB: arrow.binary(),
    ScalarKind.DATE: arrow.date32(),
    ScalarKind.TIMESTAMP: arrow.timestamp("us"),
}
"""Types that the engine reads from Parquet as they are."""

_AS_TEXT: Final = (ScalarKind.INT128, ScalarKind.UUID, ScalarKind.INTERVAL, ScalarKind.TIMESTAMP_NS)
_AS_TIMESTAMP: Final = (ScalarKind.TIMESTAMP_SEC, ScalarKind.TIMESTAMP_MS, ScalarKind.TIMESTAMP_TZ)

CAST: Final[dict[ScalarKind, DataType]] = {
    **dict.fromkeys(_AS_TEXT, arrow.string()),
    **dict.fromkeys(_AS_TIMESTAMP, arrow.timestamp("us")),
}
"""Types that the engine makes from another one by a cast."""

_SCALARS: Final = {**PLAIN, **CAST, ScalarKind.SERIAL: arrow.int64()}


def transport_type(column_type: ColumnType) -> DataType:
    """Return the Arrow type in which values of a loadable column type are written."""
    match column_type:
        case ScalarType(kind):
            return _SCALARS[kind]
        case ListType(element) | ArrayType(element):
            return arrow.list_(transport_type(element))
        case StructType(fields):
            return arrow.struct([(field.name, transport_type(field.type)) for field in fields])
        case MapType(key, value):
            return arrow.map_(transport_type(key), transport_type(value))
        case _:
            return arrow.string()


def needs_cast(column_type: ColumnType) -> bool:
    """Whether the engine has to cast what it reads to get the column type."""
    match column_type:
        case ScalarType(kind):
            return kind in CAST
        case ListType(element):
            return needs_cast(element)
        case StructType(fields):
            return any(needs_cast(field.type) for field in fields)
        case MapType(key, value):
            return needs_cast(key) or needs_cast(value)
        case _:
            return True


def why_not_loadable(column_type: ColumnType) -> str | None:
    """Return why no file can fill a column of this type, or None if one can."""
    match column_type:
        case ScalarType(ScalarKind.SERIAL):
            return "the database numbers its rows itself"
        case UnionType() | OpaqueType():
            return f"values of type {column_type} cannot be read from a file"
        case _ if _decimal_in_collection(column_type, inside=False):
            return "DECIMAL inside a list or map cannot be read from a file; use DOUBLE or STRING there"
        case _:
            return next(filter(None, map(why_not_loadable, parts_of(column_type))), None)


def _decimal_in_collection(column_type: ColumnType, *, inside: bool) -> bool:
    """Whether a DECIMAL lies in a list, array or map: casting such a value crashes the engine."""
    if isinstance(column_type, DecimalType):
        return inside
    inside = inside or not isinstance(column_type, StructType)
    return any(_decimal_in_collection(part, inside=inside) for part in parts_of(column_type))
