"""An operation as a value: the request to send, whether it can be repeated, and how its answer is read."""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

Pieces: TypeAlias = Iterable[bytes] | AsyncIterable[bytes]
"""Content that is sent piece by piece."""

Answer = TypeVar("Answer")
"""What an operation returns."""

Item = TypeVar("Item")
"""What a stream yields."""
Item_co = TypeVar("Item_co", covariant=True)


class Safety(Enum):
    """What a repetition does when nobody knows whether the first attempt was served."""

    READ = "read"
    """Nothing: it can be repeated."""
    WRITE = "write"
    """It may happen twice, unless the server knows its idempotency key."""


class Upload(Protocol):
    """The content of a load."""

    @property
    def repeatable(self) -> bool:
        """Whether `pieces` can be called (again): the content is still there from its beginning."""
        ...

    def pieces(self) -> Pieces:
        """Return the content from its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: HTTP method.
        path: Path below the base URL.
        query: Query string.
        headers: Headers besides those of the client.
        document: JSON body.
        upload: Content instead of a document.
        timeout_s: Seconds the call may take; None: the client's default.
        sends_timeout: Whether the server is told: as the field `timeout` of the document.
        safety: Whether it can be repeated.
        takes_key: Whether its route takes an idempotency key.
        key: The key to send; None: a fresh one.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    document: Mapping[str, object] | None = None
    upload: Upload | None = None
    timeout_s: float | None = None
    sends_timeout: bool = False
    safety: Safety = Safety.READ
    takes_key: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Operation(Generic[Answer]):
    """A request and the reading of its answer.

    Attributes:
        request: What is sent.
        read: Turns the body of a success into the answer; raises `msgspec.DecodeError` if the body broke off.
    """

    request: Request
    read: Callable[[bytes], Answer]


class StreamDecoder(Protocol[Item_co]):
    """Reads one streamed answer, piece by piece."""

    @property
    def summary(self) -> Mapping[str, Any] | None:
        """The terminal record; None until the stream has ended well."""
        ...

    def feed(self, piece: bytes) -> Iterable[Item_co]:
        """Return the items that are certain after one more piece."""
        ...

    def finish(self) -> None:
        """Read what is left as the end.

        Raises:
            GraphApiError: The stream ended with a problem.
            IncompleteStreamError: It has no terminal record: items may be missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamOperation(Generic[Item]):
    """A request whose answer is read while it comes.

    Attributes:
        request: What is sent.
        decoder: Makes a reader for one answer.
    """

    request: Request
    decoder: Callable[[], StreamDecoder[Item]]


def reading(read: Callable[[Any], Answer]) -> Callable[[bytes], Answer]:
    """Return a reader of bodies from a reader of JSON documents."""

    def read_body(body: bytes) -> Answer:
        return read(_decode(body))

    return read_body


def as_is(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it came."""
    return document


def nothing(_body: bytes) -> None:
    """Drop an answer that says nothing but success."""


_decode = msgspec.json.Decoder().decode
