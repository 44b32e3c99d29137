"""Finding keys that a file has more than once, with eight bytes for each."""

from array import array
from collections.abc import Hashable, Sequence
from typing import Final

from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.worker.arrow import Array, arrow, kernels

MAX_KEYS: Final = 30_000_000
"""Rows of a file whose keys are compared with one another."""

MAX_REPEATED: Final = 1_000_000
"""Different keys that may occur more than once."""

_PARTS: Final = 16
"""The hashes are counted in so many parts, so that the counting takes little memory."""


def keys_of(columns: Sequence[Array]) -> list[Hashable]:
    """Return the key of each row: the value of one column, or a tuple of several."""
    values = [column.to_pylist() for column in columns]
    return values[0] if len(values) == 1 else list(zip(*values, strict=True))


class KeyHashes:
    """Collects the hashes of keys."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, keys: Sequence[Hashable]) -> None:
        """Collect the hashes of some keys.

        Raises:
            LoadError: There are too many.
        """
        self._hashes.extend(map(hash, keys))
        if len(self._hashes) > MAX_KEYS:
            raise LoadError(
                f"The file has more than {MAX_KEYS} rows, whose keys have to be compared with one another: split it. "
                "Nothing was loaded.",
                reason="too_many_rows",
            )

    def repeated(self) -> frozenset[int]:
        """Return the hashes that occur more than once: those of repeated keys, and by chance a few others.

        Raises:
            LoadError: There are too many.
        """
        if not self._hashes:
            return frozenset()
        hashes = arrow.Array.from_buffers(arrow.int64(), len(self._hashes), [None, arrow.py_buffer(self._hashes)])
        found: set[int] = set()
        for part in range(_PARTS):
            chosen = hashes.filter(kernels.equal(kernels.bit_wise_and(hashes, _PARTS - 1), part))
            counts = kernels.value_counts(chosen)
            several = counts.filter(kernels.greater(counts.field("counts"), 1))
            found.update(several.field("values").to_pylist())
            if len(found) > MAX_REPEATED:
                raise LoadError(
                    f"More than {MAX_REPEATED} keys occur more than once in the file: remove duplicates first. "
                    "Nothing was loaded.",
                    reason="too_many_duplicates",
                )
        return frozenset(found)
