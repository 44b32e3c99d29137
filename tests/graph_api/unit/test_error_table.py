"""The table of errors: statuses, problem documents, headers."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.routers.errors import ErrorAnswer, answer_to, problem_of, problem_responses, status_of


def document_of(answer: ErrorAnswer) -> dict[str, Any]:
    """Return the decoded body of an answer."""
    return json.loads(answer.body)


def test_a_class_that_is_not_in_the_table_has_the_status_of_its_parent() -> None:
    """The most specific class of the table decides."""

    class _NewError(errors.NodeFullError):
        code = "NEW"

    assert status_of(_NewError) == 507
    assert status_of(_NewError("x")) == 507


def test_standard_members_win_over_the_context() -> None:
    """No context can make an answer lie about itself; what is left of it is added."""
    error = errors.StatementError(
        "no", status=200, code="OK", type="x", title="y", request_id="z", retryable=True, row=3
    )
    problem = problem_of(error, "r-1")
    assert (problem["status"], problem["detail"], problem["code"]) == (400, "no", "STATEMENT_ERROR")
    assert (problem["request_id"], problem["row"]) == ("r-1", 3)
    assert problem["type"] == "urn:graph-api:problem:statement-error"
    assert "retry_after" not in problem


def test_the_context_decides_whether_a_crashed_statement_may_be_repeated() -> None:
    """A read may, a write may not: the class alone cannot know."""
    assert problem_of(errors.WorkerCrashedError("died"), "r")["retryable"] is True
    assert problem_of(errors.WorkerCrashedError("died", retryable=False), "r")["retryable"] is False
    assert dict(answer_to(errors.WorkerCrashedError("died", retryable=False), "r").headers).get(b"retry-after") is None


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (errors.PoolExhaustedError("Connection pool exhausted", retry_after=0.2), b"1"),
        (errors.PoolExhaustedError("Connection pool exhausted", retry_after=1.2), b"2"),
        (errors.IngestionQueueFullError("Ingestion queue full"), b"1"),
        (errors.RateLimitedError("slow down", retry_after=0), b"0"),
        (errors.DatabaseBrokenError("broken"), None),
        (errors.StatementError("wrong"), None),
        (errors.DatabaseBusyError("busy", retry_after=3), b"3"),
    ],
)
def test_retry_after_is_sent_where_waiting_helps(error: GraphApiError, header: bytes | None) -> None:
    """Rounded up in the header; the document has the exact value."""
    answer = answer_to(error, "r")
    assert dict(answer.headers).get(b"retry-after") == header
    assert (document_of(answer).get("retry_after") is not None) is (header is not None)


@pytest.mark.parametrize("raised", [ValueError("secret"), GraphApiError("secret", path="/secret"), KeyError("secret")])
def test_what_nobody_foresaw_shows_only_code_and_request_id(raised: Exception) -> None:
    """The cause is for the log."""
    answer = answer_to(raised, "r-9")
    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert document_of(answer)["request_id"] == "r-9"
    assert b"secret" not in answer.body


def test_an_error_inside_the_reading_of_a_body_keeps_its_status() -> None:
    """The framework wraps what is raised while it reads; the cause counts."""
    wrapped = HTTPException(400, "There was an error parsing the body")
    wrapped.__cause__ = errors.PayloadTooLargeError("too large")
    assert answer_to(wrapped, "r").status == 413


@pytest.mark.parametrize(
    ("status", "expected"), [(404, 404), (405, 405), (400, 400), (415, 400), (500, 500), (502, 500)]
)
def test_refusals_of_the_framework_become_problems(status: int, expected: int) -> None:
    """Only statuses that the service documents leave it."""
    answer = answer_to(HTTPException(status), "r")
    assert (answer.status, document_of(answer)["status"]) == (expected, expected)


def test_values_of_any_kind_can_stand_in_a_context() -> None:
    """An odd value is shown as text; it never turns an error into another."""
    error = errors.LoadError("no", graph=GraphId("kg1"), path=Path("x"), kinds={"b"}, bad="\ud800", number=float("nan"))
    answer = answer_to(error, "r")
    assert answer.status == 400
    assert document_of(answer)["graph"] == "kg1"


def test_validation_errors_name_places() -> None:
    """Of nested fields, list items and query parameters."""
    raised = RequestValidationError(
        [
            {"type": "missing", "loc": ("body", "statements", 3, "cypher"), "msg": "Field required", "input": {}},
            {"type": "int_parsing", "loc": ("query", "limit"), "msg": "Input should be a valid integer", "input": "x"},
        ]
    )
    detail = document_of(answer_to(raised, "r"))["detail"]
    assert detail == "body.statements.3.cypher: field required; query.limit: input should be a valid integer"


def test_documented_responses_follow_the_table() -> None:
    """Routes name errors; statuses and content type come from here."""
    responses = problem_responses(errors.DatabaseNotFoundError, errors.TableNotFoundError, errors.PoolExhaustedError)
    assert list(responses) == [404, 503]
    assert responses[404]["description"] == "`DATABASE_NOT_FOUND`; `TABLE_NOT_FOUND`"
    assert list(responses[404]["content"]) == ["application/problem+json"]
    assert "Retry-After" in responses[503]["headers"]
