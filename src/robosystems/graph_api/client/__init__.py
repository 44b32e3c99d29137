"""Python clients: `AsyncGraphClient` and `GraphClient`, two thin drivers of one core that knows no I/O."""

from robosystems.graph_api.client.client import AsyncGraphClient
from robosystems.graph_api.client.exceptions import IncompleteStreamError, ServerUnreachableError
from robosystems.graph_api.client.results import Database, LoadResult, QueryResult
from robosystems.graph_api.client.sync_client import GraphClient
from robosystems.graph_api.domain.errors import GraphApiError

__all__ = [
    "AsyncGraphClient",
    "Database",
    "GraphApiError",
    "GraphClient",
    "IncompleteStreamError",
    "LoadResult",
    "QueryResult",
    "ServerUnreachableError",
]
