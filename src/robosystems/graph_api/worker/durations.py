"""Durations as ISO 8601 text: what INTERVAL looks like in JSON, read back."""

import re
from typing import Final

MAX_MICROSECONDS: Final = 2**63 - 1
"""The longest duration that the engine gives back unharmed: 106751991 days and some hours."""

_MAX_LENGTH: Final = 100
_PARTS: Final = ("weeks", "days", "hours", "minutes", "seconds")
_DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?=[0-9T])((?P<weeks>[0-9]{1,18})W)?((?P<days>[0-9]{1,18})D)?"
    r"(T(?=[0-9])((?P<hours>[0-9]{1,18})H)?((?P<minutes>[0-9]{1,18})M)?"
    r"((?P<seconds>[0-9]{1,18})(\.(?P<fraction>[0-9]{1,6}))?S)?)?",
    re.ASCII,
)


def microseconds_of(text: str) -> int | None:
    """Return the length of an ISO 8601 duration in microseconds; None if it is none.

    Weeks, days, hours, minutes and seconds are read, the last with up to six decimal places. Years and months have no
    length of their own and are not.
    """
    found = _DURATION.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(found[part] or 0) for part in _PARTS)
    whole = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    micros = whole * 1_000_000 + int((found["fraction"] or "0").ljust(6, "0"))
    return -micros if found["sign"] else micros
