"""What a query asks for and what comes back, independent of backend and transport."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SUMMARY_KEY: Final = "graph_api.summary"
"""Where formats with metadata (Arrow, Parquet) carry the summary, a JSON object with the members of the NDJSON one."""


class AccessMode(StrEnum):
    """What a statement may do; `AUTO` lets the classification of the text decide."""

    READ = "read"
    WRITE = "write"
    AUTO = "auto"


class ResultFormat(StrEnum):
    """How rows are made into bytes."""

    JSON = "json"
    """One document, `data` holds an object per row keyed by column."""
    JSON_ARRAYS = "json_arrays"
    """One document, `data` holds an array per row."""
    NDJSON = "ndjson"
    """An object per row and line; the last line is `{"summary": ...}` or `{"problem": ...}`."""
    EVENT_STREAM = "event_stream"
    """Server-sent events: `rows` events with an array of objects each, then one `summary` or `problem` event."""
    ARROW = "arrow"
    """An Arrow IPC stream whose last batch is empty and has the summary in its metadata; broken off if it fails."""
    CSV = "csv"
    """A header and a record per row; broken off if it fails."""
    PARQUET = "parquet"
    """A Parquet file; broken off if it fails."""

    @property
    def is_document(self) -> bool:
        """Whether a client has to take the answer as a whole, so that its rows need a cap."""
        return self in _DOCUMENTS


_DOCUMENTS: Final = frozenset({ResultFormat.JSON, ResultFormat.JSON_ARRAYS})


@dataclass(frozen=True, slots=True)
class Query:
    """One statement with everything that decides how it runs.

    Attributes:
        text: The statement, already admitted by the policy.
        parameters: A JSON object as UTF-8 text; `{}` for none. Kept as text, so that only the process that binds the
            values decodes them.
        mode: READ or WRITE, never AUTO: READ is enforced by the engine too.
        timeout_s: Seconds from now until the caller must have an answer, waiting included.
        format: Encoding of the rows.
        max_rows: Rows after which the answer is cut and says `truncated`; None for no cap.
        query_id: Name under which the query is listed and cancelled; unique in the node.
        counted_tables: Names that may be tables in the text, whose row counts before and after give the write
            counters; None counts all tables (needed for deletes).
        may_grow: Whether it may make the database larger; what cannot is allowed over the disk quota, so that a full
            database can be emptied.
    """

    text: str
    mode: AccessMode
    timeout_s: float
    query_id: str
    parameters: bytes = b"{}"
    format: ResultFormat = ResultFormat.JSON
    max_rows: int | None = None
    counted_tables: tuple[str, ...] | None = ()
    may_grow: bool = False


@dataclass(frozen=True, slots=True)
class TransactionStatement:
    """One statement of a transaction; fields as in `Query`."""

    text: str
    parameters: bytes = b"{}"
    counted_tables: tuple[str, ...] | None = ()
    may_grow: bool = False


@dataclass(frozen=True, slots=True)
class ResultSummary:
    """Figures of a finished statement.

    Attributes:
        row_count: Rows that were sent.
        truncated: Whether more rows existed than were sent.
        execution_time_ms: Milliseconds in the engine, compiling included.
    """

    row_count: int = 0
    truncated: bool = False
    execution_time_ms: float = 0.0


@dataclass(slots=True)
class EncodedResult:
    """Rows as bytes in the format that was asked for: small answers whole, others as a stream.

    Attributes:
        body: The complete answer; None if it comes as a stream.
        stream: Pieces of the answer in order; None if `body` holds it. It ends after the last byte of a complete answer
            (for NDJSON the summary line included) or raises a `GraphApiError`. Closing it early cancels the query.
        summary: Figures. Of a stream, `row_count` and `truncated` are known before its first piece, since some formats
            have no other place for them than before it; they hold only if the stream ends well.
        tag: Equal for answers that say the same (see `QueryService`); None if that is not known.
        remembered: Whether it is that of an earlier, equal read; None if none was looked for.
    """

    body: bytes | None
    stream: AsyncGenerator[bytes] | None = None
    summary: ResultSummary = field(default_factory=ResultSummary)
    tag: str | None = None
    remembered: bool | None = None


@dataclass(frozen=True, slots=True)
class RunningQuery:
    """A query that has been sent to a backend and has not ended.

    Attributes:
        query_id: Name to cancel it by.
        text: The statement, shortened to 1,000 characters.
        mode: read or write.
        elapsed_ms: Milliseconds since it was admitted.
        timeout_s: Its allowance in seconds.
    """

    query_id: str
    text: str
    mode: AccessMode
    elapsed_ms: float
    timeout_s: float
