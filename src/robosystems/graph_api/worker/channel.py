"""The worker's end of the socket: whole frames in, whole frames out.

One thread at a time reads (the one with the reading role); any thread sends, one after the other. The API process
always reads, so a send waits for a moment only; and if it does not, the monitor sees that the sender is stuck and gives
the reading role to another thread.
"""

import socket
import threading
from select import POLLHUP, POLLRDHUP, poll
from typing import Final, NamedTuple

from robosystems.graph_api.backends.lbug.wire import HEADER, MAX_FRAME_BYTES

_BUFFER_BYTES: Final = 256 << 10
_SOCKET_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = HEADER.size


class PeerGoneError(Exception):
    """The API process has closed its end, or talks nonsense: the worker has to end."""


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    request_id: int
    payload: bytes


class Channel:
    """Frames over a connected stream socket, which it owns."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        self._socket = sock
        self._sending = threading.Lock()
        self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0
        self._hangup = poll()
        self._hangup.register(sock, POLLHUP | POLLRDHUP)

    def receive(self, *, wait: bool) -> list[Frame]:
        """Return the frames that have arrived completely.

        Args:
            wait: Block until there is at least one.

        Raises:
            PeerGoneError: End of file, or a frame that is too long.
        """
        flags = 0 if wait else socket.MSG_DONTWAIT
        while True:
            try:
                with memoryview(self._buffer) as view:
                    count = self._socket.recv_into(view[self._filled :], 0, flags)
            except BlockingIOError:
                return []
            except OSError as error:
                raise PeerGoneError from error
            if count == 0:
                raise PeerGoneError
            self._filled += count
            frames = self._parse()
            if frames or not wait:
                return frames

    def _parse(self) -> list[Frame]:
        """Cut whole frames off the front of the buffer, and make room for the rest."""
        buffer, filled = self._buffer, self._filled
        frames: list[Frame] = []
        start = 0
        while filled - start >= _HEADER_BYTES:
            length, kind, request_id = HEADER.unpack_from(buffer, start)
            end = start + _HEADER_BYTES + length
            if end > filled:
                self._make_room(start, length)
                return frames
            frames.append(Frame(kind, request_id, bytes(buffer[start + _HEADER_BYTES : end])))
            start = end
        self._make_room(start, 0)
        return frames

    def _make_room(self, start: int, length: int) -> None:
        """Move what is left to the front of a buffer that holds a frame with a payload of `length`."""
        if length > MAX_FRAME_BYTES:
            raise PeerGoneError
        left = self._filled - start
        size = max(_BUFFER_BYTES, _HEADER_BYTES + length)
        if size != len(self._buffer):
            rest = self._buffer[start : self._filled]
            self._buffer = bytearray(size)
            self._buffer[:left] = rest
        elif start and left:
            self._buffer[:left] = self._buffer[start : self._filled]
        self._filled = left

    def send(self, *parts: bytes | memoryview) -> None:
        """Send all parts, one after the other, with nothing of another thread in between.

        Raises:
            PeerGoneError: The other side is gone.
        """
        try:
            with self._sending:
                if len(parts) == 1:
                    self._socket.sendall(parts[0])
                    return
                sent = self._socket.sendmsg(parts)
                for part in parts:
                    if sent >= len(part):
                        sent -= len(part)
                    else:
                        self._socket.sendall(memoryview(part)[sent:])
                        sent = 0
        except OSError as error:
            raise PeerGoneError from error

    def is_hung_up(self) -> bool:
        """Whether the other side has closed; from any thread, without reading."""
        return bool(self._hangup.poll(0))
