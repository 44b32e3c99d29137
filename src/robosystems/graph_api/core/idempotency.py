"""Requests that happen once, however often they are sent."""

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError, InvalidRequestError
from robosystems.graph_api.domain.idempotency import Outcome, RequestIdentity, Retention
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.state.base import OutcomeStore

_LOG: Final = logging.getLogger(__name__)
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")
_PURGE_EVERY_S: Final = 60.0
_PURGE_AFTER_BYTES: Final = 8 << 20
_CLOSE_WAIT_S: Final = 5.0
_RETRY_S: Final = 1.0

_CHANGED_NOTHING: Final = (
    errors.InvalidRequestError,
    errors.UnauthorizedError,
    errors.ScopeError,
    errors.StatementForbiddenError,
    errors.NotFoundError,
    errors.ConflictError,
    errors.RateLimitedError,
    errors.CapabilityNotSupportedError,
    errors.QueryTimeoutError,
    errors.QueryCancelledError,
    errors.InsufficientStorageError,
    errors.DatabaseBrokenError,
    errors.DatabaseLockedError,
    errors.SandboxUnavailableError,
    errors.StorageVersionError,
)
"""Errors that promise that nothing happened, or come before anything can."""


@dataclass(frozen=True, slots=True)
class IdempotencyConfig:
    """Limits.

    Attributes:
        retention_s: Seconds for which an outcome is remembered.
        max_answer_bytes: Largest answer that is kept.
        max_owner_records: Outcomes of one key.
        max_bytes: Of all outcomes together.
    """

    retention_s: float = 86_400.0
    max_answer_bytes: int = 256 << 10
    max_owner_records: int = 100_000
    max_bytes: int = 1 << 30

    @property
    def retention(self) -> Retention:
        """What the store has to know of them."""
        return Retention(self.retention_s, self.max_owner_records, self.max_bytes)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with an idempotency key.

    Attributes:
        identity: What names it.
        request: Method, path and query string.
        earlier: What an earlier request of that name ended with; None if this is the first: it has to be finished,
            released or abandoned.
    """

    identity: RequestIdentity
    request: str
    earlier: Outcome | None


class IdempotencyService:
    """Sees to it that a request with an idempotency key is carried out at most once.

    That it begins is on disk before it begins, and how it ended before it is answered. What was begun and not ended,
    because the process died in between, is never begun again.

    Args:
        store: Remembers requests.
        backend: Tells databases of one name apart, by when they were created.
        config: Limits.
    """

    def __init__(self, store: OutcomeStore, backend: GraphBackend, config: IdempotencyConfig) -> None:
        self._store = store
        self._backend = backend
        self._config = config
        self._in_progress: set[RequestIdentity] = set()
        self._background = BackgroundTasks()
        self._purging: asyncio.Task[None] | None = None
        self._kept_since = 0
        self._much = asyncio.Event()

    @property
    def max_answer_bytes(self) -> int:
        """Largest answer that is kept."""
        return self._config.max_answer_bytes

    async def open(self) -> None:
        """Begin to forget what is old."""
        self._purging = self._background.start(self._purge_now_and_then(), "forget old outcomes")

    async def close(self) -> None:
        """Stop. Idempotent."""
        if self._purging is not None:
            self._purging.cancel()
            self._purging = None
            await self._background.drain(_CLOSE_WAIT_S)

    async def begin(self, owner: str, graph_id: GraphId | None, key: bytes, request: str) -> Attempt:
        """Note that a request begins, or find out what became of the one that it repeats.

        Args:
            owner: Id of the key that sent it.
            graph_id: Database that it concerns; None for the node.
            key: As it was sent.
            request: Method, path and query string.

        Raises:
            InvalidRequestError: The key is malformed.
            DatabaseNotFoundError: There is no such database.
            IdempotencyInProgressError: The request is being served just now.
            IdempotencyKeyReusedError: The key belongs to a request of another method, path or query string.
            OutcomeUnknownError: The request was cut off.
            UnavailableError: It cannot be noted, and so it is not begun.
        """
        if _KEY.fullmatch(key) is None:
            raise InvalidRequestError("Idempotency-Key: send 1 to 255 visible ASCII characters, best a random UUID.")
        name = incarnation = ""
        if graph_id is not None:
            name, incarnation = graph_id.value, (await self._backend.record(graph_id)).created_at.isoformat()
        identity = RequestIdentity(owner, name, incarnation, key.decode("ascii"))
        if identity in self._in_progress:
            raise errors.IdempotencyInProgressError(
                "A request with this Idempotency-Key is being served; send it again for its answer.",
                retry_after=_RETRY_S,
            )
        self._in_progress.add(identity)
        try:
            earlier = await self._store.begin(identity, request)
        except BaseException:
            self._in_progress.discard(identity)
            raise
        if earlier is None:
            return Attempt(identity, request, None)
        self._in_progress.discard(identity)
        if earlier.request != request:
            raise _reused(f"{earlier.request[:200]}")
        if not earlier.done:
            raise errors.OutcomeUnknownError(
                "The request with this Idempotency-Key was cut off; whether it happened is not known. It is not "
                "repeated: look at the data, and use a new key if it has to be."
            )
        return Attempt(identity, request, earlier)

    def replay(self, earlier: Outcome, body_digest: bytes) -> Outcome:
        """Return what answers a repetition.

        Raises:
            IdempotencyKeyReusedError: The body is another one.
            AnswerNotKeptError: The answer was too large to be kept.
        """
        if earlier.body_digest != body_digest:
            raise _reused("this path with another body")
        if earlier.body is None:
            raise errors.AnswerNotKeptError(
                f"The request with this Idempotency-Key was carried out with status {earlier.status}; its answer of "
                f"{earlier.size} bytes was not kept: at most {self._config.max_answer_bytes} are."
            )
        return earlier

    async def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Note how a request ended. If that fails, its outcome is unknown to whoever repeats it."""
        try:
            await self._store.finish(attempt.identity, outcome)
        except GraphApiError as error:
            _LOG.error("the outcome of %s was not kept: %s", attempt.request, error.detail)
        finally:
            self._in_progress.discard(attempt.identity)
        self._kept_since += outcome.size
        if self._kept_since >= _PURGE_AFTER_BYTES:
            self._much.set()

    async def release(self, attempt: Attempt) -> None:
        """Forget a request that changed nothing: the same key may be used for another try."""
        try:
            await self._store.release(attempt.identity)
        except GraphApiError as error:
            _LOG.error("the idempotency key of %s was not released: %s", attempt.request, error.detail)
        finally:
            self._in_progress.discard(attempt.identity)

    def abandon(self, attempt: Attempt) -> None:
        """Leave a request as it is: begun, and never known to have ended."""
        self._in_progress.discard(attempt.identity)

    async def forget(self, graph_id: GraphId) -> None:
        """Forget the requests of a database that was deleted."""
        try:
            await self._store.forget(graph_id.value)
        except GraphApiError as error:  # They age, and a database of the same name has another incarnation.
            _LOG.warning("outcomes of database %s were not forgotten: %s", graph_id, error.detail)

    async def _purge_now_and_then(self) -> None:
        """Forget what is too old or too much: every minute, and after each few megabytes."""
        while True:
            try:
                async with asyncio.timeout(_PURGE_EVERY_S):
                    await self._much.wait()
            except TimeoutError:
                pass
            self._much.clear()
            self._kept_since = 0
            try:
                while await self._store.purge(self._config.retention, self._in_progress):
                    pass
            except GraphApiError as error:
                _LOG.warning("old outcomes were not forgotten: %s", error.detail)


def changed_nothing(error: GraphApiError) -> bool:
    """Return whether a request that ended with this error can be repeated as if it had never been sent."""
    if error.context.get("outcome") == "unknown":  # A write that did not stop at its deadline may still happen.
        return False
    if isinstance(error, _CHANGED_NOTHING):
        return True
    repeatable = error.context.get("retryable", error.retryable)
    return isinstance(error, errors.UnavailableError) and repeatable is True


def _reused(what: str) -> errors.IdempotencyKeyReusedError:
    """Return the error for a key that belongs to another request."""
    return errors.IdempotencyKeyReusedError(
        f"This Idempotency-Key was used for another request ({what}); use a new key for each request."
    )
