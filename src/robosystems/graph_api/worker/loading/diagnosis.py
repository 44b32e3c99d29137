"""What was wrong when the engine refused a load: its messages name a value; this finds the row that has it."""

import re
from itertools import islice
from typing import Any, Final

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import GraphApiError, LoadError, StatementError
from robosystems.graph_api.domain.schema import NodeTable
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.plan import NodeKey, Slot
from robosystems.graph_api.worker.loading.row_errors import missing_value, wrong_row
from robosystems.graph_api.worker.loading.row_finder import RowFinder
from robosystems.graph_api.worker.loading.values import shortened

_DUPLICATE: Final = re.compile(
    r"Found duplicated primary key value (.*?)(, which violates the uniqueness.*)?", re.DOTALL
)
_DANGLING: Final = re.compile(r"Unable to find primary key value (.*?)\.?", re.DOTALL)
_NULL_KEY: Final = re.compile(r"Found NULL, which violates the non-null constraint.*", re.DOTALL)
_CROWDED: Final = re.compile(
    r"Node\(nodeOffset: (\d+)\) has more than one neighbour in table .* in the (fwd|bwd) .*", re.DOTALL
)
_CONNECTED: Final = re.compile(
    r"Node\(nodeOffset: (\d+)\) has connected edges in table (.*?) in the (?:fwd|bwd) .*", re.DOTALL
)
_NOT_UTF8: Final = re.compile(r"Invalid string encoding found in Parquet file.*", re.DOTALL)
_PREFIXES: Final = ("Copy exception: ", "Runtime exception: ")


class Diagnosis:
    """Explains one refusal.

    Args:
        connection: For questions about what the tables hold; no transaction is open.
        finder: Finds rows in the file that was to be loaded.
    """

    def __init__(self, connection: EngineConnection, finder: RowFinder) -> None:
        self._connection = connection
        self._finder = finder
        self._plan = finder.plan

    def explain(self, refusal: StatementError) -> LoadError:
        """Return the error for the caller; it names the row where that can be found."""
        message = refusal.detail
        for prefix in _PREFIXES:
            message = message.removeprefix(prefix)
        for pattern, explained in (
            (_DUPLICATE, self._duplicate),
            (_DANGLING, self._dangling),
            (_NULL_KEY, self._null_key),
            (_CROWDED, self._crowded),
            (_CONNECTED, self._connected),
            (_NOT_UTF8, self._not_utf8),
        ):
            found = pattern.fullmatch(message)
            if found is not None:
                return explained(found)
        return LoadError(f"The database refused the file: {message[:500]} Nothing was loaded.", reason="refused")

    def _duplicate(self, found: re.Match[str]) -> LoadError:
        return repeated_key(self._finder, found[1])

    def _dangling(self, found: re.Match[str]) -> LoadError:
        plan = self._plan
        best: tuple[int, str, Slot, NodeKey] | None = None
        for index, node in enumerate(plan.target.ends or ()):
            slot = plan.ends[index]
            hit = next(self._finder.rows_with(index, found[1]), None)
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
        return wrong_row(detail, "dangling_end", slot.source, value, row=row, table=node.table)

    def _null_key(self, _: re.Match[str]) -> LoadError:
        firsts = [
            (row, slot)
            for index, slot in enumerate(self._plan.slots)
            if slot.required and (row := self._finder.first_null(index)) is not None
        ]
        if not firsts:
            return LoadError("A key is missing. Nothing was loaded.", reason="missing_value")
        row, slot = min(firsts, key=lambda first: first[0])
        return missing_value(row, slot.source, "a key")

    def _crowded(self, found: re.Match[str]) -> LoadError:
        plan = self._plan
        index = 0 if found[2] == "fwd" else 1
        which = "leave" if index == 0 else "reach"
        if plan.target.ends is None:
            return LoadError("A node has too many relationships. Nothing was loaded.", reason="multiplicity")
        node, slot = plan.target.ends[index], plan.ends[index]
        key = self._ask(statements.key_at(node, int(found[1])))
        rows = list(islice(self._finder.rows_with(index, str(key)), 2)) if key is not None else []
        places = f"Rows {rows[0][0]} and {rows[1][0]}" if len(rows) > 1 else "Rows of the file"
        value = shortened(str(key))
        detail = (
            f"{places}, column {slot.source!r}: at most one relationship of table {plan.target.table.name!r} may "
            f"{which} the node {value!r} of table {node.table!r}."
        )
        row = rows[1][0] if len(rows) > 1 else None
        return wrong_row(detail, "multiplicity", slot.source, value, row=row)

    def _connected(self, found: re.Match[str]) -> LoadError:
        table = self._plan.target.table
        key = ""
        if isinstance(table, NodeTable):
            column = table.column(table.primary_key)
            if column is not None:
                key = str(self._ask(statements.key_at(NodeKey(table.name, column.name, column.type), int(found[1]))))
        value = shortened(key)
        return LoadError(
            f"Node {value!r} is not in the file, but has relationships of table {found[2]!r}, which replacing would "
            "delete. Nothing was loaded. Set detach=true to delete them, or load with mode=upsert.",
            reason="has_relationships",
            value=value,
            table=found[2][:100],
        )

    def _not_utf8(self, _: re.Match[str]) -> LoadError:
        for index, slot in enumerate(self._plan.slots):
            for rows, array in self._finder.arrays(index):
                for offset, value in enumerate(array if arrow.types.is_string(array.type) else ()):
                    try:
                        value.as_py()
                    except UnicodeDecodeError:
                        row = rows[offset]
                        return LoadError(
                            f"Row {row}, column {slot.source!r}: the value is not UTF-8. Nothing was loaded.",
                            reason="unfit_value",
                            row=row,
                            column=slot.source,
                        )
        return LoadError("The file holds text that is not UTF-8. Nothing was loaded.", reason="unfit_value")

    def _exists(self, node: NodeKey, printed: str) -> bool:
        return bool(self._ask(statements.count_nodes_with_key(node), {"key": printed}))

    def _ask(self, text: CypherText, parameters: dict[str, object] | None = None) -> Any:  # noqa: ANN401 (a value of the engine)
        try:
            with self._connection.run(str(text), parameters) as result:
                rows = result.take(1)
        except GraphApiError:
            return None
        return rows[0][0] if rows else None


def repeated_key(finder: RowFinder, printed: str) -> LoadError:
    """Return the error for a key that occurs twice in the file, or in file and table."""
    index, slot = next((index, slot) for index, slot in enumerate(finder.plan.slots) if slot.required)
    table = finder.plan.target.table.name
    rows = list(islice(finder.rows_with(index, printed), 2))
    value = shortened(printed)
    if not rows:
        detail = f"The key {value!r} occurs twice in the file, or table {table!r} has it already."
        return wrong_row(detail, "duplicate_key", slot.source, value)
    first, value = rows[0]
    if len(rows) > 1:
        detail = f"Rows {first} and {rows[1][0]} have the same key {value!r} in column {slot.source!r}."
        return wrong_row(detail, "duplicate_key", slot.source, value, row=rows[1][0], first_row=first)
    detail = f"Row {first}, column {slot.source!r}: table {table!r} has the key {value!r} already."
    return wrong_row(detail, "key_exists", slot.source, value, row=first)
