"""The backends that the suite runs over. A new one joins with a line in the table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.backends.lbug.backend import LadybugBackend
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig


@dataclass(frozen=True, slots=True)
class NodeSize:
    """How much a backend under test may hold.

    Attributes:
        databases: Databases that may exist.
        pending: Queries that may be pending on one of them.
    """

    databases: int = 100
    pending: int = 256


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """One backend of the table.

    Attributes:
        name: Shown in the names of tests.
        make: Returns it, not yet entered, keeping its data below a folder. What is there is found again.
    """

    name: str
    make: Callable[[Path, NodeSize], GraphBackend]


def _ladybug(folder: Path, size: NodeSize) -> GraphBackend:
    return LadybugBackend(
        LbugBackendConfig(
            base_path=folder / "databases",
            max_databases=size.databases,
            max_pending_queries=size.pending,
            buffer_pool_bytes=64 << 20,
            max_db_bytes=4 << 30,
            drain_timeout_s=2.0,
        )
    )


BACKENDS: Final = (BackendEntry("ladybug", _ladybug),)
