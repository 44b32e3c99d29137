"""What the kernel offers and what became of it, as values that go into logs and `/status`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from robosystems.graph_api.domain.errors import SandboxUnavailableError
from robosystems.graph_api.worker.sandbox.policy import SandboxMode


class Mechanism(StrEnum):
    """One thing that the kernel enforces."""

    PRIVILEGES = "privileges"
    """No capabilities, no new privileges, no core dump, optionally another user."""

    FILES = "files"
    """Landlock: only the database's directory and read-only libraries."""

    TCP = "tcp"
    """Landlock: no TCP bind or connect, for sockets that came from elsewhere too."""

    SCOPES = "scopes"
    """Landlock: no signal and no abstract Unix socket outside the worker."""

    SYSTEM_CALLS = "system_calls"
    """seccomp: no sockets, processes, programs, tracing, mounts, signals to others."""


ESSENTIAL: Final = frozenset({Mechanism.PRIVILEGES, Mechanism.FILES, Mechanism.SYSTEM_CALLS})
"""What `required` insists on. The others only double what these hold already."""


class MechanismState(StrEnum):
    """What became of a mechanism in one worker."""

    ACTIVE = "active"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class MechanismSupport:
    """Whether the running kernel offers a mechanism; the detail says which version, or what is missing."""

    mechanism: Mechanism
    available: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SandboxSupport:
    """What the running kernel offers.

    Attributes:
        landlock_abi: Version of Landlock; 0 where it is missing.
        mechanisms: One entry for each mechanism.
    """

    landlock_abi: int
    mechanisms: tuple[MechanismSupport, ...]

    def entry(self, mechanism: Mechanism) -> MechanismSupport:
        """Return the entry of a mechanism."""
        return next(entry for entry in self.mechanisms if entry.mechanism is mechanism)

    def missing(self) -> tuple[MechanismSupport, ...]:
        """Return what the kernel lacks, with reasons; the essential first."""
        lacking = [entry for entry in self.mechanisms if not entry.available]
        return tuple(sorted(lacking, key=lambda entry: entry.mechanism not in ESSENTIAL))

    def ensure(self, mode: SandboxMode) -> None:
        """Check at start-up that workers of this mode will be able to start.

        Raises:
            SandboxUnavailableError: The mode is `required` and the kernel lacks something essential.
        """
        lacking = [entry for entry in self.missing() if entry.mechanism in ESSENTIAL]
        if mode is SandboxMode.REQUIRED and lacking:
            raise SandboxUnavailableError(
                "The sandbox is required, but this kernel lacks "
                + "; ".join(f"{entry.mechanism}: {entry.detail}" for entry in lacking)
                + ". Change the kernel or container settings, or set LBUG_SANDBOX=preferred.",
                missing=[str(entry.mechanism) for entry in lacking],
            )

    def to_document(self) -> dict[str, object]:
        """Return a JSON document."""
        return {
            "landlock_abi": self.landlock_abi,
            "mechanisms": {
                str(entry.mechanism): {"available": entry.available, "detail": entry.detail}
                for entry in self.mechanisms
            },
        }


@dataclass(frozen=True, slots=True)
class MechanismReport:
    """What became of one mechanism in this worker, and why."""

    mechanism: Mechanism
    state: MechanismState
    detail: str


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """How one worker is confined."""

    mode: SandboxMode
    mechanisms: tuple[MechanismReport, ...]

    def state_of(self, mechanism: Mechanism) -> MechanismState:
        """Return what became of the mechanism."""
        return next(entry.state for entry in self.mechanisms if entry.mechanism is mechanism)

    @property
    def confined(self) -> bool:
        """Whether everything essential holds."""
        return all(self.state_of(mechanism) is MechanismState.ACTIVE for mechanism in ESSENTIAL)

    def to_document(self) -> dict[str, object]:
        """Return a JSON document."""
        return {
            "mode": str(self.mode),
            "confined": self.confined,
            "mechanisms": {
                str(entry.mechanism): {"state": str(entry.state), "detail": entry.detail} for entry in self.mechanisms
            },
        }
