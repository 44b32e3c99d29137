"""Calls that wait for their database to be open."""

import time
from collections import deque

from robosystems.graph_api.backends.lbug.calls import Call
from robosystems.graph_api.backends.lbug.connection import BACKSTOP_S, WorkerConnection
from robosystems.graph_api.domain.errors import GraphApiError, QueryCancelledError


class Backlog:
    """Waiting calls in the order in which they came. One that was answered or cancelled while it waited is not sent."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, call: Call) -> bool:
        return call in self._calls

    def waiting(self) -> list[Call]:
        """Return the calls."""
        return [call for call in self._calls if not call.future.done()]

    def add(self, call: Call) -> None:
        """Put a call at the end."""
        self._calls.append(call)

    def send(self, connection: WorkerConnection) -> None:
        """Send all calls in order and in one go, so that no later call can overtake them."""
        calls, self._calls = self._calls, deque()
        for call in calls:
            if call.future.done():
                call.end_change()
                continue
            try:
                connection.send(call, max(0.0, call.deadline - time.monotonic()))
            except GraphApiError as error:
                call.fail(error)
                call.end_change()

    def fail(self, error: GraphApiError) -> None:
        """Answer all calls with an error."""
        calls, self._calls = self._calls, deque()
        for call in calls:
            call.fail(error)
            call.end_change()

    def cancel(self, call: Call) -> None:
        """Answer one call: it was cancelled."""
        self._calls.remove(call)
        call.fail(QueryCancelledError("The query was cancelled before it began."))
        call.end_change()

    def expire(self, now: float) -> None:
        """Answer the calls whose deadline has passed, and forget those that nobody waits for."""
        for call in self._calls:
            if call.deadline < now - BACKSTOP_S and not call.future.done():
                call.expire()
            if call.future.done():
                call.end_change()
        if any(call.future.done() for call in self._calls):
            self._calls = deque(call for call in self._calls if not call.future.done())
