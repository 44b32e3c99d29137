"""The version of one database's content: what two answers must share to be known to have read the same."""

import secrets
from typing import Final

_INCARNATION_BYTES: Final = 8


class ContentVersion:
    """A name for what one database holds at this moment. Belongs to the event loop; lives as long as the process.

    It is an incarnation, which is random, and a number, which only grows. The number grows when a change is sent to the
    engine and again when it has ended, however it ended. While one is on its way the number grows with every look, so
    that a name read then is never read again. Hence, for two looks that gave the same name: between them no change was
    on its way, and whatever was read after either of them is the same. A name says nothing about which of two contents
    is the newer one.
    """

    __slots__ = ("_changes", "_incarnation", "_number")

    def __init__(self) -> None:
        self._changes = 0
        self._number = 0
        self._incarnation = secrets.token_hex(_INCARNATION_BYTES)

    def look(self) -> str:
        """Return the name. Look before a read is sent: then it never claims content newer than what is read."""
        if self._changes:
            self._number += 1
        return f"{self._incarnation}.{self._number}"

    def begin(self) -> None:
        """A change is sent; every call is followed by one of `end`."""
        self._changes += 1
        self._number += 1

    def end(self) -> None:
        """A change has ended: it was committed, failed, or nobody will ever know."""
        self._changes -= 1
        self._number += 1

    def renew(self) -> None:
        """Begin a new incarnation: the content may have changed without a change that was sent here."""
        self._incarnation = secrets.token_hex(_INCARNATION_BYTES)
