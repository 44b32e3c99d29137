"""Keys in memory: who a request comes from. Nothing here waits for a disk."""

import hmac
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from robosystems.graph_api.core import tokens
from robosystems.graph_api.core.key_format import id_part, is_mistyped
from robosystems.graph_api.domain.access import GraphSet, KeyRecord, Principal, Scope
from robosystems.graph_api.domain.errors import UnauthorizedError

ENVIRONMENT_KEY_ID: Final = "admin"
"""Id of the keys of GRAPH_API_KEY."""

ANONYMOUS_ID: Final = "anonymous"
"""Id of callers of a node that needs no key."""

_NEVER: Final = float("inf")
_UNKNOWN: Final = "The API key is not known to this node."


class HeldKey:
    """A key as requests meet it.

    Attributes:
        record: What is known of it; its `last_used_at` is that of the store.
        used_at: Seconds since 1970 of its last use since the node started; 0 for none.
    """

    __slots__ = ("digest", "expires_at", "principal", "record", "used_at")

    def __init__(self, record: KeyRecord) -> None:
        self.record = record
        self.digest = record.digest
        self.principal = Principal(record.key_id, record.scope, record.graphs)
        self.expires_at = record.expires_at.timestamp() if record.expires_at is not None else _NEVER
        self.used_at = 0.0


class KeyRing:
    """The keys that open this node.

    A key of the store is found by the id that it carries, so the number of keys does not matter. With no key in the
    environment everything is open, and the server listens on loopback only; a key that is known is heeded all the same.

    Args:
        environment: The keys of GRAPH_API_KEY: any number of non-empty ASCII texts. Several serve to change keys
            without a gap: the old one stays until all clients use the new one.
    """

    def __init__(self, environment: Sequence[str] = ()) -> None:
        self._environment = tuple(sha256(key.encode("ascii")).digest() for key in environment)
        self._environment_principal = Principal(ENVIRONMENT_KEY_ID, Scope.ADMIN)
        self._anonymous = Principal(ANONYMOUS_ID, Scope.ADMIN)
        self._held: dict[bytes, HeldKey] = {}
        self._secret = b""

    @property
    def required(self) -> bool:
        """Whether requests need a key."""
        return bool(self._environment)

    # -- who is it ----------------------------------------------------------------------------------------------------

    def identify(self, presented: bytes | None) -> Principal:
        """Return who presents a key or a token.

        Texts are compared as digests of equal length, so that the time says nothing about any of them.

        Raises:
            UnauthorizedError: Nothing was presented, or nobody knows it, or it is disabled or expired.
        """
        if presented:
            held = self._held.get(id_part(presented))
            digest = sha256(presented).digest()
            if held is not None and hmac.compare_digest(digest, held.digest):
                return self._admitted(held)
            if _is_among(digest, self._environment):
                return self._environment_principal
            if presented.startswith(tokens.TOKEN_PREFIX):
                return self._bearer(presented)
        if not self._environment:
            return self._anonymous
        if not presented:
            raise UnauthorizedError("Send an API key in the header X-Graph-API-Key, or as Authorization: Bearer.")
        raise UnauthorizedError(
            "The API key is mistyped: its checksum does not fit." if is_mistyped(presented) else _UNKNOWN
        )

    def _admitted(self, held: HeldKey) -> Principal:
        """Return whom a key stands for, if it opens anything now."""
        now = time.time()
        if held.record.disabled:
            raise UnauthorizedError("The API key is disabled.")
        if now >= held.expires_at:
            raise UnauthorizedError("The API key has expired.")
        held.used_at = now
        return held.principal

    def _bearer(self, presented: bytes) -> Principal:
        """Return whom a token stands for: never more than the key that issued it."""
        token = tokens.read(presented)
        if token is None or not token.is_signed_by(self._secret, self._digests(token.claims.key_id)):
            raise UnauthorizedError("The token is not known to this node, or its key is gone.")
        claims = token.claims
        if time.time() >= claims.expires_at:
            raise UnauthorizedError("The token has expired; ask for a new one.")
        issuer = self._issuer(claims.key_id)
        scope = claims.scope if issuer.scope.holds(claims.scope) else issuer.scope
        graphs = GraphSet.parse(claims.graphs) if claims.graphs is not None else issuer.graphs
        return Principal(claims.key_id, scope, graphs, token=True)

    def _issuer(self, key_id: str) -> Principal:
        """Return whom the key stands for that issued a token."""
        if key_id == ENVIRONMENT_KEY_ID:
            return self._environment_principal
        if key_id == ANONYMOUS_ID:
            return self._anonymous
        return self._admitted(self._held[key_id.encode("ascii")])

    def _digests(self, key_id: str) -> tuple[bytes, ...]:
        """Return the digests that may have issued tokens of a key; none if there is no such key."""
        if key_id == ENVIRONMENT_KEY_ID:
            return self._environment
        if key_id == ANONYMOUS_ID:
            return () if self._environment else (b"",)
        held = self._held.get(key_id.encode("ascii", "replace"))
        return (held.digest,) if held is not None else ()

    # -- what is on the ring ------------------------------------------------------------------------------------------

    def fill(self, records: Iterable[KeyRecord], signing_secret: bytes) -> None:
        """Take the keys of the store, and the secret that tokens are signed with."""
        self._secret = signing_secret
        self._held = {record.key_id.encode("ascii"): HeldKey(record) for record in records}

    def hold(self, record: KeyRecord) -> None:
        """Take a key, or what has changed about it; in force with the next request."""
        name = record.key_id.encode("ascii")
        known = self._held.get(name)
        self._held[name] = HeldKey(record)
        if known is not None:
            self._held[name].used_at = known.used_at

    def drop(self, key_id: str) -> None:
        """Take a key off; in force with the next request."""
        self._held.pop(key_id.encode("ascii"), None)

    def find(self, key_id: str) -> HeldKey | None:
        """Return a key of the store by its id."""
        return self._held.get(key_id.encode("ascii", "replace"))

    def all(self) -> list[HeldKey]:
        """Return all keys of the store, sorted by id."""
        return [self._held[name] for name in sorted(self._held)]

    @property
    def count(self) -> int:
        """Keys of the store."""
        return len(self._held)

    def issue_token(self, claims: tokens.Claims) -> str:
        """Return a token in the name of a key; one of the environment issues it with the first of them.

        Raises:
            UnauthorizedError: The key is gone by now.
        """
        digests = self._digests(claims.key_id)
        if not digests:
            raise UnauthorizedError(_UNKNOWN)
        return tokens.issue(claims, self._secret, digests[0])


def _is_among(digest: bytes, known: Sequence[bytes]) -> bool:
    """Return whether a digest is one of these, comparing all of them."""
    found = False
    for candidate in known:
        found |= hmac.compare_digest(digest, candidate)
    return found
