"""The formats of a result as HTTP knows them: one table, from which negotiation, headers and documentation are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.domain.query import ResultFormat


@dataclass(frozen=True, slots=True)
class MediaType:
    """One format.

    Attributes:
        name: Media type, as in Accept.
        parameters: What Content-Type adds to the name.
        separator: What ends each of its records, for those that end with one of their own (summary or problem); None
            for those that are broken off when they fail.
        suffix: Ending of a file name, for those that are meant to be saved; they announce in headers what other formats
            say in their summary.
        compressible: Whether a content coding is worth its time.
    """

    name: str
    parameters: str = ""
    separator: bytes | None = None
    suffix: str | None = None
    compressible: bool = True

    @property
    def content_type(self) -> bytes:
        """Value of Content-Type."""
        return (self.name + self.parameters).encode()


JSON: Final = MediaType("application/json")
NDJSON: Final = MediaType("application/x-ndjson", separator=b"\n")
ARROW: Final = MediaType("application/vnd.apache.arrow.stream")
CSV: Final = MediaType("text/csv", "; charset=utf-8; header=present", suffix="csv")
PARQUET: Final = MediaType("application/vnd.apache.parquet", suffix="parquet", compressible=False)
EVENT_STREAM: Final = MediaType("text/event-stream", separator=b"\n\n")

FORMAT_BY_TYPE: Final[Mapping[str, ResultFormat]] = {
    JSON.name: ResultFormat.JSON,
    NDJSON.name: ResultFormat.NDJSON,
    ARROW.name: ResultFormat.ARROW,
    CSV.name: ResultFormat.CSV,
    PARQUET.name: ResultFormat.PARQUET,
    EVENT_STREAM.name: ResultFormat.EVENT_STREAM,
}
"""What Accept can ask for; where it leaves the choice, the first that fits is taken."""

TYPE_BY_FORMAT: Final[Mapping[ResultFormat, MediaType]] = {
    ResultFormat.JSON: JSON,
    ResultFormat.JSON_ARRAYS: JSON,
    ResultFormat.NDJSON: NDJSON,
    ResultFormat.ARROW: ARROW,
    ResultFormat.CSV: CSV,
    ResultFormat.PARQUET: PARQUET,
    ResultFormat.EVENT_STREAM: EVENT_STREAM,
}
