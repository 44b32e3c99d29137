"""The only place where Cypher is put together.

A template is a literal in the source, values enter it only as parts that know how to write themselves, and the result
is a type of its own: a string cannot pass for composed Cypher, and composed Cypher comes from nowhere else. Prefer
parameters for values; parts are for what cannot be one: names, paths, numbers in DDL.

::

    compose("MATCH (n:{table}) RETURN count(n)", table=Identifier("Company"))
    compose("COPY {table}({columns}) FROM {file}", table=Identifier("T"), columns=[Identifier("a"), Identifier("b")],
            file=StringLiteral("/data/a.parquet"))

Braces of Cypher itself are doubled: `compose("MATCH (n:{table} {{id: $id}}) RETURN n", ...)`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Final, LiteralString, Self, TypeAlias

from robosystems.graph_api.domain.errors import InvalidRequestError

_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_ESCAPED: Final = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """Name of a table, a column, a variable, a function's argument: any text that is not empty.

    Raises:
        InvalidRequestError: The name is empty, or holds a NUL character or half of a surrogate pair.
    """

    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidRequestError("A name is empty.")
        _check_writable(self.name, "name")

    def __str__(self) -> str:
        """Write the name in backticks; of backticks inside, two stand for one."""
        return f"`{self.name.replace('`', '``')}`"


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string: a path, a comment, a default.

    Raises:
        InvalidRequestError: The string holds a NUL character or half of a surrogate pair.
    """

    value: str

    def __post_init__(self) -> None:
        _check_writable(self.value, "string")

    def __str__(self) -> str:
        """Write the string in single quotes, with the engine's escapes."""
        return f"'{self.value.translate(_ESCAPED)}'"


@dataclass(frozen=True, slots=True)
class IntegerLiteral:
    """A whole number; the engine says whether it fits its place."""

    value: int

    def __str__(self) -> str:
        """Write the number in digits."""
        return str(int(self.value))


class CypherText(str):
    """Cypher that `compose` made. It is a string; no other string is one of these."""

    __slots__ = ()

    def __new__(cls, *_: object) -> Self:
        """Refuse: see the class."""
        raise TypeError("Cypher is made by compose() only.")

    @property
    def text(self) -> str:
        """The text as a plain string."""
        return str(self)


Part: TypeAlias = Identifier | StringLiteral | IntegerLiteral | CypherText
"""What may enter a template."""


def compose(template: LiteralString, **parts: Part | Sequence[Part]) -> CypherText:
    """Put parts into a template.

    Args:
        template: Cypher with a `{name}` for each part; braces of Cypher are doubled. A literal in the source.
        parts: The parts by name. The elements of a sequence are separated by commas.

    Raises:
        ValueError: A name of the template has no part, a part has no place, or a place is more than a name.
        TypeError: A part is not of the types above.
    """
    pieces: list[str] = []
    unused = set(parts)
    for text, name, layout, conversion in Formatter().parse(template):
        pieces.append(text)
        if name is None:
            continue
        if layout or conversion or name not in parts:
            raise ValueError(f"There is no part {name!r} for the template {template!r}.")
        unused.discard(name)
        pieces.append(_write(parts[name]))
    if unused:
        raise ValueError(f"The template {template!r} has no place for {sorted(unused)}.")
    return str.__new__(CypherText, "".join(pieces))


def _write(part: Part | Sequence[Part]) -> str:
    """Write a part, or several."""
    if isinstance(part, str) or not isinstance(part, Sequence):
        return _write_one(part)
    return ", ".join(map(_write_one, part))


def _write_one(part: object) -> str:
    """Write a part; a plain string is none."""
    if not isinstance(part, Part):
        raise TypeError(f"{part!r:.80} is no Identifier, StringLiteral, IntegerLiteral or CypherText.")
    return str(part)


def _check_writable(text: str, what: str) -> None:
    """Refuse what no statement may hold."""
    if _UNWRITABLE.search(text):
        raise InvalidRequestError(f"A {what} holds a NUL character or half of a surrogate pair: remove it.")
