"""Libraries that results are given to. They are optional, heavy, and untyped: imported when a method needs them."""

import importlib
from typing import Any, TypeAlias

from robosystems.graph_api.client.exceptions import MissingLibraryError

Library: TypeAlias = Any
"""A module without type information."""

ArrowTable: TypeAlias = Any
"""`pyarrow.Table`."""

DataFrame: TypeAlias = Any
"""`pandas.DataFrame` or `polars.DataFrame`."""

MultiDiGraph: TypeAlias = Any
"""`networkx.MultiDiGraph`."""

_EXTRAS = {"pyarrow": "arrow", "pandas": "pandas", "polars": "polars", "networkx": "networkx"}


def library(name: str) -> Library:
    """Import a library.

    Raises:
        MissingLibraryError: It is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingLibraryError(
            f"This needs {package}, which is not installed: pip install 'robosystems-graph-api[{_EXTRAS[package]}]'.",
            library=package,
        ) from error
