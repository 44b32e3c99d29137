"""Everything that routes may use, in one value."""

from dataclasses import dataclass

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.archive_service import ArchiveService
from robosystems.graph_api.core.database_manager import DatabaseManager
from robosystems.graph_api.core.idempotency import IdempotencyService
from robosystems.graph_api.core.ingestion_service import IngestionService
from robosystems.graph_api.core.keys import KeyService
from robosystems.graph_api.core.metrics_collector import MetricsCollector
from robosystems.graph_api.core.node import NodeInformation
from robosystems.graph_api.core.query_service import QueryService
from robosystems.graph_api.core.schema_service import SchemaService
from robosystems.graph_api.state.base import AuditLog


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one application, from its start to its end."""

    backend: GraphBackend
    databases: DatabaseManager
    queries: QueryService
    schemas: SchemaService
    loads: IngestionService
    archives: ArchiveService
    metrics: MetricsCollector
    node: NodeInformation
    keys: KeyService
    idempotency: IdempotencyService
    audit: AuditLog
