"""The template's loop: fork a worker for each order, report each end."""

import os
import select
import signal
import socket
import time
from types import FrameType
from typing import Final, NoReturn

import msgspec

from robosystems.graph_api.backends.lbug.wire import Exited, Forked, ForkOrder
from robosystems.graph_api.concurrency.linux import close_descriptors_except
from robosystems.graph_api.worker.main import run_worker

_MESSAGE_BYTES: Final = 64 << 10
_GRACE_S: Final = 2.0
_STANDARD_STREAMS: Final = (0, 1, 2)
_decode_order: Final = msgspec.msgpack.Decoder(ForkOrder).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class Template:
    """Forks workers and waits for their ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, int] = {}
        self._wakeup_in, self._wakeup_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Take orders until the API process closes the control socket, then end the workers."""
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._wakeup_out, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup_in, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._wakeup_in in ready:
                os.read(self._wakeup_in, _MESSAGE_BYTES)
                self._report_ends()
            if self._control.fileno() in ready and not self._take_order():
                break
        self._end_workers()

    def _take_order(self) -> bool:
        """Fork as ordered; return False at end of file."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE_BYTES, 1)
        except ConnectionResetError:
            return False
        if not message:
            return False
        order = _decode_order(message)
        process_id = os.fork()
        if process_id == 0:
            self._become_worker(order, descriptors[0])
        os.close(descriptors[0])
        self._workers[process_id] = order.worker_id
        self._send(Forked(order.worker_id, process_id))
        return True

    @staticmethod
    def _become_worker(order: ForkOrder, descriptor: int) -> NoReturn:
        """Drop what belongs to the template and be a worker."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        close_descriptors_except((*_STANDARD_STREAMS, descriptor))
        run_worker(order.config, socket.socket(fileno=descriptor))

    def _report_ends(self) -> None:
        while self._workers:
            try:
                process_id, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process_id == 0:
                return
            worker_id = self._workers.pop(process_id, None)
            if worker_id is not None:
                self._send(Exited(worker_id, process_id, status))

    def _send(self, message: Forked | Exited) -> None:
        try:
            self._control.send(_encode(message))
        except OSError:
            return  # The API process is gone: the next reading says so.

    def _end_workers(self) -> None:
        """Ask the remaining workers to close, then end them. They have lost their socket too, and end by themselves."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for process_id in list(self._workers):
                os.kill(process_id, signal_number)
            give_up = time.monotonic() + _GRACE_S
            while self._workers and time.monotonic() < give_up:
                self._report_ends()
                time.sleep(0.01)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the signal reach the wake-up descriptor."""
