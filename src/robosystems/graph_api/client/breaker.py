"""Circuit breakers: a server that fails again and again is left alone for a while, by all clients of the process.

::

                 threshold failures in a row
        CLOSED ───────────────────────────────► OPEN ◄─┐
          ▲                                      │     │ the probe fails
          │ the probe succeeds     reset seconds │     │
          └───────────── HALF_OPEN ◄─────────────┘     │
                             └─────────────────────────┘

Only what says that the server itself is sick is a failure: no connection, no answer, or an answer that is not the
service's own. A refusal in the service's words proves that it lives, whatever it refuses: a tenant's bad queries never
shut out another one's.
"""

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from robosystems.graph_api.client.exceptions import CircuitOpenError


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    """Calls pass."""
    OPEN = "open"
    """Calls are refused at once."""
    HALF_OPEN = "half_open"
    """One call finds out how the server is; the others are refused."""


class Permit:
    """Leave to send one request. Report its outcome once; reports after the first are ignored."""

    __slots__ = ("_breaker", "_era", "_open", "is_probe")

    def __init__(self, breaker: "CircuitBreaker", era: int, *, is_probe: bool) -> None:
        self._breaker = breaker
        self._era = era
        self._open = True
        self.is_probe = is_probe
        """Whether this request decides if the breaker closes."""

    def succeeded(self) -> None:
        """The server answered in its own words."""
        self._report(failed=False)

    def failed(self) -> None:
        """The server is sick."""
        self._report(failed=True)

    def dropped(self) -> None:
        """The caller gave up; the outcome says nothing."""
        self._report(failed=None)

    def _report(self, *, failed: bool | None) -> None:
        if self._open:
            self._open = False
            self._breaker.report(self._era, failed=failed, was_probe=self.is_probe)


class CircuitBreaker:
    """State of one server as its clients in this process saw it. Safe to use from threads and event loops alike.

    Args:
        name: The server, for messages.
        threshold: Failures in a row that open it.
        reset_s: Seconds until a call may probe the server.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, name: str, *, threshold: int, reset_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._threshold = threshold
        self._reset_s = reset_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._opened_at = 0.0
        self._era = 0  # Grows with each change of state: a report from before the change no longer counts.

    @property
    def state(self) -> BreakerState:
        """The state at this moment; an open breaker whose time is over stays open until a call comes."""
        return self._state

    def admit(self) -> Permit:
        """Return leave for one request.

        Raises:
            CircuitOpenError: The server is left alone now; `retry_after` says for how long.
        """
        era = self._era
        if self.state is BreakerState.CLOSED:  # The usual case needs no lock: a change in between ends the era.
            return Permit(self, era, is_probe=False)
        return self._admit_carefully()

    def _admit_carefully(self) -> Permit:
        """Return leave for one request, unless the server is left alone."""
        with self._lock:
            if self.state is BreakerState.CLOSED:
                return Permit(self, self._era, is_probe=False)
            left = self._opened_at + self._reset_s - self._clock()
            if self._state is BreakerState.HALF_OPEN or left > 0:
                raise CircuitOpenError(
                    f"{self._name} failed {self._failures} times in a row and is left alone for a while. "
                    "See whether the server runs; calls pass again when it answers.",
                    retry_after=max(0.0, left),
                )
            self._enter(BreakerState.HALF_OPEN)
            return Permit(self, self._era, is_probe=True)

    def report(self, era: int, *, failed: bool | None, was_probe: bool) -> None:
        """Take in the outcome of a permit; None if nothing is known."""
        if failed is False and not was_probe and not self._failures:
            return
        with self._lock:
            if era != self._era:
                return
            if failed:
                self._failures += 1
                if was_probe or self._failures >= self._threshold:
                    self._opened_at = self._clock()
                    self._enter(BreakerState.OPEN)
            elif failed is False:
                self._failures = 0
                if was_probe:
                    self._enter(BreakerState.CLOSED)
            elif was_probe:
                self._enter(BreakerState.OPEN)  # The time is over, so that the next call may probe at once.

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1


class Breakers:
    """Breakers by server, made on first use. The first client of a server decides threshold and time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, CircuitBreaker] = {}

    def of(self, name: str, *, threshold: int, reset_s: float) -> CircuitBreaker:
        """Return the breaker of a server."""
        with self._lock:
            found = self._by_name.get(name)
            if found is None:
                found = self._by_name[name] = CircuitBreaker(name, threshold=threshold, reset_s=reset_s)
            return found


PROCESS_BREAKERS: Final = Breakers()
"""The breakers that all clients of this process share."""
