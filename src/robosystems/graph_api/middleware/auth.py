"""Who a request comes from, and whether its route is open to them."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from robosystems.graph_api.core.keyring import KeyRing
from robosystems.graph_api.core.throttle import WrongKeyThrottle
from robosystems.graph_api.core.tokens import TOKEN_PREFIX
from robosystems.graph_api.domain.access import Principal
from robosystems.graph_api.domain.access import Scope as KeyScope
from robosystems.graph_api.domain.errors import (
    DatabaseNotFoundError,
    InvalidRequestError,
    NotFoundError,
    ScopeError,
    UnauthorizedError,
)
from robosystems.graph_api.middleware.route_access import (
    CLOSED,
    NEED_BY_ROUTE,
    Once,
    RouteNeed,
    RouteTable,
    graph_of,
)

KEY_HEADER: Final = b"x-graph-api-key"
"""Header that carries a key."""

IDEMPOTENCY_HEADER: Final = b"idempotency-key"
"""Header that names a request, so that it happens once."""

OPEN_PATHS: Final = frozenset({"/health", "/ready"})
"""Paths that answer without a key."""

BARE_PATH: Final = "/status"
"""Path that says one word without a key and everything with one that sees all graphs."""

_SCHEMES: Final = (b"bearer ", b"x-graph-api-key:")
"""What may stand before the key in `Authorization`; the second is what published examples show."""

_SCHEME_LENGTH: Final = 20
_TOKEN_OPTION: Final = b"access_token="
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UNKNOWN_ADDRESS: Final = "unknown"


class Gate:
    """Lets a request in, or says why not.

    Args:
        ring: The keys.
        throttle: Slows down who sends wrong ones.
        needs: What each route needs.
    """

    def __init__(
        self,
        ring: KeyRing,
        throttle: WrongKeyThrottle,
        needs: Mapping[tuple[str, str], RouteNeed] = NEED_BY_ROUTE,
    ) -> None:
        self._ring = ring
        self._throttle = throttle
        self._table = RouteTable(dict(needs))

    def admit(self, scope: Scope, sent: Mapping[bytes, bytes], known: dict[str, Any]) -> None:
        """Check key, graph and scope; put `principal`, `need` and `idempotency_key` into what is known of the request.

        Raises:
            UnauthorizedError: No key, or a wrong one.
            TooManyWrongKeysError: A wrong one, and there were too many before it.
            DatabaseNotFoundError: The graph is not among those of the key: as if there were none of that name.
            NotFoundError: There is no such route.
            ScopeError: The route needs more than the key has.
            InvalidRequestError: The route takes no idempotency key.
        """
        path, method = scope["path"], scope["method"]
        if path in OPEN_PATHS:
            return
        presented = self._presented(scope, sent)
        if path == BARE_PATH and presented is None and self._ring.required:
            return
        principal = self._identify(presented, scope)
        known["principal"] = principal
        known["authenticated"] = path != BARE_PATH or principal.graphs is None
        need = self._table.need(method, path)
        known["need"] = need
        if principal.scope is not KeyScope.ADMIN or principal.graphs is not None or principal.token:
            _check(principal, need, path)
        key = sent.get(IDEMPOTENCY_HEADER)
        if key is not None and method not in _SAFE_METHODS and need is not CLOSED:
            if need.once is Once.NO:
                raise InvalidRequestError("Idempotency-Key: this route does not take it; leave it out.")
            known["idempotency_key"] = key

    def _identify(self, presented: bytes | None, scope: Scope) -> Principal:
        """Return who it is; wrong keys are counted, missing ones are not: they guess nothing."""
        try:
            return self._ring.identify(presented)
        except UnauthorizedError:
            if presented:
                self._throttle.failed(address_of(scope) or _UNKNOWN_ADDRESS)
            raise

    def _presented(self, scope: Scope, sent: Mapping[bytes, bytes]) -> bytes | None:
        """Return the key or token of a request.

        Raises:
            UnauthorizedError: There are two that differ, or one where it may not be.
        """
        presented = presented_key(sent.get(KEY_HEADER), sent.get(b"authorization"))
        if not scope["query_string"] or _TOKEN_OPTION not in scope["query_string"]:
            return presented
        token = _take_token(scope)
        if token is None:
            return presented
        if scope["method"] != "GET":
            raise UnauthorizedError("access_token: only GET takes a token in the URL; send it in the header.")
        if not token.startswith(TOKEN_PREFIX):
            raise UnauthorizedError(
                "access_token: send a token of POST /tokens. A key does not belong into a URL: replace it."
            )
        if presented is not None and presented != token:
            raise UnauthorizedError("The header and access_token hold different keys; send one of them.")
        return token


def address_of(scope: Scope) -> str | None:
    """Return the address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else None


def presented_key(key_header: bytes | None, authorization: bytes | None) -> bytes | None:
    """Return the key of a request's headers; None if neither holds one.

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


def _take_token(scope: Scope) -> bytes | None:
    """Take the token out of the query string, so that nothing behind this point can log it or stumble over it."""
    token: bytes | None = None
    rest: list[bytes] = []
    for option in scope["query_string"].split(b"&"):
        if option.startswith(_TOKEN_OPTION):
            token = unquote_to_bytes(option[len(_TOKEN_OPTION) :])
        else:
            rest.append(option)
    scope["query_string"] = b"&".join(rest)
    return token


def _check(principal: Principal, need: RouteNeed, path: str) -> None:
    """Check that a route is open to a caller. What it may not see comes first: there is nothing to be forbidden."""
    graph_id = graph_of(path)
    if graph_id is not None and not principal.sees(graph_id):
        raise DatabaseNotFoundError(f"Database {graph_id[:80]} does not exist.", graph_id=graph_id[:80])
    if need is CLOSED:
        raise NotFoundError("There is nothing at this path; /openapi.json lists what there is.")
    if not principal.scope.holds(need.scope):
        raise ScopeError(
            f"This needs a key with the scope '{need.scope}'; this one has '{principal.scope}'.", scope=need.scope.value
        )
    if need.whole_node and principal.graphs is not None:
        raise ScopeError("This concerns the whole node; the key is limited to some graphs.")
    if need.key_only and principal.token:
        raise ScopeError("This needs a key; a token is not enough.")
