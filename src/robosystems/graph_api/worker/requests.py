"""One request from its frame to its answer: who may answer it, until when, and why it has to stop."""

import time
from enum import Enum, auto
from typing import Final, TypeAlias

from robosystems.graph_api.backends.lbug.wire import (
    ExportOrder,
    ImportOrder,
    LoadOrder,
    RunRequest,
    TransactionRequest,
)
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    QueryCancelledError,
    QueryTimeoutError,
    ShuttingDownError,
)

Order: TypeAlias = RunRequest | TransactionRequest | LoadOrder | ExportOrder | ImportOrder
"""What a request asks for."""


class Cause(Enum):
    """Why a request has to stop."""

    DEADLINE = auto()
    CANCELLED = auto()
    CLOSING = auto()


class Request:
    """One request. Several threads look at it: each field says who writes it.

    Attributes:
        request_id: From its frame.
        order: What it asks for.
        deadline: Reading of `time.monotonic` at which its answer has to be there.
        cause: Why it has to stop; set once, by the thread that reads frames or by the monitor.
        credit: Bytes that may still be sent; under the lock of `Flow`.
        executor: Who runs it, to be interrupted there; set by that one.
        committed: Set once its statement is committed: from then on only the transfer of rows can be stopped.
        handed_over: Set when another thread will answer, and then forget it, than the one that ran it.
    """

    __slots__ = (
        "_unclaimed",
        "cause",
        "committed",
        "credit",
        "deadline",
        "executor",
        "handed_over",
        "order",
        "request_id",
        "timeout_s",
    )

    def __init__(self, request_id: int, order: Order) -> None:
        self.request_id = request_id
        self.order: Final = order
        self.timeout_s = order.timeout_s
        self.deadline = time.monotonic() + order.timeout_s
        self.cause: Cause | None = None
        self.credit = order.credit if isinstance(order, RunRequest | ExportOrder) else 0
        self.executor: object | None = None
        self.committed = False
        self.handed_over = False
        self._unclaimed = [True]

    def claim(self) -> bool:
        """Whether the caller is the one who answers: exactly one gets True, who runs it or who ends its wait."""
        try:
            self._unclaimed.pop()
        except IndexError:
            return False
        return True

    def stop(self, cause: Cause) -> None:
        """Note why it has to stop; the first cause stays."""
        if self.cause is None:
            self.cause = cause

    def has_to_stop(self) -> bool:
        """Whether there is a cause to stop; a deadline that has passed is one."""
        if self.cause is None and time.monotonic() >= self.deadline:
            self.cause = Cause.DEADLINE
        return self.cause is not None

    def check(self) -> None:
        """Raise the error for the cause, if there is one."""
        if self.has_to_stop():
            raise self.error()

    def error(self) -> GraphApiError:
        """Return the answer to a request that was stopped."""
        if self.committed:
            kind = QueryTimeoutError if self.cause is Cause.DEADLINE else QueryCancelledError
            return kind("The statement is committed; only the transfer of its rows was stopped.", committed=True)
        done = "was committed, but its rows were not all sent" if self.committed else "has changed nothing"
        if self.cause is Cause.DEADLINE:
            return QueryTimeoutError(
                f"The statement was stopped after {self.timeout_s:g} s and {done}. "
                "Make it cheaper, or give it a longer timeout.",
                timeout_s=self.timeout_s,
                committed=self.committed,
            )
        if self.cause is Cause.CLOSING:
            return ShuttingDownError("The database is being closed.", retry_after=1.0)
        return QueryCancelledError(f"The statement was cancelled and {done}.", committed=self.committed)
