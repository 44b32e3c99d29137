"""The OpenAPI document is right in itself: complete, exact, with examples that are true."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_schema_validator import OAS31Validator

from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId, TableName
from robosystems.graph_api.models.names import GRAPH_ID_PATTERN, TABLE_NAME_PATTERN
from robosystems.graph_api.models.query import NDJSON_EXAMPLE
from robosystems.graph_api.routers.errors import STATUS_BY_ERROR
from tests.graph_api.api.contract import Contract

DOCUMENT: dict[str, Any] = Contract.of_the_service().document
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for item in DOCUMENT["paths"].values() for operation in item.values()
}
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
CODES = {kind.code: status for kind, status in STATUS_BY_ERROR.items()}
OPEN = {"health", "ready"}
NEEDED_OPTIONS = {"cypher"}
"""Parts of query strings without which a request means nothing."""


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every media type object of an operation with its content type."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for response in operation["responses"].values():
        yield from response.get("content", {}).items()


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, or the component that it refers to."""
    reference = schema.get("$ref")
    return DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def validate(value: object, schema: dict[str, Any]) -> None:
    """Validate a value by a schema of the document."""
    jsonschema.Draft202012Validator({**DOCUMENT, **schema}).validate(value)


def test_every_schema_is_one() -> None:
    """Components are JSON schemas as OpenAPI 3.1 has them, and every reference leads somewhere."""
    assert DOCUMENT["openapi"].startswith("3.1")
    for schema in DOCUMENT["components"]["schemas"].values():
        OAS31Validator.check_schema(schema)
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT))):
        assert reference.removeprefix("#/components/schemas/") in DOCUMENT["components"]["schemas"], reference


def test_no_schema_is_left_over() -> None:
    """What is defined is used."""
    text = json.dumps(DOCUMENT)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_names_of_operations_are_unique() -> None:
    """Generated clients call their functions so."""
    assert len(OPERATIONS) == sum(len(item) for item in DOCUMENT["paths"].values())


@each_operation
def test_an_operation_is_described(operation: dict[str, Any]) -> None:
    """It says what it does, has a tag, and names each path parameter once, with a sentence."""
    assert operation["description"].endswith((".", "\n"))
    assert operation["tags"]
    names = [(parameter["in"], parameter["name"].lower()) for parameter in operation.get("parameters", [])]
    assert len(set(names)) == len(names)
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter
        assert parameter["required"] is (parameter["in"] == "path" or parameter["name"] in NEEDED_OPTIONS)


@each_operation
def test_errors_are_documented_by_code_under_their_status(operation: dict[str, Any]) -> None:
    """A problem each; the codes are those of the error table, with Retry-After where waiting helps."""
    responses = operation["responses"]
    assert "422" not in responses
    assert {"400", "500", "503"} <= set(responses)
    for status, response in responses.items():
        assert "X-Request-ID" in response["headers"]
        if status < "400":
            continue
        assert list(response["content"]) == ["application/problem+json"]
        codes = re.findall(r"`([A-Z_]+)`", response["description"])
        assert codes, response["description"]
        assert {CODES[code] for code in codes} == {int(status)}
        assert ("Retry-After" in response["headers"]) is (status in {"429", "503"})


@each_operation
def test_a_key_is_asked_for_as_documented(operation: dict[str, Any]) -> None:
    """Open routes say so, all others name both forms."""
    schemes = [set(each) for each in operation["security"]]
    if operation["operationId"] in OPEN:
        assert schemes == []
    else:
        optional = [set[str]()] if operation["operationId"] == "status" else []
        assert schemes == [*optional, {"ApiKey"}, {"Bearer"}]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}


@pytest.mark.parametrize(
    ("operation_id", "kinds"),
    [
        ("run_query", [errors.StatementError, errors.StatementForbiddenError, errors.PoolExhaustedError]),
        ("run_transaction", [errors.InvalidParameterError, errors.QueryTimeoutError, errors.QueryCancelledError]),
        ("load_file", [errors.LoadError, errors.TableNotFoundError, errors.IngestionQueueFullError]),
        ("load_file", [errors.PayloadTooLargeError, errors.DiskFullError, errors.InvalidTableNameError]),
        ("create_database", [errors.DatabaseExistsError, errors.NodeFullError, errors.InvalidSchemaError]),
        ("cancel_query", [errors.QueryNotFoundError]),
        ("extend_schema", [errors.InvalidSchemaError, errors.WorkerCrashedError]),
    ],
)
def test_the_errors_that_matter_are_named(operation_id: str, kinds: list[type[GraphApiError]]) -> None:
    """A client can be written from the document alone."""
    for kind in kinds:
        assert f"`{kind.code}`" in OPERATIONS[operation_id]["responses"][str(STATUS_BY_ERROR[kind])]["description"]


def test_examples_are_valid() -> None:
    """Those of schemas and those of contents."""
    found = 0
    for schema in DOCUMENT["components"]["schemas"].values():
        for example in schema.get("examples", []):
            validate(example, schema)
            found += 1
        for member in schema.get("properties", {}).values():
            for example in member.get("examples", []):
                validate(example, member)
    for operation in OPERATIONS.values():
        for kind, content in contents(operation):
            if "example" in content and not kind.endswith(("/json", "+json")):
                assert isinstance(content["example"], str)
                found += 1
    assert found > 10


@each_operation
def test_bodies_have_examples_and_refuse_unknown_fields(operation: dict[str, Any]) -> None:
    """What can be copied, and what is a mistake."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = resolved(content["schema"])
        if kind == "application/json":
            assert schema["additionalProperties"] is False
            assert schema.get("examples") or operation["operationId"] == "update_database"


def test_files_are_documented_as_bytes_or_text() -> None:
    """By content type, with their compression."""
    load = OPERATIONS["load_file"]
    content = load["requestBody"]["content"]
    assert content["application/vnd.apache.parquet"]["schema"] == {"type": "string", "format": "binary"}
    assert content["text/csv"]["schema"] == content["application/x-ndjson"]["schema"] == {"type": "string"}
    (encoding,) = [each for each in load["parameters"] if each["name"] == "Content-Encoding"]
    assert encoding["in"] == "header"
    assert encoding["schema"]["enum"] == ["identity", "gzip", "zstd"]


def test_streams_are_documented_with_their_end() -> None:
    """The example is a whole stream, its summary what the JSON answer holds beside its rows."""
    answer = OPERATIONS["run_query"]["responses"]["200"]
    assert "X-Query-Id" in answer["headers"]
    assert answer["content"]["application/x-ndjson"]["example"] == NDJSON_EXAMPLE
    *rows, last = [json.loads(line) for line in NDJSON_EXAMPLE.splitlines()]
    assert len(rows) == last["summary"]["row_count"]
    validate({**last["summary"], "data": rows}, answer["content"]["application/json"]["schema"])


@pytest.mark.parametrize(
    "name", ["a", "A-1_b", "a" * 63, "a" * 64, "", "-a", "_a", "a.b", "a\n", "ä", "a b", "1", "a" * 129]
)
def test_documented_names_are_the_legal_ones(name: str) -> None:
    """The patterns of the document say what the parsers do."""
    for pattern, parse in ((GRAPH_ID_PATTERN, GraphId.parse), (TABLE_NAME_PATTERN, TableName.parse)):
        try:
            parse(name)
        except errors.InvalidRequestError:
            legal = False
        else:
            legal = True
        assert (re.search(pattern.replace("$", r"\Z"), name) is not None) is legal
