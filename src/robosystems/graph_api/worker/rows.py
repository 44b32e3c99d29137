"""Rows of Python values to JSON values: the quick way for small results of plain types.

The engine's binding makes Python values row by row, which for a few rows is faster than Arrow. But it ends the process
for a date or timestamp outside the years 1 to 9999, cuts nanoseconds, and cannot take a map whose keys are lists. So a
plan is made only for types that have none of that; everything else goes through Arrow (`worker.columns`). The texts
that come out are the same on both ways.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final, TypeAlias

from robosystems.graph_api.worker.arrow import DataType, arrow
from robosystems.graph_api.worker.columns import graph_name, graph_order, is_internal_id, is_uuid

Converter: TypeAlias = Callable[[Any], Any]
"""From a value of the binding to one that `msgspec.json` writes as intended."""

RowPlan: TypeAlias = tuple[tuple[int, Converter], ...]
"""Columns, by position, that need a conversion; the others are right as they are."""

_types: Final[Any] = arrow.types

_UNCHANGED: Final = frozenset(
    {"INT64", "STRING", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8", "BOOL", "SERIAL", "UUID"}
)


def plan_for_types(types: Sequence[str]) -> RowPlan | None:
    """Return the plan for columns of these engine types, or None if one of them is not plain."""
    plan: list[tuple[int, Converter]] = []
    for position, name in enumerate(types):
        if name in _UNCHANGED:
            continue
        converter = _converter_for_name(name)
        if converter is None:
            return None
        plan.append((position, converter))
    return tuple(plan)


def plan_for_schema(kinds: Sequence[DataType]) -> RowPlan | None:
    """Return the plan for columns of these Arrow types, nested ones included, or None if one of them is not safe."""
    plan: list[tuple[int, Converter]] = []
    for position, kind in enumerate(kinds):
        safe, converter = _converter_for_kind(kind)
        if not safe:
            return None
        if converter is not None:
            plan.append((position, converter))
    return tuple(plan)


def convert(rows: list[list[Any]], plan: RowPlan) -> list[list[Any]]:
    """Convert rows in place and return them."""
    for position, converter in plan:
        for row in rows:
            value = row[position]
            if value is not None:
                row[position] = converter(value)
    return rows


def _converter_for_name(name: str) -> Converter | None:
    if name in {"DOUBLE", "FLOAT"}:
        return _float
    if name == "INT128":
        return int
    if name.startswith("DECIMAL(") and name.endswith(")"):
        return int if name.endswith(" 0)") else _decimal
    return None


def _converter_for_kind(kind: DataType) -> tuple[bool, Converter | None]:
    """Return whether rows of this type are safe, and what converts them."""
    if _types.is_integer(kind) or _types.is_boolean(kind) or _types.is_string(kind) or is_uuid(kind):
        return True, None
    if _types.is_floating(kind):
        return True, _float
    if _types.is_decimal(kind):
        return True, int if kind.scale == 0 else _decimal
    if _types.is_list(kind) or _types.is_fixed_size_list(kind):
        safe, inner = _converter_for_kind(kind.value_type)
        return safe, None if inner is None else _list_converter(inner)
    if _types.is_struct(kind):
        return _struct_converter(kind)
    return False, None


def _float(value: float) -> float | str:
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 (only NaN differs)


def _decimal(value: Any) -> str:  # noqa: ANN401 (decimal.Decimal)
    return format(value, "f")


def _internal_id(value: dict[str, int]) -> str:
    return f"{value['table']}:{value['offset']}"


def _list_converter(inner: Converter) -> Converter:
    return lambda values: [None if value is None else inner(value) for value in values]


def _struct_converter(kind: DataType) -> tuple[bool, Converter | None]:
    if is_internal_id(kind):
        return True, _internal_id
    names = [field.name for field in kind]
    fields: list[tuple[str, str, Converter | None]] = []
    for position in graph_order(names):
        safe, inner = _converter_for_kind(kind[position].type)
        if not safe:
            return False, None
        fields.append((names[position], graph_name(names[position], names), inner))

    def convert_struct(value: dict[str, Any]) -> dict[str, Any]:
        return {
            public: part if inner is None or part is None else inner(part)
            for name, public, inner in fields
            for part in (value.get(name),)
        }

    return True, convert_struct
