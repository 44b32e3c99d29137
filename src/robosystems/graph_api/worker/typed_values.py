"""Typed parameters: from `{"$type": "DATE", "value": "2020-01-02"}` to a value that the engine takes for a date.

As in a load, a value arrives exactly as it was written or is refused. `docs/types.md` has a table of all types; the
errors here say what to write where the engine's binding has no way in for a type.
"""

from functools import lru_cache
from typing import Any, Final, cast

from robosystems.graph_api.backends.lbug.engine_values import EngineMap
from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    ScalarType,
    StructType,
    parse_type,
)
from robosystems.graph_api.worker.typed_scalars import (
    NO_WAY_IN,
    Converter,
    UnfitValueError,
    decimal_as_written,
    decimal_converter,
    scalar_converter,
    shown,
    unfit,
)

_TYPES_REMEMBERED: Final = 256


@lru_cache(_TYPES_REMEMBERED)
def converter_for(name: str) -> Converter:
    """Return what converts values of a type.

    Args:
        name: The type, as the engine spells it, in any case; `DECIMAL` alone has as many digits as the value.

    Raises:
        UnfitValueError: There is no such type, or the binding cannot take its values.
    """
    word = name.strip().upper()
    if word in {"DECIMAL", "NUMERIC"}:
        return decimal_as_written
    if word in NO_WAY_IN:
        raise UnfitValueError(NO_WAY_IN[word])
    try:
        column_type = parse_type(name)
    except InvalidSchemaError as error:
        raise UnfitValueError(f"$type: {error.detail}") from None
    return _converter(column_type)


def _converter(column_type: ColumnType) -> Converter:
    match column_type:
        case ScalarType(kind):
            return scalar_converter(kind)
        case DecimalType():
            return decimal_converter(column_type)
        case ListType(element):
            return _list_converter(_converter(element), None)
        case ArrayType(element, length):
            return _list_converter(_converter(element), length)
        case StructType(fields):
            return _struct_converter(fields)
        case MapType(key, value):
            return _map_converter(_converter(key), _converter(value))
        case _:
            raise UnfitValueError(NO_WAY_IN["UNION"])


def _part(convert: Converter, value: object, step: str) -> object:
    if value is None:
        return None
    try:
        return convert(value)
    except UnfitValueError as error:
        raise error.inside(step) from None


def _list_converter(element: Converter, length: int | None) -> Converter:
    def convert(value: object) -> object:
        if not isinstance(value, list):
            raise unfit(value, "a list", "write a JSON array.")
        elements = cast("list[object]", value)
        if length is not None and len(elements) != length:
            raise UnfitValueError(f"an array of {len(elements)} elements does not fit: it has {length}.")
        return [_part(element, each, f"[{index}]") for index, each in enumerate(elements)]

    return convert


def _struct_converter(fields: tuple[Field, ...]) -> Converter:
    parts = [(field.name, _converter(field.type)) for field in fields]
    names = frozenset(field.name for field in fields)

    def convert(value: object) -> object:
        if not isinstance(value, dict):
            raise unfit(value, "a STRUCT", "write a JSON object.")
        given = cast("dict[str, object]", value)
        surplus = given.keys() - names
        if surplus:
            raise UnfitValueError(f"the type has no field {shown(min(surplus))}.")
        return {name: _part(inner, given.get(name), f".{name}") for name, inner in parts}

    return convert


def _map_converter(key: Converter, item: Converter) -> Converter:
    def convert(value: object) -> object:
        pairs = pairs_of(value)
        return checked_map(
            [_part(key, name, "") for name, _ in pairs], [_part(item, each, f"[{shown(name)}]") for name, each in pairs]
        )

    return convert


def pairs_of(value: Any) -> list[tuple[object, object]]:  # noqa: ANN401 (any JSON value)
    """Return the entries of a map that is written as an object or as an array of pairs."""
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).items())
    if isinstance(value, list):
        pairs = cast("list[Any]", value)
        if all(map(_is_pair, pairs)):
            return [(pair[0], pair[1]) for pair in pairs]
    raise unfit(cast("object", value), "a MAP", "write an object, or an array of [key, value] pairs.")


def _is_pair(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return isinstance(value, list) and len(cast("list[object]", value)) == 2  # noqa: PLR2004 (a pair)


def checked_map(keys: list[object], values: list[object]) -> EngineMap:
    """Return a map; raises `UnfitValueError` if a key is null or occurs twice."""
    if None in keys:
        raise UnfitValueError("a MAP cannot have a null key.")
    seen: set[str] = set()
    for key in keys:
        name = repr(key)
        if name in seen:
            raise UnfitValueError(f"the key {shown(key)} occurs twice in a MAP.")
        seen.add(name)
    return EngineMap(keys, values)
