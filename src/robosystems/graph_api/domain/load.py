"""Loading a file into one table."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class FileFormat(StrEnum):
    """Formats of files that can be loaded."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One file for one table.

    Attributes:
        table: Name of the node or relationship table.
        path: File in the database's own `incoming` directory, already decompressed; the backend does not delete it.
        format: Its format.
        from_column: For relationships, the file's column with keys of the start nodes.
        to_column: For relationships, the file's column with keys of the end nodes.
        from_table: For relationships with several endpoint pairs, the table of the start nodes.
        to_table: Likewise for the end nodes.
        ignore_unknown_columns: Leave out columns of the file that the table lacks, instead of refusing the file.
        delimiter: For CSV, the separator: one character.
        header: For CSV, whether the first line names the columns (required: columns are matched by name).
        timeout_s: Seconds until the caller must have an answer.
    """

    table: str
    path: Path
    format: FileFormat
    timeout_s: float
    from_column: str = "from"
    to_column: str = "to"
    from_table: str | None = None
    to_table: str | None = None
    ignore_unknown_columns: bool = False
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did: all rows of the file are in the table, or an error was raised and none is.

    Attributes:
        table: Name of the table.
        rows_loaded: Rows that the file held and that the table has more now.
        columns: Columns of the table that were filled.
        ignored_columns: Columns of the file that were left out on request.
        execution_time_ms: Milliseconds in the backend.
    """

    table: str
    rows_loaded: int
    columns: tuple[str, ...]
    ignored_columns: tuple[str, ...]
    execution_time_ms: float
