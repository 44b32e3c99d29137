"""What a load is told in its query string and headers."""

import csv
from pathlib import Path as FilePath
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from robosystems.graph_api.core.decompression import Compression
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.ids import TableName
from robosystems.graph_api.domain.load import CsvOptions, FileFormat, LoadMode, LoadRequest, OnError
from robosystems.graph_api.models.names import TABLE_NAME_PATTERN, documented

FORMAT_BY_TYPE: Final = {
    "application/vnd.apache.parquet": FileFormat.PARQUET,
    "application/x-parquet": FileFormat.PARQUET,
    "application/vnd.apache.arrow.stream": FileFormat.ARROW,
    "application/vnd.apache.arrow.file": FileFormat.ARROW,
    "text/csv": FileFormat.CSV,
    "application/x-ndjson": FileFormat.NDJSON,
    "application/jsonl": FileFormat.NDJSON,
}
"""Format of a file by its content type."""

_EVENT_STREAM: Final = "text/event-stream"
_MAX_NAMES: Final = 2_000


class LoadOptions(BaseModel):
    """Query string of a load."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format: Annotated[
        Literal["parquet", "arrow", "csv", "ndjson"] | SkipJsonSchema[None],
        Field(description="Format of the file; else by Content-Type."),
    ] = None
    mode: Annotated[
        Literal["append", "upsert", "replace"],
        Field(
            description="append: all rows are new. upsert: rows of a known key (relationships: of known ends) "
            "change what is there. replace: the table has these rows and no others afterwards."
        ),
    ] = "append"
    on_error: Annotated[
        Literal["fail", "skip"],
        Field(description="fail: one wrong row refuses the file. skip: wrong rows are left out and reported."),
    ] = "fail"
    detach: Annotated[
        bool, Field(description="mode=replace of nodes: delete the relationships of nodes that vanish, too.")
    ] = False
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
            description="CSV: the separator, an ASCII character other than the quote or a line break.",
            json_schema_extra=documented(r"""^[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x7f]$"""),
        ),
    ] = ","
    header: Annotated[bool, Field(description="CSV: whether the first line names the columns.")] = True
    columns: Annotated[
        str | SkipJsonSchema[None],
        Field(
            max_length=4_000,
            description="CSV with header=false: the names of the columns, separated by commas, quoted like CSV.",
            examples=["name,age"],
        ),
    ] = None
    quote: Annotated[
        str, Field(max_length=1, description="CSV: the quote, an ASCII character; empty if nothing is quoted.")
    ] = '"'
    null: Annotated[
        str, Field(max_length=100, description="CSV: the text without quotes that stands for null.", examples=["NA"])
    ] = ""
    encoding: Annotated[
        str, Field(max_length=40, description="CSV: character encoding, for example latin-1 or utf-16.")
    ] = "utf-8"
    timeout: Annotated[
        Annotated[float, Field(gt=0)] | SkipJsonSchema[None],
        Field(description="Seconds until an answer is due, upload not counted."),
    ] = None

    def request(self, table: TableName, content_type: str, timeout_s: float) -> LoadRequest:
        """Return the order for the services; `path` and `load_id` come later.

        Raises:
            InvalidRequestError: Options contradict one another, or no format is named.
        """
        if self.detach and self.mode != LoadMode.REPLACE:
            raise InvalidRequestError("detach: only mode=replace deletes nodes; leave detach out.")
        return LoadRequest(
            table=table.value,
            path=FilePath(),
            format=self._format(content_type),
            timeout_s=timeout_s,
            from_column=self.from_column,
            to_column=self.to_column,
            from_table=_table(self.from_table),
            to_table=_table(self.to_table),
            ignore_unknown_columns=self.ignore_unknown_columns,
            csv=CsvOptions(self.delimiter, self.header, self._names(), self.quote, self.null, self.encoding),
            mode=LoadMode(self.mode),
            detach=self.detach,
            on_error=OnError(self.on_error),
        )

    def _format(self, content_type: str) -> FileFormat:
        """Return the format from the option or the Content-Type."""
        if self.format is not None:
            return FileFormat(self.format)
        kind = content_type.split(";", maxsplit=1)[0].strip().lower()
        found = FORMAT_BY_TYPE.get(kind)
        if found is None:
            raise InvalidRequestError(
                f"Content-Type: {kind[:80]!r} names no format; send {', '.join(FORMAT_BY_TYPE)}, "
                "or ?format=parquet, arrow, csv or ndjson."
            )
        return found

    def _names(self) -> tuple[str, ...]:
        """Return the names of the columns of a file without a header."""
        if self.columns is None:
            if not self.header:
                raise InvalidRequestError(
                    "columns: with header=false they name the columns, for example columns=a,b,c."
                )
            return ()
        if self.header:
            raise InvalidRequestError("columns: they are for header=false; a header names its columns itself.")
        try:
            records = list(csv.reader([self.columns], strict=True))
        except csv.Error as error:
            raise InvalidRequestError(f"columns: {error}; separate the names by commas.") from None
        names = tuple(records[0]) if len(records) == 1 else ()
        if not names or not all(names) or len(names) > _MAX_NAMES:
            raise InvalidRequestError(f"columns: give 1 to {_MAX_NAMES} names separated by commas, none of them empty.")
        return names


def wants_events(accept: str) -> bool:
    """Whether the answer is to be a stream of events."""
    return any(item.split(";", maxsplit=1)[0].strip().lower() == _EVENT_STREAM for item in accept.split(","))


def compression_of(content_encoding: str) -> Compression:
    """Return how the body is compressed.

    Raises:
        InvalidRequestError: In an unknown way.
    """
    try:
        return Compression(content_encoding.strip().lower() or "identity")
    except ValueError:
        raise InvalidRequestError(f"Content-Encoding: {content_encoding[:80]!r} is not gzip or zstd.") from None


def _table(raw: str | None) -> str | None:
    """Return a checked table name."""
    return TableName.parse(raw).value if raw is not None else None
