"""Loading a file into one table."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SHOWN_REJECTS = 20
"""Rows left out that a report names itself; the file of rejects has more."""


class FileFormat(StrEnum):
    """Formats of files that can be loaded."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    NDJSON = "ndjson"


class LoadMode(StrEnum):
    """What a file does to the rows that its table has already."""

    APPEND = "append"
    """Nothing: all rows of the file are new."""
    UPSERT = "upsert"
    """Rows with the key of one that exists update it; the others are new."""
    REPLACE = "replace"
    """The table has the rows of the file afterwards, and no others."""


class OnError(StrEnum):
    """What happens to a file with wrong rows."""

    FAIL = "fail"
    """Nothing of it is loaded."""
    SKIP = "skip"
    """The wrong rows are left out and reported."""


class LoadPhase(StrEnum):
    """What a load is doing."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    CONVERTING = "converting"
    CHECKING = "checking"
    COPYING = "copying"
    CHECKPOINTING = "checkpointing"


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a CSV file is written.

    Attributes:
        delimiter: The separator: one ASCII character.
        header: Whether the first line names the columns.
        columns: Names of the columns, if there is no header.
        quote: One ASCII character, or empty if no value is quoted.
        null: The text without quotes that stands for null.
        encoding: Name of the character encoding.
    """

    delimiter: str = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    quote: str = '"'
    null: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One file for one table.

    Attributes:
        table: Name of the node or relationship table.
        path: File in the database's own `incoming` directory, already decompressed; the backend does not delete it.
        format: Its format.
        timeout_s: Seconds until the caller must have an answer.
        from_column: For relationships, the file's column with keys of the start nodes.
        to_column: For relationships, the file's column with keys of the end nodes.
        from_table: For relationships with several endpoint pairs, the table of the start nodes.
        to_table: Likewise for the end nodes.
        ignore_unknown_columns: Leave out columns of the file that the table lacks, instead of refusing the file.
        csv: For CSV, how it is written.
        mode: What happens to the rows that the table has.
        detach: With REPLACE of nodes, whether nodes that vanish take their relationships with them.
        on_error: What happens to a file with wrong rows.
        load_id: Name under which the rejects of SKIP are kept: 16 to 64 lower-case hexadecimal digits.
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
    csv: CsvOptions = CsvOptions()
    mode: LoadMode = LoadMode.APPEND
    detach: bool = False
    on_error: OnError = OnError.FAIL
    load_id: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was left out.

    Attributes:
        row: Number of the data row in the file, from 1.
        reason: Stable name of what is wrong with it; those of `LoadError`.
        detail: The same in words.
        line: Physical line in a text file, from 1, where known.
        column: Column of the file, if one is to blame.
        value: Its value, shortened.
    """

    row: int
    reason: str
    detail: str
    line: int | None = None
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is.

    Attributes:
        phase: What it is doing.
        rows_done: Rows that the phase is done with, where that is known.
        rows_total: Rows that it has in all, where that is known.
        bytes_done: Bytes received.
    """

    phase: LoadPhase
    rows_done: int | None = None
    rows_total: int | None = None
    bytes_done: int | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did. Always `rows_in_file == rows_loaded + rows_updated + rows_skipped`.

    Attributes:
        table: Name of the table.
        rows_in_file: Rows that the file held.
        rows_loaded: Rows that are new in the table.
        rows_updated: Rows of the table that got the values of one in the file.
        rows_deleted: Rows of the table that were removed by REPLACE.
        rows_skipped: Rows of the file that were left out by SKIP.
        columns: Columns of the table that were filled.
        ignored_columns: Columns of the file that were left out on request.
        execution_time_ms: Milliseconds in the backend.
        rejects: The first rows that were left out.
        rejects_kept: How many of these can be read from the file of rejects.
    """

    table: str
    rows_in_file: int
    rows_loaded: int
    columns: tuple[str, ...]
    ignored_columns: tuple[str, ...]
    execution_time_ms: float
    rows_updated: int = 0
    rows_deleted: int = 0
    rows_skipped: int = 0
    rejects: tuple[Reject, ...] = ()
    rejects_kept: int = 0
