"""What each route needs: the table against the routes that there are."""

import pytest
from fastapi.routing import APIRoute

from robosystems.graph_api.app import create_app
from robosystems.graph_api.config import Settings
from robosystems.graph_api.domain.access import Scope
from robosystems.graph_api.middleware.auth import OPEN_PATHS
from robosystems.graph_api.middleware.route_access import CLOSED, NEED_BY_ROUTE, Once, RouteTable, graph_of

TABLE = RouteTable(NEED_BY_ROUTE)
BESIDE_THE_ROUTES = {("GET", "/openapi.json")}


def routes() -> set[tuple[str, str]]:
    """Return method and path of each route that needs a key."""
    app = create_app(Settings.model_construct())
    found = {
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, APIRoute) and route.path_format not in OPEN_PATHS
        for method in route.methods or ()
    }
    return found | BESIDE_THE_ROUTES


def test_every_route_has_an_entry() -> None:
    """Whoever adds a route decides who may use it; until then it is closed to all but administrators of the node."""
    assert sorted(routes() - set(NEED_BY_ROUTE)) == []


def test_every_entry_is_a_route() -> None:
    """The table promises nothing that is not there."""
    assert sorted(set(NEED_BY_ROUTE) - routes()) == []


@pytest.mark.parametrize(("method", "template"), sorted(NEED_BY_ROUTE))
def test_requests_find_their_entry(method: str, template: str) -> None:
    """Filled with any names, each path leads to its own entry."""
    path = template
    for name in ("graph_id", "table", "query_id", "key_id", "load_id"):
        path = path.replace("{" + name + "}", f"some-{name}")
    assert TABLE.need(method, path) is NEED_BY_ROUTE[method, template]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("PUT", "/databases/kg1"),
        ("POST", "/databases/kg1/query/"),
        ("POST", "/databases//kg1/query"),
        ("POST", "/databases/kg1/x/query"),
        ("GET", "//info"),
        ("POST", "/databases/query"),
        ("get", "/info"),
    ],
)
def test_what_is_not_in_the_table_is_closed(method: str, path: str) -> None:
    """No spelling gets around it."""
    assert TABLE.need(method, path) is CLOSED


def test_what_changes_something_needs_more_than_read() -> None:
    """Reading is all that a read key does; a query decides by its statement, and a token only lends what there is."""
    exceptions = {("POST", "/databases/{graph_id}/query"), ("POST", "/tokens")}
    weak = {
        route for route, need in NEED_BY_ROUTE.items() if route[0] != "GET" and need.scope is Scope.READ
    } - exceptions
    assert not weak


def test_secrets_are_never_kept_for_a_repetition() -> None:
    """An answer that holds a key or a token is not stored."""
    for (_, path), need in NEED_BY_ROUTE.items():
        assert need.once is Once.NO or not path.startswith(("/keys", "/tokens"))


@pytest.mark.parametrize(
    ("path", "graph_id"),
    [
        ("/databases", None),
        ("/databases/kg1", "kg1"),
        ("/databases/kg1/query", "kg1"),
        ("/databases/", ""),
        ("/keys/kg1", None),
    ],
)
def test_a_path_names_its_graph(path: str, graph_id: str | None) -> None:
    """The segment behind /databases."""
    assert graph_of(path) == graph_id
