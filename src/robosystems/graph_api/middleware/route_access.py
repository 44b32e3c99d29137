"""What each route needs: one table. A route without an entry is closed to all but administrators of the whole node."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from robosystems.graph_api.domain.access import Scope


class Once(Enum):
    """Whether a route takes an idempotency key, and among what the key has to be unlike others."""

    NO = "no"
    GRAPH = "graph"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class RouteNeed:
    """What a route asks of its callers.

    Attributes:
        scope: The least scope.
        whole_node: Whether it shows or changes more than graphs: keys that are limited to some graphs may not use it.
        key_only: Whether tokens may not use it.
        once: Whether it takes an idempotency key.
        act: Name under which it is written down as an administrative act; None if it is none.
    """

    scope: Scope
    whole_node: bool = False
    key_only: bool = False
    once: Once = Once.NO
    act: str | None = None


_READ: Final = RouteNeed(Scope.READ)
_WRITE: Final = RouteNeed(Scope.WRITE)
_WRITE_ONCE: Final = RouteNeed(Scope.WRITE, once=Once.GRAPH)

QUERY: Final = RouteNeed(Scope.READ, once=Once.GRAPH)
"""A query: with the scope read it is run as a read, and refused if it writes."""

CLOSED: Final = RouteNeed(Scope.ADMIN, whole_node=True)
"""What is not in the table."""


def _key_act(act: str) -> RouteNeed:
    """Return what an act on keys needs."""
    return RouteNeed(Scope.ADMIN, whole_node=True, key_only=True, act=act)


NEED_BY_ROUTE: Final[dict[tuple[str, str], RouteNeed]] = {
    ("GET", "/info"): _READ,
    ("GET", "/status"): _READ,
    ("GET", "/status/databases"): _READ,
    ("GET", "/metrics"): RouteNeed(Scope.READ, whole_node=True),
    ("GET", "/openapi.json"): _READ,
    ("GET", "/databases"): _READ,
    ("POST", "/databases"): RouteNeed(Scope.ADMIN, once=Once.NODE, act="database.create"),
    ("GET", "/databases/{graph_id}"): _READ,
    ("PATCH", "/databases/{graph_id}"): RouteNeed(Scope.ADMIN, once=Once.GRAPH, act="database.limits"),
    ("DELETE", "/databases/{graph_id}"): RouteNeed(Scope.ADMIN, once=Once.NODE, act="database.delete"),
    ("POST", "/databases/{graph_id}/retry"): RouteNeed(Scope.ADMIN, once=Once.GRAPH, act="database.retry"),
    ("GET", "/databases/{graph_id}/metrics"): _READ,
    ("GET", "/databases/{graph_id}/schema"): _READ,
    ("POST", "/databases/{graph_id}/schema"): RouteNeed(Scope.WRITE, once=Once.GRAPH, act="schema.extend"),
    ("GET", "/databases/{graph_id}/query"): _READ,
    ("POST", "/databases/{graph_id}/query"): QUERY,
    ("POST", "/databases/{graph_id}/transaction"): _WRITE_ONCE,
    ("GET", "/databases/{graph_id}/queries"): _READ,
    ("DELETE", "/databases/{graph_id}/queries/{query_id}"): _WRITE,
    ("POST", "/databases/{graph_id}/load/{table}"): _WRITE_ONCE,
    ("GET", "/databases/{graph_id}/loads/{load_id}/rejects"): _READ,
    ("GET", "/databases/{graph_id}/export"): _READ,
    ("POST", "/databases/{graph_id}/import"): RouteNeed(Scope.WRITE, once=Once.GRAPH, act="graph.import"),
    ("GET", "/keys"): RouteNeed(Scope.ADMIN, whole_node=True, key_only=True),
    ("POST", "/keys"): _key_act("key.create"),
    ("GET", "/keys/{key_id}"): RouteNeed(Scope.ADMIN, whole_node=True, key_only=True),
    ("PATCH", "/keys/{key_id}"): _key_act("key.change"),
    ("DELETE", "/keys/{key_id}"): _key_act("key.delete"),
    ("POST", "/tokens"): RouteNeed(Scope.READ, key_only=True, act="token.issue"),
}
"""What each route needs, by method and path; a test compares it with the routes."""

_PREFIX: Final = "/databases/"
_QUERY_SUFFIX: Final = "/query"
_PARAMETER: Final = "{"
_GRAPH: Final = "{graph_id}"


def graph_of(path: str) -> str | None:
    """Return the name of the graph that a path is about; None if it is about none."""
    return path[len(_PREFIX) :].partition("/")[0] if path.startswith(_PREFIX) else None


class RouteTable:
    """Finds what the route of a request needs, as the routes match: by literal segments before parameters."""

    def __init__(self, needs: dict[tuple[str, str], RouteNeed]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[str, ...], RouteNeed]]] = {}
        for (method, template), need in sorted(needs.items(), key=lambda item: item[0][1].count(_PARAMETER)):
            segments = tuple(template.split("/"))
            self._by_shape.setdefault((method, len(segments)), []).append((segments, need))
        self._query = needs.get(("POST", _PREFIX + _GRAPH + _QUERY_SUFFIX), CLOSED)

    def need(self, method: str, path: str) -> RouteNeed:
        """Return what a request needs; `CLOSED` if there is no such route."""
        if method == "POST" and path.endswith(_QUERY_SUFFIX) and path.startswith(_PREFIX) and path.count("/") == 3:  # noqa: PLR2004
            return self._query  # The hottest, without taking the path apart.
        segments = path.split("/")
        for template, need in self._by_shape.get((method, len(segments)), ()):
            if all(
                wanted == given or wanted.startswith(_PARAMETER)
                for wanted, given in zip(template, segments, strict=True)
            ):
                return need
        return CLOSED
