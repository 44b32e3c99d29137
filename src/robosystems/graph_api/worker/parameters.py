"""From the JSON text of a request to values that the engine takes.

The engine is careless with parameters. One that is missing becomes null; an object whose keys come in another order
than its neighbour's gets the neighbour's values; a list of a number and a text raises from inside the binding; a list
in which null follows a list becomes a text, or ends the process; an object with the keys `key` and `value` becomes a
MAP. All of that is settled here, before the engine sees anything.

An object `{"$type": ..., "value": ...}`, at any depth, is a value of that type; see `worker.typed_values`.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from robosystems.graph_api.backends.lbug.engine_values import MAX_DIGITS, EngineDecimal, EngineMap
from robosystems.graph_api.domain.errors import InvalidParameterError
from robosystems.graph_api.worker.typed_scalars import UnfitValueError, exact_float, shown
from robosystems.graph_api.worker.typed_values import checked_map, converter_for, pairs_of

MAX_DEPTH: Final = 32
"""Lists and objects may lie so deep in one another."""

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_NO_PARAMETERS: Final[dict[str, object]] = {}

_NAMES: Final[dict[type, str]] = {
    EngineDecimal: "decimal",
    EngineMap: "map",
    UUID: "UUID",
    bool: "boolean",
    bytes: "bytes",
    date: "date",
    datetime: "timestamp",
    dict: "object",
    float: "number",
    int: "integer",
    list: "list",
    str: "text",
    timedelta: "interval",
}
_TYPE: Final = "$type"
_VALUE: Final = "value"
_MAP_LIKE: Final = {"key", "value"}
_ABSENT: Final = type(None)
_decode: Final = msgspec.json.Decoder().decode


def decode_parameters(document: bytes, used: Collection[str]) -> dict[str, object]:
    """Return the values that a statement uses.

    Args:
        document: JSON object as UTF-8 text.
        used: Names of the parameters in the statement. Others in the document are left out.

    Raises:
        InvalidParameterError: The document is no JSON object; a parameter is missing; or a value is of a kind that the
            engine cannot take. The message names the parameter.
    """
    if not used and document == b"{}":
        return _NO_PARAMETERS
    given = _parse(document)
    # The key may be spelled with escapes.
    typed = b"$type" in document or b"\\u" in document
    values: dict[str, object] = {}
    for name in used:
        try:
            value = given[name]
        except KeyError:
            raise _missing(name, given) from None
        if typed and isinstance(value, list | dict):
            value = _typed(cast("object", value), name)
        if type(value) is int:
            _check_range(value, name)
        elif isinstance(value, list | dict):
            value = _settled([value], name, 0)[0]
        values[name] = value
    return values


def _parse(document: bytes) -> dict[str, Any]:
    try:
        given = _decode(document)
    except RecursionError:
        raise InvalidParameterError("The parameters are nested too deeply.") from None
    except UnicodeDecodeError:
        raise InvalidParameterError("The parameters are not valid UTF-8.") from None
    except msgspec.MsgspecError as error:
        raise InvalidParameterError(
            f"The parameters are not valid JSON: {error}. NaN, Infinity and half surrogate pairs are not allowed."
        ) from error
    if not isinstance(given, dict):
        raise InvalidParameterError("The parameters have to be a JSON object that maps names to values.")
    return cast("dict[str, Any]", given)


def _missing(name: str, given: Collection[str]) -> InvalidParameterError:
    known = ", ".join(sorted(given)[:10]) or "none"
    return InvalidParameterError(f"The statement uses ${name}, but no such parameter was given (given: {known}).")


def _check_range(value: int, name: str) -> None:
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise InvalidParameterError(
            f"Parameter {name}: the integer {shown(value)} does not fit into 64 bits; give it a type, "
            'for example {"$type": "UINT64", "value": ...}.'
        )


def _typed(value: object, name: str) -> object:
    """Put values in place of typed ones, wherever they are."""
    try:
        return _replaced(value, 0)
    except UnfitValueError as error:
        raise InvalidParameterError(f"Parameter {name}{error.path}: {error.reason}") from None


def _replaced(value: Any, depth: int) -> object:  # noqa: ANN401 (any JSON value)
    if depth > MAX_DEPTH:
        raise UnfitValueError(f"it is nested deeper than {MAX_DEPTH} levels.")
    if type(value) is dict:
        given = cast("dict[str, object]", value)
        return _typed_value(given, depth) if _TYPE in given else _replaced_in(given, given.items(), depth)
    return _replaced_in(value, enumerate(cast("list[object]", value)), depth)


def _replaced_in(container: Any, parts: Iterable[tuple[Any, object]], depth: int) -> object:  # noqa: ANN401 (list or dict)
    for key, part in parts:
        if isinstance(part, list | dict):
            try:
                # Values of existing keys may be replaced while iterating.
                container[key] = _replaced(part, depth + 1)
            except UnfitValueError as error:
                raise error.inside(f".{key}" if type(key) is str else f"[{key}]") from None
    return container


def _typed_value(given: dict[str, object], depth: int) -> object:
    name, value = given[_TYPE], given.get(_VALUE)
    if given.keys() != {_TYPE, _VALUE} or not isinstance(name, str):
        raise UnfitValueError(
            'an object with the key "$type" has to be {"$type": "<type>", "value": <value>}; write a real object that '
            'has this key as {"$type": "STRUCT", "value": {...}}.'
        )
    word = name.strip().upper()
    if word == "STRUCT":
        if value is not None and not isinstance(value, dict):
            raise UnfitValueError("a STRUCT is written as a JSON object.")
        return None if value is None else _replaced_in(value, cast("dict[str, object]", value).items(), depth)
    if word == "MAP":
        return None if value is None else _map(value, depth)
    convert = converter_for(name)
    return None if value is None else convert(value)


def _map(value: object, depth: int) -> EngineMap:
    """Return a map of values that have, or tell, their own types."""
    keys, values = (list(part) for part in zip(*pairs_of(value), strict=True)) if value else ([], [])
    _replaced_in(keys, enumerate(keys), depth)
    _replaced_in(values, enumerate(values), depth)
    return checked_map(keys, values)


def _settled(values: list[Any], name: str, depth: int) -> list[Any]:
    """Check values that will have one type in the engine, and give all objects among them the same keys.

    Works through whole columns, so that rows of plain values cost little. Returns `values` itself if nothing changed.
    """
    if depth > MAX_DEPTH:
        raise InvalidParameterError(f"Parameter {name} is nested deeper than {MAX_DEPTH} levels.")
    kinds = set(map(type, values))
    kinds.discard(_ABSENT)
    if kinds == {int, float}:
        return _as_floats(values, name)
    if EngineDecimal in kinds and kinds <= {int, EngineDecimal}:
        return _as_decimals(values, name)
    if len(kinds) > 1:
        listed = " and ".join(sorted(_NAMES.get(kind, kind.__name__) for kind in kinds))
        raise InvalidParameterError(f"Parameter {name} mixes {listed} in one list; the engine needs a single type.")
    kind = next(iter(kinds), _ABSENT)
    if kind is int:
        _check_integers((value for value in values if value is not None), name)
    elif kind is list:
        return _settled_lists(values, name, depth)
    elif kind is dict:
        return _settled_objects(values, name, depth)
    elif kind is EngineMap:
        return _settled_maps(values, name, depth)
    return values


def _as_floats(values: list[Any], name: str) -> list[Any]:
    _check_integers((value for value in values if type(value) is int), name)
    try:
        return [exact_float(value) if type(value) is int else value for value in values]
    except UnfitValueError as error:
        raise InvalidParameterError(f"Parameter {name}: {error.reason}") from None


def _as_decimals(values: list[Any], name: str) -> list[Any]:
    """Give all decimals the type that holds each of them; the engine would find one that may round."""
    types = {(value.precision, value.scale) for value in values if type(value) is EngineDecimal}
    whole = [len(str(abs(value))) for value in values if type(value) is int]
    if len(types) == 1 and not whole:
        return values
    scale = max(scale for _, scale in types)
    precision = scale + max([*whole, *(precision - scale for precision, scale in types)])
    if precision > MAX_DIGITS:
        raise InvalidParameterError(
            f"Parameter {name} mixes decimals that need {precision} digits in one list; the engine has {MAX_DIGITS}."
        )
    return [value if value is None else EngineDecimal(value, precision, scale) for value in values]


def _check_integers(values: Any, name: str) -> None:  # noqa: ANN401 (an iterable of integers)
    numbers = list(values)
    _check_range(min(numbers), name)
    _check_range(max(numbers), name)


def _settled_lists(values: list[Any], name: str, depth: int) -> list[Any]:
    """Settle the elements of all lists together: they have one type."""
    flat = [element for value in values if value is not None for element in value]
    settled = _settled(flat, name, depth + 1)
    if None in flat:
        _check_nulls((value for value in values if value is not None), name)
    if settled is flat:
        return values
    remaining = iter(settled)
    return [value if value is None else [next(remaining) for _ in value] for value in values]


def _check_nulls(lists: Iterable[list[Any]], name: str) -> None:
    """Refuse lists of lists or objects in which a null follows: the engine makes text of them, or dies."""
    for elements in lists:
        nested = False
        for element in elements:
            if element is None and nested:
                raise InvalidParameterError(
                    f"Parameter {name} holds null behind a list or object in one list, which the engine cannot take; "
                    "put nulls first, or leave them out."
                )
            nested = nested or isinstance(element, list | dict)


def _settled_objects(values: list[Any], name: str, depth: int) -> list[Any]:
    """Give all objects the keys of all, in one order; null where a key is missing."""
    rows = [value for value in values if value is not None]
    keys: dict[str, None] = dict.fromkeys(key for row in rows for key in row)
    order = tuple(keys)
    if order == ("key", "value") and any(type(row["key"]) is type(row["value"]) is list for row in rows):
        order = ("value", "key")  # The other way round the binding takes it for a MAP.
    uniform = all(tuple(row) == order for row in rows)
    if not uniform:
        rows = [{key: row.get(key) for key in order} for row in rows]
    changed = not uniform
    for key in order:
        column = [row[key] for row in rows]
        settled = _settled(column, f"{name}.{key}", depth + 1)
        if settled is not column:
            if not changed:
                rows = [dict(row) for row in rows]
                changed = True
            for row, value in zip(rows, settled, strict=True):
                row[key] = value
    if not changed:
        return values
    remaining = iter(rows)
    return [value if value is None else next(remaining) for value in values]


def _settled_maps(values: list[Any], name: str, depth: int) -> list[Any]:
    """Settle the keys of all maps together, and their values."""
    maps: list[EngineMap] = [value for value in values if value is not None]
    _check_nulls((each.map_values for each in maps), name)
    keys = iter(_settled([key for each in maps for key in each.map_keys], f"{name} (key)", depth + 1))
    items = iter(_settled([item for each in maps for item in each.map_values], name, depth + 1))
    settled = iter(
        [EngineMap([next(keys) for _ in each.map_keys], [next(items) for _ in each.map_keys]) for each in maps]
    )
    return [value if value is None else next(settled) for value in values]
