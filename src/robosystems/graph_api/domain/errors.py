"""Every error that the service raises on purpose.

::

    GraphApiError
    ├── InvalidRequestError            the request itself is wrong
    │   ├── InvalidGraphIdError
    │   ├── InvalidTableNameError
    │   ├── InvalidParameterError
    │   ├── InvalidSchemaError
    │   ├── QueryTooLongError
    │   ├── StatementError             the engine refused the statement (syntax, binder, run time)
    │   ├── LoadError                  the file or one of its rows cannot be loaded
    │   └── ArchiveError               the archive of a graph cannot be imported
    ├── UnauthorizedError / ScopeError
    ├── StatementForbiddenError        the policy refused the statement
    ├── NotFoundError
    │   ├── DatabaseNotFoundError, TableNotFoundError, QueryNotFoundError, KeyNotFoundError, LoadNotFoundError
    ├── ConflictError
    │   ├── DatabaseExistsError, DatabaseBusyError, DatabaseNotEmptyError, NotExportableError
    │   └── IdempotencyKeyReusedError, IdempotencyInProgressError, OutcomeUnknownError, AnswerNotKeptError
    ├── PayloadTooLargeError
    ├── RateLimitedError
    │   └── TooManyWrongKeysError
    ├── CapabilityNotSupportedError
    ├── UnavailableError               try again later
    │   ├── PoolExhaustedError, IngestionQueueFullError, WorkerCrashedError, DatabaseBrokenError, ShuttingDownError
    │   ├── DatabaseLockedError, StorageVersionError, QueryMemoryExceededError, SandboxUnavailableError
    ├── QueryTimeoutError, QueryCancelledError
    └── InsufficientStorageError
        └── NodeFullError, DiskFullError

HTTP is unknown here: `routers/errors.py` maps each class to a status.
"""

from collections.abc import Mapping
from typing import ClassVar


class GraphApiError(Exception):
    """Root of all errors of the service.

    Args:
        detail: One or two sentences for the caller: what is wrong, which field, what to do instead.
        retry_after: Seconds after which a repetition may succeed; only for what can heal by itself.
        context: Values for machines and logs; shown to the caller, so never secrets or another tenant's names.
    """

    code: ClassVar[str] = "INTERNAL"
    """Stable wire name; clients decide by it."""

    retryable: ClassVar[bool] = False
    """Whether the same request can succeed later without being changed."""

    def __init__(self, detail: str, *, retry_after: float | None = None, **context: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.context = context


class InvalidRequestError(GraphApiError):
    """A field of the request is missing, unknown or malformed; the detail names it."""

    code = "INVALID_REQUEST"


class InvalidGraphIdError(InvalidRequestError):
    """The graph id is not a legal one."""

    code = "INVALID_GRAPH_ID"


class InvalidTableNameError(InvalidRequestError):
    """The table name is not a legal identifier."""

    code = "INVALID_TABLE_NAME"


class InvalidParameterError(InvalidRequestError):
    """A query parameter is missing, unknown or of a kind that the engine cannot take."""

    code = "INVALID_PARAMETER"


class InvalidSchemaError(InvalidRequestError):
    """A schema document or DDL is wrong; the context may hold the failing `statement`."""

    code = "INVALID_SCHEMA"


class QueryTooLongError(InvalidRequestError):
    """The text of the query is over the limit."""

    code = "QUERY_TOO_LONG"


class StatementError(InvalidRequestError):
    """The engine refused or failed the statement: syntax, unknown name, type, constraint, arithmetic."""

    code = "STATEMENT_ERROR"


class LoadError(InvalidRequestError):
    """A file could not be loaded; nothing of it was kept. The context names `row` and `reason` where known."""

    code = "LOAD_FAILED"


class ArchiveError(InvalidRequestError):
    """An archive could not be imported: nothing of it was kept. The context names `reason`, and `member` if known."""

    code = "ARCHIVE_INVALID"


class UnauthorizedError(GraphApiError):
    """No key, or a key that nobody knows."""

    code = "UNAUTHORIZED"


class ScopeError(GraphApiError):
    """The key is known but may not do this."""

    code = "FORBIDDEN_SCOPE"


class StatementForbiddenError(GraphApiError):
    """The policy refused a statement; the detail names the clause and what to use instead."""

    code = "STATEMENT_FORBIDDEN"


class NotFoundError(GraphApiError):
    """What the request names does not exist, or this key may not see it."""

    code = "NOT_FOUND"


class DatabaseNotFoundError(NotFoundError):
    """No such database."""

    code = "DATABASE_NOT_FOUND"


class TableNotFoundError(NotFoundError):
    """No such table in the database."""

    code = "TABLE_NOT_FOUND"


class QueryNotFoundError(NotFoundError):
    """No such running query (it may have ended)."""

    code = "QUERY_NOT_FOUND"


class LoadNotFoundError(NotFoundError):
    """No such load, or nothing of it is kept any more."""

    code = "LOAD_NOT_FOUND"


class KeyNotFoundError(NotFoundError):
    """No such key."""

    code = "KEY_NOT_FOUND"


class ConflictError(GraphApiError):
    """The state of the resource does not allow the request now."""

    code = "CONFLICT"


class DatabaseExistsError(ConflictError):
    """A database of this name exists."""

    code = "DATABASE_EXISTS"


class DatabaseNotEmptyError(ConflictError):
    """An archive can only be imported where there is nothing yet; the detail names what there is."""

    code = "DATABASE_NOT_EMPTY"


class NotExportableError(ConflictError):
    """The graph holds something that an archive cannot; the detail names table and column."""

    code = "NOT_EXPORTABLE"


class DatabaseBusyError(ConflictError):
    """The database is being created, deleted, restored or rebuilt."""

    code = "DATABASE_BUSY"
    retryable = True


class IdempotencyKeyReusedError(ConflictError):
    """The idempotency key belongs to another request; nothing was done for this one."""

    code = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyInProgressError(ConflictError):
    """A request with this idempotency key is being served; its answer can be had later with the same request."""

    code = "IDEMPOTENCY_IN_PROGRESS"
    retryable = True


class OutcomeUnknownError(ConflictError):
    """A request with this idempotency key was begun and cut off; it is not begun again.

    It may or may not have happened: look at the data, then use a new key if it has to be repeated.
    """

    code = "OUTCOME_UNKNOWN"


class AnswerNotKeptError(ConflictError):
    """The request with this idempotency key was carried out, but its answer was too large to be kept."""

    code = "ANSWER_NOT_KEPT"


class PayloadTooLargeError(GraphApiError):
    """The body or the answer is over its limit; the detail names limit and setting."""

    code = "PAYLOAD_TOO_LARGE"


class RateLimitedError(GraphApiError):
    """Too many requests from this key or for this database."""

    code = "RATE_LIMITED"
    retryable = True


class TooManyWrongKeysError(RateLimitedError):
    """Too many wrong keys came from this address; a right key is served all the same."""

    code = "TOO_MANY_WRONG_KEYS"
    retryable = False


class CapabilityNotSupportedError(GraphApiError):
    """The backend lacks the capability; the context names `capability` and `backend`."""

    code = "CAPABILITY_NOT_SUPPORTED"


class UnavailableError(GraphApiError):
    """The service cannot do this now, but may soon."""

    code = "UNAVAILABLE"
    retryable = True


class PoolExhaustedError(UnavailableError):
    """All lanes of the database are busy and its queue is full ("Connection pool exhausted")."""

    code = "POOL_EXHAUSTED"


class IngestionQueueFullError(UnavailableError):
    """Too many loads wait already ("Ingestion queue full")."""

    code = "INGESTION_QUEUE_FULL"


class WorkerCrashedError(UnavailableError):
    """The database's process died while the request ran.

    A write may or may not have been committed; a read can be repeated. Whether to repeat is therefore the caller's
    decision and depends on the statement: `context["retryable"]` overrides the class's flag for writes.
    """

    code = "WORKER_CRASHED"


class DatabaseBrokenError(UnavailableError):
    """The database failed to open repeatedly and is quarantined; the detail says why and what to do."""

    code = "DATABASE_BROKEN"
    retryable = False


class DatabaseLockedError(UnavailableError):
    """Another process holds the lock of the database's directory."""

    code = "DATABASE_LOCKED"


class QueryMemoryExceededError(UnavailableError):
    """The statement needed more memory than the database's limit."""

    code = "MEMORY_EXCEEDED"
    retryable = False


class StorageVersionError(UnavailableError):
    """The database's files were written by an engine with another storage version; the detail says what to do."""

    code = "STORAGE_VERSION"
    retryable = False


class SandboxUnavailableError(UnavailableError):
    """Workers must be confined, and this kernel cannot do it; the detail names what is missing."""

    code = "SANDBOX_UNAVAILABLE"
    retryable = False


class ShuttingDownError(UnavailableError):
    """The node drains: use another one or come back."""

    code = "SHUTTING_DOWN"


class QueryTimeoutError(GraphApiError):
    """The deadline passed; the statement was stopped and has changed nothing, unless `outcome` is as below."""

    code = "QUERY_TIMEOUT"


class QueryCancelledError(GraphApiError):
    """Somebody cancelled the query, or its client went away.

    It has changed nothing, unless the context says `outcome="unknown"`: a write that did not stop in time.
    """

    code = "QUERY_CANCELLED"


class InsufficientStorageError(GraphApiError):
    """Something that the node has too little of: databases, disk, a matching engine version."""

    code = "INSUFFICIENT_STORAGE"


class NodeFullError(InsufficientStorageError):
    """The node holds as many databases as it may."""

    code = "NODE_FULL"


class DiskFullError(InsufficientStorageError):
    """The disk or the database's quota is full."""

    code = "DISK_FULL"


def _all_subclasses(root: type[GraphApiError]) -> list[type[GraphApiError]]:
    """Return the class and all that derive from it, parents first."""
    found = [root]
    for child in root.__subclasses__():
        found += _all_subclasses(child)
    return found


def error_from_code(
    code: str, detail: str, *, retry_after: float | None = None, context: Mapping[str, object] | None = None
) -> GraphApiError:
    """Rebuild an error that crossed a process or network boundary; an unknown code gives a plain `GraphApiError`."""
    by_code = {error.code: error for error in _all_subclasses(GraphApiError)}
    return by_code.get(code, GraphApiError)(detail, retry_after=retry_after, **dict(context or {}))
