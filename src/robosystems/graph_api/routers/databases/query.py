"""Running statements: the hot path.

The two routes here are served by plain ASGI callables: no dependency solving, no response validation, and the bytes
that the backend encoded go to the socket as they are. The functions below only describe the routes for OpenAPI.
"""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic.json_schema import SkipJsonSchema
from starlette.types import ASGIApp, Receive, Scope, Send

from robosystems.graph_api.core.query_service import QueryRequest
from robosystems.graph_api.core.services import Services
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.access import Scope as KeyScope
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode, EncodedResult, ResultFormat
from robosystems.graph_api.models.query import (
    QueryBody,
    QueryRequestModel,
    QueryResponseModel,
    TransactionBody,
    TransactionRequestModel,
    TransactionResponseModel,
)
from robosystems.graph_api.routers.databases.documentation import on_database, with_query_id, with_validators
from robosystems.graph_api.routers.databases.negotiation import Explain, negotiate_query, negotiate_transaction
from robosystems.graph_api.routers.databases.row_documents import ROW_CONTENT, ROW_HEADERS
from robosystems.graph_api.routers.databases.sending import send_result
from robosystems.graph_api.routers.databases.validators import validators
from robosystems.graph_api.routers.deps import GraphIdDep, describe_request, principal_of, services_of
from robosystems.graph_api.routers.disconnect import DisconnectWatch

_query_body: Final = msgspec.json.Decoder(QueryBody)
_transaction_body: Final = msgspec.json.Decoder(TransactionBody)
Body = TypeVar("Body", QueryBody, TransactionBody)

_NULL: Final = b"null"
_NO_PARAMETERS: Final = b"{}"


async def serve_query(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve `POST /databases/{graph_id}/query`."""
    services = services_of(scope)
    graph_id = GraphId.parse(scope["path_params"]["graph_id"])
    describe_request(scope, operation="query", graph_id=graph_id.value)
    result_format, explain = negotiate_query(scope)
    body = _decode(_query_body, await _read_body(receive))
    _check_database(body.database, graph_id)
    request = QueryRequest(
        cypher=body.cypher,
        parameters=_parameters(body.parameters),
        timeout_s=body.timeout,
        mode=AccessMode(body.mode),
        may_write=principal_of(scope).scope is not KeyScope.READ,
        max_rows=body.max_rows,
        format=result_format,
        explain=explain,
    )
    query_id = services.queries.next_query_id()
    async with DisconnectWatch(receive) as watch:
        result = await services.queries.run(graph_id, request, query_id=query_id)
        await send_result(scope, send, result, result_format, query_id, headers=validators(scope, result))
    if watch.client_gone:
        describe_request(scope, operation="query", client_gone=True)


async def serve_transaction(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve `POST /databases/{graph_id}/transaction`."""
    services = services_of(scope)
    graph_id = GraphId.parse(scope["path_params"]["graph_id"])
    describe_request(scope, operation="transaction", graph_id=graph_id.value)
    negotiate_transaction(scope)
    body = _decode(_transaction_body, await _read_body(receive))
    _check_database(body.database, graph_id)
    statements = [(statement.cypher, _parameters(statement.parameters)) for statement in body.statements]
    query_id = services.queries.next_query_id()
    async with DisconnectWatch(receive) as watch:
        result = await _run_transaction(services, graph_id, statements, body.timeout, query_id)
        await send_result(scope, send, result, ResultFormat.JSON, query_id)
    if watch.client_gone:
        describe_request(scope, operation="transaction", client_gone=True)


async def _run_transaction(
    services: Services, graph_id: GraphId, statements: list[tuple[str, bytes]], timeout_s: float | None, query_id: str
) -> EncodedResult:
    """Run a transaction; apart from its caller so that both serve functions read alike."""
    return await services.queries.run_transaction(graph_id, statements, timeout_s=timeout_s, query_id=query_id)


async def _read_body(receive: Receive) -> bytes:
    """Return the whole body; its size is bounded by the middleware."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    pieces = [body]
    while message.get("more_body", False):
        message = await receive()
        pieces.append(message.get("body", b""))
    return b"".join(pieces)


def _decode(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """Decode a body.

    Raises:
        InvalidRequestError: Not JSON, a field is missing, unknown or of the wrong type; the detail names it.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"body: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(f"body: not a JSON object ({error}).") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError("body: not UTF-8 text.") from error


def _parameters(raw: msgspec.Raw) -> bytes:
    """Return parameters as JSON text; null means none."""
    text = bytes(raw)
    return _NO_PARAMETERS if text == _NULL else text


def _check_database(database: str | None, graph_id: GraphId) -> None:
    """Refuse a body that names another database than the path."""
    if database is not None and database != graph_id.value:
        raise InvalidRequestError(
            f"database: {database[:80]!r} is not the database of the path, {graph_id.value!r}; leave it out."
        )


def served_by(app: ASGIApp) -> type[APIRoute]:
    """Return a route class whose requests go to a plain ASGI callable; all else about the route is documentation."""

    class RawRoute(APIRoute):
        """A documented route with its own application."""

        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on as they are
            super().__init__(*arguments, **options)
            self.app = app

    return RawRoute


async def run_query(
    graph_id: GraphIdDep,
    body: QueryRequestModel,
    format: Annotated[  # noqa: A002 - wire name
        Literal["objects", "arrays"], Query(description="Form of the rows of a JSON answer.")
    ] = "objects",
    explain: Annotated[
        Explain | SkipJsonSchema[None],
        Query(description="Return the plan instead of the rows; `profile` runs the statement, writes included."),
    ] = None,
) -> None:
    """Run one Cypher statement.

    `Accept: application/json` (the default) gives one document, cut at `max_rows` (at most LBUG_MAX_ROWS) with
    `truncated: true`; one that breaks off does not parse. All other formats stream every row, or `max_rows` of them.
    NDJSON and event streams end with a summary or a problem, Arrow streams with the summary and the end-of-stream mark;
    CSV and Parquet say in headers how many rows they hold, and are broken off if they fail. An answer without its end
    is not complete. `Accept-Encoding: zstd` or `gzip` compresses every format but Parquet, which is compressed itself.
    """


async def run_transaction(graph_id: GraphIdDep, body: TransactionRequestModel) -> None:
    """Run statements in one transaction: all of them are durable when the answer comes, or none has happened.

    An error names the statement as `statement_number`, counted from 1.
    """


QUERY_ERRORS: Final = on_database(
    errors.InvalidParameterError,
    errors.QueryTooLongError,
    errors.StatementError,
    errors.StatementForbiddenError,
    errors.DiskFullError,
)
_DESCRIBED: Final = with_validators("The rows, in the format that Accept asks for.")
ROWS: Final[dict[str, Any]] = {
    **_DESCRIBED,
    "headers": {**_DESCRIBED["headers"], **ROW_HEADERS},
    "model": QueryResponseModel,
    "content": ROW_CONTENT,
}
_RESULTS: Final[dict[str, Any]] = {
    **with_query_id("What each statement returned."),
    "model": TransactionResponseModel,
}

router = APIRouter(prefix="/databases", tags=["query"])
router.add_api_route(
    "/{graph_id}/query",
    run_query,
    methods=["POST"],
    responses={**QUERY_ERRORS, 200: ROWS},
    route_class_override=served_by(serve_query),
)
router.add_api_route(
    "/{graph_id}/transaction",
    run_transaction,
    methods=["POST"],
    responses={**QUERY_ERRORS, 200: _RESULTS},
    route_class_override=served_by(serve_transaction),
)
