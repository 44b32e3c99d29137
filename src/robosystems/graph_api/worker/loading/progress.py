"""Telling how far a load is, and stopping it."""

import time
from collections.abc import Callable
from typing import Final

from robosystems.graph_api.domain.errors import QueryTimeoutError
from robosystems.graph_api.domain.load import LoadPhase, LoadProgress

_TELL_EVERY_S: Final = 1.0


class Progress:
    """What a load passes on its way: calling it raises if the load has to stop, `at` says how far it is.

    Args:
        timeout_s: Seconds from now until it has to stop.
        check: Called at each step; raises to stop.
        tell: Told of each phase, and about every second how far it is.
    """

    def __init__(
        self,
        timeout_s: float,
        check: Callable[[], None] | None = None,
        tell: Callable[[LoadProgress], None] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._check = check
        self._tell = tell
        self._phase: LoadPhase | None = None
        self._due = 0.0

    def __call__(self) -> None:
        """Go on or stop.

        Raises:
            QueryTimeoutError: The time is up.
        """
        if self._check is not None:
            self._check()
        if time.monotonic() > self._deadline:
            raise QueryTimeoutError(f"The load did not finish within {self._timeout_s:g} seconds. Nothing was loaded.")

    def at(self, phase: LoadPhase, done: int | None = None, total: int | None = None) -> None:
        """Say how far it is, then as a call."""
        now = time.monotonic()
        if self._tell is not None and (phase is not self._phase or now >= self._due):
            self._phase, self._due = phase, now + _TELL_EVERY_S
            self._tell(LoadProgress(phase, done, total))
        self()
