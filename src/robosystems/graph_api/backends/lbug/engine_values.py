"""Python values whose type in the engine is chosen, not guessed.

The binding takes the engine's type from the value: of a `Decimal` the digits that happen to be written, of a dictionary
STRUCT or MAP by the names of its keys. The classes here make the choice explicit.
"""

from collections.abc import Sequence
from decimal import Decimal, DecimalTuple
from typing import Final, Self

MAX_DIGITS: Final = 38
"""Digits of the longest DECIMAL."""


class EngineDecimal(Decimal):
    """A decimal that the engine takes as `DECIMAL(precision, scale)`.

    The caller answers for the value's having at most `scale` decimal places and `precision - scale` digits before them.

    Attributes:
        precision: Digits in all, at most `MAX_DIGITS`.
        scale: Digits after the point.
    """

    __slots__ = ("precision", "scale")

    precision: int
    scale: int

    def __new__(cls, value: Decimal | int, precision: int, scale: int) -> Self:
        """Make the decimal; minus zero becomes zero."""
        made = super().__new__(cls, value or 0)
        made.precision = precision
        made.scale = scale
        return made

    def as_tuple(self) -> DecimalTuple:
        """Return what the binding takes for the type: as many digits as the type has. Not the digits of the value."""
        return DecimalTuple(0, (1,) * self.precision, -self.scale)

    def __str__(self) -> str:
        """Return the digits, without an exponent: the text that the binding reads the value from."""
        return format(self, "f")


class EngineMap(dict[str, list[object]]):
    """A MAP, in the form in which the binding takes one for it. Keys and values correspond by position."""

    def __init__(self, keys: Sequence[object], values: Sequence[object]) -> None:
        super().__init__(key=list(keys), value=list(values))

    @property
    def map_keys(self) -> list[object]:
        """The keys."""
        return self["key"]

    @property
    def map_values(self) -> list[object]:
        """The values."""
        return self["value"]
