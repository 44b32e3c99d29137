"""pyarrow, which has no type information: the one place that says so."""

from importlib import import_module
from typing import Any, Final, TypeAlias

pa: Final[Any] = import_module("pyarrow")
compute: Final[Any] = import_module("pyarrow.compute")
parquet: Final[Any] = import_module("pyarrow.parquet")
csv: Final[Any] = import_module("pyarrow.csv")

ArrowType: TypeAlias = Any
"""`pyarrow.DataType`."""

ArrowArray: TypeAlias = Any
"""`pyarrow.Array`."""

FAILURES: Final[tuple[type[Exception], ...]] = (
    pa.ArrowException,
    ValueError,
    TypeError,
    OverflowError,
)
"""What pyarrow raises for a value that it cannot convert."""
