"""The parser of type spellings, the inverse of `str()` on a column type."""

import re
from typing import Final

from robosystems.graph_api.domain.errors import InvalidSchemaError
from robosystems.graph_api.domain.schema.types import (
    MAX_TYPE_DEPTH,
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    OpaqueType,
    ScalarKind,
    ScalarType,
    StructType,
    UnionType,
    depth_of,
)

MAX_TYPE_LENGTH: Final = 4_000
"""Characters that the spelling of a type may have."""

_MARKS: Final = frozenset("()[],")

_ALIASES: Final = {
    "BOOLEAN": "BOOL",
    "INT": "INT32",
    "REAL": "FLOAT",
    "FLOAT4": "FLOAT",
    "FLOAT8": "DOUBLE",
    "NUMERIC": "DECIMAL",
    "DURATION": "INTERVAL",
    "BYTEA": "BLOB",
    "TIMESTAMP_S": "TIMESTAMP_SEC",
}
"""Other spellings that the engine takes for the same types."""

_INSTEAD: Final = {
    "TEXT": "STRING",
    "VARCHAR": "STRING",
    "CHAR": "STRING",
    "INTEGER": "INT32 or INT64",
    "TINYINT": "INT8",
    "SMALLINT": "INT16",
    "BIGINT": "INT64",
    "HUGEINT": "INT128",
    "UINT128": "DECIMAL(38, 0)",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP_TZ",
    "TIMESTAMP_US": "TIMESTAMP",
    "BYTES": "BLOB",
    "LIST": "a type followed by [], for example STRING[]",
    "ARRAY": "a type followed by its length, for example FLOAT[384]",
    "VECTOR": "a type followed by its length, for example FLOAT[384]",
}
"""What to use in place of names known from elsewhere."""


def parse_type(text: str) -> ColumnType:
    """Read a type as the engine spells it, for example `INT64[]`, `DECIMAL(18, 2)` or `STRUCT(a INT64, b STRING)`.

    Keywords may be in any case, field names may stand in backticks; `str()` of the result is the canonical spelling.

    Raises:
        InvalidSchemaError: The text is not a type that can be declared; the detail says where and what to use.
    """
    if len(text) > MAX_TYPE_LENGTH:
        raise InvalidSchemaError(f"the type has {len(text)} characters; at most {MAX_TYPE_LENGTH} are allowed.")
    return _TypeParser(text).parse()


def parse_catalog_type(text: str) -> ColumnType:
    """Read a type that the engine reports; never fails, what cannot be declared here becomes `OpaqueType`."""
    try:
        return parse_type(text)
    except InvalidSchemaError:
        return OpaqueType(text)


class _TypeParser:
    """Recursive descent over one text; positions in messages count characters from 1."""

    _TOKEN: Final = re.compile(
        r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*|[0-9]+)|`(?P<quoted>[^`]*)`|(?P<mark>[()\[\],]))"
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, int, bool]] = []
        self._next = 0
        position, end = 0, len(text.rstrip())
        while position < end:
            found = self._TOKEN.match(text, position)
            if found is None:
                raise self._unexpected(text[position:].lstrip()[0], position)
            quoted = found["quoted"]
            value: str = quoted if quoted is not None else found["word"] or found["mark"]
            self._tokens.append((value, found.start(found.lastgroup or 0), quoted is not None))
            position = found.end()

    def parse(self) -> ColumnType:
        column_type = self._type(1)
        if self._next < len(self._tokens):
            token, position, _ = self._tokens[self._next]
            raise self._unexpected(token, position)
        return column_type

    def _type(self, depth: int) -> ColumnType:
        if depth > MAX_TYPE_DEPTH:
            raise InvalidSchemaError(f"the type is nested deeper than {MAX_TYPE_DEPTH} levels.")
        column_type = self._unsuffixed(depth)
        while self._peek() == "[":
            self._take("[")
            column_type = ListType(column_type) if self._peek() == "]" else ArrayType(column_type, self._number())
            self._take("]")
            if depth_of(column_type) + depth - 1 > MAX_TYPE_DEPTH:
                raise InvalidSchemaError(f"the type is nested deeper than {MAX_TYPE_DEPTH} levels.")
        return column_type

    def _unsuffixed(self, depth: int) -> ColumnType:
        position = self._position()
        word = self._word()
        name = _ALIASES.get(word.upper(), word.upper())
        if name == "DECIMAL":
            return self._decimal()
        if name in {"STRUCT", "UNION"}:
            fields = self._fields(depth)
            return StructType(fields) if name == "STRUCT" else UnionType(fields)
        if name == "MAP":
            return self._map(depth)
        try:
            return ScalarType(ScalarKind(name))
        except ValueError:
            advice = f"; use {_INSTEAD[name]}" if name in _INSTEAD else ""
            raise InvalidSchemaError(
                f"{word[:80]!r} at character {position + 1} is not a known type{advice}."
            ) from None

    def _decimal(self) -> DecimalType:
        if self._peek() != "(":
            return DecimalType()
        self._take("(")
        precision = self._number()
        self._take(",")
        scale = self._number()
        self._take(")")
        return DecimalType(precision, scale)

    def _map(self, depth: int) -> MapType:
        self._take("(")
        key = self._type(depth + 1)
        if not isinstance(key, ScalarType | DecimalType):
            raise InvalidSchemaError(f"the key of a MAP is {key}: use a type without parts, for example STRING.")
        self._take(",")
        value = self._type(depth + 1)
        self._take(")")
        return MapType(key, value)

    def _fields(self, depth: int) -> tuple[Field, ...]:
        self._take("(")
        fields: list[Field] = []
        while True:
            name = self._word(quoted_too=True)
            fields.append(Field(name, self._type(depth + 1)))
            if self._peek() != ",":
                break
            self._take(",")
        self._take(")")
        return tuple(fields)

    def _number(self) -> int:
        position = self._position()
        word = self._word()
        if not word.isdigit() or len(word) > 9:  # noqa: PLR2004 - longer than any limit, and cheap to convert
            raise self._unexpected(word, position)
        return int(word)

    def _word(self, *, quoted_too: bool = False) -> str:
        if self._next >= len(self._tokens):
            raise InvalidSchemaError(f"the type {self._text[:80]!r} ends too early.")
        token, position, quoted = self._tokens[self._next]
        if (quoted and not quoted_too) or (not quoted and token in _MARKS):
            raise self._unexpected(token, position)
        self._next += 1
        return token

    def _peek(self) -> str | None:
        if self._next >= len(self._tokens) or self._tokens[self._next][2]:
            return None
        return self._tokens[self._next][0]

    def _position(self) -> int:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else len(self._text)

    def _take(self, mark: str) -> None:
        if self._next >= len(self._tokens):
            raise InvalidSchemaError(f"the type {self._text[:80]!r} ends too early: {mark!r} is missing.")
        token, position, quoted = self._tokens[self._next]
        if quoted or token != mark:
            raise InvalidSchemaError(f"{token[:80]!r} at character {position + 1} of the type should be {mark!r}.")
        self._next += 1

    def _unexpected(self, token: str, position: int) -> InvalidSchemaError:
        return InvalidSchemaError(f"{token[:80]!r} at character {position + 1} of the type is not expected there.")
