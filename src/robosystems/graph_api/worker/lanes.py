"""Reader lanes: whoever reads the socket also runs what it read.

Handing a request to another thread costs more than a point lookup. So one lane at a time has the reading role: it takes
frames from the socket, settles at once what needs no engine (cancel, credit, figures), and runs reads itself, one after
the other. Only when a statement takes long does the monitor give the reading role, and with it what still waits in the
inbox, to another lane; the slow one then runs with lower priority and ends its thread when it is done, since a thread
cannot raise its priority again. When all lanes are busy, a thread without a connection reads in their place.

State is guarded by one lock, except the inbox, whose operations are atomic.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.engine import Engine
from robosystems.graph_api.backends.lbug.wire import (
    CREDIT,
    ExportOrder,
    ImportOrder,
    Kind,
    LoadOrder,
    RunRequest,
    Stats,
    TransactionRequest,
    WorkerConfig,
)
from robosystems.graph_api.concurrency.linux import set_nice_of_thread
from robosystems.graph_api.domain.errors import InvalidRequestError, ShuttingDownError
from robosystems.graph_api.worker.answers import Replies
from robosystems.graph_api.worker.archive.lane import ExportLane
from robosystems.graph_api.worker.channel import Frame, PeerGoneError
from robosystems.graph_api.worker.desk import Desk
from robosystems.graph_api.worker.executor import Executor
from robosystems.graph_api.worker.reads import ReadSettings, run_read
from robosystems.graph_api.worker.requests import Cause, Order, Request
from robosystems.graph_api.worker.writer import WriterLane

SLOW_NICE: Final = 5
"""So much is added to the nice value of a thread that runs a long statement."""

ORPHANED: Final = 3
"""Exit status of a worker whose API process is gone."""

_NICEST: Final = 19
_POLL_AFTER_S: Final = 0.001
_NICE_AFTER: Final = 4
"""A statement that runs so many times as long as a slow one loses priority."""

_RUN: Final = int(Kind.RUN)
_TRANSACTION: Final = int(Kind.TRANSACTION)
_LOAD: Final = int(Kind.LOAD)
_EXPORT: Final = int(Kind.EXPORT)
_IMPORT: Final = int(Kind.IMPORT)
_CANCEL: Final = int(Kind.CANCEL)
_CREDIT: Final = int(Kind.CREDIT)
_STATS: Final = int(Kind.STATS)
_CLOSE: Final = int(Kind.CLOSE)

_decode_run: Final = msgspec.msgpack.Decoder(RunRequest).decode
_decode_transaction: Final = msgspec.msgpack.Decoder(TransactionRequest).decode
_decode_load: Final = msgspec.msgpack.Decoder(LoadOrder).decode
_decode_export: Final = msgspec.msgpack.Decoder(ExportOrder).decode
_decode_import: Final = msgspec.msgpack.Decoder(ImportOrder).decode


class Lane:
    """A thread that may have the reading role, and its connection; the reserve reader has none.

    Attributes:
        executor: Its connection; None for the reserve reader.
        reading: Whether it waits for frames or queues them; becomes true under the pool's lock.
        busy_since: When its present statement began; 0 while it runs none.
        niced: Whether its thread has lost priority and has to end.
        thread_id: Native id of its thread.
        started: Whether it has a thread, or will have one.
        wake: Ends its rest.
        replies: Its way out for answers.
    """

    def __init__(self, executor: Executor | None, replies: Replies) -> None:
        self.executor = executor
        self.replies = replies
        self.reading = False
        self.busy_since = 0.0
        self.niced = False
        self.thread_id = 0
        self.started = False
        self.wake = threading.Event()


class LanePool:
    """All reader lanes of a worker, the reading role, and the requests that wait for a lane.

    Args:
        engine: The open database.
        desk: Where answers go.
        writer: Takes what is no read.
        settings: How reads run.
        config: Limits.
        on_close: Called by the reading thread at CLOSE.
    """

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        writer: WriterLane,
        settings: ReadSettings,
        config: WorkerConfig,
        on_close: Callable[[], None],
    ) -> None:
        self.inbox: deque[Request] = deque()
        self.lanes: list[Lane] = []
        self.closing = False
        self.wake_monitor: Callable[[], None] = lambda: None
        self._engine = engine
        self._desk = desk
        self._writer = writer
        self._settings = settings
        self._config = config
        self._on_close = on_close
        self._exports = ExportLane(engine, desk, settings.gate, min(_NICEST, config.nice + SLOW_NICE))
        self._lock = threading.Lock()
        self._idle: list[Lane] = []
        self._retired: deque[Lane] = deque()
        self._reserve = Lane(None, desk.replies())
        self._leader = self._new_lane()

    # -- for the monitor ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the first lane and the reserve reader. Threads inherit the priority of the calling one."""
        self._start_thread(self._reserve)
        self._start_thread(self._leader)

    def tend(self, now: float) -> None:
        """Pass the reading role on if its owner is stuck, lower the priority of long work, replace ended threads."""
        slow = self._config.slow_after_s
        self._hand_over_if_stuck(now, slow)
        for lane in self.lanes:
            since = lane.busy_since
            if since and now - since > _NICE_AFTER * slow and not lane.niced and lane is not self._leader:
                # In this order: until it is marked the thread does not end, so the id is still its own.
                with suppress(OSError):
                    set_nice_of_thread(lane.thread_id, min(_NICEST, self._config.nice + SLOW_NICE))
                lane.niced = True
        while self._retired:
            self._start_thread(self._retired.popleft())

    def _hand_over_if_stuck(self, now: float, slow: float) -> None:
        with self._lock:
            leader = self._leader
            since = leader.busy_since
            if leader.reading or not since or now - since <= slow:
                return
            if self._idle:
                successor = self._idle.pop()
            elif len(self.lanes) < self._config.reader_lanes:
                successor = self._new_lane()
            else:
                successor = self._reserve
            self._leader = successor
        if successor.started:
            successor.wake.set()
        else:
            self._start_thread(successor)

    def _new_lane(self) -> Lane:
        executor = Executor(self._engine, 1)
        self._settings.gate.add_reader(executor)
        lane = Lane(executor, self._desk.replies())
        self.lanes.append(lane)
        return lane

    def _start_thread(self, lane: Lane) -> None:
        lane.niced, lane.started = False, True
        threading.Thread(target=self._serve, args=(lane,), name="lane", daemon=True).start()

    # -- life of a lane -----------------------------------------------------------------------------------------------

    def _serve(self, lane: Lane) -> None:
        lane.thread_id = threading.get_native_id()
        try:
            while not lane.niced:
                if self._leader is lane:
                    self._lead(lane)
                else:
                    self._work(lane)
                    self._rest(lane)
        except PeerGoneError:
            os._exit(ORPHANED)
        self._retired.append(lane)
        self.wake_monitor()

    def _lead(self, lane: Lane) -> None:
        """Read and run until somebody else has the reading role."""
        while self._begin_reading(lane):
            # A successor finds what the stuck lane has read but not run: that comes before waiting for more.
            frames = self._desk.channel.receive(wait=lane.executor is None or not self.inbox)
            # Still with the reading role: whoever read later must not queue earlier.
            self._take(frames, lane.replies)
            lane.busy_since = monotonic()
            lane.reading = False
            if lane.executor is not None:
                self._work(lane)
            else:
                lane.replies.flush()
                lane.busy_since = 0.0
                self._pass_on()

    def _begin_reading(self, lane: Lane) -> bool:
        with self._lock:
            lane.reading = self._leader is lane
            return lane.reading

    def _pass_on(self) -> None:
        """The reserve reader gives the reading role to a lane that has become idle, if there is work for it."""
        with self._lock:
            if not self.inbox or not self._idle or self._leader is not self._reserve:
                return
            self._leader = successor = self._idle.pop()
        successor.wake.set()

    def _rest(self, lane: Lane) -> None:
        """Wait until there is work or the reading role."""
        with self._lock:
            if self._leader is lane or (self.inbox and lane.executor is not None):
                return
            if lane.executor is not None:
                self._idle.append(lane)
            lane.wake.clear()
        lane.wake.wait()

    def _work(self, lane: Lane) -> None:
        """Run what waits, one after the other."""
        inbox, replies = self.inbox, lane.replies
        last_read = monotonic()
        while inbox and not lane.niced and lane.executor is not None:
            try:
                request = inbox.popleft()
            except IndexError:
                break
            if not request.claim():
                continue
            lane.busy_since = now = monotonic()
            self._run(lane.executor, request, replies)
            replies.flush_if_old(now)
            if now - last_read > _POLL_AFTER_S and self._begin_reading(lane):
                last_read = now
                frames = self._desk.channel.receive(wait=False)
                self._take(frames, replies)
                lane.reading = False
        replies.flush()
        lane.busy_since = 0.0

    def _run(self, executor: Executor, request: Request, replies: Replies) -> None:
        order = request.order
        assert isinstance(order, RunRequest)  # noqa: S101 (others go to the writer)
        self._desk.answer(request, replies, run_read, order, executor, replies, self._settings)
        self._desk.reads += 1

    # -- frames -------------------------------------------------------------------------------------------------------

    def _take(self, frames: list[Frame], replies: Replies) -> None:
        """Settle frames, or queue what they ask for."""
        self._desk.activity += 1
        for kind, request_id, payload in frames:
            if kind == _RUN:
                self._accept(request_id, _decode_run, payload, replies)
            elif kind == _CREDIT:
                self._add_credit(request_id, payload)
            elif kind == _CANCEL:
                request = self._desk.pending.get(request_id)
                if request is not None:
                    self._desk.stop(request, Cause.CANCELLED, replies)
            else:
                self._take_rare(kind, request_id, payload, replies)
        self.wake_monitor()

    def _take_rare(self, kind: int, request_id: int, payload: bytes, replies: Replies) -> None:
        if kind == _TRANSACTION:
            self._accept(request_id, _decode_transaction, payload, replies)
        elif kind == _LOAD:
            self._accept(request_id, _decode_load, payload, replies)
        elif kind == _EXPORT:
            self._accept(request_id, _decode_export, payload, replies)
        elif kind == _IMPORT:
            self._accept(request_id, _decode_import, payload, replies)
        elif kind == _STATS:
            replies.plain(request_id, self._figures())
        elif kind == _CLOSE:
            self.closing = True
            self._on_close()
        else:
            raise PeerGoneError(f"unknown frame {kind}")

    def _accept(self, request_id: int, decode: Callable[[bytes], Order], payload: bytes, replies: Replies) -> None:
        if self.closing:
            replies.error(request_id, ShuttingDownError("The database is being closed.", retry_after=1.0))
            return
        try:
            order = decode(payload)
        except msgspec.MsgspecError as error:
            replies.error(request_id, InvalidRequestError(f"The request cannot be read: {error}."))
            return
        request = Request(request_id, order)
        self._desk.pending[request_id] = request
        if isinstance(order, RunRequest) and not order.write:
            self.inbox.append(request)
        elif isinstance(order, ExportOrder):
            self._exports.start(request)
        else:
            self._writer.put(request)

    def _add_credit(self, request_id: int, payload: bytes) -> None:
        request = self._desk.pending.get(request_id)
        if request is not None:
            self._desk.flow.add(request, CREDIT.unpack(payload)[0])

    def _figures(self) -> bytes:
        executors = [lane.executor for lane in self.lanes if lane.executor is not None]
        executors.append(self._writer.writes.executor)
        stats = Stats(
            reads=self._desk.reads,
            writes=self._desk.writes,
            commits=self._desk.commits,
            lanes_busy=sum(1 for lane in self.lanes if lane.busy_since and not lane.reading),
            lanes=len(self.lanes),
            waiting=len(self.inbox) + len(self._writer.waiting),
            cached_statements=sum(executor.connection.cached_statements for executor in executors),
            interrupts=sum(executor.interrupts for executor in executors),
        )
        return msgspec.json.encode(stats)
