"""From the JSON text of a request to values that the engine takes.

The engine is careless with parameters: one that is missing becomes null, an object whose keys come in another order
than its neighbour's gets the neighbour's values, a list of a number and a text raises from inside the binding. All of
that is settled here, before the engine sees anything.
"""

from collections.abc import Collection
from typing import Any, Final, cast

import msgspec

from robosystems.graph_api.domain.errors import InvalidParameterError

MAX_DEPTH: Final = 32
"""Lists and objects may lie so deep in one another."""

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_NO_PARAMETERS: Final[dict[str, object]] = {}

_NAMES: Final[dict[type, str]] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "list",
    str: "text",
}
_ABSENT: Final = type(None)
_PRINTED_BITS: Final = 256
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
    values: dict[str, object] = {}
    for name in used:
        try:
            value = given[name]
        except KeyError:
            raise _missing(name, given) from None
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
            f"Parameter {name}: the integer {_shortened(value)} does not fit into 64 bits; send it as text and CAST it."
        )


def _shortened(value: int) -> str:
    # str() of a very long integer is slow, and refused above a limit.
    return str(value) if value.bit_length() <= _PRINTED_BITS else f"of {value.bit_length()} bits"


def _settled(values: list[Any], name: str, depth: int) -> list[Any]:
    """Check values that will have one type in the engine, and give all objects among them the same keys.

    Works through whole columns, so that rows of plain values cost little. Returns `values` itself if nothing changed.
    """
    if depth > MAX_DEPTH:
        raise InvalidParameterError(f"Parameter {name} is nested deeper than {MAX_DEPTH} levels.")
    kinds = set(map(type, values))
    kinds.discard(_ABSENT)
    if kinds == {int, float}:
        _check_integers((value for value in values if type(value) is int), name)
        return [float(value) if type(value) is int else value for value in values]
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
    return values


def _check_integers(values: Any, name: str) -> None:  # noqa: ANN401 (an iterable of integers)
    numbers = list(values)
    _check_range(min(numbers), name)
    _check_range(max(numbers), name)


def _settled_lists(values: list[Any], name: str, depth: int) -> list[Any]:
    """Settle the elements of all lists together: they have one type."""
    flat = [element for value in values if value is not None for element in value]
    settled = _settled(flat, name, depth + 1)
    if settled is flat:
        return values
    remaining = iter(settled)
    return [value if value is None else [next(remaining) for _ in value] for value in values]


def _settled_objects(values: list[Any], name: str, depth: int) -> list[Any]:
    """Give all objects the keys of all, in one order; null where a key is missing."""
    rows = [value for value in values if value is not None]
    keys: dict[str, None] = dict.fromkeys(key for row in rows for key in row)
    order = tuple(keys)
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
