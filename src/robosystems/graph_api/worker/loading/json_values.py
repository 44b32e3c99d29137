"""JSON values of each column type: how they are decoded, and how they become Arrow arrays.

Numbers are exact (integers of any length, decimals digit by digit), and nothing is guessed: a text is no number, and an
unknown field is an error.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, cast

import msgspec

from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    ScalarKind,
    ScalarType,
    StructType,
)
from robosystems.graph_api.worker.arrow import Array, DataType, arrow
from robosystems.graph_api.worker.loading.formats import FAILURES
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import PLAIN

JsonType = Any
"""A type as msgspec takes it."""

_INTEGERS: Final = frozenset(kind for kind in PLAIN if "INT" in kind.value) | {ScalarKind.SERIAL}
_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_FLOAT: Final[JsonType] = int | float | Literal["NaN", "Infinity", "-Infinity"]
_NUMBERS: Final = {ScalarKind.FLOAT: _FLOAT, ScalarKind.DOUBLE: _FLOAT}
_DECODED: Final[dict[ScalarKind, JsonType]] = {
    **dict.fromkeys(_INTEGERS, int | float),
    **_NUMBERS,
    ScalarKind.BOOL: bool,
    ScalarKind.BLOB: bytes,
    ScalarKind.JSON: msgspec.Raw,
    ScalarKind.INT128: int | str,
}
_NATURAL: Final[dict[ScalarKind, DataType]] = {
    **{kind: PLAIN.get(kind, arrow.int64()) for kind in _INTEGERS},
    ScalarKind.BOOL: arrow.bool_(),
    ScalarKind.FLOAT: arrow.float64(),
    ScalarKind.DOUBLE: arrow.float64(),
    ScalarKind.BLOB: arrow.binary(),
}


def decoded_type(column_type: ColumnType) -> JsonType:
    """Return the type that msgspec decodes a value to; null is allowed where the caller adds it, except for JSON."""
    match column_type:
        case ScalarType(kind):
            return _DECODED.get(kind, str)
        case DecimalType():
            return Decimal
        case ListType(element) | ArrayType(element):
            return list[nullable(decoded_type(element))]
        case StructType():
            return _struct_type(column_type)
        case MapType(key, value):
            whole = isinstance(key, ScalarType) and key.kind in _INTEGERS
            item = nullable(decoded_type(value))
            return dict[int if whole else str, item] | list[tuple[decoded_type(key), item]]
        case _:
            return str


def nullable(json_type: JsonType) -> JsonType:
    """Allow null besides; raw JSON has it already."""
    return json_type if json_type is msgspec.Raw else json_type | None


@cache
def _struct_type(column_type: StructType) -> type[msgspec.Struct]:
    return record_type([(field.name, field.type) for field in column_type.fields], missing=None)


def record_type(
    fields: Sequence[tuple[str, ColumnType]], *, missing: object, strict: bool = True
) -> type[msgspec.Struct]:
    """Return a type for JSON objects whose attributes are `f0`, `f1`, ... in the order of the fields.

    Args:
        fields: Names in the JSON object, and column types.
        missing: Value of what the object lacks.
        strict: Whether an unknown name is an error.
    """
    names = {f"f{index}": name for index, (name, _) in enumerate(fields)}
    return msgspec.defstruct(
        "Record",
        [
            (name, nullable(decoded_type(column_type)), missing)
            for name, (_, column_type) in zip(names, fields, strict=True)
        ],
        rename=names,
        forbid_unknown_fields=strict,
        gc=False,
    )


def natural_type(column_type: ColumnType) -> DataType:
    """Return the Arrow type of decoded values."""
    match column_type:
        case ScalarType(kind):
            return _NATURAL.get(kind, arrow.string())
        case ListType(element) | ArrayType(element):
            return arrow.list_(natural_type(element))
        case StructType(fields):
            return arrow.struct([(field.name, natural_type(field.type)) for field in fields])
        case MapType(key, value):
            return arrow.map_(natural_type(key), natural_type(value))
        case _:
            return arrow.string()


def to_arrow(values: Sequence[object], column_type: ColumnType) -> Array:
    """Make an array of decoded values.

    Raises:
        ConversionError: A whole number has a fraction or is out of range.
    """
    plain = _plainer(column_type)
    try:
        given = values if plain is None else [None if value is None else plain(value) for value in values]
        return arrow.array(given, natural_type(column_type))
    except MemoryError:
        raise
    except FAILURES as error:
        raise ConversionError from error


def decode_texts(texts: Sequence[str | None], column_type: ColumnType) -> Array:
    """Read each text as a JSON value of the column type.

    Raises:
        ConversionError: A text is no JSON, or not of this type.
    """
    decode = msgspec.json.Decoder(nullable(decoded_type(column_type))).decode
    try:
        values = [None if text is None else decode(text) for text in texts]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ConversionError(f"is not JSON for {column_type}: {error}") from error
    return to_arrow(values, column_type)


def _plainer(column_type: ColumnType) -> Callable[[Any], object] | None:
    """Return what turns a decoded value into one that Arrow takes; None if it is one already."""
    match column_type:
        case ScalarType(kind):
            return _PLAINERS.get(kind)
        case DecimalType():
            return _digits
        case ListType(element) | ArrayType(element):
            return _list_plainer(element)
        case StructType(fields):
            parts = [(f"f{index}", field.name, _always(field.type)) for index, field in enumerate(fields)]
            return lambda value: {name: plain(getattr(value, attribute)) for attribute, name, plain in parts}
        case MapType(key, element):
            return _map_plainer(key, element)
        case _:
            return None


def _map_plainer(key_type: ColumnType, item_type: ColumnType) -> Callable[[Any], object]:
    """Return what makes pairs of a map that is written as an object or as an array of pairs."""
    plain_key, plain = _always(key_type), _always(item_type)

    def pairs(value: Any) -> object:  # noqa: ANN401 (a decoded JSON value)
        if isinstance(value, dict):
            return [(key, plain(item)) for key, item in cast("dict[object, object]", value).items()]
        return [(plain_key(key), plain(item)) for key, item in value]

    return pairs


def _list_plainer(element: ColumnType) -> Callable[[Any], object] | None:
    if _plainer(element) is None:
        return None
    plain = _always(element)
    return lambda value: [plain(item) for item in value]


def _always(column_type: ColumnType) -> Callable[[Any], object]:
    """Return a function for values that may be null."""
    plain = _plainer(column_type)
    if plain is None:
        return lambda value: value
    return lambda value: None if value is None else plain(value)


def _whole(value: float) -> int:
    """Return a number as an integer; raises `ValueError` if it has a fraction."""
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(value)
        return int(value)
    return value


def _float(value: float | str) -> float:
    """Return a number as a float; raises `ValueError` for a whole number that would change."""
    if isinstance(value, str):
        return _SPECIAL[value]
    number = float(value)
    if isinstance(value, int) and number != value:
        raise ValueError(value)
    return number


def _digits(value: Decimal) -> str:
    """Spell a decimal; a hostile exponent is left as it is, and refused later."""
    return str(value)


def _json_text(value: msgspec.Raw) -> str | None:
    """Return raw JSON as text, and null as null."""
    text = bytes(value).decode()
    return None if text == "null" else text


_PLAINERS: Final[dict[ScalarKind, Callable[[Any], object]]] = {
    **dict.fromkeys(_INTEGERS, _whole),
    **dict.fromkeys(_NUMBERS, _float),
    ScalarKind.JSON: _json_text,
    ScalarKind.INT128: str,
}
