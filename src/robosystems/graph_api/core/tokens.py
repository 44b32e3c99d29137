"""Tokens: short-lived, signed, for callers that cannot keep a key or cannot send a header.

`graph_api_token_<payload>.<signature>`, both Base64 without padding. The signature is an HMAC over the payload with a
secret that is derived from the node's own secret and from the digest of the key that issued the token: a token opens
nothing once its key is gone, and nothing has to be kept for it.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from robosystems.graph_api.domain.access import Scope

TOKEN_PREFIX: Final = b"graph_api_token_"
"""How every token begins; no key does, because `_` is in no id."""

_LONGEST: Final = 8_192
_SEPARATOR: Final = b"."


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says.

    Attributes:
        key_id: The key that issued it.
        scope: What it may do.
        expires_at: Seconds since 1970 from which on it opens nothing.
        graphs: Patterns of the graphs it may see; None for those of its key.
    """

    key_id: str
    scope: Scope
    expires_at: int
    graphs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class UncheckedToken:
    """A token that was read but not believed yet.

    Attributes:
        claims: What it says.
        payload: The bytes that are signed.
        signature: The signature it brought.
    """

    claims: Claims
    payload: bytes
    signature: bytes

    def is_signed_by(self, secret: bytes, digests: Iterable[bytes]) -> bool:
        """Return whether a key with one of these digests issued it on the node of the secret."""
        signed = False
        for digest in digests:
            signed |= hmac.compare_digest(self.signature, _signature(secret, digest, self.payload))
        return signed


def issue(claims: Claims, secret: bytes, digest: bytes) -> str:
    """Return a token.

    Args:
        claims: What it says.
        secret: Of the node.
        digest: Of the key that issues it.
    """
    payload = msgspec.json.encode(claims)
    signed = _encoded(payload) + _SEPARATOR + _encoded(_signature(secret, digest, payload))
    return (TOKEN_PREFIX + signed).decode("ascii")


def read(presented: bytes) -> UncheckedToken | None:
    """Return what a token says; None if it is malformed."""
    if len(presented) > _LONGEST or not presented.startswith(TOKEN_PREFIX):
        return None
    payload_text, _, signature_text = presented[len(TOKEN_PREFIX) :].partition(_SEPARATOR)
    try:
        payload, signature = _decoded(payload_text), _decoded(signature_text)
        return UncheckedToken(msgspec.json.decode(payload, type=Claims), payload, signature)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _signature(secret: bytes, digest: bytes, payload: bytes) -> bytes:
    """Return the signature of a payload."""
    return hmac.digest(hmac.digest(secret, digest, "sha256"), payload, "sha256")


def _encoded(data: bytes) -> bytes:
    """Return bytes as text for a URL."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    """Return what a text for a URL stands for.

    Raises:
        binascii.Error: It stands for nothing.
    """
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
