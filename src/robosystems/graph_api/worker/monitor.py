"""The thread that waits for nothing but time: deadlines, stuck readers, a vanished API process.

While requests are pending it looks around every tick; when there has been nothing for a while it parks, so that an idle
worker never wakes up.
"""

import os
import threading
from time import monotonic
from typing import Final

from robosystems.graph_api.worker.channel import PeerGoneError
from robosystems.graph_api.worker.desk import Desk
from robosystems.graph_api.worker.lanes import ORPHANED, LanePool

_PARK_AFTER_S: Final = 0.1
_HANGUP_CHECK_S: Final = 0.2


class Monitor:
    """Watches a worker; runs on its main thread, which also gets the signals.

    Args:
        desk: Pending requests.
        pool: Lanes.
        tick_s: Seconds between two looks.
    """

    def __init__(self, desk: Desk, pool: LanePool, tick_s: float) -> None:
        self._desk = desk
        self._pool = pool
        self._tick_s = tick_s
        self._replies = desk.replies()
        self._parked = False
        self._woken = threading.Event()
        self._ended = False
        pool.wake_monitor = self.wake

    def wake(self) -> None:
        """End a rest; cheap if there is none. From any thread."""
        if self._parked:
            self._woken.set()

    def end(self) -> None:
        """Let `watch` return soon. From any thread, and from a signal handler."""
        self._ended = True
        self._woken.set()

    def watch(self) -> None:
        """Watch until `end` is called. Ends the process if the API process is gone."""
        activity = -1
        quiet_since = next_check = monotonic()
        while not self._ended:
            now = self.tick()
            if self._desk.pending or self._desk.activity != activity:
                activity, quiet_since = self._desk.activity, now
            if now >= next_check:
                next_check = now + _HANGUP_CHECK_S
                if self._desk.channel.is_hung_up():
                    os._exit(ORPHANED)
            if now - quiet_since > _PARK_AFTER_S:
                self._park(activity)
                quiet_since = monotonic()
            else:
                self._woken.wait(self._tick_s)

    def tick(self) -> float:
        """Look around once; return the time."""
        now = monotonic()
        try:
            self._pool.tend(now)
            self._desk.stop_overdue(self._replies)
            self._replies.flush()
        except PeerGoneError:
            os._exit(ORPHANED)
        return now

    def _park(self, activity: int) -> None:
        # Set first, then look: whoever makes something to do looks at the flag afterwards.
        self._parked = True
        if self._desk.activity == activity and not self._desk.pending and not self._ended:
            self._woken.wait()
        self._parked = False
        if not self._ended:
            self._woken.clear()
