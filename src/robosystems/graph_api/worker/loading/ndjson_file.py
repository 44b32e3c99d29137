"""NDJSON files as they come from clients: one JSON object per line, UTF-8; empty lines are skipped."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.schema import ColumnType
from robosystems.graph_api.worker.loading.json_values import record_type
from robosystems.graph_api.worker.loading.plan import (
    LoadPlan,
    Slot,
    Target,
    check_required,
    plan_load,
    unknown_columns,
)
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import RejectLog
from robosystems.graph_api.worker.loading.transport import why_not_loadable
from robosystems.graph_api.worker.loading.values import FileSource, JsonValues, Records, shortened

_BLOCK_BYTES: Final = 2 << 20
MAX_LINE_BYTES: Final = 64 << 20
"""A longer line is refused: decoded, it takes several times its length in memory."""

_MAX_UNKNOWN: Final = 1_000
_BOM: Final = b"\xef\xbb\xbf"
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PLACE: Final = re.compile(r"(?P<what>.*) - at (?:`[^`]*` in )?`\$(?P<path>.*)`", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*?)`(?: - at `\$(?P<path>.+)`)?", re.DOTALL)

_Objects = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NdjsonSource(FileSource):
    """An NDJSON file. Which columns it has shows only when all of it was read.

    Args:
        path: The file.
        order: How to load it.
        target: Where to.
        log: Takes lines that cannot be read.
        progress: Called now and then; raises to stop.

    Raises:
        LoadError: The first line is no object, or lacks the key or an end point.
    """

    def __init__(self, path: Path, order: LoadOrder, target: Target, log: RejectLog, progress: Progress) -> None:
        self._path = path
        self._order = order
        self._target = target
        self._log = log
        self._progress = progress
        self._seen: set[str] = set()
        self._unknown: dict[str, None] = {}
        self._rows = 0
        self._line = 1
        first = self._first_object()
        if first is not None and not log.skips:
            check_required(order, target, first)
        loadable = [column.name for column in target.table.columns if why_not_loadable(column.type) is None]
        self._plan = plan_load(order, target, list(dict.fromkeys([*self._end_names(), *loadable])))

    @property
    def rows_read(self) -> int:
        """Lines that were read, wrong ones included."""
        return self._rows

    def plan(self) -> LoadPlan:
        """Return the plan for all columns that the table takes."""
        return self._plan

    def final_plan(self) -> LoadPlan:
        """Return the plan for the columns that at least one object has."""
        filled = [slot.source for _, slot in self._plan.properties if slot.required or slot.source in self._seen]
        plan = plan_load(self._order, self._target, list(dict.fromkeys([*self._end_names(), *filled])))
        return replace(plan, ignored=tuple(self._unknown))

    def batches(self, slots: Sequence[Slot]) -> Iterator[Records]:
        """Yield the rows in pieces of bounded size; as `FileSource`."""
        types: dict[str, ColumnType] = {}
        for slot in slots:
            types.setdefault(slot.source, slot.type)
        columns = [(name, attrgetter(f"f{index}")) for index, name in enumerate(types)]
        decoder = _Decoder(list(types.items()), lenient=self._order.ignore_unknown_columns)
        for block in self._blocks():
            self._progress()
            lines = _Lines(block, self._line)
            before = self._rows
            rows: Sequence[int]
            try:
                records = self._decoded(decoder, block)
                rows = range(before + 1, before + len(records) + 1)
                self._rows += len(records)
            except LoadError as error:
                if not self._log.skips:
                    raise
                records, rows = self._one_by_one(decoder, lines, error)
            if records:
                values = {name: self._column(name, types[name], list(map(read, records))) for name, read in columns}
                yield Records([values[slot.source] for slot in slots], rows, lines)
            self._line += block.count(b"\n")

    def _end_names(self) -> list[str]:
        return [] if self._target.ends is None else [self._order.from_column, self._order.to_column]

    def _column(self, name: str, column_type: ColumnType, values: list[Any]) -> JsonValues:
        """Make absent values null, and remember whether any was there."""
        absent = values.count(msgspec.UNSET)
        if absent < len(values):
            self._seen.add(name)
        if absent:
            values = [None if value is msgspec.UNSET else value for value in values]
        return JsonValues(values, column_type)

    def _decoded(self, decoder: "_Decoder", block: bytes) -> list[Any]:
        used = decoder.strict
        try:
            try:
                records = used.decode_lines(block)
            except _FAILURES:
                if decoder.lenient is None:
                    raise
                used = decoder.lenient
                records = used.decode_lines(block)
                self._note_unknown(decoder, block)
        except _FAILURES:
            self._explain(used, block)
        # The decoder also takes two objects in one line, and one object in two lines.
        if len(records) != sum(map(bool, map(bytes.strip, block.split(b"\n")))):
            self._explain(used, block)
        return records

    def _one_by_one(self, decoder: "_Decoder", lines: "_Lines", error: LoadError) -> tuple[list[Any], list[int]]:
        """Decode line by line and leave out those that cannot be read; return the others and their numbers."""
        used = decoder.strict if decoder.lenient is None else decoder.lenient
        records: list[Any] = []
        rows: list[int] = []
        kept: list[int] = []
        rejected = self._log.count
        for line, text in lines.texts():
            self._rows += 1
            try:
                records.append(used.decode(text))
            except _FAILURES as failure:
                self._log.add(self._line_error(failure, line, self._rows, text))
            else:
                rows.append(self._rows)
                kept.append(line)
        if self._log.count == rejected:
            raise error
        if decoder.lenient is not None:
            known = frozenset(kept)
            self._note_unknown(decoder, b"\n".join(text for line, text in lines.texts() if line in known))
        lines.kept = kept
        return records, rows

    def _note_unknown(self, decoder: "_Decoder", block: bytes) -> None:
        """Remember which columns are left out."""
        for names in _Objects.decode_lines(block):
            for name in names.keys() - decoder.names:
                if len(self._unknown) < _MAX_UNKNOWN:
                    self._unknown[name] = None

    def _explain(self, decoder: "msgspec.json.Decoder[Any]", block: bytes) -> NoReturn:
        """Raise the error for the first line that does not decode."""
        row = self._rows
        for number, line in enumerate(block.split(b"\n"), start=self._line):
            if not line.strip():
                continue
            row += 1
            try:
                decoder.decode(line)
            except _FAILURES as error:
                raise self._line_error(error, number, row, line) from error
        raise LoadError("The file is not NDJSON.", reason="damaged", line=self._line)

    def _line_error(self, error: Exception, line: int, row: int, text: bytes) -> LoadError:
        unknown = _UNKNOWN.fullmatch(str(error)) if isinstance(error, msgspec.ValidationError) else None
        if unknown is not None and not unknown["path"]:
            found = unknown_columns(self._target.table, [unknown["name"]])
            refused = LoadError(f"Line {line}: {found.detail}", row=row, line=line)
            refused.context.update(found.context)
            return refused
        if not isinstance(error, msgspec.ValidationError):
            reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:200]
            return LoadError(
                f"Line {line} is not a JSON object: {reason} Nothing was loaded.",
                reason="not_json",
                row=row,
                line=line,
                value=shortened(text.decode(errors="replace")),
            )
        place = _PLACE.fullmatch(str(error))
        what = (place["what"] if place else str(error)).replace(" | null", "").replace("`", "")
        path = (place["path"] if place else "").removeprefix(".")
        if not path:
            hint = " The file seems to be one JSON array: send one object per line." if text[:1] == b"[" else ""
            return LoadError(f"Line {line}: {what}.{hint}", reason="not_an_object", row=row, line=line)
        return LoadError(
            f"Line {line}, column {path!r}: {what[:200]}. Nothing was loaded.",
            reason="unfit_value",
            row=row,
            line=line,
            column=path[:100],
        )

    def _first_object(self) -> list[str] | None:
        """Return the names in the first object; None if there is no line or it is not an object."""
        block = next(self._blocks(), b"")
        line = next((line for line in block.split(b"\n") if line.strip()), b"")
        try:
            return list(_Objects.decode(line))
        except _FAILURES:
            return None

    def _blocks(self) -> Iterator[bytes]:
        """Yield whole lines in blocks."""
        with self._path.open("rb") as file:
            pending = bytearray(file.read(_BLOCK_BYTES).removeprefix(_BOM))
            while True:
                end = pending.rfind(b"\n") + 1
                if end:
                    yield bytes(pending[:end])
                    del pending[:end]
                elif len(pending) > MAX_LINE_BYTES:
                    raise LoadError(
                        f"Line {self._line} is longer than {MAX_LINE_BYTES >> 20} MiB. Nothing was loaded.",
                        reason="line_too_long",
                        line=self._line,
                    )
                piece = file.read(max(_BLOCK_BYTES, len(pending)))
                if not piece:
                    break
                pending += piece
            if pending:
                yield bytes(pending)


class _Lines:
    """Says on which physical lines the objects of a block are."""

    def __init__(self, block: bytes, first_line: int) -> None:
        self.kept: list[int] | None = None
        self._block = block
        self._first_line = first_line

    def texts(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not empty, with their numbers."""
        for number, text in enumerate(self._block.split(b"\n"), self._first_line):
            if text.strip():
                yield number, text

    def __call__(self) -> Sequence[int]:
        """Return the line of each object that was not left out."""
        if self.kept is None:
            self.kept = [number for number, _ in self.texts()]
        return self.kept


class _Decoder:
    """Decoders of lines into records with the columns of the table."""

    def __init__(self, types: Sequence[tuple[str, ColumnType]], *, lenient: bool) -> None:
        self.names = {name for name, _ in types}
        self.strict = _lines_decoder(types, strict=True)
        self.lenient = _lines_decoder(types, strict=False) if lenient else None


def _lines_decoder(types: Sequence[tuple[str, ColumnType]], *, strict: bool) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(record_type(types, missing=msgspec.UNSET, strict=strict))
