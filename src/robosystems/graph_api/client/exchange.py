"""The way of one call, without I/O: a generator that says what to send and how long to wait, and is told what came.

Both clients drive it; deadlines, repetitions and the breaker are written here, once.
"""

import random
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

import httpx
import msgspec

from robosystems.graph_api.client.breaker import BreakerState, CircuitBreaker, Permit
from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exceptions import CircuitOpenError, ForeignAnswerError, IncompleteStreamError
from robosystems.graph_api.client.operation import Request
from robosystems.graph_api.client.retry import (
    Failure,
    failure_from_answer,
    failure_without_answer,
    may_repeat,
    pause_before,
)
from robosystems.graph_api.domain.errors import IdempotencyInProgressError

_Answer = TypeVar("_Answer")

_HEALTH: Final = Request("GET", "/health", timeout_s=2.0)
_INFO: Final = Request("GET", "/info", timeout_s=2.0)
_HONOURS_KEYS: Final = "idempotency_keys"
_KNOWN_FOR_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request and throw the `httpx.HTTPError`, or send in the response.

    Attributes:
        request: What to send.
        timeout_s: Seconds the client waits for an answer.
        stream: Whether the body of a success is left unread.
    """

    request: Request
    timeout_s: float
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, then go on."""

    seconds: float


Exchange: TypeAlias = Generator[Send | Pause, httpx.Response | None, _Answer]
"""A call on its way; returns its answer."""


@dataclass(slots=True)
class Link:
    """What the calls of one client share.

    Attributes:
        config: Of the client.
        breaker: Of the server, shared by the process; None if breakers are off.
        clock: Seconds of a clock that never goes back.
        draw: Returns random numbers from 0 to 1.
    """

    config: GraphClientConfig
    breaker: CircuitBreaker | None
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    keys_honoured: bool = False
    """Whether the server said that it honours idempotency keys."""
    asked_at: float = field(default=-_KNOWN_FOR_S)
    """When it was last asked."""


def exchange(
    request: Request, read: Callable[[httpx.Response], _Answer], link: Link, *, stream: bool = False
) -> Exchange[_Answer]:
    """Send a request, and again while that is safe, may help, and fits into the time of the call.

    Args:
        request: What to send.
        read: Reads a success; `msgspec.DecodeError` means that its body broke off.
        link: The client's.
        stream: Whether the body of a success is left unread.

    Raises:
        GraphApiError: The last attempt's error.
    """
    config = link.config
    allowed = request.timeout_s if request.timeout_s is not None else config.timeout_s
    deadline = link.clock() + allowed
    attempt, last, honoured = 0, None, False
    if config.retries_enabled and config.keys_enabled and request.takes_key:
        # Learned before the request is sent: whoever says so later may not be who served it.
        honoured = yield from _honours_keys(link)
        request = replace(request, key=request.key or uuid.uuid4().hex)
    left = max(deadline - link.clock(), 0.0)
    while True:
        outcome = yield from _attempt(_shortened(request, left, attempt), read, link, left, stream=stream, last=last)
        if not isinstance(outcome, Failure):
            return outcome
        last = outcome
        pause = pause_before(attempt, last, config, link.draw())
        left = deadline - link.clock() - pause
        repeatable = config.retries_enabled and may_repeat(request, last, keys_honoured=honoured)
        waits = isinstance(last.error, IdempotencyInProgressError)  # The first attempt is still being served.
        if not repeatable or (attempt >= config.max_retries and not waits) or left <= 0:
            raise last.error
        attempt += 1
        yield Pause(pause)


def _attempt(
    request: Request,
    read: Callable[[httpx.Response], _Answer],
    link: Link,
    left: float,
    *,
    stream: bool,
    last: Failure | None,
) -> Exchange[_Answer | Failure]:
    """Send once, if the breaker lets it."""
    try:
        permit = link.breaker.admit() if link.breaker is not None else None
    except CircuitOpenError:
        if last is None:
            raise
        raise last.error from None
    try:
        if permit is not None and permit.is_probe and link.config.health_checks_enabled:
            found = yield from _send(Send(_HEALTH, _HEALTH.timeout_s or 0.0), lambda response: response)
            if isinstance(found, Failure):
                _tell(permit, found)
                return found
        outcome = yield from _send(Send(request, left + link.config.grace_s, stream), read)
        _tell(permit, outcome if isinstance(outcome, Failure) else None)
        return outcome
    finally:
        if permit is not None:
            permit.dropped()  # Without effect unless the call was given up.


def _send(send: Send, read: Callable[[httpx.Response], _Answer]) -> Exchange[_Answer | Failure]:
    """Send a request and judge what comes back."""
    try:
        response = yield send
    except httpx.HTTPError as error:
        return failure_without_answer(error)
    assert response is not None  # noqa: S101 - what the driver sends in for a `Send`
    if not response.is_success and response.status_code != HTTPStatus.NOT_MODIFIED:
        return failure_from_answer(response)
    try:
        return read(response)
    except (msgspec.DecodeError, IncompleteStreamError) as error:
        broken = IncompleteStreamError(f"The answer is not whole ({error}): it broke off on the way.")
        return Failure(broken, passing=True, untouched=False, sick=True)
    except (KeyError, TypeError, AttributeError) as error:
        strange = ForeignAnswerError(
            f"{response.url} answered {response.status_code} in a form that this client does not know ({error!r}): is "
            "it the URL of a graph API, of this version?"
        )
        return Failure(strange, passing=False, untouched=False, sick=False)


def _honours_keys(link: Link) -> Generator[Send, httpx.Response | None, bool]:
    """Return whether the server honours idempotency keys; it is asked now and then, and no answer means no."""
    sick = link.breaker is not None and link.breaker.state is not BreakerState.CLOSED
    if not sick and link.clock() - link.asked_at >= _KNOWN_FOR_S:
        yield from _ask_about_keys(link)
    return link.keys_honoured


def _ask_about_keys(link: Link) -> Generator[Send, httpx.Response | None, None]:
    """Ask the server whether it honours idempotency keys."""
    link.asked_at = link.clock()
    link.keys_honoured = False
    try:
        response = yield Send(_INFO, _INFO.timeout_s or 0.0)
    except httpx.HTTPError:
        link.asked_at -= _KNOWN_FOR_S
        return
    try:
        document: Any = msgspec.json.decode(response.content if response is not None and response.is_success else b"{}")
        link.keys_honoured = document.get(_HONOURS_KEYS) is True
    except (msgspec.DecodeError, AttributeError):
        link.asked_at -= _KNOWN_FOR_S


def _tell(permit: Permit | None, failure: Failure | None) -> None:
    """Report an attempt to the breaker."""
    if permit is None:
        return
    if failure is not None and failure.sick:
        permit.failed()
    elif failure is not None and failure.untouched and "status" not in failure.error.context:
        permit.dropped()
    else:
        permit.succeeded()


def _shortened(request: Request, left: float, attempt: int) -> Request:
    """Return the request with what is left of its time; one with a key stays as it is, or it would be another one."""
    if attempt == 0 or request.timeout_s is None or not request.sends_timeout or request.key is not None:
        return request
    return replace(request, timeout_s=min(request.timeout_s, left))
