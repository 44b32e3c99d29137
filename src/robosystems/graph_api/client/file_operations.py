"""Operations on files: loads, archives, and answers that are written to disk."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Unpack

import msgspec

from robosystems.graph_api.client.building import StreamOptions, changed, database_path, query_request
from robosystems.graph_api.client.operation import (
    Download,
    Operation,
    PieceDecoder,
    Request,
    Safety,
    StreamOperation,
    reading,
    reading_bytes,
)
from robosystems.graph_api.client.results import ImportResult, LoadResult
from robosystems.graph_api.client.stream_arrow import ARROW_STREAM
from robosystems.graph_api.client.uploads import ArchiveSource, LoadOptions, Source, archive_upload, upload_of
from robosystems.graph_api.domain.errors import InvalidRequestError

FileFormat = Literal["csv", "parquet", "arrow"]
"""Formats of files that answers are written into."""

_MEDIA_TYPE_BY_FORMAT: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": ARROW_STREAM,
}
_LOAD_TIMEOUT_S: Final = 3_600.0

_json_lines: Final = msgspec.json.Decoder(dict[str, Any]).decode_lines


def download(
    graph_id: str,
    cypher: str,
    path: str | os.PathLike[str],
    parameters: Mapping[str, object] | None = None,
    *,
    format: FileFormat | None = None,  # noqa: A002 - what it is called everywhere else
    **options: Unpack[StreamOptions],
) -> Download:
    """Run one statement and write its rows into a file, which appears when it is complete. Returns its path.

    Args:
        graph_id: The database.
        cypher: One statement.
        path: The file: `.csv`, `.parquet` or `.arrow`; one that is there is replaced.
        parameters: As for `query`.
        format: Format of the file, if its name does not say it.
        options: `StreamOptions`: timeout, mode, max_rows.
    """
    wanted = format or Path(path).suffix.removeprefix(".").lower()
    if wanted not in _MEDIA_TYPE_BY_FORMAT:
        raise InvalidRequestError(f"path: {Path(path).name!r} names no format; say format=: csv, parquet or arrow.")
    request = query_request(graph_id, cypher, parameters, options, None)
    request = changed(request, headers={"Accept": _MEDIA_TYPE_BY_FORMAT[wanted]}, takes_key=False)
    return Download(StreamOperation(request, PieceDecoder), Path(path))


def load(graph_id: str, table: str, source: Source, options: LoadOptions | None = None) -> Operation[LoadResult]:
    """Load rows into a table, all or nothing; the upload streams, whatever its size.

    Args:
        graph_id: The database.
        table: The table.
        source: A path (format and compression follow from its name); an open binary file; bytes or pieces of them (with
            `options.format`); a pyarrow Table or RecordBatchReader, a pandas or polars frame, or whatever else speaks
            the Arrow C stream interface; or an iterable of rows as mappings.
        options: How the file fits its table.
    """
    wanted = options or LoadOptions()
    upload = upload_of(source, wanted)
    request = Request(
        "POST",
        database_path(graph_id, "load", table),
        wanted.to_query(),
        {"Content-Type": upload.media_type, **upload.headers},
        upload=upload,
        timeout_s=wanted.timeout_s if wanted.timeout_s is not None else _LOAD_TIMEOUT_S,
        safety=Safety.WRITE,
        takes_key=True,
        key=wanted.idempotency_key,
    )
    return Operation(request, reading(LoadResult.from_document))


def read_rejects(graph_id: str, load_id: str) -> Operation[list[dict[str, Any]]]:
    """Return the rows that a load with `on_error="skip"` left out, with the reason of each; kept for a while only."""
    request = Request("GET", database_path(graph_id, "loads", load_id, "rejects"))
    return Operation(request, reading_bytes(_json_lines))


def export(graph_id: str, path: str | os.PathLike[str], *, timeout: float | None = None) -> Download:
    """Write a whole graph, schema and rows, into an archive, which appears when it is complete. Returns its path."""
    request = Request(
        "GET",
        database_path(graph_id, "export"),
        {"timeout": str(timeout)} if timeout is not None else {},
        timeout_s=timeout if timeout is not None else _LOAD_TIMEOUT_S,
    )
    return Download(StreamOperation(request, PieceDecoder), Path(path))


def import_archive(
    graph_id: str, source: ArchiveSource, *, timeout: float | None = None, idempotency_key: str | None = None
) -> Operation[ImportResult]:
    """Fill a database that has no rows from an archive of `export`: everything, or nothing whatever fails."""
    upload = archive_upload(source)
    request = Request(
        "POST",
        database_path(graph_id, "import"),
        {"timeout": str(timeout)} if timeout is not None else {},
        {"Content-Type": upload.media_type, **upload.headers},
        upload=upload,
        timeout_s=timeout if timeout is not None else _LOAD_TIMEOUT_S,
        safety=Safety.WRITE,
        takes_key=True,
        key=idempotency_key,
    )
    return Operation(request, reading(ImportResult.from_document))
