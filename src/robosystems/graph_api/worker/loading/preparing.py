"""From the file as it was sent to one that the engine reads rightly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import InvalidRequestError, LoadError
from robosystems.graph_api.domain.load import FileFormat
from robosystems.graph_api.worker.arrow import Array
from robosystems.graph_api.worker.loading.arrow_file import ArrowSource
from robosystems.graph_api.worker.loading.copying import Prepared
from robosystems.graph_api.worker.loading.csv_file import CsvSource
from robosystems.graph_api.worker.loading.ndjson_file import NdjsonSource
from robosystems.graph_api.worker.loading.parquet_file import ParquetSource
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import RejectLog
from robosystems.graph_api.worker.loading.row_finder import LoadedFile
from robosystems.graph_api.worker.loading.spool import Spool, column_name
from robosystems.graph_api.worker.loading.transcoding import in_utf8
from robosystems.graph_api.worker.loading.transport import needs_cast
from robosystems.graph_api.worker.loading.values import FileSource


@dataclass(frozen=True, slots=True)
class Work:
    """One load.

    Attributes:
        order: What was asked for.
        target: The table.
        path: The file.
        folder: For temporary files.
        log: Takes wrong rows.
        progress: Told of each step; raises to stop.
    """

    order: LoadOrder
    target: Target
    path: Path
    folder: Path
    log: RejectLog
    progress: Progress


def open_source(work: Work) -> FileSource:
    """Open the file.

    Raises:
        InvalidRequestError: An option is impossible.
        LoadError: It is not of its format, or its columns do not suit the table.
    """
    order, target, path = work.order, work.target, work.path
    match order.format:
        case FileFormat.PARQUET:
            return ParquetSource.open(path, order, target)
        case FileFormat.ARROW:
            return ArrowSource(path, order, target, work.progress)
        case FileFormat.CSV:
            path = in_utf8(path, order.encoding, work.folder, work.progress)
            return CsvSource(path, order, target, work.log, work.progress)
        case FileFormat.NDJSON:
            return NdjsonSource(path, order, target, work.log, work.progress)
        case _:
            known = ", ".join(FileFormat)
            raise InvalidRequestError(f"format {order.format[:20]!r} is not known: use one of {known}.")


def prepare(work: Work) -> Prepared:
    """Check the file against the table, and convert it unless the engine can read it as it is.

    Raises:
        LoadError: Something is wrong with it; wrong rows too, unless the log takes them.
    """
    source = open_source(work)
    casts = source.casts_if_read_by_engine() if isinstance(source, ParquetSource) else None
    if isinstance(source, ParquetSource) and casts is not None:
        return _as_it_is(source, work.path, casts)
    return convert(source, work)


def convert(
    source: FileSource, work: Work, *, numbered: bool = False, seen: Callable[[Sequence[Array]], None] | None = None
) -> Prepared:
    """Convert the file; `numbered` and `seen` as for a `Spool`."""
    slots = _checked_slots(source.plan())
    path = work.folder / "rows"
    spool = Spool(path, slots, work.log, work.progress, numbered, seen)
    rows = spool.write(source.batches(slots), source.row_count)
    if source.row_count not in (None, source.rows_read):
        raise LoadError(
            f"The file should have {source.row_count} rows, but {source.rows_read} were read. Nothing was loaded.",
            reason="row_count",
        )
    plan = source.final_plan()
    columns = tuple(column_name(slots.index(slot)) for slot in plan.slots)
    casts = tuple(slot.type if needs_cast(slot.type) else None for slot in plan.slots)
    return Prepared(LoadedFile((path,), columns, casts, plan, numbered), rows)


def _as_it_is(source: ParquetSource, path: Path, casts: tuple[bool, ...]) -> Prepared:
    plan = source.plan()
    slots = _checked_slots(plan)
    return Prepared(
        LoadedFile(
            (path,),
            tuple(slot.source for slot in slots),
            tuple(slot.type if cast else None for slot, cast in zip(slots, casts, strict=True)),
            plan,
        ),
        source.row_count,
    )


def _checked_slots(plan: LoadPlan) -> tuple[Slot, ...]:
    if not plan.slots:
        raise LoadError(f"The file has no column that table {plan.target.table.name!r} takes.", reason="no_columns")
    return plan.slots
