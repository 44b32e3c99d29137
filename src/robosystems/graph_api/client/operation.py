"""An operation as a value: the request to send, whether it can be repeated, and how its answer is read."""

import os
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import httpx
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
        read: Turns a success (or 304) into the answer; raises `msgspec.DecodeError` if its body broke off.
    """

    request: Request
    read: Callable[[httpx.Response], Answer]


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


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that goes into a file as it comes.

    Attributes:
        operation: The request; its answer is broken off if it fails.
        path: The file; it appears when it is complete.
    """

    operation: StreamOperation[bytes]
    path: Path


class PieceDecoder:
    """Passes the bytes of an answer on: one whose connection tells whether it is complete."""

    summary: Mapping[str, Any] | None = None

    def feed(self, piece: bytes) -> tuple[bytes]:
        """Return the piece."""
        return (piece,)

    def finish(self) -> None:
        """Do nothing: HTTP has seen the end."""


@contextmanager
def appearing(path: Path) -> Generator[Path]:
    """Yield the place of a file that becomes `path` if all goes well, and vanishes if not."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def reading(read: Callable[[Any], Answer]) -> Callable[[httpx.Response], Answer]:
    """Return a reader of answers from a reader of JSON documents."""

    def read_answer(answer: httpx.Response) -> Answer:
        return read(_decode(answer.content))

    return read_answer


def reading_bytes(read: Callable[[bytes], Answer]) -> Callable[[httpx.Response], Answer]:
    """Return a reader of answers from a reader of bodies."""

    def read_answer(answer: httpx.Response) -> Answer:
        return read(answer.content)

    return read_answer


def as_is(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it came."""
    return document


def nothing(_answer: httpx.Response) -> None:
    """Drop an answer that says nothing but success."""


_decode = msgspec.json.Decoder().decode
