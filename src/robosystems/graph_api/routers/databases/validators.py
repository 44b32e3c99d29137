"""The headers by which a client tells whether it has an answer already: ETag, Cache-Status, Cache-Control."""

import re
from typing import Final

from starlette.types import Scope

from robosystems.graph_api.domain.query import EncodedResult

Headers = list[tuple[bytes, bytes]]

_HIT: Final = (b"cache-status", b"graph-api; hit")
_MISS: Final = (b"cache-status", b"graph-api; fwd=miss")
_REVALIDATE: Final = (b"cache-control", b"private, no-cache")
_VARY: Final = (b"vary", b"accept, accept-encoding")
_TAG: Final = re.compile(rb'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_MAX_CONDITION_BYTES: Final = 8_192


def etag(tag: str) -> bytes:
    """Return a tag as an entity tag. It is weak: the time that the engine took is in an answer, too, and may differ."""
    return b'W/"%b"' % tag.encode()


def validators(scope: Scope, result: EncodedResult) -> Headers:
    """Return what an answer says about being used again; nothing if it is not that of a read.

    Only a whole answer to GET may be kept by a browser or the like: a stream can end in an error after status 200. All
    else keeps the `no-store` that every answer gets.
    """
    if result.tag is None:
        return []
    headers = [(b"etag", etag(result.tag))]
    if result.remembered is not None:
        headers.append(_HIT if result.remembered else _MISS)
    if result.body is not None and scope["method"] == "GET":
        headers.append(_REVALIDATE)
    return headers


def unchanged_headers(tag: str) -> Headers:
    """Return the headers of a 304: those that the whole answer would have."""
    return [(b"etag", etag(tag)), _REVALIDATE, _VARY]


class KnownTags:
    """The condition of a request: which answers its client has. Call it with a tag.

    Args:
        scope: Of the request; of several `If-None-Match` all count.
    """

    def __init__(self, scope: Scope) -> None:
        given = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"])
        self._any = given.strip() == b"*"
        self._tags = _tags(given) if given and not self._any else frozenset[str]()

    def __call__(self, tag: str) -> bool:
        """Whether the client has this answer; compared weakly, as RFC 9110 wants it for this header."""
        return self._any or tag in self._tags


def _tags(condition: bytes) -> frozenset[str]:
    """Return the tags of a list; one that is malformed or very long names nothing, so that the answer is sent."""
    if len(condition) > _MAX_CONDITION_BYTES:
        return frozenset()
    # A comma may be part of a tag, but of none of ours: cutting there loses none that could match.
    matches = [_TAG.fullmatch(item) for item in condition.split(b",") if item.strip()]
    return frozenset(match.group(1).decode("latin-1") for match in matches if match is not None)
