"""The engine's Arrow batches, made safe to read.

Where all lists of a column are empty, the engine leaves the one offset of an array of no elements unset. Arrow reads it
when that array is itself a list, or counts bytes, and then reads far outside of it: the process dies, or sends what it
should not. Here every inner array without elements is replaced by one that is whole. Columns that hold no such array
pass without a copy.
"""

from functools import lru_cache
from typing import Any, Final, TypeAlias

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]

Array: TypeAlias = Any
"""`pyarrow.Array`; pyarrow has no type information."""

Batch: TypeAlias = Any
"""`pyarrow.RecordBatch`."""

_arrow: Final[Any] = pa
_types: Final[Any] = _arrow.types


def sound(batch: Batch) -> Batch:
    """Return a batch that can be read, sliced and written; itself if it is one."""
    if not any(_can_be_unsound(kind) for kind in batch.schema.types):
        return batch
    arrays = [_sound(array) if _can_be_unsound(array.type) else array for array in batch.columns]
    return _arrow.RecordBatch.from_arrays(arrays, schema=batch.schema)


@lru_cache(256)
def _can_be_unsound(kind: Any) -> bool:  # noqa: ANN401 (`pyarrow.DataType`)
    """Whether arrays of a type hold inner arrays whose length is another than theirs."""
    if _types.is_struct(kind):
        return any(_can_be_unsound(field.type) for field in kind)
    return bool(_types.is_nested(kind))


def _sound(array: Array) -> Array:
    kind = array.type
    if not _can_be_unsound(kind):
        return array
    if _types.is_struct(kind):
        parts = [_sound(array.field(position)) for position in range(kind.num_fields)]
        return _arrow.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
    if _types.is_union(kind):
        members = [_inner(array.field(position)) for position in range(kind.num_fields)]
        names = [field.name for field in kind]
        return _arrow.UnionArray.from_dense(array.type_codes, array.offsets, members, names, kind.type_codes)
    if _types.is_map(kind):
        fields = [kind.key_field, kind.item_field]
        inner = _arrow.StructArray.from_arrays([_inner(array.keys), _inner(array.items)], fields=fields)
    else:
        inner = _inner(array.values)
    own = array.buffers()[: 1 if _types.is_fixed_size_list(kind) else 2]
    return _arrow.Array.from_buffers(kind, len(array), own, array.null_count, array.offset, children=[inner])


def _inner(array: Array) -> Array:
    return _sound(array) if len(array) else _arrow.nulls(0, array.type)
