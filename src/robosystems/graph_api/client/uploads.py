"""What a load sends: from a path, a file, bytes, rows or a table to pieces of a body, some in memory at a time."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Protocol, TypeAlias, cast, runtime_checkable

import msgspec

from robosystems.graph_api.client.libraries import library
from robosystems.graph_api.client.operation import Pieces
from robosystems.graph_api.domain.errors import InvalidRequestError

Format = Literal["parquet", "arrow", "csv", "ndjson"]
"""Formats of files."""

_MEDIA_TYPE_BY_FORMAT: Final[Mapping[str, str]] = {
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
_FORMAT_BY_SUFFIX: Final = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_ARCHIVE_TYPE: Final = "application/x-tar"
_WHOLE: Final = (str, os.PathLike, bytes, bytearray, memoryview, AsyncIterable)
_ENCODING_BY_SUFFIX: Final = {".gz": "gzip", ".zst": "zstd"}
_READ_BYTES: Final = 1 << 20
_BATCH_ROWS: Final = 65_536


@runtime_checkable
class ArrowStream(Protocol):
    """Whatever speaks the Arrow C stream interface: pyarrow tables and readers, pandas and polars frames, results."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | BinaryIO
    | ArrowStream
    | Iterable[Any]
    | AsyncIterable[bytes]
    | Mapping[str, object]
)
"""What can be loaded; iterables are of pieces of a file as bytes, or of rows as mappings."""


ArchiveSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
"""What an archive can be imported from."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a file fits its table; fields as the query string of `POST /databases/{graph_id}/load/{table}`.

    Attributes:
        from_column: For relationships, the column with the keys of the start nodes.
        to_column: For relationships, the column with the keys of the end nodes.
        from_table: For relationships with several endpoint pairs, the table of the start nodes.
        to_table: Likewise for the end nodes.
        ignore_unknown_columns: Leave out columns that the table lacks instead of refusing the file.
        mode: `append`: all rows are new. `upsert`: rows of a known key change what is there. `replace`: the table has
            these rows and no others afterwards.
        on_error: `fail`: one wrong row refuses the file. `skip`: wrong rows are left out and reported.
        detach: For `replace` of nodes, delete the relationships of nodes that vanish, too.
        delimiter: For CSV, the separator.
        columns: For CSV without a header, the names of its columns.
        quote: For CSV, the quote; empty if nothing is quoted.
        null: For CSV, the text without quotes that stands for null.
        encoding: For CSV, the character encoding.
        timeout_s: Seconds the server may take.
        format: Format of what has no name that says it: bytes, pieces, nameless files.
        idempotency_key: Your name for this load, so that a server that knows it does not do it twice.
    """

    from_column: str | None = None
    to_column: str | None = None
    from_table: str | None = None
    to_table: str | None = None
    ignore_unknown_columns: bool = False
    mode: Literal["append", "upsert", "replace"] | None = None
    on_error: Literal["fail", "skip"] | None = None
    detach: bool = False
    delimiter: str | None = None
    columns: Sequence[str] | None = None
    quote: str | None = None
    null: str | None = None
    encoding: str | None = None
    timeout_s: float | None = None
    format: Format | None = None
    idempotency_key: str | None = None

    def to_query(self) -> dict[str, str]:
        """Return the query string of the options that were given."""
        named = {
            "from": self.from_column,
            "to": self.to_column,
            "from_table": self.from_table,
            "to_table": self.to_table,
            "mode": self.mode,
            "on_error": self.on_error,
            "detach": "true" if self.detach else None,
            "delimiter": self.delimiter,
            "header": "false" if self.columns is not None else None,
            "columns": _csv_line(self.columns) if self.columns is not None else None,
            "quote": self.quote,
            "null": self.null,
            "encoding": self.encoding,
            "timeout": str(self.timeout_s) if self.timeout_s is not None else None,
            "ignore_unknown_columns": "true" if self.ignore_unknown_columns else None,
        }
        return {name: value for name, value in named.items() if value is not None}


def _csv_line(names: Sequence[str]) -> str:
    """Return names as one line of CSV."""
    return ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)


@dataclass(slots=True)
class FileUpload:
    """The content of a load, as `operation.Upload`.

    Attributes:
        media_type: What it is.
        start: Returns the content from its beginning.
        headers: Further headers.
        again: Whether `start` can be called a second time.
    """

    media_type: str
    start: Callable[[], Pieces]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    again: bool = True
    _begun: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether the content is still there from its beginning."""
        return self.again or not self._begun

    def pieces(self) -> Pieces:
        """Return the content from its beginning; one that is not `again` is begun with its first piece."""
        found = self.start()
        if self.again:
            return found
        return self._watched_later(found) if isinstance(found, AsyncIterable) else self._watched(found)

    def _watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._begun = True
            yield piece

    async def _watched_later(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._begun = True
            yield piece


def upload_of(source: Source, options: LoadOptions) -> FileUpload:
    """Return the content of a load.

    Raises:
        InvalidRequestError: The format cannot be told, or the source is of a kind that cannot be loaded.
        MissingLibraryError: The source is a table, and pyarrow is not installed.
    """

    def kind_of(name: str) -> str:
        return _media_type(name, options)

    if isinstance(source, ArrowStream):
        return _table_upload(source)
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview | AsyncIterable) or hasattr(
        source, "read"
    ):
        return _content_upload(cast("ArchiveSource", source), kind_of)
    if not _is_iterable(source):
        raise InvalidRequestError(
            f"source: a {type(source).__name__} cannot be loaded; give a path, a binary file, bytes, a table, or an "
            "iterable of rows or of bytes."
        )
    return _iterable_upload(cast("Iterable[Any]", source), kind_of)


def archive_upload(source: ArchiveSource) -> FileUpload:
    """Return the content of an import.

    Raises:
        InvalidRequestError: The source holds no bytes.
    """
    return _content_upload(source, lambda _: _ARCHIVE_TYPE)


def _content_upload(source: ArchiveSource, kind_of: Callable[[str], str]) -> FileUpload:
    """Return content that consists of bytes already; `kind_of` tells its media type by the name of the file."""
    if isinstance(source, str | os.PathLike):
        return _path_upload(Path(source), kind_of)
    if isinstance(source, bytes | bytearray | memoryview):
        body = bytes(source)
        return FileUpload(kind_of(""), lambda: (body,), {"Content-Length": str(len(body))})
    if isinstance(source, AsyncIterable):
        return FileUpload(kind_of(""), lambda: source, again=False)
    if hasattr(source, "read"):
        return _file_upload(cast("BinaryIO", source), kind_of)
    return _iterable_upload(source, kind_of)


def _is_iterable(source: object) -> bool:
    """Return whether a source has elements; a single mapping has, but means one row without its list."""
    return isinstance(source, Iterable) and not isinstance(source, Mapping)


def table_of_file(file_name: str) -> str:
    """Return the table that a file's name stands for: `Entity.parquet` and `Entity.csv.gz` are for `Entity`."""
    return Path(file_name).name.split(".", maxsplit=1)[0]


def _path_upload(path: Path, kind_of: Callable[[str], str]) -> FileUpload:
    media_type, headers = kind_of(path.name), _encoding(path.name)

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from _read(file)

    return FileUpload(media_type, pieces, {**headers, "Content-Length": str(path.stat().st_size)})


def _file_upload(file: BinaryIO, kind_of: Callable[[str], str]) -> FileUpload:
    name = getattr(file, "name", "")
    name = Path(name).name if isinstance(name, str) else ""
    seekable = bool(getattr(file, "seekable", lambda: False)())
    start = file.tell() if seekable else 0

    def pieces() -> Iterator[bytes]:
        if seekable:
            file.seek(start)
        yield from _read(file)

    return FileUpload(kind_of(name), pieces, _encoding(name), again=seekable)


def _iterable_upload(source: Iterable[Any], kind_of: Callable[[str], str]) -> FileUpload:
    """Look at the first element: mappings are rows, bytes are pieces of a file."""
    again = iter(source) is not source
    remaining = iter(source)
    first = next(remaining, None)
    if first is None:
        raise InvalidRequestError("source: it is empty; there is nothing to load.")

    def elements() -> Iterable[Any]:
        return source if again else chain((first,), remaining)

    if isinstance(first, Mapping):
        return FileUpload(_MEDIA_TYPE_BY_FORMAT["ndjson"], lambda: _lines(elements()), again=again)
    return FileUpload(kind_of(""), elements, again=again)


def _table_upload(source: ArrowStream) -> FileUpload:
    """Send a table as Parquet, a group of rows at a time."""
    again = hasattr(source, "__len__") or hasattr(source, "num_rows")  # A table can be read again, a reader cannot.

    def pieces() -> Iterator[bytes]:
        arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
        reader = arrow.RecordBatchReader.from_stream(source)
        sink = _Sink()
        with parquet.ParquetWriter(sink, reader.schema) as writer:
            for batch in reader:
                for start in range(0, batch.num_rows, _BATCH_ROWS):
                    writer.write_batch(batch.slice(start, _BATCH_ROWS))
                    yield from sink.take()
        yield from sink.take()

    library("pyarrow.parquet")
    return FileUpload(_MEDIA_TYPE_BY_FORMAT["parquet"], pieces, again=again)


class _Sink:
    """A file that keeps what is written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._position = 0

    def write(self, content: bytes) -> int:
        self._written.append(bytes(content))
        self._position += len(content)
        return len(content)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> Iterator[bytes]:
        written, self._written = self._written, []
        if written:
            yield b"".join(written)


def _lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Encode rows as NDJSON, about a piece at a time."""
    encode = msgspec.json.Encoder(decimal_format="string").encode
    lines: list[bytes] = []
    size = 0
    for row in rows:
        line = encode(row if type(row) is dict else dict(row))
        lines.append(line)
        size += len(line)
        if size >= _READ_BYTES:
            yield b"\n".join([*lines, b""])
            lines, size = [], 0
    if lines:
        yield b"\n".join([*lines, b""])


def _read(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_READ_BYTES):
        if isinstance(cast("object", piece), str):
            raise InvalidRequestError("source: the file is open as text; open it with mode 'rb'.")
        yield piece


def _media_type(name: str, options: LoadOptions) -> str:
    """Return the media type of a format that the options or a file's name say."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in _ENCODING_BY_SUFFIX:
        suffixes.pop()
    found = options.format or _FORMAT_BY_SUFFIX.get(suffixes[-1] if suffixes else "")
    if found in _MEDIA_TYPE_BY_FORMAT:
        return _MEDIA_TYPE_BY_FORMAT[found]
    known = ", ".join(_FORMAT_BY_SUFFIX)
    if name:
        raise InvalidRequestError(
            f"file name {name!r}: the ending must be one of {known}, also with .gz or .zst; or say "
            f"LoadOptions(format=...): {', '.join(_MEDIA_TYPE_BY_FORMAT)}."
        )
    raise InvalidRequestError(f"source: say its format, LoadOptions(format=...): {', '.join(_MEDIA_TYPE_BY_FORMAT)}.")


def _encoding(name: str) -> dict[str, str]:
    """Return the header of a compression that a file's name says."""
    found = _ENCODING_BY_SUFFIX.get(Path(name).suffix.lower())
    return {"Content-Encoding": found} if found is not None else {}
