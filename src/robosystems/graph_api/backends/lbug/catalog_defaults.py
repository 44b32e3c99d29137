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

FUNCTION_CALLS: Final = {
    DefaultFunction.CURRENT_DATE: "current_date()",
    DefaultFunction.CURRENT_TIMESTAMP: "current_timestamp()",
    DefaultFunction.RANDOM_UUID: "gen_random_uuid()",
}
"""The engine's call for each function."""

_FUNCTIONS: Final = {call: function for function, call in FUNCTION_CALLS.items()}
_CALL: Final = re.compile(r"(?P<name>date|timestamp)\s*\(\s*(?P<argument>'.*')\s*\)", re.IGNORECASE | re.DOTALL)
_CAST: Final = re.compile(r"cast\s*\(\s*(?P<argument>'.*')\s+as\s+(?P<type>[^']+)\)", re.IGNORECASE | re.DOTALL)
_STRING: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_INTEGER: Final = re.compile(r"-?[0-9]{1,60}")
_NUMBER: Final = re.compile(r"-?[0-9]{0,400}\.?[0-9]{1,400}(?:[eE]-?[0-9]{1,4})?")


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
    if text.lower() in _FUNCTIONS:
        return _FUNCTIONS[text.lower()]
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return text if isinstance(column_type, DecimalType) else float(text)
    called = _CALL.fullmatch(text)
    if called is not None:
        kind = ScalarKind(called["name"].upper())
        return _string(called["argument"]) if column_type == ScalarType(kind) else None
    cast = _CAST.fullmatch(text)
    if cast is not None:
        return _string(cast["argument"]) if parse_catalog_type(cast["type"]) == column_type else None
    return _string(text) if column_type in _TEXT_TYPES else None


_TEXT_TYPES: Final = (ScalarType(ScalarKind.STRING), ScalarType(ScalarKind.JSON), ScalarType(ScalarKind.UUID))
"""Types that the engine makes of a string literal by itself."""


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
