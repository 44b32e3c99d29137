"""Python clients: `AsyncGraphClient` and `GraphClient`, two thin drivers of one core that knows no I/O."""

from robosystems.graph_api.client.breaker import BreakerState
from robosystems.graph_api.client.building import QueryOptions, StreamOptions
from robosystems.graph_api.client.client import AsyncGraphClient, AsyncStream
from robosystems.graph_api.client.config import ClientConfigurationError, GraphClientConfig
from robosystems.graph_api.client.exceptions import (
    CircuitOpenError,
    ForeignAnswerError,
    IncompleteStreamError,
    MissingLibraryError,
    ServerUnreachableError,
)
from robosystems.graph_api.client.operations import CreateOptions, Limits
from robosystems.graph_api.client.parameters import Typed
from robosystems.graph_api.client.results import (
    Database,
    ImportResult,
    LoadResult,
    QueryResult,
    ReadResult,
    RunningQuery,
)
from robosystems.graph_api.client.sync_client import GraphClient, Stream
from robosystems.graph_api.client.uploads import LoadOptions, table_of_file
from robosystems.graph_api.domain.errors import GraphApiError

__all__ = [
    "AsyncGraphClient",
    "AsyncStream",
    "BreakerState",
    "CircuitOpenError",
    "ClientConfigurationError",
    "CreateOptions",
    "Database",
    "ForeignAnswerError",
    "GraphApiError",
    "GraphClient",
    "GraphClientConfig",
    "ImportResult",
    "IncompleteStreamError",
    "Limits",
    "LoadOptions",
    "LoadResult",
    "MissingLibraryError",
    "QueryOptions",
    "QueryResult",
    "ReadResult",
    "RunningQuery",
    "ServerUnreachableError",
    "Stream",
    "StreamOptions",
    "Typed",
    "table_of_file",
]
