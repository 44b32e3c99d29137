"""pyarrow, which has no type information, as untyped names: the one place that says so."""

from typing import Any, Final, TypeAlias

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.compute as pc  # pyright: ignore[reportMissingTypeStubs]

arrow: Final[Any] = pa
"""The package."""

kernels: Final[Any] = pc
"""Its compute functions."""

ArrowError: Final[type[Exception]] = arrow.ArrowException
"""Root of what it raises."""

Array: TypeAlias = Any
"""`pyarrow.Array`, or a scalar of a kernel."""

Batch: TypeAlias = Any
"""`pyarrow.RecordBatch`."""

DataType: TypeAlias = Any
"""`pyarrow.DataType`."""


Schema: TypeAlias = Any
"""`pyarrow.Schema`."""


def prepare() -> None:
    """Settle what pyarrow would decide at its first use: no allocator of its own, no threads. Once, before forking."""
    arrow.set_memory_pool(arrow.system_memory_pool())
    arrow.set_cpu_count(1)
    arrow.set_io_thread_count(1)
