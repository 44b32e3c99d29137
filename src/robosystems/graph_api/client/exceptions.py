"""Errors of the clients.

An error that the server answers is raised as the class of `robosystems.graph_api.domain.errors` that has the server's
`code`, with `status` and `request_id` in its context. The classes here are for what happens without an answer.
"""

import json
from typing import Any, cast

from robosystems.graph_api.domain.errors import GraphApiError, UnavailableError, error_from_code

_STANDARD_MEMBERS = frozenset({"type", "title", "detail", "code", "retryable", "retry_after"})


class ServerUnreachableError(UnavailableError):
    """The server could not be reached, or the connection broke before an answer came."""

    code = "SERVER_UNREACHABLE"


class IncompleteStreamError(UnavailableError):
    """A stream ended without its terminal record: rows may be missing."""

    code = "INCOMPLETE_STREAM"


def error_from_problem(problem: dict[str, Any], status: int) -> GraphApiError:
    """Return the error that a problem document stands for."""
    context = {name: value for name, value in problem.items() if name not in _STANDARD_MEMBERS}
    context["status"] = status
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
    return error_from_code(
        str(problem.get("code", "")), detail, retry_after=problem.get("retry_after"), context=context
    )


def error_from_body(body: bytes, status: int) -> GraphApiError:
    """Return the error for an answer that is not a success; the body need not be a problem document."""
    try:
        document: object = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return error_from_problem(cast("dict[str, Any]", document), status)
    text = body[:200].decode("utf-8", "replace")
    return GraphApiError(f"The server answered {status} without a problem document: {text!r}.", status=status)


def unreachable(error: Exception) -> ServerUnreachableError:
    """Return the error for a request without an answer."""
    return ServerUnreachableError(
        f"No answer from the server ({type(error).__name__}: {error}). Does it run at this URL?"
    )
