"""Requests to a database on their way: what to send, when it must be answered, and who waits for it."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from robosystems.graph_api.backends.lbug.versions import ContentVersion
from robosystems.graph_api.backends.lbug.wire import (
    Format,
    Kind,
    LoadOrder,
    RunRequest,
    StatementPart,
    TransactionRequest,
)
from robosystems.graph_api.domain.errors import GraphApiError, QueryCancelledError, QueryTimeoutError
from robosystems.graph_api.domain.load import LoadProgress, LoadRequest
from robosystems.graph_api.domain.query import (
    AccessMode,
    EncodedResult,
    Query,
    ResultFormat,
    RunningQuery,
    TransactionStatement,
)

if TYPE_CHECKING:
    from robosystems.graph_api.backends.lbug.result_stream import StreamBuffer

_FORMATS: Final = {each: Format[each.name] for each in ResultFormat}
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_progress: Final = msgspec.json.Decoder(LoadProgress).decode
_SHOWN_CHARACTERS: Final = 1_000

_CANCEL_S: Final = 5.0
"""A worker that was told to stop a call has so long, as if the call's deadline came then."""

_UNKNOWN_OUTCOME: Final = " Whether it was committed is not known: check before repeating it."


class Call(ABC):
    """One request. The future is its answer; cancelling the future means that nobody wants it any more.

    Args:
        query_id: Name for listing and cancelling.
        mode: READ or WRITE.
        timeout_s: Seconds from now until it must be answered.

    Attributes:
        request_id: Number on the connection that carries it; 0 before it is sent.
        deadline: When it must be answered, on the monotonic clock.
        cancelled: Whether the worker was told to stop it.
        overdue: Whether it was answered here because the worker was late.
        stream: Where the pieces of a streamed answer go; None before its head has come.
        changing: The version of the content that it may change; None for a read, and once it has ended.
    """

    __slots__ = (
        "cancelled",
        "changing",
        "deadline",
        "future",
        "mode",
        "overdue",
        "query_id",
        "request_id",
        "started",
        "stream",
        "timeout_s",
    )

    kind: ClassVar[int]

    def __init__(self, query_id: str, mode: AccessMode, timeout_s: float) -> None:
        self.query_id = query_id
        self.mode = mode
        self.timeout_s = timeout_s
        self.started = time.monotonic()
        self.deadline = self.started + timeout_s
        self.request_id = 0
        self.cancelled = False
        self.overdue = False
        self.stream: StreamBuffer | None = None
        self.changing: ContentVersion | None = None
        self.future: asyncio.Future[EncodedResult] = asyncio.get_running_loop().create_future()

    @property
    @abstractmethod
    def text(self) -> str:
        """What runs, for the list of running queries."""

    @abstractmethod
    def payload(self, seconds_left: float) -> bytes:
        """Return the payload of the frame to send."""

    def progressed(self, payload: bytes) -> None:  # noqa: B027 (most calls have nothing to do with it)
        """Take a PROGRESS frame; only loads ask for them."""

    def begin_change(self, version: ContentVersion) -> None:
        """From now on it may change the content that the version names."""
        self.changing = version
        version.begin()

    def end_change(self) -> None:
        """It changes nothing any more: it has ended, was never sent, or its worker is gone. No effect on a read."""
        if self.changing is not None:
            self.changing.end()
            self.changing = None

    def fail(self, error: GraphApiError) -> None:
        """Answer with an error, unless it was answered before."""
        if not self.future.done():
            self.future.set_exception(error)
        elif self.stream is not None:
            self.stream.fail(error)

    def cancel(self) -> None:
        """Note that the worker was told to stop it: from now on it has little time left."""
        if not self.cancelled:
            self.cancelled = True
            self.deadline = min(self.deadline, time.monotonic() + _CANCEL_S)

    def expire(self) -> None:
        """Answer that the deadline has passed, or that it was cancelled: the worker did not say so in time."""
        self.overdue = True
        if self.cancelled:
            detail = "The query was cancelled, and did not stop in time."
            if self.mode is AccessMode.READ:
                self.fail(QueryCancelledError(detail))
            else:
                self.fail(QueryCancelledError(detail + _UNKNOWN_OUTCOME, outcome="unknown"))
            return
        detail = f"The query did not end within its time-out of {self.timeout_s:g} s."
        if self.mode is AccessMode.READ:
            self.fail(QueryTimeoutError(detail, timeout_s=self.timeout_s))
        else:
            detail += _UNKNOWN_OUTCOME
            self.fail(QueryTimeoutError(detail, timeout_s=self.timeout_s, outcome="unknown"))

    def describe(self) -> RunningQuery:
        """Return its entry in the list of running queries."""
        return RunningQuery(
            query_id=self.query_id,
            text=self.text[:_SHOWN_CHARACTERS],
            mode=self.mode,
            elapsed_ms=(time.monotonic() - self.started) * 1000,
            timeout_s=self.timeout_s,
        )


class RunCall(Call):
    """One statement."""

    __slots__ = ("_credit", "_query")

    kind = int(Kind.RUN)

    def __init__(self, query: Query, credit: int) -> None:
        super().__init__(query.query_id, query.mode, query.timeout_s)
        self._query = query
        self._credit = credit

    @property
    def text(self) -> str:
        """The statement."""
        return self._query.text

    def payload(self, seconds_left: float) -> bytes:
        """Return a `RunRequest`."""
        query = self._query
        return _encode(
            RunRequest(
                query.text,
                query.parameters,
                query.mode is not AccessMode.READ,
                _FORMATS[query.format],
                seconds_left,
                query.max_rows,
                self._credit,
                query.counted_tables,
            )
        )


class TransactionCall(Call):
    """Several statements in one transaction."""

    __slots__ = ("_statements",)

    kind = int(Kind.TRANSACTION)

    def __init__(self, statements: Sequence[TransactionStatement], query_id: str, timeout_s: float) -> None:
        super().__init__(query_id, AccessMode.WRITE, timeout_s)
        self._statements = statements

    @property
    def text(self) -> str:
        """The statements, one after another."""
        return ";\n".join(statement.text for statement in self._statements[:_SHOWN_CHARACTERS])

    def payload(self, seconds_left: float) -> bytes:
        """Return a `TransactionRequest`."""
        parts = tuple(StatementPart(part.text, part.parameters, part.counted_tables) for part in self._statements)
        return _encode(TransactionRequest(parts, seconds_left))


class LoadCall(Call):
    """One file into one table."""

    __slots__ = ("_on_progress", "_request")

    kind = int(Kind.LOAD)

    def __init__(
        self, request: LoadRequest, query_id: str, on_progress: Callable[[LoadProgress], None] | None = None
    ) -> None:
        super().__init__(query_id, AccessMode.WRITE, request.timeout_s)
        self._request = request
        self._on_progress = on_progress

    def progressed(self, payload: bytes) -> None:
        """Pass on how far it is."""
        if self._on_progress is not None and not self.future.done():
            self._on_progress(_decode_progress(payload))

    @property
    def text(self) -> str:
        """Words for it; there is no statement of the client's."""
        return f"load {self._request.format.value} into {self._request.table}"

    def payload(self, seconds_left: float) -> bytes:
        """Return a `LoadOrder`."""
        request = self._request
        return _encode(
            LoadOrder(
                table=request.table,
                path=str(request.path),
                format=request.format.value,
                timeout_s=seconds_left,
                from_column=request.from_column,
                to_column=request.to_column,
                from_table=request.from_table,
                to_table=request.to_table,
                ignore_unknown_columns=request.ignore_unknown_columns,
                delimiter=request.csv.delimiter,
                header=request.csv.header,
                columns=request.csv.columns,
                quote=request.csv.quote,
                null=request.csv.null,
                encoding=request.csv.encoding,
                mode=request.mode,
                detach=request.detach,
                on_error=request.on_error,
                load_id=request.load_id,
                progress=self._on_progress is not None,
            )
        )


class StatsCall(Call):
    """A look at the worker's counters; also the cheapest proof that a database is open and answers."""

    __slots__ = ()

    kind = int(Kind.STATS)

    def __init__(self, timeout_s: float) -> None:
        super().__init__("", AccessMode.READ, timeout_s)

    @property
    def text(self) -> str:
        """Words for it."""
        return "statistics"

    def payload(self, seconds_left: float) -> bytes:  # noqa: ARG002 (answered at once)
        """Return nothing: the kind says all."""
        return b""
