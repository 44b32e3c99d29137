"""Exporting and importing whole graphs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from robosystems.graph_api.core.archive_service import ImportJob
from robosystems.graph_api.core.decompression import Compression
from robosystems.graph_api.core.services import Services
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.archive import ImportReport
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.schema import TableKind
from robosystems.graph_api.models.archive import ImportedTableModel, ImportResponse
from robosystems.graph_api.routers.databases.documentation import QUERY_ID_HEADER, on_database, with_query_id
from robosystems.graph_api.routers.databases.load_options import compression_of
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep, describe_request
from robosystems.graph_api.routers.disconnect import DisconnectWatch

router = APIRouter(prefix="/databases", tags=["archive"])

ARCHIVE_TYPE: Final = "application/x-tar"

_BINARY: Final = {"type": "string", "format": "binary"}
_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "How the body is compressed. Archives are compressed in themselves.",
            "schema": {"type": "string", "enum": [each.value for each in Compression]},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "An archive as an export gives it.",
        "content": {ARCHIVE_TYPE: {"schema": _BINARY}, "application/octet-stream": {"schema": _BINARY}},
    },
}
_EXPORTED: Final[dict[str, Any]] = {
    **with_query_id("The archive: a tar of Parquet files. One that was broken off lacks its last member."),
    "content": {ARCHIVE_TYPE: {"schema": _BINARY}},
}
_EXPORT_ERRORS: Final = on_database(errors.NotExportableError, errors.CapabilityNotSupportedError)
_IMPORT_ERRORS: Final = on_database(
    errors.ArchiveError,
    errors.LoadError,
    errors.DatabaseNotEmptyError,
    errors.IngestionQueueFullError,
    errors.CapabilityNotSupportedError,
    errors.DiskFullError,
)

Timeout = Annotated[
    Annotated[float, Field(gt=0)] | SkipJsonSchema[None], Query(description="Seconds; at most LBUG_LOAD_TIMEOUT.")
]


class ArchiveResponse(Response):
    """An archive on its way to the client, as fast as the client takes it."""

    media_type = ARCHIVE_TYPE

    def __init__(self, services: Services, graph_id: GraphId, timeout_s: float) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._services = services
        self._graph_id = graph_id
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Export and send. A failure before the first byte is answered as usual; a later one breaks the body off."""
        query_id = self._services.queries.next_query_id()
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        self.headers[QUERY_ID_HEADER] = query_id
        self.headers["content-disposition"] = f'attachment; filename="{self._graph_id.value}-{day}.tar"'
        self.headers["cache-control"] = "no-store"
        async with DisconnectWatch(receive) as watch:
            await self._send(send, query_id)
        if watch.client_gone:
            describe_request(scope, client_gone=True)

    async def _send(self, send: Send, query_id: str) -> None:
        exporting = self._services.archives.export(self._graph_id, timeout_s=self._timeout_s, query_id=query_id)
        async with exporting as result:
            if result.body is not None:
                self.headers["content-length"] = str(len(result.body))
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if result.stream is None:
                await send({"type": "http.response.body", "body": result.body})
                return
            async for piece in result.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


@router.get(
    "/{graph_id}/export",
    status_code=200,
    response_class=ArchiveResponse,
    responses={**_EXPORT_ERRORS, 200: _EXPORTED},
)
async def export_graph(
    graph_id: GraphIdDep, request: Request, services: ServicesDep, timeout: Timeout = None
) -> Response:
    """Stream the whole graph, schema and rows, as it is at one moment; reads and writes go on beside it.

    The archive can be imported here or elsewhere, and read with any tar and Parquet tool; docs/archives.md specifies
    it. It is complete only with its last member, `summary.json`.
    """
    describe_request(request.scope, operation="export", graph_id=graph_id.value)
    await services.databases.limits(graph_id)
    return ArchiveResponse(services, graph_id, services.archives.timeout(timeout))


@router.post(
    "/{graph_id}/import",
    openapi_extra=_REQUEST,
    responses={**_IMPORT_ERRORS, 200: with_query_id("The whole archive is in the database, durably.")},
)
async def import_graph(
    graph_id: GraphIdDep, request: Request, response: Response, services: ServicesDep, timeout: Timeout = None
) -> ImportResponse:
    """Fill a database that has no rows from an archive: everything, or nothing whatever fails.

    Tables that are there already have to be those of the archive. Every checksum and count is verified before anything
    becomes visible.
    """
    describe_request(request.scope, operation="import", graph_id=graph_id.value)
    await services.databases.limits(graph_id)  # an unknown database is refused before its body is read
    job = ImportJob(
        graph_id,
        compression_of(request.headers.get("content-encoding", "")),
        services.archives.timeout(timeout),
        services.queries.next_query_id(),
    )
    response.headers[QUERY_ID_HEADER] = job.query_id
    async with DisconnectWatch(request.receive, begin=False) as watch:
        return _response(graph_id, await services.archives.import_archive(job, _body(request, watch)))
    raise ClientDisconnect  # the watch swallowed the cancellation: nobody is left to answer


def _response(graph_id: GraphId, report: ImportReport) -> ImportResponse:
    """Return the wire form of a report."""
    totals = {kind: sum(table.rows for table in report.tables if table.kind is kind) for kind in TableKind}
    return ImportResponse(
        graph_id=graph_id.value,
        nodes_imported=totals[TableKind.NODE],
        relationships_imported=totals[TableKind.RELATIONSHIP],
        tables=[
            ImportedTableModel(
                table_name=table.name,
                kind=table.kind.value,
                rows_imported=table.rows,
                outcome=table.outcome.value,
            )
            for table in report.tables
        ],
        source_graph_id=report.source_graph_id,
        source_engine=report.source_engine,
        exported_at=report.created_at,
        execution_time_ms=report.execution_time_ms,
    )


async def _body(request: Request, watch: DisconnectWatch) -> AsyncIterator[bytes]:
    """Yield the body, then begin to watch for the client's going away."""
    async for piece in request.stream():
        yield piece
    watch.begin()
