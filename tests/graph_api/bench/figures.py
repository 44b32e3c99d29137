"""What a measurement gives back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: str
    must: str
    aim: str
