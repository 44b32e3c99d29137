"""Life of keys: made, listed, changed, deleted; and tokens that they issue."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.core.key_format import new_secret
from robosystems.graph_api.core.keyring import HeldKey, KeyRing
from robosystems.graph_api.core.tokens import Claims
from robosystems.graph_api.domain.access import GraphSet, KeyRecord, Principal, Scope
from robosystems.graph_api.domain.errors import GraphApiError, InsufficientStorageError, KeyNotFoundError, ScopeError
from robosystems.graph_api.state.base import KeyStore

MAX_KEYS: Final = 100_000
"""Keys of one node: they are all in memory, at less than a kilobyte each."""

_LIFETIME: Final = "expires_in_s"
_NOTE_USE_EVERY_S: Final = 60.0
_CLOSE_WAIT_S: Final = 5.0
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What an administrator asks for.

    Attributes:
        name: What people call it.
        scope: What it may do.
        graphs: Patterns of the graphs it may see; None for all.
        expires_in_s: Seconds until it opens nothing any more; None for never.
    """

    name: str
    scope: Scope
    graphs: Sequence[str] | None = None
    expires_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of keys, sorted by id.

    Attributes:
        records: The keys of the page.
        total: How many there are in all.
        next_after: Pass as `after` for the next page; None on the last one.
    """

    records: Sequence[KeyRecord]
    total: int
    next_after: str | None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and what it is good for.

    Attributes:
        token: What to send.
        claims: What it says.
        expires_at: From when on it opens nothing, in UTC.
    """

    token: str
    claims: Claims
    expires_at: datetime


class KeyService:
    """Manages the keys of a node: what the store has is on the ring, and the other way round.

    A change is durable before it is in force, and in force before it is answered.

    Args:
        store: Where keys are kept.
        ring: Where requests find them.
    """

    def __init__(self, store: KeyStore, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring
        self._changing = asyncio.Lock()
        self._background = BackgroundTasks()
        self._noting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Put the keys of the store on the ring.

        Raises:
            UnavailableError: The store cannot be read.
        """
        self._ring.fill(await self._store.load(), await self._store.signing_secret())
        self._noting = self._background.start(self._note_use_now_and_then(), "note when keys were used")

    async def close(self) -> None:
        """Note the last uses. Idempotent."""
        if self._noting is None:
            return
        self._noting.cancel()
        self._noting = None
        await self._background.drain(_CLOSE_WAIT_S)
        await self._note_use()

    async def create(self, new: NewKey, creator: Principal) -> tuple[KeyRecord, str]:
        """Make a key; return what is known of it, and the key itself, which nobody can show again.

        Raises:
            InvalidRequestError: A pattern is malformed.
            InsufficientStorageError: There are as many keys as there may be.
            UnavailableError: It cannot be kept.
        """
        graphs = GraphSet.parse(new.graphs) if new.graphs is not None else None
        now = datetime.now(UTC)
        async with self._changing:
            if self._ring.count >= MAX_KEYS:
                raise InsufficientStorageError(f"The node holds {MAX_KEYS} keys, the most it can: delete some.")
            secret = new_secret()
            record = KeyRecord(
                key_id=secret.key_id,
                digest=secret.digest,
                name=new.name,
                scope=new.scope,
                graphs=graphs,
                created_at=now,
                created_by=creator.key_id,
                expires_at=now + timedelta(seconds=new.expires_in_s) if new.expires_in_s is not None else None,
            )
            await self._store.put(record)
            self._ring.hold(record)
        return record, secret.key

    def page(self, *, limit: int, after: str | None) -> KeyPage:
        """Return up to `limit` keys whose ids come after `after`."""
        held = self._ring.all()
        rest = [key for key in held if after is None or key.record.key_id > after]
        shown = [_current(key) for key in rest[:limit]]
        return KeyPage(shown, len(held), shown[-1].key_id if len(rest) > len(shown) and shown else None)

    def get(self, key_id: str) -> KeyRecord:
        """Return what is known of a key.

        Raises:
            KeyNotFoundError: There is none.
        """
        return _current(self._held(key_id))

    async def change(self, key_id: str, changes: Mapping[str, object]) -> KeyRecord:
        """Change fields of a key: `name`, `disabled`, `expires_in_s` (seconds from now; None: never).

        Raises:
            KeyNotFoundError: There is none.
            UnavailableError: It cannot be kept; nothing was changed.
        """
        fields = {name: value for name, value in changes.items() if name != _LIFETIME}
        if _LIFETIME in changes:
            seconds = changes[_LIFETIME]
            fields["expires_at"] = datetime.now(UTC) + timedelta(seconds=seconds) if isinstance(seconds, int) else None
        async with self._changing:
            record = replace(_current(self._held(key_id)), **fields)  # pyright: ignore[reportArgumentType]
            await self._store.put(record)
            self._ring.hold(record)
        return record

    async def delete(self, key_id: str) -> None:
        """Delete a key; it and its tokens open nothing from now on.

        Raises:
            KeyNotFoundError: There is none.
            UnavailableError: It cannot be deleted; nothing was changed.
        """
        async with self._changing:
            self._held(key_id)
            await self._store.remove(key_id)
            self._ring.drop(key_id)

    def issue_token(
        self, issuer: Principal, scope: Scope, graphs: Sequence[str] | None, expires_in_s: int
    ) -> IssuedToken:
        """Return a token that opens no more than the key of its issuer.

        Raises:
            InvalidRequestError: A pattern is malformed.
            ScopeError: It would open more.
        """
        if not issuer.scope.holds(scope):
            raise ScopeError(f"scope: this key has the scope '{issuer.scope}' and cannot issue a token for '{scope}'.")
        wanted = GraphSet.parse(graphs) if graphs is not None else None
        if wanted is not None and issuer.graphs is not None and not issuer.graphs.covers(wanted):
            raise ScopeError(f"graphs: this key sees {', '.join(issuer.graphs.patterns)} and cannot issue more.")
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=expires_in_s)
        patterns = tuple(wanted.patterns) if wanted is not None else None
        claims = Claims(issuer.key_id, scope, int(expires_at.timestamp()), patterns)
        return IssuedToken(self._ring.issue_token(claims), claims, expires_at)

    def _held(self, key_id: str) -> HeldKey:
        """Return a key of the ring."""
        held = self._ring.find(key_id)
        if held is None:
            raise KeyNotFoundError(f"There is no key {key_id[:80]!r}; GET /keys lists the ids.")
        return held

    async def _note_use_now_and_then(self) -> None:
        """Write the last uses down, at most once a minute."""
        while True:
            await asyncio.sleep(_NOTE_USE_EVERY_S)
            await self._note_use()

    async def _note_use(self) -> None:
        """Write down when keys were used since the last time."""
        async with self._changing:
            used = [key for key in self._ring.all() if key.used_at and _current(key) != key.record]
            if not used:
                return
            current = [_current(key) for key in used]
            moments = {record.key_id: record.last_used_at for record in current if record.last_used_at is not None}
            try:
                await self._store.touch(moments)
            except GraphApiError as error:
                _LOG.warning("when keys were used was not written down: %s", error.detail)
                return
            for record in current:
                self._ring.hold(record)


def _current(key: HeldKey) -> KeyRecord:
    """Return what is known of a key, its last use included."""
    if not key.used_at:
        return key.record
    return replace(key.record, last_used_at=datetime.fromtimestamp(key.used_at, UTC))
