"""What a caller is told when a database cannot answer: the sentences, and what may be done about it."""

from typing import Final

from robosystems.graph_api.domain.errors import (
    DatabaseBrokenError,
    DatabaseNotFoundError,
    DiskFullError,
    PoolExhaustedError,
    QueryCancelledError,
    QueryMemoryExceededError,
    ShuttingDownError,
    WorkerCrashedError,
)
from robosystems.graph_api.domain.graph import DatabaseRecord
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode

SHORTEST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0


def not_found(graph_id: GraphId) -> DatabaseNotFoundError:
    """There is no such database."""
    return DatabaseNotFoundError(f"Database {graph_id} does not exist.", graph_id=graph_id.value)


def deleted() -> QueryCancelledError:
    """The database was deleted under the call."""
    return QueryCancelledError("The database was deleted while the query ran.")


def shutting_down() -> ShuttingDownError:
    """The backend is being left."""
    return ShuttingDownError("The node is shutting down.", retry_after=5.0)


def exhausted(graph_id: GraphId, pending: int, answers_per_s: float) -> PoolExhaustedError:
    """Too much is pending: come back when about that much has been answered."""
    expected = pending / answers_per_s if answers_per_s > 0 else SHORTEST_RETRY_S
    return PoolExhaustedError(
        f"Connection pool exhausted: {pending} queries are pending on database {graph_id}.",
        retry_after=round(min(max(expected, SHORTEST_RETRY_S), LONGEST_RETRY_S), 1),
        pending=pending,
    )


def over_quota(graph_id: GraphId, used: int, quota: int) -> DiskFullError:
    """The database has reached its disk quota: it can be read and emptied, not filled further."""
    return DiskFullError(
        f"Database {graph_id} uses {used} of {quota} bytes (max_disk_bytes): delete data, or raise the quota.",
        disk_used=used,
        disk_limit=quota,
    )


def out_of_memory(mode: AccessMode) -> QueryMemoryExceededError:
    """The process was ended because it used more memory than one database may."""
    detail = "The database's process used more memory than it may (LBUG_MEMORY_PER_DB_MB) and was restarted."
    if mode is AccessMode.READ:
        return QueryMemoryExceededError(f"{detail} Ask for less at once.")
    return QueryMemoryExceededError(f"{detail} Whether the statement was committed is not known: check first.")


def broken(record: DatabaseRecord) -> DatabaseBrokenError:
    """The database is quarantined."""
    reason = record.status_reason or "Its files cannot be opened."
    return DatabaseBrokenError(f"Database {record.graph_id} is quarantined. {reason}", graph_id=record.graph_id.value)


def crashed(mode: AccessMode) -> WorkerCrashedError:
    """The process died with the call: a read can be repeated, a write only by somebody who looks first."""
    if mode is AccessMode.READ:
        return WorkerCrashedError(
            "The database's process died while the query ran; the query changes nothing and can be repeated.",
            retry_after=SHORTEST_RETRY_S,
            retryable=True,
        )
    return WorkerCrashedError(
        "The database's process died while the statement ran or waited. Whether it was committed is not known: "
        "check before repeating it.",
        retryable=False,
    )
