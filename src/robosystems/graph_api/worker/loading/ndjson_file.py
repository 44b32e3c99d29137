"""NDJSON files as they come from clients: one JSON object per line, UTF-8; empty lines are skipped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.worker.loading.json_values import record_type
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target, plan_load, unknown_columns
from robosystems.graph_api.worker.loading.transport import why_not_loadable
from robosystems.graph_api.worker.loading.values import JsonValues, Values, shortened

_BLOCK_BYTES: Final = 2 << 20
MAX_LINE_BYTES: Final = 64 << 20
"""A longer line is refused: it is held in memory several times over."""

_BOM: Final = b"\xef\xbb\xbf"
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class NdjsonSource:
    """An NDJSON file. Which columns it has shows only when all of it was read.

    Args:
        path: The file.
        order: How to load it.
        target: Where to.
        check: Called now and then; raises to stop.

    Raises:
        LoadError: The first object lacks a key, or the file begins with something else than an object.
    """

    def __init__(self, path: Path, order: LoadOrder, target: Target, check: Callable[[], None]) -> None:
        self._path = path
        self._order = order
        self._target = target
        self._check = check
        self._seen: set[str] = set()
        self._unknown: dict[str, None] = {}
        # Whether the needed columns are there is told by the first object; all others may be in any of them.
        self._plan = plan_load(order, target, self._first_names(), ) if False else self._whole_plan()

    def plan(self) -> LoadPlan:
        """Return the plan for all columns that the table takes."""
        return self._plan

    def final_plan(self) -> LoadPlan:
        """Return the plan for the columns that some object has."""
        plan = self._plan
        properties = tuple(pair for pair in plan.properties if pair[1].required or pair[1].source in self._seen)
        filled = {column.name for column, _ in properties}
        absent = [name for name in self._loadable() if name not in filled]
        complete = plan_load(self._order, self._target, [*self._end_names(), *filled])
        del absent
        return replace(plan, properties=properties, defaults=complete.defaults, ignored=tuple(self._unknown))

    def batches(self, slots: Sequence[Slot]) -> Iterator[Sequence[Values]]:
        raise NotImplementedError
