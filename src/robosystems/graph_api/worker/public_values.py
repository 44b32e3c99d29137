"""The engine's Arrow values in the shape that the service shows.

The engine has no Arrow type for some of its types, and loses the sign of short decimals; `worker.columns` puts that
right while it writes JSON. Here the same is done for those who get Arrow itself: internal ids become texts, graph
values get their public names and order, decimals their sign, wherever they are nested. A column without any of that
passes as it is, without a copy.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from robosystems.graph_api.worker.arrow import Array, Batch, DataType, Schema, arrow
from robosystems.graph_api.worker.columns import (
    SHORT_DIGITS,
    graph_name,
    graph_order,
    internal_id_texts,
    is_internal_id,
    json_strings,
    with_sign,
)

Conversion: TypeAlias = Callable[[Array], Array]
"""From the engine's array to the public one."""

_types: Final[Any] = arrow.types


class PublicColumns:
    """Turns the engine's batches of one result into public ones.

    Args:
        schema: The engine's.
        names: Public names of the columns.
        unions: Keep unions; else they become their value's JSON text.
    """

    def __init__(self, schema: Schema, names: Sequence[str], *, unions: bool = True) -> None:
        self._conversions = [_conversion(column.type, unions=unions) for column in schema]
        empty = [self._convert(position, _empty(column.type)) for position, column in enumerate(schema)]
        self.schema: Schema = arrow.schema(
            [arrow.field(name, array.type) for name, array in zip(names, empty, strict=True)]
        )
        """The public schema."""

    def batch(self, engine_batch: Batch) -> Batch:
        """Return a batch in the public shape."""
        arrays = [self._convert(position, array) for position, array in enumerate(engine_batch.columns)]
        return arrow.RecordBatch.from_arrays(arrays, schema=self.schema)

    def no_rows(self) -> Batch:
        """Return a batch without rows."""
        return arrow.RecordBatch.from_arrays([_empty(column.type) for column in self.schema], schema=self.schema)

    def _convert(self, position: int, array: Array) -> Array:
        conversion = self._conversions[position]
        return array if conversion is None else conversion(array)


def _empty(kind: DataType) -> Array:
    return arrow.nulls(0, kind)


def _conversion(kind: DataType, *, unions: bool) -> Conversion | None:
    """Return what makes arrays of a type public; None if they are."""
    if _types.is_decimal(kind):
        return _signed if kind.precision <= SHORT_DIGITS else None
    if _types.is_struct(kind):
        return internal_id_texts if is_internal_id(kind) else _struct_conversion(kind, unions=unions)
    if _types.is_map(kind):
        return _map_conversion(kind, unions=unions)
    if _types.is_list(kind) or _types.is_fixed_size_list(kind):
        return _list_conversion(kind, unions=unions)
    if _types.is_union(kind):
        return _union_conversion(kind) if unions else json_strings
    return None


def _signed(array: Array) -> Array:
    digits = with_sign(array)
    if array.type.scale == 0:  # Integers, which become decimals of 19 digits at least.
        digits = digits.cast(arrow.decimal128(SHORT_DIGITS + 1, 0))
    return digits.cast(array.type)


def _struct_conversion(kind: DataType, *, unions: bool) -> Conversion | None:
    fields = list(kind)
    names = [field.name for field in fields]
    order = graph_order(names)
    public = [graph_name(names[position], names) for position in order]
    conversions = [_conversion(fields[position].type, unions=unions) for position in order]
    if public == names and not any(conversions):
        return None

    def convert(array: Array) -> Array:
        children = [
            _applied(conversion, array.field(position)) for position, conversion in zip(order, conversions, strict=True)
        ]
        return arrow.StructArray.from_arrays(children, names=public, mask=array.is_null())

    return convert


def _applied(conversion: Conversion | None, array: Array) -> Array:
    return array if conversion is None else conversion(array)


def _list_conversion(kind: DataType, *, unions: bool) -> Conversion | None:
    inner = _conversion(kind.value_type, unions=unions)
    if inner is None:
        return None

    def convert(array: Array) -> Array:
        values = inner(array.values)
        field = kind.value_field.with_type(values.type)
        if _types.is_fixed_size_list(kind):
            return _rebuilt(array, arrow.list_(field, kind.list_size), values)
        return _rebuilt(array, arrow.list_(field), values)

    return convert


def _map_conversion(kind: DataType, *, unions: bool) -> Conversion | None:
    key, item = (_conversion(part, unions=unions) for part in (kind.key_type, kind.item_type))
    if key is None and item is None:
        return None

    def convert(array: Array) -> Array:
        keys, items = _applied(key, array.keys), _applied(item, array.items)
        public = arrow.map_(kind.key_field.with_type(keys.type), kind.item_field.with_type(items.type))
        entries = arrow.StructArray.from_arrays([keys, items], fields=[public.key_field, public.item_field])
        return _rebuilt(array, public, entries)

    return convert


def _rebuilt(array: Array, kind: DataType, values: Array) -> Array:
    """Return a list, fixed list or map with other elements: `values` are all of them, whatever part the array shows."""
    own_buffers = array.buffers()[: 1 if _types.is_fixed_size_list(kind) else 2]
    return arrow.Array.from_buffers(kind, len(array), own_buffers, array.null_count, array.offset, children=[values])


def _union_conversion(kind: DataType) -> Conversion | None:
    conversions = [_conversion(field.type, unions=True) for field in kind]
    if not any(conversions):
        return None

    def convert(array: Array) -> Array:
        children = [_applied(conversion, array.field(code)) for code, conversion in enumerate(conversions)]
        names = [field.name for field in kind]
        return arrow.UnionArray.from_dense(array.type_codes, array.offsets, children, names, kind.type_codes)

    return convert
