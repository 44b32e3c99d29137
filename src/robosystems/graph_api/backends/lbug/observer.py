"""Events that a metrics collector or a log may follow, without the backend knowing of either."""

from enum import StrEnum
from typing import Protocol

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId


class CloseReason(StrEnum):
    """Why a database was closed on purpose."""

    IDLE = "idle"
    EVICTED = "evicted"
    SHUTDOWN = "shutdown"


class StopCause(StrEnum):
    """Why a query was stopped."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    """By its caller, by whoever may manage the database, or because its client went away."""


class KillReason(StrEnum):
    """Why a worker was ended on purpose."""

    STUCK = "stuck"
    """It did not stop a statement within the grace after its deadline."""
    CLOSE_TIMEOUT = "close_timeout"
    OPEN_TIMEOUT = "open_timeout"
    PROTOCOL = "protocol"
    """It sent what no worker may send, or closed its socket and lived on."""
    DROPPED = "dropped"
    MEMORY = "memory"
    """It used more memory than one database may."""
    SPOILED = "spoiled"
    """It ended by itself after a failed load, which the engine cannot undo completely; the next one is sound."""


class BackendObserver(Protocol):
    """Called on the event loop; implementations return at once and raise nothing."""

    def opened(self, graph_id: GraphId, seconds: float) -> None:
        """A worker has opened the database; `seconds` from the order to the first possible query."""

    def open_failed(self, graph_id: GraphId, error: GraphApiError) -> None:
        """One attempt to open has failed."""

    def quarantined(self, graph_id: GraphId, reason: str) -> None:
        """Opening has failed repeatedly; the database is broken until somebody acts."""

    def closed(self, graph_id: GraphId, reason: CloseReason) -> None:
        """The database was checkpointed and closed."""

    def crashed(self, graph_id: GraphId, cause: str) -> None:
        """A worker died by itself; `cause` is `SIGSEGV`, `exit 1`, or `unknown`."""

    def killed(self, graph_id: GraphId, reason: KillReason) -> None:
        """A worker was ended on purpose. `crashed` is not called for it."""

    def stopped(self, graph_id: GraphId, cause: StopCause) -> None:
        """A query was stopped before its end, or before it began; its worker goes on."""

    def degraded(self, graph_id: GraphId) -> None:
        """A commit is durable, but the checkpoint after it failed."""

    def template_restarted(self, cause: str) -> None:
        """The process that forks workers had died and was started again; `cause` as in `crashed`."""


class SilentObserver:
    """Ignores all events."""

    def opened(self, graph_id: GraphId, seconds: float) -> None:
        """Ignore it."""

    def open_failed(self, graph_id: GraphId, error: GraphApiError) -> None:
        """Ignore it."""

    def quarantined(self, graph_id: GraphId, reason: str) -> None:
        """Ignore it."""

    def closed(self, graph_id: GraphId, reason: CloseReason) -> None:
        """Ignore it."""

    def crashed(self, graph_id: GraphId, cause: str) -> None:
        """Ignore it."""

    def killed(self, graph_id: GraphId, reason: KillReason) -> None:
        """Ignore it."""

    def stopped(self, graph_id: GraphId, cause: StopCause) -> None:
        """Ignore it."""

    def degraded(self, graph_id: GraphId) -> None:
        """Ignore it."""

    def template_restarted(self, cause: str) -> None:
        """Ignore it."""
