"""Reads by GET: a URL for each, so that a client asks again for free while nothing has changed.

Served by a plain ASGI callable like the queries by POST; see there.
"""

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.types import Receive, Scope, Send

from robosystems.graph_api.core.query_service import QueryRequest, Unchanged
from robosystems.graph_api.core.services import Services
from robosystems.graph_api.domain.errors import InvalidRequestError, QueryTooLongError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode
from robosystems.graph_api.routers.databases.documentation import VALIDATORS
from robosystems.graph_api.routers.databases.negotiation import Wanted, negotiate_query
from robosystems.graph_api.routers.databases.query import QUERY_ERRORS, ROWS, served_by
from robosystems.graph_api.routers.databases.sending import send_result
from robosystems.graph_api.routers.databases.validators import KnownTags, unchanged_headers, validators
from robosystems.graph_api.routers.deps import GraphIdDep, describe_request, services_of
from robosystems.graph_api.routers.disconnect import DisconnectWatch

_MAX_QUERY_STRING: Final = 32_768
"""Bytes of a query string, encoded: more than most proxies let through. Longer queries are sent by POST."""

_MAX_OPTIONS: Final = 10
_OWN_OPTIONS: Final = frozenset({"cypher", "parameters", "timeout", "max_rows"})
_PROFILE: Final = "profile"
_WHOLE_NUMBER: Final = re.compile(r"\d{1,16}", re.ASCII)
_HTTP_NOT_MODIFIED: Final = 304


async def serve_read(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve `GET /databases/{graph_id}/query`."""
    services = services_of(scope)
    graph_id = GraphId.parse(scope["path_params"]["graph_id"])
    describe_request(scope, operation="query", graph_id=graph_id.value)
    options = _options(scope["query_string"])
    wanted = _negotiated(scope, options)
    request = _request(options, wanted)
    while (await receive()).get("more_body", False):
        continue  # A body means nothing here; it is bounded by the middleware.
    await _answer(scope, receive, send, services, graph_id, request)


async def _answer(
    scope: Scope, receive: Receive, send: Send, services: Services, graph_id: GraphId, request: QueryRequest
) -> None:
    """Run a read and send its answer, or say that the client has it."""
    query_id = services.queries.next_query_id()
    async with DisconnectWatch(receive) as watch:
        result = await services.queries.read(graph_id, request, KnownTags(scope), query_id=query_id)
        if isinstance(result, Unchanged):
            headers = unchanged_headers(result.tag)
            await send({"type": "http.response.start", "status": _HTTP_NOT_MODIFIED, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send_result(scope, send, result, request.format, query_id, headers=validators(scope, result))
    if watch.client_gone:
        describe_request(scope, operation="query", client_gone=True)


def _options(query_string: bytes) -> dict[str, str]:
    """Return the options of a query string.

    Raises:
        QueryTooLongError: It is longer than a URL should be.
        InvalidRequestError: It is not percent-encoded UTF-8, holds too many options, or one twice.
    """
    if len(query_string) > _MAX_QUERY_STRING:
        raise QueryTooLongError(
            f"query string: {len(query_string)} bytes are more than {_MAX_QUERY_STRING}; send the query by POST."
        )
    try:
        text = query_string.decode("ascii")
        given = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_OPTIONS)
    except UnicodeDecodeError as error:
        raise InvalidRequestError("query string: not UTF-8 text in percent-encoding.") from error
    except ValueError as error:
        raise InvalidRequestError(f"query string: more than {_MAX_OPTIONS} options.") from error
    options = dict(given)
    if len(options) < len(given):
        raise InvalidRequestError("query string: an option is given twice.")
    return options


def _negotiated(scope: Scope, options: dict[str, str]) -> Wanted:
    """Return what Accept and the options ask for that are not this route's own; the others are checked there."""
    if options.get("explain") == _PROFILE:
        raise InvalidRequestError("explain: 'profile' runs the statement each time; send it by POST.")
    others = {name: value for name, value in options.items() if name not in _OWN_OPTIONS}
    return negotiate_query({**scope, "query_string": urlencode(others).encode()})


def _request(options: dict[str, str], wanted: Wanted) -> QueryRequest:
    """Return the read that the options describe.

    Raises:
        InvalidRequestError: `cypher` is missing, or a number is none.
    """
    if "cypher" not in options:
        raise InvalidRequestError("cypher: is missing; give the statement as ?cypher=...")
    max_rows = options.get("max_rows")
    if max_rows is not None and _WHOLE_NUMBER.fullmatch(max_rows) is None:
        raise InvalidRequestError("max_rows: must be a whole number.")
    return QueryRequest(
        cypher=options["cypher"],
        parameters=options.get("parameters", "{}").encode(),
        timeout_s=_seconds(options.get("timeout")),
        mode=AccessMode.READ,
        max_rows=None if max_rows is None else int(max_rows),
        format=wanted.format,
        explain=wanted.explain,
    )


def _seconds(text: str | None) -> float | None:
    """Return a time-out; its bounds are checked with the limits of the database."""
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise InvalidRequestError("timeout: must be a number of seconds, such as 2.5.") from error


class ReadOptions(BaseModel):
    """Query string of a read."""

    model_config = ConfigDict(extra="forbid")

    cypher: Annotated[str, Field(description="One statement that only reads.", min_length=1)]
    parameters: Annotated[str, Field(description="Its parameters, a JSON object.")] = "{}"
    timeout: Annotated[
        Annotated[float, Field(gt=0)] | SkipJsonSchema[None],
        Field(description="As the field of the same name by POST."),
    ] = None
    max_rows: Annotated[
        Annotated[int, Field(ge=1)] | SkipJsonSchema[None],
        Field(description="As the field of the same name by POST."),
    ] = None
    format: Annotated[Literal["objects", "arrays"], Field(description="Form of the rows of a JSON answer.")] = "objects"
    explain: Annotated[
        Literal["plan"] | SkipJsonSchema[None], Field(description="Return the plan instead of the rows.")
    ] = None


async def read_by_url(
    graph_id: GraphIdDep,
    options: Annotated[ReadOptions, Query()],
    if_none_match: Annotated[
        str | SkipJsonSchema[None],
        Header(description="ETags of answers that the client has. While one of them holds, the answer is 304."),
    ] = None,
) -> None:
    """Run one Cypher statement that only reads; answers and their formats as by POST.

    The answer carries an ETag. Sent back in `If-None-Match`, it brings 304 without a body for as long as the database
    has not changed, and the database is not even opened for that. A statement that writes is refused: send it by POST.
    """


_VARY: Final[dict[str, Any]] = {
    "Vary": {"description": "Request headers that decide the form.", "schema": {"type": "string"}},
}
_READ: Final[dict[str, Any]] = {**ROWS, "headers": {**ROWS["headers"], **_VARY}}
_UNCHANGED: Final[dict[str, Any]] = {
    "description": "The client has the answer: its ETag was in `If-None-Match`.",
    "headers": {"ETag": VALIDATORS["ETag"], **_VARY},
}

router = APIRouter(prefix="/databases", tags=["query"])
router.add_api_route(
    "/{graph_id}/query",
    read_by_url,
    methods=["GET"],
    responses={**QUERY_ERRORS, 200: _READ, _HTTP_NOT_MODIFIED: _UNCHANGED},
    route_class_override=served_by(serve_read),
)
