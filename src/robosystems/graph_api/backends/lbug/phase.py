"""What a database is doing."""

from enum import Enum


class Phase(Enum):
    """What a database is doing. Everything but CLOSED, OPEN and BROKEN ends by itself."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    RECOVERING = "recovering"
    """Its process died; it opens again when the old one is certainly gone."""
    BROKEN = "broken"
