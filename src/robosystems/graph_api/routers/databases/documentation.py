"""What the OpenAPI document says about answers of the routes here: which errors, which headers."""

from typing import Any, Final

from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.routers.errors import problem_responses

Responses = dict[int | str, dict[str, Any]]

_ANY_DATABASE: Final = (errors.InvalidRequestError, errors.InvalidGraphIdError, errors.DatabaseNotFoundError)
_CLOSED_NODE: Final = (errors.UnavailableError, errors.ShuttingDownError)
_OPEN_DATABASE: Final = (
    *_ANY_DATABASE,
    *_CLOSED_NODE,
    errors.PoolExhaustedError,
    errors.WorkerCrashedError,
    errors.DatabaseBrokenError,
    errors.DatabaseLockedError,
    errors.StorageVersionError,
    errors.QueryMemoryExceededError,
    errors.QueryTimeoutError,
    errors.QueryCancelledError,
    errors.DatabaseBusyError,
)

QUERY_ID_HEADER: Final = "X-Query-Id"

VALIDATORS: Final[dict[str, Any]] = {
    "ETag": {
        "description": "Of an answer to a read: the same for as long as the database does not change.",
        "schema": {"type": "string"},
    },
    "Cache-Status": {
        "description": "`graph-api; hit`: an earlier, equal read was answered so. `graph-api; fwd=miss`: it was run.",
        "schema": {"type": "string"},
    },
}


def on_node(*kinds: type[GraphApiError]) -> Responses:
    """Return the errors of a route that concerns no existing database."""
    return problem_responses(*_CLOSED_NODE, *kinds)


def on_record(*kinds: type[GraphApiError]) -> Responses:
    """Return the errors of a route that looks at a database without opening it."""
    return problem_responses(*_ANY_DATABASE, *_CLOSED_NODE, *kinds)


def on_database(*kinds: type[GraphApiError]) -> Responses:
    """Return the errors of a route that sends work to a database."""
    return problem_responses(*_OPEN_DATABASE, *kinds)


def with_query_id(description: str) -> dict[str, Any]:
    """Return the beginning of a response object whose answers carry the name of the query."""
    return {
        "description": description,
        "headers": {
            QUERY_ID_HEADER: {
                "description": "Name under which the work was listed and could be cancelled.",
                "schema": {"type": "string"},
            }
        },
    }


def with_validators(description: str) -> dict[str, Any]:
    """Return the beginning of a response object for answers that may be those of a read."""
    described = with_query_id(description)
    return {**described, "headers": {**described["headers"], **VALIDATORS}}
