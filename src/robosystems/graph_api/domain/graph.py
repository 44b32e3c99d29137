"""A graph database as the service sees it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from robosystems.graph_api.domain.ids import GraphId


class SchemaType(StrEnum):
    """Which built-in schema a database starts with."""

    ENTITY = "entity"
    SHARED = "shared"
    CUSTOM = "custom"


class DatabaseStatus(StrEnum):
    """Where a database is in its life."""

    CREATING = "creating"
    ACTIVE = "active"
    BROKEN = "broken"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """Limits that an operator may set for one database; None means the node's default.

    Attributes:
        query_timeout_s: Default time-out of its queries, seconds.
        max_rows: Default cap on rows of a JSON answer.
        max_disk_bytes: Quota of its directory, bytes.
        max_pending_queries: Queries that may run or wait at once.
    """

    query_timeout_s: float | None = None
    max_rows: int | None = None
    max_disk_bytes: int | None = None
    max_pending_queries: int | None = None


@dataclass(frozen=True, slots=True)
class DatabaseRecord:
    """What is known of a database without opening it.

    Attributes:
        graph_id: Its name.
        schema_type: Built-in schema it was created with.
        repository_name: For shared repositories, which one (for example `sec`).
        created_at: When, in UTC.
        status: Where it is in its life.
        status_reason: For `broken`: why, and what to do.
        limits: What the operator has set.
        engine_version: Version of the engine that created it.
        storage_version: Version of the file format.
        possible_loss: Sentences about recoveries in which rows may have been lost; never emptied silently.
        schema_document: The schema as it was declared: descriptions live here, the engine keeps none for columns.
    """

    graph_id: GraphId
    schema_type: SchemaType
    created_at: datetime
    repository_name: str | None = None
    status: DatabaseStatus = DatabaseStatus.ACTIVE
    status_reason: str | None = None
    limits: DatabaseLimits = field(default_factory=DatabaseLimits)
    engine_version: str | None = None
    storage_version: int | None = None
    possible_loss: tuple[str, ...] = ()
    schema_document: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Figures of a database at this moment.

    Attributes:
        open: Whether a process holds it open now.
        size_bytes: Bytes on disk, all files.
        memory_bytes: Private memory of its process; 0 when closed.
        pending_queries: Queries that run or wait.
        restarts: How often its process was restarted since the node started.
        process_id: Of its process; None when closed.
    """

    open: bool
    size_bytes: int
    memory_bytes: int = 0
    pending_queries: int = 0
    restarts: int = 0
    process_id: int | None = None
