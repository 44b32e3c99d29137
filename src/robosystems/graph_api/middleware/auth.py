"""API keys."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from robosystems.graph_api.domain.errors import UnauthorizedError

KEY_HEADER: Final = b"x-graph-api-key"
"""Header that carries a key."""

_SCHEMES: Final = (b"bearer ", b"x-graph-api-key:")
"""What may stand before the key in `Authorization`; the second is what published examples show."""

_SCHEME_LENGTH: Final = 20


class KeyRing:
    """The keys that open this node. With none, everything is open; the server then listens on loopback only.

    Args:
        keys: Any number of non-empty ASCII texts. Several serve to change keys without a gap: the old one stays
            until all clients use the new one.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = tuple(sha256(key.encode("ascii")).digest() for key in keys)

    @property
    def required(self) -> bool:
        """Whether requests need a key."""
        return bool(self._digests)

    def check(self, presented: bytes | None) -> None:
        """Return if the key opens this node.

        All keys are compared, as digests of equal length, so that the time says nothing about any of them.

        Raises:
            UnauthorizedError: No key, or a key that nobody knows.
        """
        if not self._digests:
            return
        if not presented:
            raise UnauthorizedError("Send an API key in the header X-Graph-API-Key, or as Authorization: Bearer.")
        digest = sha256(presented).digest()
        known = False
        for candidate in self._digests:
            known |= hmac.compare_digest(digest, candidate)
        if not known:
            raise UnauthorizedError("The API key is not known to this node.")


def presented_key(key_header: bytes | None, authorization: bytes | None) -> bytes | None:
    """Return the key of a request; None if neither header holds one.

    Raises:
        UnauthorizedError: Both hold one, and they differ: which counts would be a guess.
    """
    if authorization is None:
        return key_header
    key = _authorized(authorization)
    if key_header is None or key is None:
        return key or key_header
    if key != key_header:
        raise UnauthorizedError("X-Graph-API-Key and Authorization hold different keys; send one of them.")
    return key


def _authorized(authorization: bytes) -> bytes | None:
    """Return the key in an Authorization header; None if it is of another scheme."""
    lowered = authorization[:_SCHEME_LENGTH].lower()
    for scheme in _SCHEMES:
        if lowered.startswith(scheme):
            return authorization[len(scheme) :].strip()
    return None
