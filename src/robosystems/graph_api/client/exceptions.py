"""Errors of the clients.

An error that the server answers is raised as the class of `robosystems.graph_api.domain.errors` that has the server's
`code`. Its `context` holds what the server said beside it, always with `status`, `request_id` and `retryable`. The
classes here are for what happens without an answer of the service.
"""

from http import HTTPStatus
from typing import Any, cast

import httpx
import msgspec

from robosystems.graph_api.domain.errors import GraphApiError, RateLimitedError, UnavailableError, error_from_code

_STANDARD_MEMBERS = frozenset({"type", "title", "detail", "code", "retry_after"})
_SHOWN = 200


class ServerUnreachableError(UnavailableError):
    """The server could not be reached, or the connection broke before an answer came.

    `context["sent"]` says whether the request may have reached it: then a write may have been committed.
    """

    code = "SERVER_UNREACHABLE"


class IncompleteStreamError(UnavailableError):
    """An answer ended before its end: rows may be missing."""

    code = "INCOMPLETE_STREAM"


class ForeignAnswerError(UnavailableError):
    """Something between client and server answered with an error, a proxy for example, or the server was not itself."""

    code = "FOREIGN_ANSWER"


class CircuitOpenError(UnavailableError):
    """The server failed repeatedly and is left alone; nothing was sent. `retry_after` says for how long."""

    code = "CIRCUIT_OPEN"


class MissingLibraryError(GraphApiError, ImportError):
    """A method needs a library that is not installed; the detail names the extra that brings it."""

    code = "MISSING_LIBRARY"


def error_from_problem(problem: dict[str, Any], status: int) -> GraphApiError:
    """Return the error that a problem document stands for."""
    context = {name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS}
    context |= {"status": status, "retryable": problem.get("retryable") is True}
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
    retry_after = problem.get("retry_after")
    error = error_from_code(
        str(problem.get("code", "")),
        detail,
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        context=context,
    )
    if problem.get("request_id"):
        error.add_note(f"request id: {problem['request_id']}")
    return error


def error_from_response(response: httpx.Response) -> GraphApiError:
    """Return the error for an answer that is not a success; its body has been read and need not be a problem."""
    problem = _problem(response.content)
    if problem is not None:
        return error_from_problem(problem, response.status_code)
    status, retry_after = response.status_code, seconds_of(response.headers.get("Retry-After"))
    kind: type[GraphApiError] = GraphApiError
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = RateLimitedError
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = ForeignAnswerError
    text = response.content[:_SHOWN].decode("utf-8", "replace")
    return kind(
        f"{response.url} answered {status}, not in the words of a graph API: {text!r}. Is this the right URL, and does "
        "what stands before the server reach it?",
        retry_after=retry_after,
        status=status,
        request_id=response.headers.get("X-Request-ID"),
        retryable=kind.retryable,
    )


def is_problem(response: httpx.Response) -> bool:
    """Return whether an answer that is not a success is the service's own."""
    return _problem(response.content) is not None


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header; None for a date, which no clock need share, and for nonsense."""
    if retry_after is not None and retry_after.strip().isascii() and retry_after.strip().isdigit():
        return float(retry_after)
    return None


def unreachable(error: httpx.HTTPError, *, sent: bool) -> ServerUnreachableError:
    """Return the error for a request without an answer."""
    kind = f"{type(error).__name__}: {error}".rstrip(": ")
    if not sent:
        return ServerUnreachableError(f"No connection to the server ({kind}). Does it run at this URL?", sent=False)
    return ServerUnreachableError(
        f"No answer from the server ({kind}). The request may have been served: if it was a write, look before you "
        "repeat it.",
        sent=True,
    )


def broken_off(error: httpx.HTTPError) -> IncompleteStreamError:
    """Return the error for a stream whose connection broke."""
    kind = f"{type(error).__name__}: {error}".rstrip(": ")
    return IncompleteStreamError(f"The stream broke off ({kind}): rows may be missing; repeat the query.")


def _problem(body: bytes) -> dict[str, Any] | None:
    """Return the problem document of a body, if it is one."""
    try:
        document: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(document, dict) and isinstance(cast("dict[str, Any]", document).get("code"), str):
        return cast("dict[str, Any]", document)
    return None
