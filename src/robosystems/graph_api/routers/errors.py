"""The one place where errors become HTTP: statuses, `application/problem+json` bodies and their documentation."""

import json
import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException  # noqa: TID251 - the framework raises it for unknown paths; it ends here

from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
"""Content type of every error answer."""

STATUS_BY_ERROR: Final[Mapping[type[GraphApiError], int]] = {
    GraphApiError: 500,
    errors.InvalidRequestError: 400,
    errors.InvalidGraphIdError: 400,
    errors.InvalidTableNameError: 400,
    errors.InvalidParameterError: 400,
    errors.InvalidSchemaError: 400,
    errors.QueryTooLongError: 400,
    errors.StatementError: 400,
    errors.LoadError: 400,
    errors.ArchiveError: 400,
    errors.UnauthorizedError: 401,
    errors.ScopeError: 403,
    errors.StatementForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.DatabaseNotFoundError: 404,
    errors.TableNotFoundError: 404,
    errors.QueryNotFoundError: 404,
    errors.KeyNotFoundError: 404,
    errors.LoadNotFoundError: 404,
    errors.ConflictError: 409,
    errors.DatabaseExistsError: 409,
    errors.DatabaseBusyError: 409,
    errors.DatabaseNotEmptyError: 409,
    errors.NotExportableError: 409,
    errors.QueryCancelledError: 409,
    errors.IdempotencyKeyReusedError: 409,
    errors.IdempotencyInProgressError: 409,
    errors.OutcomeUnknownError: 409,
    errors.AnswerNotKeptError: 409,
    errors.PayloadTooLargeError: 413,
    errors.RateLimitedError: 429,
    errors.TooManyWrongKeysError: 429,
    errors.CapabilityNotSupportedError: 501,
    errors.UnavailableError: 503,
    errors.PoolExhaustedError: 503,
    errors.IngestionQueueFullError: 503,
    errors.WorkerCrashedError: 503,
    errors.DatabaseBrokenError: 503,
    errors.DatabaseLockedError: 503,
    errors.QueryMemoryExceededError: 503,
    errors.SandboxUnavailableError: 503,
    errors.StorageVersionError: 503,
    errors.ShuttingDownError: 503,
    errors.QueryTimeoutError: 504,
    errors.InsufficientStorageError: 507,
    errors.NodeFullError: 507,
    errors.DiskFullError: 507,
}
"""Status of every error of the service; a test keeps it complete."""

_DEFAULT_RETRY_AFTER_S: Final = 1.0
"""For errors that heal by themselves and do not say when."""

_RETRY_STATUSES: Final = frozenset({429, 503})
_INTERNAL_DETAIL: Final = "The service failed. The request id finds the cause in its log."
_SHOWN_FIELDS: Final = 5
_SHOWN_CHARACTERS: Final = 80


class ErrorAnswer(NamedTuple):
    """An error as HTTP.

    Attributes:
        status: HTTP status.
        headers: Headers without the request id.
        body: The encoded problem.
        code: Its stable name; `INTERNAL` for what nobody foresaw.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    code: str


def status_of(error: GraphApiError | type[GraphApiError]) -> int:
    """Return the HTTP status of an error: that of the most specific class in the table."""
    kind = error if isinstance(error, type) else type(error)
    return next(STATUS_BY_ERROR[base] for base in kind.__mro__ if base in STATUS_BY_ERROR)


def problem_of(error: GraphApiError, request_id: str) -> dict[str, object]:
    """Return the problem document of an error.

    The standard members come first and always win over members of the same name in the error's context. What maps to
    500 shows neither detail nor context.
    """
    return _problem(error, request_id, status_of(error))


def answer_to(raised: Exception, request_id: str) -> ErrorAnswer:
    """Return the HTTP answer to whatever a request ended with."""
    error = _domain_error(raised)
    wrong_method = isinstance(raised, HTTPException) and raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    status = int(HTTPStatus.METHOD_NOT_ALLOWED) if wrong_method else status_of(error)
    headers = [(b"content-type", PROBLEM_MEDIA_TYPE.encode())]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="graph-api"'))
    retry_after = _retry_after(error, status)
    if retry_after is not None:
        headers.append((b"retry-after", str(math.ceil(retry_after)).encode()))
    if isinstance(raised, HTTPException) and raised.headers and "Allow" in raised.headers:
        headers.append((b"allow", raised.headers["Allow"].encode()))
    body = _encoded(_problem(error, request_id, status))
    headers.append((b"content-length", str(len(body)).encode()))
    return ErrorAnswer(status, headers, body, error.code)


def problem_responses(*kinds: type[GraphApiError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can end with these errors.

    What every route can answer (400, 401, 404 for a path, 413, 500, 503) is added by the application.
    """
    by_status: dict[int, list[type[GraphApiError]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(kind)
    return {status: _documented(status, by_status[status]) for status in sorted(by_status)}


def _problem(error: GraphApiError, request_id: str, status: int) -> dict[str, object]:
    """Return the problem document of an error that is answered with this status."""
    internal = status == HTTPStatus.INTERNAL_SERVER_ERROR
    problem: dict[str, object] = {
        "type": f"urn:graph-api:problem:{error.code.lower().replace('_', '-')}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": _INTERNAL_DETAIL if internal else error.detail,
        "code": error.code,
        "request_id": request_id,
        "retryable": _retryable(error),
    }
    retry_after = _retry_after(error, status)
    if retry_after is not None:
        problem["retry_after"] = retry_after
    if not internal:
        reserved = {*problem, "retry_after"}
        problem.update({name: value for name, value in error.context.items() if name not in reserved})
    return problem


def _encoded(problem: dict[str, object]) -> bytes:
    """Return a problem document as JSON."""
    try:
        return msgspec.json.encode(problem, enc_hook=str)
    except UnicodeEncodeError:
        # A lone surrogate, which JSON can express and UTF-8 cannot, came back in a detail: send it escaped.
        return json.dumps(problem, default=str).encode()


def _documented(status: int, kinds: Iterable[type[GraphApiError]]) -> dict[str, Any]:
    """Return the OpenAPI response object of one status."""
    described: dict[str, Any] = {
        "description": "; ".join(f"`{kind.code}`" for kind in kinds),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _RETRY_STATUSES:
        described["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait, if waiting can help.",
                "schema": {"type": "integer", "minimum": 0},
            }
        }
    if status == HTTPStatus.UNAUTHORIZED:
        described["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return described


def _retryable(error: GraphApiError) -> bool:
    """Return whether a repetition may help; an error of a kind that depends on the statement says so in its context."""
    override = error.context.get("retryable")
    return override if isinstance(override, bool) else error.retryable


def _retry_after(error: GraphApiError, status: int) -> float | None:
    """Return the seconds to wait, or None where waiting does not help."""
    if error.retry_after is not None:
        return max(0.0, error.retry_after)
    return _DEFAULT_RETRY_AFTER_S if status in _RETRY_STATUSES and _retryable(error) else None


def _domain_error(raised: Exception) -> GraphApiError:
    """Return the domain error that an exception stands for; what nobody foresaw becomes a plain `GraphApiError`."""
    if isinstance(raised, GraphApiError):
        return raised
    if isinstance(raised, RequestValidationError):
        return _validation_error(raised)
    if isinstance(raised, HTTPException):
        return _framework_error(raised)
    return GraphApiError(_INTERNAL_DETAIL)


def _framework_error(raised: HTTPException) -> GraphApiError:
    """Return the domain error for what the web framework refuses."""
    if isinstance(raised.__cause__, GraphApiError):
        return raised.__cause__  # raised while the framework read the body, for example PayloadTooLargeError
    if raised.status_code == HTTPStatus.NOT_FOUND:
        return errors.NotFoundError("There is nothing at this path; /openapi.json lists what there is.")
    if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return errors.InvalidRequestError(
            "This path exists, but not with this method; the header Allow lists its methods."
        )
    if HTTPStatus.BAD_REQUEST <= raised.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.InvalidRequestError(str(raised.detail))
    return GraphApiError(_INTERNAL_DETAIL)


def _validation_error(raised: RequestValidationError) -> errors.InvalidRequestError:
    """Return the domain error that names the wrong fields; values that were sent are not repeated."""
    found = cast("list[dict[str, Any]]", list(raised.errors()))
    fields = [{"field": _field_name(item), "message": _message(item)} for item in found[:_SHOWN_FIELDS]]
    detail = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
    if len(found) > _SHOWN_FIELDS:
        detail += f"; and {len(found) - _SHOWN_FIELDS} more"
    return errors.InvalidRequestError(detail, errors=fields)


def _field_name(item: Mapping[str, Any]) -> str:
    """Return where a validation error happened, for example `body.timeout`."""
    location: tuple[int | str, ...] = item["loc"]
    if item["type"] == "json_invalid":
        return "body"
    name = ".".join(str(part) for part in location)
    return name if len(name) <= _SHOWN_CHARACTERS else name[: _SHOWN_CHARACTERS - 3] + "..."


def _message(item: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, beginning in lower case to follow its name."""
    if item["type"] == "json_invalid":
        return f"not valid JSON at character {item['loc'][-1]}: {item.get('ctx', {}).get('error', 'syntax error')}"
    if item["type"] == "extra_forbidden":
        return "unknown field"
    message = str(item["msg"])
    return message[:1].lower() + message[1:]
