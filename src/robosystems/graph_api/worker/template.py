"""The template: a process that has imported and warmed up everything, holds nothing open, and forks workers.

Started as `python -m robosystems.graph_api.worker.template DESCRIPTOR` with an empty environment; the descriptor is a
SOCK_SEQPACKET socket on which `ForkOrder`s come in, each with the worker's socket attached, and `Forked` and `Exited`
go out. It has one thread, always: a fork copies only the thread that forks. At end of file it ends its workers and
itself.
"""

import gc
import os
import signal
import socket
import sys
from typing import Final

from robosystems.graph_api.concurrency.linux import set_process_name

_ENVIRONMENT: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""What keeps pyarrow from starting a thread and an allocator of its own when it is imported."""

_GARBAGE_AFTER: Final = (20_000, 20, 50)
"""Objects, and rounds, between garbage collections: rows come in thousands and hold no cycles."""


def main() -> None:
    """Prepare everything that workers share, then serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    set_process_name("graph:template")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_ENVIRONMENT)  # noqa: TID251 (read by libraries at import; this process was started without any)

    # Imported only now, because of the environment.
    from robosystems.graph_api.backends.lbug.engine import native_binding  # noqa: PLC0415
    from robosystems.graph_api.worker import arrow, forking, warming  # noqa: PLC0415

    native_binding()
    arrow.prepare()
    warming.warm_up()
    gc.set_threshold(*_GARBAGE_AFTER)
    gc.collect()
    gc.freeze()
    forking.Template(control).serve()


if __name__ == "__main__":
    main()
