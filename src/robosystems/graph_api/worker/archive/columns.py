"""How the values of each column type lie in an archive: as which Arrow type, and how the engine is asked for them.

Archives hold the plain Arrow type wherever there is one, so that any reader of Parquet understands them. Where there is
none (`INT128`, `INTERVAL`, `JSON`) they hold text, and a UNION is a struct of its tag and one field for each member.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from robosystems.graph_api.domain.cypher import CypherText, Identifier, compose
from robosystems.graph_api.domain.schema import (
    ArrayType,
    Column,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    StructType,
    UnionType,
    holds,
)
from robosystems.graph_api.worker.arrow import Array, DataType, arrow, kernels
from robosystems.graph_api.worker.columns import SHORT_DIGITS, with_sign
from robosystems.graph_api.worker.loading.transport import PLAIN
from robosystems.graph_api.worker.nested_arrays import with_elements, with_entries

TAG: Final = "_tag"
"""Field of an archived UNION that names the member which has the value."""

AS_TEXT: Final = frozenset({ScalarKind.INT128, ScalarKind.INTERVAL, ScalarKind.JSON})
"""Types that the engine writes as text; only whole columns can be asked for in that way."""

_SCALARS: Final[dict[ScalarKind, DataType]] = {
    **PLAIN,
    **dict.fromkeys(AS_TEXT, arrow.string()),
    ScalarKind.UUID: arrow.binary(16),
    ScalarKind.SERIAL: arrow.int64(),
    ScalarKind.TIMESTAMP_SEC: arrow.timestamp("ms"),  # Parquet knows no seconds.
    ScalarKind.TIMESTAMP_MS: arrow.timestamp("ms"),
    ScalarKind.TIMESTAMP_NS: arrow.timestamp("ns"),
    ScalarKind.TIMESTAMP_TZ: arrow.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class ArchivedColumn:
    """One column of a part.

    Attributes:
        name: Its name in the part.
        expression: What the engine is asked for.
        type: Type of the values in the engine; they are converted from what the engine gives for it.
    """

    name: str
    expression: CypherText
    type: ColumnType

    @property
    def arrow_type(self) -> DataType:
        """Type of the values in the part."""
        return archive_type(self.type)

    def convert(self, array: Array) -> Array:
        """Turn what the engine gives into what the part holds."""
        return _converted(array, self.type)


def archived_column(variable: str, column: Column, name: str | None = None) -> ArchivedColumn:
    """Return the column of a part for a property of a node or relationship that a statement calls `variable`."""
    value = compose("{row}.{name}", row=Identifier(variable), name=Identifier(column.name))
    if isinstance(column.type, ScalarType) and column.type.kind in AS_TEXT:
        value = compose("CAST({value} AS STRING)", value=value)
    return ArchivedColumn(name or column.name, value, column.type)


def archive_type(column_type: ColumnType) -> DataType:
    """Return the Arrow type of a column type that `why_not_archivable` has nothing against."""
    match column_type:
        case ScalarType(kind):
            return _SCALARS[kind]
        case DecimalType(precision, scale):
            return arrow.decimal128(precision, scale)
        case ListType(element) | ArrayType(element):
            return arrow.list_(archive_type(element))
        case StructType(fields):
            return arrow.struct([(field.name, archive_type(field.type)) for field in fields])
        case MapType(key, value):
            return arrow.map_(archive_type(key), archive_type(value))
        case UnionType(members):
            fields = [(member.name, archive_type(member.type)) for member in members]
            return arrow.struct([(TAG, arrow.string()), *fields])
        case OpaqueType(spelling):
            raise TypeError(spelling)


def why_not_archivable(column_type: ColumnType) -> str | None:  # noqa: PLR0911 (one return per kind of type)
    """Return why values of a type cannot be carried over, or None if they can."""
    match column_type:
        case ScalarType() | DecimalType():
            return None
        case OpaqueType(spelling):
            return f"the type {spelling[:80]} is unknown"
        case UnionType(members):
            if any(member.name.lower() == TAG for member in members):
                return f"a member of the UNION is called {TAG}"
            if all(_is_plain(member.type) for member in members):
                return None
            return "a member of the UNION is neither a number, a text, a moment nor bytes"
        case _ if holds(column_type, _has_no_arrow_form):
            return "UNION, INT128, INTERVAL, JSON and SERIAL inside of another type are not carried over"
        case _ if not _decimals_come_back(column_type):
            return "DECIMAL is carried over in structs and in lists, but not in maps or in structs inside of lists"
        case _:
            return None


def is_list_of_decimals(column_type: ColumnType) -> bool:
    """Whether it is a list or array, of any depth, of decimals."""
    match column_type:
        case ListType(element) | ArrayType(element):
            return isinstance(element, DecimalType) or is_list_of_decimals(element)
        case _:
            return False


def _is_plain(column_type: ColumnType) -> bool:
    return isinstance(column_type, ScalarType) and column_type.kind in PLAIN and column_type.kind is not ScalarKind.JSON


def _has_no_arrow_form(column_type: ColumnType) -> bool:
    match column_type:
        case ScalarType(kind):
            return kind in AS_TEXT or kind is ScalarKind.SERIAL
        case UnionType() | OpaqueType():
            return True
        case _:
            return False


def _decimals_come_back(column_type: ColumnType) -> bool:
    """Whether the engine can be given the decimals in a value: its casts crash for some."""
    match column_type:
        case StructType(fields):
            return all(_decimals_come_back(field.type) for field in fields)
        case ListType() | ArrayType() if is_list_of_decimals(column_type):
            return True
        case DecimalType():
            return True
        case _:
            return not holds(column_type, lambda part: isinstance(part, DecimalType))


# ---------------------------------------------------------------------------------------------------------------------
# Conversion
# ---------------------------------------------------------------------------------------------------------------------


def _converted(array: Array, column_type: ColumnType) -> Array:  # noqa: PLR0911 (as above)
    wanted = archive_type(column_type)
    if array.type == wanted and not holds(column_type, lambda part: isinstance(part, DecimalType)):
        return array
    match column_type:
        case DecimalType(precision):
            return _decimals(array, wanted) if precision <= SHORT_DIGITS else array.cast(wanted)
        case ScalarType(ScalarKind.UUID):
            return array.storage.cast(wanted)
        case ListType(element) | ArrayType(element):
            return with_elements(array, partial(_converted, column_type=element))
        case StructType(fields):
            parts = [_converted(part, field.type) for part, field in zip(array.flatten(), fields, strict=True)]
            return arrow.StructArray.from_arrays(parts, [field.name for field in fields], mask=array.is_null())
        case MapType(key, value):
            return with_entries(array, partial(_converted, column_type=key), partial(_converted, column_type=value))
        case UnionType():
            return _tagged(array, column_type)
        case _:
            return array.cast(wanted)


def _decimals(array: Array, wanted: DataType) -> Array:
    """Restore the signs that the engine loses."""
    signed = with_sign(array)
    if arrow.types.is_integer(signed.type):
        signed = signed.cast(arrow.decimal128(SHORT_DIGITS + 1, 0))
    return signed.cast(wanted)


def _tagged(array: Array, column_type: UnionType) -> Array:
    """Turn a dense union into a struct of the tag and all members; one without a value is null."""
    codes, offsets = array.type_codes, array.offsets
    tags = arrow.nulls(len(array), arrow.string())
    members: list[Array] = []
    for code, member in enumerate(column_type.members):
        places = kernels.if_else(kernels.equal(codes, code), offsets, arrow.scalar(None, offsets.type))
        values = array.field(code).take(places)
        tags = kernels.if_else(values.is_valid(), arrow.scalar(member.name), tags)
        members.append(_converted(values, member.type))
    names = [TAG, *(member.name for member in column_type.members)]
    return arrow.StructArray.from_arrays([tags, *members], names, mask=tags.is_null())
