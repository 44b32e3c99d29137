"""Ports of the node's own memory. Everything that returns is durable: it survives a crash and a loss of power."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from robosystems.graph_api.domain.access import KeyRecord
from robosystems.graph_api.domain.audit import AuditEntry
from robosystems.graph_api.domain.idempotency import Outcome, RequestIdentity, Retention


class KeyStore(ABC):
    """Keeps keys. One process uses it at a time; calls take effect in the order in which they are made."""

    @abstractmethod
    async def load(self) -> Sequence[KeyRecord]:
        """Return all keys, sorted by id.

        Raises:
            UnavailableError: They cannot be read.
        """

    @abstractmethod
    async def signing_secret(self) -> bytes:
        """Return 32 random bytes that are the same for the life of the store: what tokens are signed with.

        Raises:
            UnavailableError: They cannot be read, or made.
        """

    @abstractmethod
    async def put(self, record: KeyRecord) -> None:
        """Keep a key, instead of one with the same id if there is one.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
            DiskFullError: Likewise, for want of room.
        """

    @abstractmethod
    async def remove(self, key_id: str) -> None:
        """Forget a key; no effect if it is not there.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
        """

    @abstractmethod
    async def touch(self, last_used: Mapping[str, datetime]) -> None:
        """Note when keys were used; ids that are not there have no effect.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
            DiskFullError: Likewise, for want of room.
        """


class OutcomeStore(ABC):
    """Remembers requests by their identity. One process uses it at a time; calls take effect in their order."""

    @abstractmethod
    async def begin(self, identity: RequestIdentity, request: str) -> Outcome | None:
        """Note that a request begins, unless it is known already.

        Returns:
            None if it was noted now, else what is known of it.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
            DiskFullError: Likewise, for want of room.
        """

    @abstractmethod
    async def finish(self, identity: RequestIdentity, outcome: Outcome) -> None:
        """Note what a request ended with.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
            DiskFullError: Likewise, for want of room.
        """

    @abstractmethod
    async def release(self, identity: RequestIdentity) -> None:
        """Forget a request that changed nothing; no effect if it is not known.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
        """

    @abstractmethod
    async def forget(self, graph_id: str) -> None:
        """Forget the requests of a database that is gone.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
        """

    @abstractmethod
    async def purge(self, retention: Retention, in_progress: Collection[RequestIdentity]) -> int:
        """Forget what is too old or too much, but none that is in progress; return how many were forgotten.

        Bounded: what is left is forgotten by the next call.

        Raises:
            UnavailableError: It cannot be written; nothing was changed.
        """


class AuditLog(ABC):
    """Writes administrative acts down, in the order in which they are recorded."""

    @abstractmethod
    async def record(self, entry: AuditEntry) -> None:
        """Write one act down. Never raises: an act that cannot be written down is reported in the log of the server."""
