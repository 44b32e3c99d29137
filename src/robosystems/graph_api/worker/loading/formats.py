"""pyarrow's readers and writers of files, untyped as `worker.arrow` says, and what they raise."""

from typing import Any, Final

import pyarrow.csv  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.ipc  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet  # pyright: ignore[reportMissingTypeStubs]

from robosystems.graph_api.worker.arrow import ArrowError

parquet: Final[Any] = pyarrow.parquet
"""Parquet files."""

csv: Final[Any] = pyarrow.csv
"""CSV files."""

ipc: Final[Any] = pyarrow.ipc
"""Arrow's own files and streams."""

FAILURES: Final[tuple[type[Exception], ...]] = (ArrowError, ValueError, TypeError, OverflowError)
"""What pyarrow raises for a value that it cannot convert or a file that it cannot read; `OSError` comes besides.

Its `ArrowMemoryError` is one of these and a `MemoryError`: catch that first, it says nothing about the file.
"""
