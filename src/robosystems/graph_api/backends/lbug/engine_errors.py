"""From the engine's messages to domain errors.

The engine raises one class for everything; what went wrong is only in the text. `ERROR_TABLE` is searched from the top:
the first pattern that the message contains (or begins with) decides.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from robosystems.graph_api.domain.errors import (
    DatabaseBrokenError,
    DatabaseLockedError,
    DiskFullError,
    GraphApiError,
    InvalidParameterError,
    QueryMemoryExceededError,
    StatementError,
    StatementForbiddenError,
    StorageVersionError,
)

INTERRUPTED: Final = "Interrupted."
"""Whole message of a statement stopped by `interrupt()`; only who called it knows why."""

COMMITTED_BUT_DEGRADED: Final = "Transaction committed successfully, but the post-commit checkpoint failed"
"""Begins the message of a success: the data is durable, only the checkpoint after it failed."""

_READ_ONLY: Final = "Can not execute a write query inside a read-only transaction"
_UNTYPED: Final = (
    "A parameter has no type the engine could infer: it is null, or an empty list, or a list that contains one, in a "
    "place that needs a type. Give the list at least one element, or write CAST($name AS STRING[]) (or another type) "
    "around the parameter."
)
_UNREADABLE: Final = (
    "The engine cannot return values of type JSON or UINT128, nor maps with a null key, alone or inside of others: "
    "return CAST(x AS STRING) instead."
)


class At(Enum):
    """Where in a message a pattern has to stand."""

    START = auto()
    ANYWHERE = auto()


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of the table.

    Attributes:
        pattern: Text to find.
        at: Where.
        error: Class of the domain error.
        detail: Sentence for the caller; None keeps the engine's own.
    """

    pattern: str
    at: At
    error: type[GraphApiError]
    detail: str | None = None


_UNWRITTEN: Final = (
    "The disk of this node is full or refuses writes: the statement was not committed. Free space, then retry."
)

_LOG_FAILURES: Final = (
    "Cannot write to file",
    "Failed to sync file",
    "Failed to truncate file",
    "refuses further writes until restart",
)

ERROR_TABLE: Final[tuple[ErrorRule, ...]] = (
    ErrorRule(
        _READ_ONLY,
        At.ANYWHERE,
        StatementForbiddenError,
        "The statement writes, but was sent as a read. Send it with mode 'write'.",
    ),
    ErrorRule("Trying to a create a vector with ANY type", At.ANYWHERE, InvalidParameterError, _UNTYPED),
    ErrorRule("src/common/types/types.cpp", At.ANYWHERE, InvalidParameterError, _UNTYPED),
    ErrorRule("Cannot convert Python object to Lbug value", At.ANYWHERE, InvalidParameterError),
    ErrorRule("for arrow conversion", At.ANYWHERE, StatementError, _UNREADABLE),
    ErrorRule("Cannot convert map with null key", At.ANYWHERE, StatementError, _UNREADABLE),
    ErrorRule("Trying to read a database file with a different version", At.ANYWHERE, StorageVersionError),
    ErrorRule("Could not set lock", At.ANYWHERE, DatabaseLockedError),
    ErrorRule("not a valid Lbug database file", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("may be corrupted", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Checksum verification failed", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Corrupted wal file", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Corrupted WAL record", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Cannot recover", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Cannot replay", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Cannot write to file", At.ANYWHERE, DiskFullError, _UNWRITTEN),
    ErrorRule("No space left on device", At.ANYWHERE, DiskFullError),
    ErrorRule("Disk quota exceeded", At.ANYWHERE, DiskFullError),
    ErrorRule("File too large", At.ANYWHERE, DiskFullError),
    ErrorRule("Maximum database size of", At.ANYWHERE, DiskFullError),
    ErrorRule("refuses further writes until restart", At.ANYWHERE, DatabaseBrokenError),
    ErrorRule("Buffer manager", At.START, QueryMemoryExceededError),
    ErrorRule("Unable to allocate memory", At.ANYWHERE, QueryMemoryExceededError),
    ErrorRule("std::bad_alloc", At.ANYWHERE, QueryMemoryExceededError),
    ErrorRule("not enough memory", At.ANYWHERE, QueryMemoryExceededError),
    ErrorRule("Parser exception:", At.START, StatementError),
    ErrorRule("Binder exception:", At.START, StatementError),
    ErrorRule("Catalog exception:", At.START, StatementError),
    ErrorRule("Conversion exception:", At.START, StatementError),
    ErrorRule("Overflow exception:", At.START, StatementError),
    ErrorRule("Runtime exception:", At.START, StatementError),
    ErrorRule("Copy exception:", At.START, StatementError),
    ErrorRule("Connection exception:", At.START, StatementError),
    ErrorRule("Connection Exception:", At.START, StatementError),
    ErrorRule("Storage exception:", At.START, StatementError),
    ErrorRule("IO exception:", At.START, StatementError),
)

_MEMORY_DETAIL: Final = (
    "The statement needed more memory than the database may use. Return fewer rows, sort less, bound variable-length "
    "paths, or raise the database's memory."
)
_MAX_DETAIL: Final = 2000
_LONG_LIST: Final = re.compile(r" expecting \{[^}]{200,}\}")


def is_interrupted(error: Exception) -> bool:
    """Whether the engine stopped the statement because of `interrupt()`."""
    return isinstance(error, RuntimeError) and str(error).startswith(INTERRUPTED)


def is_degraded_commit(error: Exception) -> bool:
    """Whether this is the success whose checkpoint failed."""
    return isinstance(error, RuntimeError) and COMMITTED_BUT_DEGRADED in str(error)


def is_log_failure(error: Exception) -> bool:
    """Whether a file of the database could not be written: its log may end in half a record.

    What would be committed behind that is lost at the next opening, and the engine may wait for ever: the process has
    to end, so that the next one repairs the log.
    """
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _LOG_FAILURES)


def to_domain_error(error: Exception) -> GraphApiError:
    """Return the domain error for what a call into the engine raised.

    The binding raises `RuntimeError` for the engine's own errors, `MemoryError` for a failed allocation, and whatever
    Python raises while it converts a value (`TypeError`, `ValueError`, `OverflowError`). A message that no rule knows
    is a statement error too: the engine has refused the statement, and nothing was changed.
    """
    # The parser lists every word that could have come instead.
    message = _LONG_LIST.sub("", str(error).strip())
    if isinstance(error, MemoryError):
        return QueryMemoryExceededError(_MEMORY_DETAIL)
    if isinstance(error, RuntimeError):
        for rule in ERROR_TABLE:
            found = message.startswith(rule.pattern) if rule.at is At.START else rule.pattern in message
            if found:
                return _build(rule, message)
        if message.startswith("Unable to cast Python instance"):
            return InvalidParameterError("A parameter holds a value that the engine cannot take.")
    return StatementError(message[:_MAX_DETAIL] or "The engine refused the statement without a reason.")


def opening_error(error: Exception) -> GraphApiError:
    """Return the domain error for a database that cannot be opened: what no rule knows means a broken database."""
    found = to_domain_error(error)
    if isinstance(found, StatementError):
        return DatabaseBrokenError(f"The database cannot be opened: {found.detail}")
    return found


def _build(rule: ErrorRule, message: str) -> GraphApiError:
    if rule.error is QueryMemoryExceededError:
        return QueryMemoryExceededError(_MEMORY_DETAIL)
    if rule.error is StorageVersionError:
        return StorageVersionError(
            f"{message} Open the database with the engine that wrote it, export it, and import the export here."
        )
    return rule.error(rule.detail or message[:_MAX_DETAIL])
