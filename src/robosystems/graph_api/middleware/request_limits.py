"""Bounds on the bodies of requests, whether they announce their length or come in chunks."""

from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Receive

from robosystems.graph_api.domain.errors import InvalidRequestError, PayloadTooLargeError

_UPLOAD_PREFIX: Final = "/databases/"
_UPLOADS: Final = frozenset({("load", 4), ("import", 3)})
"""What follows the graph id in the path of an upload, and how many segments the path has."""

_LENGTH_DIGITS: Final = 18  # a longer number is over any limit, and not worth parsing


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Largest bodies.

    Attributes:
        json_bytes: Of requests in general (LBUG_MAX_BODY_BYTES).
        upload_bytes: Of files to load (LBUG_MAX_UPLOAD_BYTES).
    """

    json_bytes: int
    upload_bytes: int

    def for_path(self, path: str) -> tuple[int, str]:
        """Return the limit of a path and the name of its setting."""
        if path.startswith(_UPLOAD_PREFIX):
            segments = path[1:].split("/")
            if (*segments[2:3], len(segments)) in _UPLOADS:
                return self.upload_bytes, "LBUG_MAX_UPLOAD_BYTES"
        return self.json_bytes, "LBUG_MAX_BODY_BYTES"


class BoundedBody:
    """Stands in for `receive` and counts what comes through.

    Args:
        receive: Of the request.
        limit: Bytes, and the setting to name when there are more.
        announced: The header Content-Length, if there is one.
    """

    __slots__ = ("_announced", "_limit", "_receive", "_setting", "complete", "received")

    def __init__(self, receive: Receive, limit: tuple[int, str], announced: bytes | None = None) -> None:
        self._receive = receive
        self._limit, self._setting = limit
        self._announced = announced
        self.received = 0
        self.complete = False

    def check_announced(self) -> None:
        """Refuse a body before it is sent.

        Raises:
            PayloadTooLargeError: It announces more than is allowed.
            InvalidRequestError: It announces no number.
        """
        if self._announced is None:
            return
        if not self._announced.isdigit():
            raise InvalidRequestError("Content-Length: not a number.")
        if len(self._announced) > _LENGTH_DIGITS or int(self._announced) > self._limit:
            raise self._too_large()

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            PayloadTooLargeError: The body is longer than it may be.
        """
        message = await self.discard()
        if self.received > self._limit:
            raise self._too_large()
        return message

    async def discard(self) -> Message:
        """Return the next message, whatever has come before: for a body that has been refused."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        else:
            self.complete = True
        return message

    def _too_large(self) -> PayloadTooLargeError:
        """Return the error for a body over its limit."""
        return PayloadTooLargeError(
            f"The body is larger than {self._limit} bytes ({self._setting}).", limit_bytes=self._limit
        )
