"""Confinement of a database worker: what holds when the statement policy fails.

`probe()` says what the running kernel offers and changes nothing; `apply()` confines the calling process for good.
docs/isolation-kernel.md explains each mechanism and what it does not cover.
"""

from robosystems.graph_api.domain.errors import SandboxUnavailableError
from robosystems.graph_api.worker.sandbox.confine import apply, probe
from robosystems.graph_api.worker.sandbox.policy import SandboxMode, SandboxPolicy, default_read_only_paths
from robosystems.graph_api.worker.sandbox.report import (
    Mechanism,
    MechanismReport,
    MechanismState,
    MechanismSupport,
    SandboxReport,
    SandboxSupport,
)

__all__ = [
    "Mechanism",
    "MechanismReport",
    "MechanismState",
    "MechanismSupport",
    "SandboxMode",
    "SandboxPolicy",
    "SandboxReport",
    "SandboxSupport",
    "SandboxUnavailableError",
    "apply",
    "default_read_only_paths",
    "probe",
]
