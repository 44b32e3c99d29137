"""Operations on keys and tokens, as values; run them with `GraphClient.run` or `AsyncGraphClient.run`."""

from collections.abc import Sequence
from typing import Any, Final, TypedDict, Unpack
from urllib.parse import quote

from robosystems.graph_api.client.operation import Operation, Request, Safety, as_is, nothing, reading

_KEYS: Final = "/keys"
_DOCUMENT: Final = reading(as_is)


class KeyChanges(TypedDict, total=False):
    """What can be changed about a key.

    Attributes:
        name: What people call it.
        disabled: Whether it opens nothing.
        expires_in_seconds: Seconds from now until it opens nothing any more; None: never.
    """

    name: str
    disabled: bool
    expires_in_seconds: int | None


def create_key(
    name: str, scope: str, *, graphs: Sequence[str] | None = None, expires_in_seconds: int | None = None
) -> Operation[dict[str, Any]]:
    """Make a key; the member `key` of the answer is the key itself, which nobody can show again."""
    body: dict[str, object] = {"name": name, "scope": scope}
    if graphs is not None:
        body["graphs"] = list(graphs)
    if expires_in_seconds is not None:
        body["expires_in_seconds"] = expires_in_seconds
    return Operation(_write("POST", _KEYS, body), _DOCUMENT)


def list_keys(*, limit: int = 100, after: str | None = None) -> Operation[dict[str, Any]]:
    """Return one page of keys: `keys`, `total`, `next_after`."""
    query = {"limit": str(limit)} | ({"after": after} if after is not None else {})
    return Operation(Request("GET", _KEYS, query), _DOCUMENT)


def get_key(key_id: str) -> Operation[dict[str, Any]]:
    """Describe a key."""
    return Operation(Request("GET", _path(key_id)), _DOCUMENT)


def change_key(key_id: str, **changes: Unpack[KeyChanges]) -> Operation[dict[str, Any]]:
    """Rename, disable, enable a key, or let it expire. `changes` are `KeyChanges`."""
    return Operation(_write("PATCH", _path(key_id), {**changes}), _DOCUMENT)


def delete_key(key_id: str) -> Operation[None]:
    """Delete a key; it opens nothing from now on."""
    return Operation(_write("DELETE", _path(key_id), None), nothing)


def issue_token(
    *, scope: str = "read", graphs: Sequence[str] | None = None, expires_in_seconds: int = 300
) -> Operation[dict[str, Any]]:
    """Issue a token that opens no more than the key of the client; the member `access_token` is the token."""
    body: dict[str, object] = {"scope": scope, "expires_in_seconds": expires_in_seconds}
    if graphs is not None:
        body["graphs"] = list(graphs)
    return Operation(_write("POST", "/tokens", body), _DOCUMENT)


def _write(method: str, path: str, body: dict[str, object] | None) -> Request:
    """Return a request that changes something; these routes take no idempotency key, because answers hold secrets."""
    return Request(method, path, document=body, safety=Safety.WRITE)


def _path(key_id: str) -> str:
    """Return the path of a key."""
    return f"{_KEYS}/{quote(key_id, safe='')}"
