"""One Arrow batch at a time from a result that the binding only gives whole.

The binding's `getAsArrow` turns all rows left into batches before it returns: a second copy of the result, and nothing
to send meanwhile. It hands each batch to `pyarrow.lib.RecordBatch._import_from_c`, which it looks up once in a process
and keeps. `BatchTap.install` is in that place at that moment; from then on it sees every batch, and can end the call
after the first one by an exception: the next call goes on with the row that follows.

Where the look-up was done before, or another version of the binding does without, `works` stays false, and results are
read whole, as ever.
"""

import threading
from typing import Any, Final

import pyarrow.lib as native  # pyright: ignore[reportMissingTypeStubs]

_LIBRARY: Final[Any] = native
_REAL: Final[Any] = _LIBRARY.RecordBatch


class _Taken(Exception):  # noqa: N818 (an event: it carries a batch out of the binding)
    """Ends a call of the binding with its first batch."""

    def __init__(self, batch: object) -> None:
        super().__init__()
        self.batch = batch


class BatchTap:
    """Stands between the binding and pyarrow; one for a process, since the binding asks once for a process.

    Attributes:
        works: Whether the binding hands its batches over here.
    """

    def __init__(self) -> None:
        self.works = False
        self._calls = threading.local()

    def install(self, raw: Any) -> None:  # noqa: ANN401 (the binding's result)
        """Take the place by reading a result of one row. Before any other is read as Arrow, with one thread."""
        if self.works:
            return
        _LIBRARY.RecordBatch = _StandIn
        try:
            raw.getAsArrow(1, False)  # noqa: FBT003
        finally:
            _LIBRARY.RecordBatch = _REAL

    def next_batch(self, raw: Any, rows: int) -> Any | None:  # noqa: ANN401 (`pyarrow.RecordBatch`)
        """Return the next rows of a result, at most `rows`; None after the last. Only if it `works`."""
        self._calls.takes_one = True
        try:
            raw.getAsArrow(rows, False)  # noqa: FBT003
        except _Taken as event:
            return event.batch
        finally:
            self._calls.takes_one = False
        return None

    def take(self, array: int, schema: int) -> object:
        """Import a batch; end the call that made it if it wants only one."""
        self.works = True
        batch = _REAL._import_from_c(array, schema)  # noqa: SLF001 (what the binding calls)
        if getattr(self._calls, "takes_one", False):
            raise _Taken(batch)
        return batch


class _StandIn:
    """What the binding finds in place of `pyarrow.lib.RecordBatch`."""

    @staticmethod
    def _import_from_c(array: int, schema: int) -> object:
        return BATCHES.take(array, schema)


BATCHES: Final = BatchTap()
"""The one of this process."""
