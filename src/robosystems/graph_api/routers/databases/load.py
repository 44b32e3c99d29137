"""Loading files into tables."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from robosystems.graph_api.core.decompression import Compression
from robosystems.graph_api.core.ingestion_service import LoadJob
from robosystems.graph_api.core.services import Services
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.ids import GraphId, TableName
from robosystems.graph_api.domain.load import LoadProgress, LoadReport
from robosystems.graph_api.models.ingestion import LoadResponse, RejectedRow
from robosystems.graph_api.models.names import TABLE_NAME_PATTERN, documented
from robosystems.graph_api.routers.databases.documentation import QUERY_ID_HEADER, on_database, with_query_id
from robosystems.graph_api.routers.databases.load_options import LoadOptions, compression_of, wants_events
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep, describe_request, request_id_of
from robosystems.graph_api.routers.disconnect import DisconnectWatch
from robosystems.graph_api.routers.errors import problem_of

router = APIRouter(prefix="/databases", tags=["load"])

_BINARY: Final = {"type": "string", "format": "binary"}
_TEXT: Final = {"type": "string"}
_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "How the body is compressed. Several members or frames in a row are one file.",
            "schema": {"type": "string", "enum": [each.value for each in Compression]},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "The file; its columns are matched by name. With application/octet-stream say ?format=.",
        "content": {
            "application/vnd.apache.parquet": {"schema": _BINARY},
            "application/x-parquet": {"schema": _BINARY},
            "application/vnd.apache.arrow.stream": {"schema": _BINARY},
            "application/vnd.apache.arrow.file": {"schema": _BINARY},
            "text/csv": {"schema": _TEXT, "example": "name,age\nAda,36\nGrace,45\n"},
            "application/x-ndjson": {"schema": _TEXT, "example": '{"name":"Ada","age":36}\n{"name":"Grace"}\n'},
            "application/jsonl": {"schema": _TEXT, "example": '{"name":"Ada","age":36}\n'},
            "application/octet-stream": {"schema": _BINARY},
        },
    },
}
_DONE: Final = with_query_id(
    "The load is done, durably. With `Accept: text/event-stream` the answer is a stream of `progress` events that "
    "ends with a `result` (this document) or a `problem`."
)
_DONE["content"] = {
    "text/event-stream": {
        "schema": _TEXT,
        "example": 'event: progress\ndata: {"phase":"copying","rows_total":1000000}\n\nevent: result\ndata: {...}\n\n',
    }
}
_ERRORS: Final = on_database(
    errors.InvalidTableNameError,
    errors.LoadError,
    errors.TableNotFoundError,
    errors.IngestionQueueFullError,
    errors.CapabilityNotSupportedError,
    errors.DiskFullError,
)


@router.post(
    "/{graph_id}/load/{table}",
    openapi_extra=_REQUEST,
    response_model=LoadResponse,
    responses={**_ERRORS, 200: _DONE},
)
async def load_file(
    graph_id: GraphIdDep,
    table: Annotated[
        str,
        Path(description="Name of the table.", json_schema_extra=documented(TABLE_NAME_PATTERN), examples=["Person"]),
    ],
    options: Annotated[LoadOptions, Query()],
    request: Request,
    response: Response,
    services: ServicesDep,
) -> LoadResponse | Response:
    """Load a Parquet, Arrow, CSV or NDJSON file into a table in one transaction; columns are matched by name.

    An error in a row is `LOAD_FAILED` with `row` (from 1) and `reason`, and nothing of the file is kept; with
    `on_error=skip` the wrong rows are left out and reported instead.
    """
    name = TableName.parse(table)
    describe_request(request.scope, operation="load", graph_id=graph_id.value)
    await services.databases.limits(graph_id)  # an unknown database is refused before its body is read
    job = LoadJob(
        graph_id,
        options.request(name, request.headers.get("content-type", ""), services.loads.timeout(options.timeout)),
        compression_of(request.headers.get("content-encoding", "")),
        services.queries.next_query_id(),
    )
    if wants_events(request.headers.get("accept", "")):
        return _EventAnswer(request, services, job)
    response.headers[QUERY_ID_HEADER] = job.query_id
    async with DisconnectWatch(request.receive, begin=False) as watch:
        return _response(graph_id, job, await services.loads.load(job, _body(request, watch)))
    raise ClientDisconnect  # the watch swallowed the cancellation: nobody is left to answer


class _EventAnswer(Response):
    """A load that tells how far it is: events as they come, then the result or the problem."""

    def __init__(self, request: Request, services: Services, job: LoadJob) -> None:
        super().__init__(media_type="text/event-stream", headers={QUERY_ID_HEADER: job.query_id})
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self._request = request
        self._services = services
        self._job = job
        self._latest: LoadProgress | None = None
        self._news = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (the request has it)
        """Load, and send what becomes known meanwhile."""
        async with DisconnectWatch(self._request.receive, begin=False) as watch:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with asyncio.TaskGroup() as group:
                teller = group.create_task(self._tell(send))
                last = await self._load(scope, watch)
                teller.cancel()
            await send({"type": "http.response.body", "body": last})

    async def _load(self, scope: Scope, watch: DisconnectWatch) -> bytes:
        """Return the last event."""
        graph_id = self._job.graph_id
        try:
            report = await self._services.loads.load(self._job, _body(self._request, watch), on_progress=self._note)
        except GraphApiError as error:
            describe_request(scope, error_code=error.code)
            return _event("problem", msgspec.json.encode(problem_of(error, request_id_of(scope)), enc_hook=str))
        except ClientDisconnect:  # While it sent the file: nobody is left to answer.
            describe_request(scope, client_gone=True)
            return b""
        return _event("result", _response(graph_id, self._job, report).model_dump_json().encode())

    def _note(self, progress: LoadProgress) -> None:
        """Remember the latest; what the client is too slow for is left out."""
        self._latest = progress
        self._news.set()

    async def _tell(self, send: Send) -> None:
        """Send progress until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            known = {name: value for name, value in msgspec.to_builtins(self._latest).items() if value is not None}
            body = _event("progress", msgspec.json.encode(known))
            await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(name: str, data: bytes) -> bytes:
    """Return one server-sent event; JSON has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _response(graph_id: GraphId, job: LoadJob, report: LoadReport) -> LoadResponse:
    """Return the wire form of a report."""
    url = f"/databases/{graph_id.value}/loads/{job.request.load_id}/rejects" if report.rejects_kept else None
    return LoadResponse(
        graph_id=graph_id.value,
        table_name=report.table,
        mode=job.request.mode.value,
        rows_in_file=report.rows_in_file,
        rows_loaded=report.rows_loaded,
        rows_updated=report.rows_updated,
        rows_deleted=report.rows_deleted,
        rows_skipped=report.rows_skipped,
        columns=list(report.columns),
        ignored_columns=list(report.ignored_columns),
        rejects=[RejectedRow.model_validate(msgspec.to_builtins(reject)) for reject in report.rejects],
        rejects_url=url,
        rejects_complete=report.rejects_kept == report.rows_skipped,
        execution_time_ms=report.execution_time_ms,
    )


async def _body(request: Request, watch: DisconnectWatch) -> AsyncIterator[bytes]:
    """Yield the body, then begin to watch for the client's going away."""
    async for piece in request.stream():
        yield piece
    watch.begin()
