"""What a measurement gives back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    value: str
    must: str
    aim: str


def ratio(served: float, bare: float) -> str:
    """Return a ratio with its two sides."""
    return f"{served / bare:.2f}   ({served:,.0f} / {bare:,.0f} per s)"
