"""Loading files into tables."""

from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import ClientDisconnect

from robosystems.graph_api.core.decompression import Compression
from robosystems.graph_api.domain import errors
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.ids import GraphId, TableName
from robosystems.graph_api.domain.load import FileFormat, LoadReport, LoadRequest
from robosystems.graph_api.models.ingestion import LoadResponse
from robosystems.graph_api.models.names import TABLE_NAME_PATTERN, documented
from robosystems.graph_api.routers.databases.documentation import QUERY_ID_HEADER, on_database, with_query_id
from robosystems.graph_api.routers.deps import GraphIdDep, ServicesDep, describe_request
from robosystems.graph_api.routers.disconnect import DisconnectWatch

router = APIRouter(prefix="/databases", tags=["load"])

_FORMAT_BY_TYPE: Final = {
    "application/vnd.apache.parquet": FileFormat.PARQUET,
    "application/x-parquet": FileFormat.PARQUET,
    "text/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
}

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
            "text/csv": {"schema": _TEXT, "example": "name,age\nAda,36\nGrace,45\n"},
            "application/x-ndjson": {"schema": _TEXT, "example": '{"name":"Ada","age":36}\n{"name":"Grace"}\n'},
            "application/jsonl": {"schema": _TEXT, "example": '{"name":"Ada","age":36}\n'},
            "application/octet-stream": {"schema": _BINARY},
        },
    },
}
_ERRORS: Final = on_database(
    errors.InvalidTableNameError,
    errors.LoadError,
    errors.TableNotFoundError,
    errors.IngestionQueueFullError,
    errors.CapabilityNotSupportedError,
    errors.DiskFullError,
)


class LoadOptions(BaseModel):
    """Query string of a load."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format: Annotated[
        Literal["parquet", "csv", "ndjson"] | SkipJsonSchema[None],
        Field(description="Format of the file; else by Content-Type."),
    ] = None
    from_column: Annotated[
        str, Field(alias="from", max_length=200, description="Relationships: column with the keys of the start nodes.")
    ] = "from"
    to_column: Annotated[
        str, Field(alias="to", max_length=200, description="Relationships: column with the keys of the end nodes.")
    ] = "to"
    from_table: Annotated[
        str | SkipJsonSchema[None],
        Field(
            description="Relationships with several endpoint pairs: start table.",
            json_schema_extra=documented(TABLE_NAME_PATTERN),
        ),
    ] = None
    to_table: Annotated[
        str | SkipJsonSchema[None],
        Field(
            description="Relationships with several endpoint pairs: end table.",
            json_schema_extra=documented(TABLE_NAME_PATTERN),
        ),
    ] = None
    ignore_unknown_columns: Annotated[
        bool, Field(description="Leave out columns of the file that the table lacks, instead of refusing the file.")
    ] = False
    delimiter: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1,
            description="CSV: the separator, an ASCII character other than a quote or a line break.",
            json_schema_extra=documented(r"""^[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x7f]$"""),
        ),
    ] = ","
    timeout: Annotated[
        float | SkipJsonSchema[None], Field(gt=0, description="Seconds until an answer is due, upload not counted.")
    ] = None


@router.post(
    "/{graph_id}/load/{table}",
    openapi_extra=_REQUEST,
    responses={**_ERRORS, 200: with_query_id("Every row of the file is in the table, durably.")},
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
) -> LoadResponse:
    """Load a Parquet, CSV or NDJSON file into a table, all or nothing; columns are matched by name, never by position.

    An error in a row is `LOAD_FAILED` with `row` (from 1) and `reason`; nothing of the file is kept then.
    """
    name = TableName.parse(table)
    describe_request(request.scope, operation="load", graph_id=graph_id.value)
    await services.databases.limits(graph_id)  # an unknown database is refused before its body is read
    wanted = LoadRequest(
        table=name.value,
        path=FilePath(),
        format=_format(options, request.headers.get("content-type", "")),
        timeout_s=services.loads.timeout(options.timeout),
        from_column=options.from_column,
        to_column=options.to_column,
        from_table=_table(options.from_table),
        to_table=_table(options.to_table),
        ignore_unknown_columns=options.ignore_unknown_columns,
        delimiter=options.delimiter,
    )
    compression = _compression(request.headers.get("content-encoding", ""))
    query_id = services.queries.next_query_id()
    response.headers[QUERY_ID_HEADER] = query_id
    async with DisconnectWatch(request.receive, begin=False) as watch:
        report = await services.loads.load(
            graph_id,
            wanted,
            _body(request, watch),
            compression=compression,
            query_id=query_id,
        )
        return _response(graph_id, report)
    raise ClientDisconnect  # the watch swallowed the cancellation: nobody is left to answer


def _response(graph_id: GraphId, report: LoadReport) -> LoadResponse:
    """Return the wire form of a report."""
    return LoadResponse(
        graph_id=graph_id.value,
        table_name=report.table,
        rows_loaded=report.rows_loaded,
        columns=list(report.columns),
        ignored_columns=list(report.ignored_columns),
        execution_time_ms=report.execution_time_ms,
    )


async def _body(request: Request, watch: DisconnectWatch) -> AsyncIterator[bytes]:
    """Yield the body, then begin to watch for the client's going away."""
    async for piece in request.stream():
        yield piece
    watch.begin()


def _table(raw: str | None) -> str | None:
    """Return a checked table name."""
    return TableName.parse(raw).value if raw is not None else None


def _format(options: LoadOptions, content_type: str) -> FileFormat:
    """Return the format from the option or the Content-Type."""
    if options.format is not None:
        return FileFormat(options.format)
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    found = _FORMAT_BY_TYPE.get(kind)
    if found is None:
        raise InvalidRequestError(
            f"Content-Type: {kind[:80]!r} names no format; send {', '.join(_FORMAT_BY_TYPE)}, "
            "or ?format=parquet, csv or ndjson."
        )
    return found


def _compression(content_encoding: str) -> Compression:
    """Return how the body is compressed."""
    try:
        return Compression(content_encoding.strip().lower() or "identity")
    except ValueError:
        raise InvalidRequestError(f"Content-Encoding: {content_encoding[:80]!r} is not gzip or zstd.") from None
