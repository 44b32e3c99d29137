"""Answers are held against the OpenAPI document."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx
import jsonschema

from robosystems.graph_api.app import openapi_document

_DOCUMENT_PATH = "/openapi.json"
_NOT_MODIFIED = 304
"""The one path that the document leaves out: itself."""

_PARAMETER = re.compile(r"\\\{[^}]+\\\}")


@dataclass(frozen=True)
class Contract:
    """An OpenAPI document, ready for checks.

    Attributes:
        document: The document.
        routes: Expression and path of each path, those without parameters first.
    """

    document: dict[str, Any]
    routes: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    @cache
    def of_the_service(cls) -> Self:
        """Return the contract of the service."""
        document = openapi_document()
        paths = sorted(document["paths"], key=lambda path: (path.count("{"), path))
        return cls(document, tuple((re.compile(_PARAMETER.sub("[^/]+", re.escape(path))), path) for path in paths))

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Return pointer and description of the operation of a request; None if there is none."""
        for expression, template in self.routes:
            if expression.fullmatch(path) and method.lower() in self.document["paths"][template]:
                escaped = template.replace("~", "~0").replace("/", "~1")
                pointer = f"#/paths/{escaped}/{method.lower()}"
                return pointer, self.document["paths"][template][method.lower()]
        return None

    def validate(self, response: httpx.Response) -> None:
        """Fail unless an answer is as documented: status, content type, headers, body.

        A path or method that does not exist must give a problem.
        """
        assert response.headers["x-request-id"]
        assert response.headers["cache-control"] == _cache_control(response)
        if response.status_code >= 400:
            self.validate_problem(response)
        found = self.operation(response.request.method, response.request.url.path)
        if found is None and response.request.url.path == _DOCUMENT_PATH:
            return
        if found is None:
            assert response.status_code in {401, 404, 405, 503}, response.text
            return
        pointer, operation = found
        status = str(response.status_code)
        assert status in operation["responses"], f"{pointer} does not document {status}: {response.text}"
        content: dict[str, Any] = operation["responses"][status].get("content", {})
        if response.status_code == _NOT_MODIFIED:
            assert not response.content
            return
        kind = response.headers.get("content-type", "").split(";")[0]
        assert kind in content, f"{pointer} does not document {kind!r} for {status}"
        if kind.endswith(("/json", "+json")):
            escaped = kind.replace("/", "~1")
            self._check_schema(response.json(), f"{pointer}/responses/{status}/content/{escaped}/schema")

    def validate_problem(self, response: httpx.Response) -> dict[str, Any]:
        """Fail unless an answer is a problem whose members agree with its head; return the problem."""
        assert response.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = response.json()
        self._check_schema(problem, "#/components/schemas/Problem")
        assert problem["status"] == response.status_code
        assert problem["request_id"] == response.headers["x-request-id"]
        retry_after = problem.get("retry_after")
        if retry_after is None:
            assert "retry-after" not in response.headers
        else:
            assert response.headers["retry-after"] == str(math.ceil(retry_after))
        assert (response.status_code == httpx.codes.UNAUTHORIZED) is ("www-authenticate" in response.headers)
        return problem

    def _check_schema(self, value: object, pointer: str) -> None:
        """Validate a value by the schema at a place of the document."""
        jsonschema.Draft202012Validator({**self.document, "$ref": pointer}).validate(value)


def _cache_control(response: httpx.Response) -> str:
    """Return what an answer has to say about keeping it: only what can be asked for again by its tag may be kept."""
    has_tag = response.request.method == "GET" and "etag" in response.headers
    is_whole = response.status_code == _NOT_MODIFIED or "content-length" in response.headers
    return "private, no-cache" if has_tag and is_whole else "no-store"


def validate_response(response: httpx.Response) -> None:
    """Fail unless an answer is as the OpenAPI document of the service says."""
    Contract.of_the_service().validate(response)


def assert_problem(response: httpx.Response, status: int, code: str, *, names: str = "") -> dict[str, Any]:
    """Fail unless an answer is this problem and its detail contains `names`; return the problem."""
    assert response.status_code == status, response.text
    validate_response(response)
    problem = Contract.of_the_service().validate_problem(response)
    assert problem["code"] == code, problem
    assert names in problem["detail"], problem
    return problem
