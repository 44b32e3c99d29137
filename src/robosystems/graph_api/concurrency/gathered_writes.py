"""A transport that hands the small writes of one moment to the kernel together.

An HTTP server writes the head of an answer and its body one after the other, and each write is a system call and a
packet that wakes the reader: for small answers half of what sending costs.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_LARGE_BYTES = 64 << 10
"""From so many bytes on nothing is held back: copying them together would cost more than a system call."""


class GatheredWrites(asyncio.Transport):
    """Passes everything on to a transport; what is written in one round of the event loop goes there in one piece.

    Flow control stays with that transport: what is held back here is less than `_LARGE_BYTES`, and only until the next
    round of the loop.

    Args:
        transport: Where to.
        loop: Its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes | bytearray | memoryview] = []
        self._held_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write soon, together with what else is written until then."""
        if not self._held:
            if len(data) >= _LARGE_BYTES:
                self._transport.write(data)
                return
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _LARGE_BYTES:
            self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write several pieces."""
        for data in list_of_data:
            self.write(data)

    def _flush(self) -> None:
        held = self._held
        if not held:
            return
        self._held, self._held_bytes = [], 0
        if len(held) == 1:
            self._transport.write(held[0])
        elif len(held[-1]) >= _LARGE_BYTES:
            self._transport.write(b"".join(held[:-1]))
            self._transport.write(held[-1])
        else:
            self._transport.write(b"".join(held))

    def write_eof(self) -> None:
        """End the sending side, after what was written."""
        self._flush()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """Whether the sending side can be ended."""
        return self._transport.can_write_eof()

    def close(self) -> None:
        """Close, after what was written has been sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held, self._held_bytes = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or being closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (as the base class)
        """Return what the transport knows."""
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Bytes that have not been sent."""
        return self._transport.get_write_buffer_size() + self._held_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Bytes at which the protocol is paused and resumed."""
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the bytes at which the protocol is paused and resumed."""
        self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        """Whether it reads."""
        return self._transport.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the events to another protocol."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the events."""
        return self._transport.get_protocol()
