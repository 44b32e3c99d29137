"""The writer lane: one thread, one connection, one write after the other, in the order in which they came.

Single statements that wait behind one another are committed together where that cannot be told from outside: each
commit is one flush of the disk. If one of them fails, all are rolled back and run again one by one.
"""

import os
import signal
import threading
from collections import deque
from typing import Final

from robosystems.graph_api.backends.lbug.wire import ImportOrder, LoadOrder, RunRequest, TransactionRequest
from robosystems.graph_api.domain.errors import GraphApiError, ShuttingDownError
from robosystems.graph_api.worker.requests import Request
from robosystems.graph_api.worker.writes import Write, Writes

GROUP_SIZE: Final = 32
"""At most so many statements are committed together."""


class WriterLane:
    """Takes writes, transactions and loads in order.

    Attributes:
        writes: Runs them.
        waiting: Requests that wait for their turn, among them some that have been answered meanwhile.
    """

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.waiting: deque[Request] = deque()
        self._desk = writes.desk
        self._replies = writes.replies
        self._arrived = threading.Condition()

    def put(self, request: Request) -> None:
        """Let a request wait for its turn."""
        with self._arrived:
            self.waiting.append(request)
            self._arrived.notify()

    def serve(self) -> None:
        """Body of the lane's thread; returns only when the process has to end because its disk refuses writes.

        Raises:
            PeerGoneError: The API process is gone.
        """
        while True:
            with self._arrived:
                while not self.waiting:
                    self._arrived.wait()
            self._serve_next()
            self.writes.note.refresh()
            self._replies.flush()
            if self.writes.spoiled:
                # The process ends when all that runs has ended; the next one is sound.
                os.kill(os.getpid(), signal.SIGTERM)
            if self.writes.executor.connection.failure is not None:
                return

    def _serve_next(self) -> None:
        request = self.waiting[0]
        order = request.order
        if self.writes.spoiled:
            self.waiting.popleft()
            if request.claim():
                self._desk.answer(request, self._replies, _refuse)
            return
        if isinstance(order, RunRequest):
            self._serve_statements()
            return
        self.waiting.popleft()
        if not request.claim():
            return
        if isinstance(order, TransactionRequest):
            self._desk.answer(request, self._replies, self.writes.run_transaction, order)
        elif isinstance(order, LoadOrder):
            self._desk.answer(request, self._replies, self.writes.load, order)
        elif isinstance(order, ImportOrder):
            self._desk.answer(request, self._replies, self.writes.import_archive, order)
        self._desk.writes += 1

    def _serve_statements(self) -> None:
        group = self._take_statements()
        if len(group) == 1:
            self._desk.answer(group[0].request, self._replies, self.writes.run_alone, group[0])
        elif group:
            self.writes.run_group(group)
        self._desk.writes += len(group)

    def _take_statements(self) -> list[Write]:
        """Take the next statement, and those behind it that can be committed with it. Nobody is waited for."""
        group: list[Write] = []
        while self.waiting and len(group) < GROUP_SIZE:
            request = self.waiting[0]
            order = request.order
            if not isinstance(order, RunRequest):
                break
            write = self._prepared(request, order)
            if write is not None and group and not write.can_be_grouped:
                break
            self.waiting.popleft()
            if write is not None and request.claim():
                group.append(write)
                if not write.can_be_grouped:
                    break
        return group

    def _prepared(self, request: Request, order: RunRequest) -> Write | None:
        """Look at a statement; one that cannot be run at all is answered here."""
        try:
            return self.writes.prepare(request, order)
        except GraphApiError as error:
            if request.claim():
                self._desk.fail(request, self._replies, error)
                self._desk.pending.pop(request.request_id, None)
            return None


def _refuse(_request: Request) -> None:
    raise ShuttingDownError("The database is being reopened after a load that failed.", retry_after=1.0)
