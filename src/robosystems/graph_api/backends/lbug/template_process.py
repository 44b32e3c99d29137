"""The template: a process that has imported the engine, opened nothing, and forks workers on order.

It is started with an empty environment and one descriptor. It leads its own process group, to which its workers belong:
a signal from a terminal does not reach them, and whatever a dead template leaves can be found and waited for.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from robosystems.graph_api.backends.lbug.wire import Exited, Forked, ForkOrder, WorkerConfig

_MODULE: Final = "robosystems.graph_api.worker.template"
_MESSAGE_BYTES: Final = 4096
_encode_order: Final = msgspec.msgpack.Encoder().encode
_decode_message: Final[Callable[[bytes], Forked | Exited]] = msgspec.msgpack.Decoder(Forked | Exited).decode


_START_S: Final = 30.0
"""For the first order, the template's own start included: much of it is reading libraries, on a busy machine slowly."""

_ORDER_S: Final = 5.0
"""For any other order: a fork takes some milliseconds."""


class TemplateEvents(Protocol):
    """What the owner of a template is told; called on the event loop."""

    def worker_forked(self, message: Forked) -> None:
        """A worker runs."""

    def worker_exited(self, message: Exited) -> None:
        """A worker has ended and was waited for."""

    def template_died(self, template: "TemplateProcess") -> None:
        """The process has ended and was waited for; all its messages have been delivered before."""


class TemplateProcess:
    """One life of the template. Create it on the event loop's thread, which has to live as long as the process.

    Args:
        events: Who is told of messages and of its death.

    Attributes:
        process_id: Its process, and the id of the process group of its workers.
        alive: Whether it can be expected to take orders.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, events: TemplateEvents) -> None:
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)  # noqa: FBT003 (the standard library's own form)
        with theirs:
            try:
                self._process = _start(theirs.fileno())
            except BaseException:
                self._control.close()
                raise
        self.process_id = self._process.pid
        self.alive = True
        self._has_forked = False
        self.started = self._loop.time()
        self._pidfd = os.pidfd_open(self.process_id)
        self._loop.add_reader(self._pidfd, self._on_death)
        self._loop.add_reader(self._control, self._on_messages)

    def order(self, worker_id: int, config: WorkerConfig, descriptor: int) -> None:
        """Order a worker to be forked; `worker_forked` or `template_died` follows.

        Args:
            worker_id: Number by which messages name the worker.
            config: What the worker has to know.
            descriptor: The worker's end of its socket; the caller closes its own copy.

        Raises:
            BlockingIOError: The template has not taken the orders before; try later.
            OSError: It is dead or dying.
        """
        socket.send_fds(self._control, [_encode_order(ForkOrder(worker_id, config))], [descriptor])

    @property
    def patience_s(self) -> float:
        """Seconds that an order may take; then it is stuck. The first one waits for the engines to be imported."""
        return _ORDER_S if self._has_forked else _START_S

    def kill(self) -> None:
        """End it at once; `template_died` follows. Workers live on."""
        if self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def request_exit(self) -> None:
        """Let it end by itself: it does when its control socket closes. `template_died` follows."""
        self._stop_listening()

    @property
    def cause(self) -> str:
        """How it ended, for people."""
        return name_of_exit_code(self._process.returncode)

    def _on_messages(self) -> None:
        while True:
            try:
                message = self._control.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:  # It is dying, and the descriptor for its process will say so; if it is not, it must.
                self._stop_listening()
                self.kill()
                return
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        decoded = _decode_message(message)
        if isinstance(decoded, Forked):
            self._has_forked = True
            self._events.worker_forked(decoded)
        else:
            self._events.worker_exited(decoded)

    def _on_death(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if self._control.fileno() >= 0:
            self._on_messages()
            self._stop_listening()
        self.alive = False
        self._process.wait()
        os.close(self._pidfd)
        self._events.template_died(self)

    def _stop_listening(self) -> None:
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()


def name_of_exit_code(code: int | None) -> str:
    """Spell an exit code as Python gives it: `SIGSEGV`, `exit 1`, or `unknown`."""
    if code is None:
        return "unknown"
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _start(descriptor: int) -> subprocess.Popen[bytes]:
    """Start the program with nothing but one descriptor and the standard streams; errors it prints go to ours."""
    return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        [sys.executable, "-I", "-m", _MODULE, str(descriptor)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env={},
        cwd=Path("/"),
        process_group=0,
    )
