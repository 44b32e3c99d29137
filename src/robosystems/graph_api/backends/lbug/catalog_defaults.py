"""Default values as the catalog reports them: expressions, read back into values where that is possible."""

import re
from typing import Final

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    ColumnType,
    DecimalType,
    DefaultFunction,
    DefaultValue,
    OpaqueDefault,
    ScalarKind,
    ScalarType,
    check_default,
    parse_catalog_type,
)

_CONSTANTS: Final[dict[str, bool | DefaultFunction]] = {
    "true": True,
    "false": False,
    "current_date()": DefaultFunction.CURRENT_DATE,
    "current_timestamp()": DefaultFunction.CURRENT_TIMESTAMP,
    "gen_random_uuid()": DefaultFunction.RANDOM_UUID,
}
"""Expressions without parts, in lower case."""

_TEXT_TYPES: Final = (ScalarType(ScalarKind.STRING), ScalarType(ScalarKind.JSON), ScalarType(ScalarKind.UUID))
"""Types that the engine makes of a string literal by itself."""

_APPROXIMATE_TYPES: Final = (ScalarType(ScalarKind.FLOAT), ScalarType(ScalarKind.DOUBLE))

_CALL: Final = re.compile(r"(?P<name>date|timestamp)\s*\(\s*(?P<argument>'.*')\s*\)", re.IGNORECASE | re.DOTALL)
_CAST: Final = re.compile(r"cast\s*\(\s*(?P<argument>'.*')\s+as\s+(?P<type>[^']+)\)", re.IGNORECASE | re.DOTALL)
_STRING: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_INTEGER: Final = re.compile(r"-?[0-9]{1,60}")
_NUMBER: Final = re.compile(r"-?[0-9]{0,400}\.?[0-9]{1,400}(?:[eE][+-]?[0-9]{1,4})?")


def read_default(expression: str, column_type: ColumnType) -> DefaultValue | None:
    """Return the value of a default expression; `OpaqueDefault` for one that is no plain value of the column's type."""
    text = expression.strip()
    if text.lower() in {"", "null"}:
        return None
    value = _value(text, column_type)
    if value is not None:
        try:
            return check_default(column_type, value)
        except InvalidSchemaError:
            pass
    return OpaqueDefault(text)


def _value(text: str, column_type: ColumnType) -> object:
    """Return what an expression stands for, or None; whether it fits the column is not looked at."""
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _NUMBER.fullmatch(text):
        return _number(text, column_type)
    called = _CALL.fullmatch(text)
    if called is not None:
        kind = ScalarKind(called["name"].upper())
        return _string(called["argument"]) if column_type == ScalarType(kind) else None
    cast = _CAST.fullmatch(text)
    if cast is not None:
        return _cast_value(_string(cast["argument"]), column_type, parse_catalog_type(cast["type"]))
    return _string(text) if column_type in _TEXT_TYPES else None


def _number(text: str, column_type: ColumnType) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text)
    return text if isinstance(column_type, DecimalType) else float(text)


def _cast_value(text: str | None, column_type: ColumnType, target: ColumnType) -> object:
    if text is None or target != column_type:
        return None
    if column_type in _APPROXIMATE_TYPES:
        return float(text) if _NUMBER.fullmatch(text) else None
    return text


def _string(literal: str) -> str | None:
    """Return the text of one string literal; None if it is something else."""
    found = _STRING.fullmatch(literal)
    if found is None:
        return None
    body = found[1] if found[1] is not None else found[2]
    return _ESCAPE.sub(_unescape, body)


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    if code:
        return chr(min(int(code, 16), 0x10FFFF))
    # An unknown escape keeps its backslash, as in the engine.
    known: str = _ESCAPED.get(escape[3], escape[3] if escape[3] in "'\"\\" else escape[0])
    return known
