"""Cypher that the service builds itself: only values made by `compose` reach an engine.

The template is text of the program (a `LiteralString`); everything else comes in through named parts whose kind decides how
it is written. There is no way to put raw text from outside into a statement.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString, TypeAlias, final

from robosystems.graph_api.domain.errors import InvalidRequestError

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


@final
class CypherText(str):
    """A statement, or a piece of one, that `compose` has made."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name of a table, column or variable; written between backticks."""

    name: str


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string; written between single quotes with backslash escapes, the only ones that the engine reads back exactly."""

    value: str


@dataclass(frozen=True, slots=True)
class IntegerLiteral:
    """An integer; written in decimal digits."""

    value: int


Part: TypeAlias = Identifier | StringLiteral | IntegerLiteral | CypherText
"""What a placeholder can stand for."""


def compose(template: LiteralString, **parts: Part | Sequence[Part]) -> CypherText:
    """Return a statement with every `{placeholder}` replaced by its part; sequences are joined by commas.

    Args:
        template: Text of the program, for example `MATCH (n:{table}) RETURN count(n)`. Curly braces that belong to Cypher are
            doubled.
        parts: One per placeholder.

    Raises:
        InvalidRequestError: An identifier is empty or holds a character that no quoting makes safe.
        ValueError: A placeholder has no part or a part has no placeholder: a mistake in the program.
    """
    names = {match.group(1) for match in _PLACEHOLDER.finditer(_without_doubled(template))}
    if names != parts.keys():
        raise ValueError(f"placeholders {sorted(names)} and parts {sorted(parts)} differ in {template!r}")
    written = {name: _write(part) for name, part in parts.items()}
    return CypherText(template.format_map(written))


def join(pieces: Sequence[CypherText], separator: LiteralString) -> CypherText:
    """Return pieces joined by a separator of the program."""
    return CypherText(separator.join(pieces))


def _without_doubled(template: str) -> str:
    """Return the template without the doubled braces that stand for themselves."""
    return template.replace("{{", "").replace("}}", "")


def _write(part: Part | Sequence[Part]) -> str:
    """Return a part as it stands in a statement."""
    match part:
        case CypherText():
            return part
        case Identifier(name):
            return _write_identifier(name)
        case StringLiteral(value):
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case IntegerLiteral(value):
            return str(int(value))
        case _:
            return ", ".join(_write(each) for each in part)


def _write_identifier(name: str) -> str:
    """Return a name between backticks."""
    if not name or "\x00" in name:
        raise InvalidRequestError(f"name {name[:80]!r} cannot be used: it is empty or holds a zero character.")
    doubled = name.replace("`", "``")
    return f"`{doubled}`"
