"""Strict conversion of Arrow arrays of any type to the transport type of a column."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from robosystems.graph_api.domain.schema import (
    ArrayType,
    ColumnType,
    DecimalType,
    Field,
    ListType,
    MapType,
    ScalarKind,
    ScalarType,
    StructType,
)
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading import scalars
from robosystems.graph_api.worker.loading.formats import FAILURES
from robosystems.graph_api.worker.loading.json_values import decode_texts
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import transport_type
from robosystems.graph_api.worker.nested_arrays import with_elements, with_entries

_types = arrow.types

_SIMPLE: Final[dict[ScalarKind, Callable[[Array], Array]]] = {
    ScalarKind.BOOL: scalars.to_bool,
    ScalarKind.INT128: scalars.to_int128,
    ScalarKind.STRING: scalars.to_string,
    ScalarKind.JSON: scalars.to_json,
    ScalarKind.BLOB: scalars.to_blob,
    ScalarKind.UUID: scalars.to_uuid,
    ScalarKind.DATE: scalars.to_date,
    ScalarKind.INTERVAL: scalars.to_interval,
}


def to_transport(array: Array, column_type: ColumnType) -> Array:
    """Convert an array to `transport_type(column_type)`; nulls stay null.

    Raises:
        ConversionError: The array's type does not suit the column, or a value does not; `fitting_parts` finds it.
    """
    try:
        return _converted(_unwrapped(array), column_type)
    except (ConversionError, MemoryError):
        raise
    except FAILURES as error:
        raise ConversionError from error


def fitting_parts(
    attempt: Callable[[int, int], Array], begin: int, end: int
) -> Iterator[tuple[int, Array | ConversionError]]:
    """Convert values in as few parts as are needed to leave out those that do not fit.

    Args:
        attempt: Converts the values from an index to another one (exclusive), or raises `ConversionError`.
        begin: First index.
        end: Index behind the last one.

    Yields:
        In order: where a part begins, and its values converted; or the index of a value that does not fit, and the
        error that it causes by itself.
    """
    try:
        part = attempt(begin, end)
    except ConversionError as error:
        if end - begin == 1:
            yield begin, error
            return
    else:
        yield begin, part
        return
    middle = (begin + end) // 2
    yield from fitting_parts(attempt, begin, middle)
    yield from fitting_parts(attempt, middle, end)


def _converted(array: Array, column_type: ColumnType) -> Array:
    if _types.is_null(array.type):
        return arrow.nulls(len(array), transport_type(column_type))
    match column_type:
        case ScalarType(kind):
            return _scalar(array, kind)
        case DecimalType():
            return scalars.to_decimal(array, column_type)
        case _:
            return _nested(_from_text(array, column_type), column_type)


def _nested(array: Array, column_type: ColumnType) -> Array:
    match column_type:
        case ListType(element):
            return _list(array, element)
        case ArrayType(element, length):
            return _array(array, element, length)
        case StructType(fields):
            return _struct(array, fields)
        case MapType():
            return _map(array, column_type)
        case _:
            raise ConversionError(f"is of type {array.type}")


def _scalar(array: Array, kind: ScalarKind) -> Array:
    simple = _SIMPLE.get(kind)
    if simple is not None:
        return simple(array)
    if kind in {ScalarKind.FLOAT, ScalarKind.DOUBLE}:
        return scalars.to_float(array, kind)
    if kind.value.startswith("TIMESTAMP"):
        return scalars.to_timestamp(array, kind)
    if kind is ScalarKind.SERIAL:
        return scalars.to_integer(array, ScalarKind.INT64)
    return scalars.to_integer(array, kind)


def _unwrapped(array: Array) -> Array:
    """Return the array in one of the few layouts that the converters know."""
    kind = array.type
    if isinstance(kind, arrow.BaseExtensionType):
        return _unwrapped(array.storage)
    if _types.is_dictionary(kind) or _types.is_run_end_encoded(kind):
        decoded = array.dictionary_decode() if _types.is_dictionary(kind) else kernels.run_end_decode(array)
        return _unwrapped(decoded)
    if _types.is_large_string(kind) or _types.is_string_view(kind):
        return kernels.cast(array, arrow.string())
    if _types.is_large_binary(kind) or _types.is_binary_view(kind):
        return kernels.cast(array, arrow.binary())
    if _types.is_large_list(kind) or _types.is_fixed_size_list(kind):
        return kernels.cast(array, arrow.list_(kind.value_type))
    return array


def _from_text(array: Array, column_type: ColumnType) -> Array:
    """Read text as JSON."""
    if not _types.is_string(array.type):
        return array
    return decode_texts(array.to_pylist(), column_type)


def _list(array: Array, element: ColumnType) -> Array:
    if not _types.is_list(array.type):
        raise ConversionError(f"is of type {array.type}")
    return with_elements(array, partial(to_transport, column_type=element))


def _array(array: Array, element: ColumnType, length: int) -> Array:
    if _types.is_list(array.type):
        check_lengths(array, length)
    return _list(array, element)


def check_lengths(lists: Array, length: int) -> None:
    """Check that each list has as many elements as the arrays of its column.

    Raises:
        ConversionError: One has not.
    """
    if kernels.any(kernels.not_equal(kernels.list_value_length(lists), length)).as_py():
        raise ConversionError(f"does not have {length} elements")


def _struct(array: Array, fields: tuple[Field, ...]) -> Array:
    if not _types.is_struct(array.type):
        raise ConversionError(f"is of type {array.type}")
    names = [field.name for field in array.type]
    surplus = set(names) - {field.name for field in fields}
    if surplus:
        raise ConversionError(f"has a field {min(surplus)!r} that the type lacks")
    parts = dict(zip(names, array.flatten(), strict=True))
    columns = [
        to_transport(parts[field.name], field.type)
        if field.name in parts
        else arrow.nulls(len(array), transport_type(field.type))
        for field in fields
    ]
    return arrow.StructArray.from_arrays(columns, [field.name for field in fields], mask=array.is_null())


def _map(array: Array, column_type: MapType) -> Array:
    if not _types.is_map(array.type):
        raise ConversionError(f"is of type {array.type}")
    return with_entries(
        array,
        partial(to_transport, column_type=column_type.key),
        partial(to_transport, column_type=column_type.value),
    )
