"""What was wrong when the engine refused a load: its messages name a value; this finds the row that has it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import GraphApiError, LoadError, StatementError
from robosystems.graph_api.domain.schema import ColumnType, ScalarKind, ScalarType
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.parquet_file import open_parquet, read_batches
from robosystems.graph_api.worker.loading.plan import LoadPlan, NodeKey, Slot
from robosystems.graph_api.worker.loading.row_errors import missing_value
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.values import shortened

_DUPLICATE: Final = re.compile(
    r"Found duplicated primary key value (.*?)(, which violates the uniqueness.*)?", re.DOTALL
)
_DANGLING: Final = re.compile(r"Unable to find primary key value (.*?)\.?", re.DOTALL)
_NULL_KEY: Final = re.compile(r"Found NULL, which violates the non-null constraint.*", re.DOTALL)
_CROWDED: Final = re.compile(
    r"Node\(nodeOffset: (\d+)\) has more than one neighbour in table .* in the (fwd|bwd) .*", re.DOTALL
)
_NOT_UTF8: Final = re.compile(r"Invalid string encoding found in Parquet file.*", re.DOTALL)
_PREFIX: Final = "Copy exception: "

_UNITS: Final[dict[ScalarKind | None, str]] = {
    ScalarKind.TIMESTAMP: "us",
    ScalarKind.TIMESTAMP_TZ: "us",
    ScalarKind.TIMESTAMP_SEC: "s",
    ScalarKind.TIMESTAMP_MS: "ms",
    ScalarKind.TIMESTAMP_NS: "ns",
}
_PRINTED_AS_BITS: Final = {*_UNITS, ScalarKind.DATE, ScalarKind.UUID}
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The Parquet file that the engine was given.

    Attributes:
        path: Where it lies.
        columns: Its column for each slot of the plan.
        plan: What it holds.
    """

    path: Path
    columns: tuple[str, ...]
    plan: LoadPlan


class Diagnosis:
    """Explains one refusal.

    Args:
        connection: For questions about what the tables hold; no transaction is open.
        file: What was to be loaded.
        check: Called for every batch; raises to stop.
    """

    def __init__(self, connection: EngineConnection, file: LoadedFile, check: Callable[[], None]) -> None:
        self._connection = connection
        self._file = file
        self._check = check

    def explain(self, refusal: StatementError) -> LoadError:
        """Return the error for the caller; it names the row where that can be found."""
        message = refusal.detail.removeprefix(_PREFIX)
        for pattern, explained in (
            (_DUPLICATE, self._duplicate),
            (_DANGLING, self._dangling),
            (_NULL_KEY, self._null_key),
            (_CROWDED, self._crowded),
            (_NOT_UTF8, self._not_utf8),
        ):
            found = pattern.fullmatch(message)
            if found is not None:
                return explained(found)
        return LoadError(f"The database refused the file: {message[:500]} Nothing was loaded.", reason="refused")

    def _duplicate(self, found: re.Match[str]) -> LoadError:
        index, slot = next((index, slot) for index, slot in enumerate(self._file.plan.slots) if slot.required)
        table = self._file.plan.target.table.name
        rows = list(islice(self._rows_with(index, slot, found[1]), 2))
        value = shortened(found[1])
        if not rows:
            detail = f"The key {value!r} occurs twice in the file, or table {table!r} has it already."
            return self._error(detail, "duplicate_key", slot, value)
        first, value = rows[0]
        if len(rows) > 1:
            detail = f"Rows {first} and {rows[1][0]} have the same key {value!r} in column {slot.source!r}."
            return self._error(detail, "duplicate_key", slot, value, row=rows[1][0], first_row=first)
        detail = f"Row {first}, column {slot.source!r}: table {table!r} has the key {value!r} already."
        return self._error(detail, "key_exists", slot, value, row=first)

    def _dangling(self, found: re.Match[str]) -> LoadError:
        plan = self._file.plan
        best: tuple[int, str, Slot, NodeKey] | None = None
        for index, node in enumerate(plan.target.ends or ()):
            slot = plan.ends[index]
            hit = next(self._rows_with(index, slot, found[1]), None)
            if hit is not None and (best is None or hit[0] < best[0]) and not self._exists(node, found[1]):
                best = (*hit, slot, node)
        if best is None:
            value = shortened(found[1])
            return LoadError(
                f"No node has the key {value!r}, to which a relationship refers. Nothing was loaded.",
                reason="dangling_end",
                value=value,
            )
        row, value, slot, node = best
        detail = f"Row {row}, column {slot.source!r}: table {node.table!r} has no node with the key {value!r}."
        return self._error(detail, "dangling_end", slot, value, row=row, table=node.table)

    def _null_key(self, _: re.Match[str]) -> LoadError:
        firsts = [
            (row, slot)
            for index, slot in enumerate(self._file.plan.slots)
            if slot.required and (row := self._first_null(index)) is not None
        ]
        if not firsts:
            return LoadError("A key is missing. Nothing was loaded.", reason="missing_value")
        row, slot = min(firsts, key=lambda first: first[0])
        return missing_value(row, slot.source, "a key")

    def _crowded(self, found: re.Match[str]) -> LoadError:
        plan = self._file.plan
        index = 0 if found[2] == "fwd" else 1
        which = "leave" if index == 0 else "reach"
        if plan.target.ends is None:
            return LoadError("A node has too many relationships. Nothing was loaded.", reason="multiplicity")
        node, slot = plan.target.ends[index], plan.ends[index]
        key = self._ask(statements.key_at(node, int(found[1])))
        rows = list(islice(self._rows_with(index, slot, str(key)), 2)) if key is not None else []
        places = f"Rows {rows[0][0]} and {rows[1][0]}" if len(rows) > 1 else "Rows of the file"
        value = shortened(str(key))
        detail = (
            f"{places}, column {slot.source!r}: at most one relationship of table {plan.target.table.name!r} may "
            f"{which} the node {value!r} of table {node.table!r}."
        )
        row = rows[1][0] if len(rows) > 1 else None
        return self._error(detail, "multiplicity", slot, value, row=row)

    def _not_utf8(self, _: re.Match[str]) -> LoadError:
        for index, slot in enumerate(self._file.plan.slots):
            for start, array in self._arrays(index):
                for offset, value in enumerate(array if arrow.types.is_string(array.type) else ()):
                    try:
                        value.as_py()
                    except UnicodeDecodeError:
                        row = start + offset + 1
                        return LoadError(
                            f"Row {row}, column {slot.source!r}: the value is not UTF-8. Nothing was loaded.",
                            reason="unfit_value",
                            row=row,
                            column=slot.source,
                        )
        return LoadError("The file holds text that is not UTF-8. Nothing was loaded.", reason="unfit_value")

    def _rows_with(self, index: int, slot: Slot, printed: str) -> Iterator[tuple[int, str]]:
        """Yield rows, from 1, that have the value which the engine printed, and the value."""
        wanted = _read_back(printed, slot.type)
        if wanted is None:
            return
        for start, raw in self._arrays(index):
            equal = kernels.equal(to_transport(raw, slot.type), wanted)
            for hit in kernels.indices_nonzero(kernels.fill_null(equal, False)):  # noqa: FBT003 (a value, not a flag)
                yield start + hit.as_py() + 1, shortened(str(raw[hit.as_py()].as_py()))

    def _first_null(self, index: int) -> int | None:
        for start, array in self._arrays(index):
            if array.null_count:
                return start + int(array.is_null().index(True).as_py()) + 1
        return None

    def _arrays(self, index: int) -> Iterator[tuple[int, Array]]:
        """Yield the values of a slot in pieces, each with the number of rows before it."""
        name = self._file.columns[index]
        start = 0
        for batch in read_batches(open_parquet(self._file.path), [name]):
            self._check()
            array = batch.column(name)
            yield start, array
            start += len(array)

    def _exists(self, node: NodeKey, printed: str) -> bool:
        return bool(self._ask(statements.count_nodes_with_key(node), {"key": printed}))

    def _ask(self, text: CypherText, parameters: dict[str, object] | None = None) -> Any:  # noqa: ANN401 (a value of the engine)
        try:
            with self._connection.run(str(text), parameters) as result:
                rows = result.take(1)
        except GraphApiError:
            return None
        return rows[0][0] if rows else None

    def _error(self, detail: str, reason: str, slot: Slot, value: str, **where: object) -> LoadError:
        error = LoadError(f"{detail} Nothing was loaded.", reason=reason, column=slot.source, value=value)
        error.context.update((name, known) for name, known in where.items() if known is not None)
        return error


def _read_back(printed: str, column_type: ColumnType) -> Any | None:  # noqa: ANN401 (an Arrow scalar)
    """Return what the engine printed as a value of the transport type; it prints some keys as their bare bits."""
    kind = column_type.kind if isinstance(column_type, ScalarType) else None
    if kind is ScalarKind.BLOB:
        return None
    try:
        bits = int(printed) if kind in _PRINTED_AS_BITS and _NUMBER.fullmatch(printed) else None
        values = arrow.array([printed], arrow.string()) if bits is None else _from_bits(bits, kind)
        return to_transport(values, column_type)[0]
    except (ConversionError, ValueError, OverflowError):
        return None


def _from_bits(bits: int, kind: ScalarKind | None) -> Array:
    """Return the value, in an array of its own, that has these bits."""
    if kind is ScalarKind.DATE:
        return kernels.cast(arrow.array([bits], arrow.int32()), arrow.date32())
    if kind is ScalarKind.UUID:
        return arrow.array([str(UUID(int=(bits ^ (1 << 127)) % (1 << 128)))], arrow.string())
    return kernels.cast(arrow.array([bits], arrow.int64()), arrow.timestamp(_UNITS.get(kind, "us")))
