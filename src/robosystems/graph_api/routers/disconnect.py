"""Noticing that a client has gone away while its request is being served."""

import asyncio
from types import TracebackType
from typing import Final, Self

from starlette.types import Receive

_WATCH_AFTER_S: Final = 0.05
"""Seconds before watching begins: what answers sooner does not pay for a watcher."""


class DisconnectWatch:
    """Cancels the task that entered it when the client disconnects.

    Watching consumes messages, so it must not begin before the request's body has been read: then enter with
    `begin=False` and call `begin` after the body. After a cancellation `client_gone` is true and the context swallows
    the `CancelledError`, since nobody is left to answer.
    """

    def __init__(self, receive: Receive, *, begin: bool = True) -> None:
        self._receive = receive
        self._begin_on_entry = begin
        self._loop = asyncio.get_running_loop()
        self._served = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.client_gone = False

    async def __aenter__(self) -> Self:
        """Begin to watch, unless that was put off."""
        if self._begin_on_entry:
            self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop watching; swallow the cancellation that this watch caused."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self.client_gone and self._served is not None:
            self._served.uncancel()
            return isinstance(error, asyncio.CancelledError)
        return False

    def begin(self) -> None:
        """Watch from a moment after now."""
        self._timer = self._loop.call_later(_WATCH_AFTER_S, self._start)

    def _start(self) -> None:
        """Start the task that waits for the disconnect."""
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        """Wait for the client to go, then cancel what serves it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True
        if self._served is not None:
            self._served.cancel()
