"""When a call is repeated, and after how long: rules without I/O.

A repetition must never do something twice. What only reads can always be repeated. What writes is repeated if the first
attempt certainly did nothing (there was no connection, or the server says that it refused), or if it carries an
idempotency key that the server honours.
"""

from dataclasses import dataclass
from http import HTTPStatus

import httpx

from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exceptions import error_from_response, is_problem, unreachable
from robosystems.graph_api.client.operation import Request, Safety
from robosystems.graph_api.domain.errors import GraphApiError

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that did not succeed.

    Attributes:
        error: What the caller gets if it is not repeated.
        passing: It may pass by itself.
        untouched: The server certainly did nothing.
        sick: It says that the server is sick, rather than that it refuses this request.
    """

    error: GraphApiError
    passing: bool
    untouched: bool
    sick: bool


def failure_without_answer(error: httpx.HTTPError) -> Failure:
    """Judge an attempt that ended without an answer."""
    sent = not isinstance(error, _NEVER_SENT)
    starved = isinstance(error, httpx.PoolTimeout)  # All connections are in use: says nothing about the server.
    return Failure(unreachable(error, sent=sent), passing=True, untouched=not sent, sick=not starved)


def failure_from_answer(response: httpx.Response) -> Failure:
    """Judge an answer that is not a success; its body has been read."""
    error = error_from_response(response)
    if is_problem(response):
        # The server's `retryable` is its word that nothing was done: of a write whose fate is unknown it says false.
        retryable = error.context["retryable"] is True
        return Failure(error, passing=retryable, untouched=retryable, sick=False)
    limited = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    foreign = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure(error, passing=limited or foreign, untouched=limited, sick=foreign)


def may_repeat(request: Request, failure: Failure, *, keys_honoured: bool) -> bool:
    """Return whether a repetition may help and cannot do anything twice."""
    if not failure.passing or (request.upload is not None and not request.upload.repeatable):
        return False
    return failure.untouched or request.safety is Safety.READ or (request.key is not None and keys_honoured)


def pause_before(attempt: int, failure: Failure, config: GraphClientConfig, draw: float) -> float:
    """Return the seconds to wait before a repetition: full jitter, on top of what the server asked for.

    Args:
        attempt: Repetitions so far.
        failure: What happened.
        config: Delays and their growth.
        draw: A random number from 0 to 1.
    """
    longest = min(config.max_retry_delay_s, config.retry_delay_s * config.retry_backoff**attempt)
    return (failure.error.retry_after or 0.0) + draw * longest
