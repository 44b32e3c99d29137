"""What all threads of a worker share: who waits for an answer, and how answers go out."""

import sys
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Concatenate, ParamSpec

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.worker.answers import Flow, Replies
from robosystems.graph_api.worker.channel import Channel, PeerGoneError
from robosystems.graph_api.worker.executor import Executor
from robosystems.graph_api.worker.requests import Cause, Request

_Arguments = ParamSpec("_Arguments")


class Desk:
    """Requests without an answer, and the way out for answers.

    Attributes:
        channel: The socket.
        flow: Credit of the streams.
        pending: Requests without an answer, by id.
        reads: Reads that have ended.
        writes: Writes, transactions and loads that have ended.
        commits: How often the database was changed for good: once for all writes that were committed together.
        activity: Counts frames; tells the monitor whether anything happens.
    """

    def __init__(self, channel: Channel, frame_bytes: int) -> None:
        self.channel = channel
        self.flow = Flow()
        self.pending: dict[int, Request] = {}
        self.reads = 0
        self.writes = 0
        self.commits = 0
        self.activity = 0
        self._frame_bytes = frame_bytes

    def replies(self) -> Replies:
        """Return a way out for one thread."""
        return Replies(self.channel, self.flow, self._frame_bytes)

    def answer(
        self,
        request: Request,
        replies: Replies,
        work: Callable[Concatenate[Request, _Arguments], None],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> None:
        """Call `work`, which answers; answer with the error that it raises instead, if it does.

        Forgets the request then, unless it was handed over to another thread.
        """
        try:
            work(request, *arguments, **named)
        except PeerGoneError:
            raise
        except Exception as error:  # noqa: BLE001 (boundary: a defect costs one answer, not the database)
            self.fail(request, replies, error)
        if not request.handed_over:
            self.pending.pop(request.request_id, None)

    @staticmethod
    def fail(request: Request, replies: Replies, error: Exception) -> None:
        """Answer with an error; one that is not the caller's affair is printed and named only by its code."""
        if not isinstance(error, GraphApiError):
            traceback.print_exception(error, file=sys.stderr)
            error = GraphApiError("The database worker failed unexpectedly; its log says why.")
        replies.error(request.request_id, error)

    def stop(self, request: Request, cause: Cause, replies: Replies) -> None:
        """Stop a request: answer it if it waits, else interrupt it. Repeat until it is gone from `pending`."""
        request.stop(cause)
        if request.claim():
            self.pending.pop(request.request_id, None)
            replies.error(request.request_id, request.error())
            return
        executor = request.executor
        if isinstance(executor, Executor):
            executor.interrupt(request)
        self.flow.wake()

    def stop_overdue(self, replies: Replies) -> None:
        """Stop what is past its deadline, and go on stopping what has to stop."""
        now = monotonic()
        for request in list(self.pending.values()):
            if request.cause is not None:
                self.stop(request, request.cause, replies)
            elif now >= request.deadline:
                self.stop(request, Cause.DEADLINE, replies)

    def stop_all(self, cause: Cause, replies: Replies) -> None:
        """Stop everything."""
        for request in list(self.pending.values()):
            self.stop(request, cause, replies)
