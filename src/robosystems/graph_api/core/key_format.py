"""How keys look.

`graph_api_` and 64 letters and digits: 12 for the id, 46 for the secret (273 random bits), 6 for a checksum. The prefix
lets scanners of repositories find a leaked key, the checksum lets them and the service tell a mistyped key from a
wrong one; the id finds the key without a search.
"""

import secrets
import string
import zlib
from hashlib import sha256
from typing import Final, NamedTuple

KEY_PREFIX: Final = "graph_api_"
"""How every key begins."""

_ALPHABET: Final = string.digits + string.ascii_letters
_ID_CHARACTERS: Final = 12
_SECRET_CHARACTERS: Final = 46
_CHECKSUM_CHARACTERS: Final = 6
_ID_BEGIN: Final = len(KEY_PREFIX)
_ID_END: Final = _ID_BEGIN + _ID_CHARACTERS
_CHECKSUM_BEGIN: Final = _ID_END + _SECRET_CHARACTERS

KEY_LENGTH: Final = _CHECKSUM_BEGIN + _CHECKSUM_CHARACTERS
"""Characters of a key."""


class NewSecret(NamedTuple):
    """A key that was just made.

    Attributes:
        key: All of it; it is shown once and kept nowhere.
        key_id: Its public part.
        digest: What is kept instead.
    """

    key: str
    key_id: str
    digest: bytes


def new_secret() -> NewSecret:
    """Make a key."""
    key_id = _random(_ID_CHARACTERS)
    body = KEY_PREFIX + key_id + _random(_SECRET_CHARACTERS)
    key = body + _checksum(body)
    return NewSecret(key, key_id, sha256(key.encode("ascii")).digest())


def id_part(presented: bytes) -> bytes:
    """Return the place of the id in what a request presents, whatever that is."""
    return presented[_ID_BEGIN:_ID_END]


def is_mistyped(presented: bytes) -> bool:
    """Return whether a text has the form of a key and a checksum that does not fit: nobody made such a key."""
    try:
        text = presented.decode("ascii")
    except UnicodeDecodeError:
        return False
    if not text.startswith(KEY_PREFIX) or len(text) != KEY_LENGTH or not text[_ID_BEGIN:].isalnum():
        return False
    return text[_CHECKSUM_BEGIN:] != _checksum(text[:_CHECKSUM_BEGIN])


def _random(characters: int) -> str:
    """Return random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(characters))


def _checksum(body: str) -> str:
    """Return the CRC-32 of a text in base 62."""
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
