"""Arrow arrays of lists and maps, put together again from other parts."""

from collections.abc import Callable
from typing import TypeAlias

from robosystems.graph_api.worker.arrow import Array, arrow, kernels

Convert: TypeAlias = Callable[[Array], Array]
"""Makes another array of as many values."""


def with_elements(lists: Array, convert: Convert) -> Array:
    """Return lists with their elements converted; null stays null."""
    return arrow.ListArray.from_arrays(_offsets(lists), convert(lists.flatten()), mask=lists.is_null())


def with_entries(maps: Array, convert_keys: Convert, convert_values: Convert) -> Array:
    """Return maps with their keys and values converted; null stays null."""
    entry = arrow.struct([("key", maps.type.key_type), ("value", maps.type.item_type)])
    lists = kernels.cast(maps, arrow.list_(entry))
    keys, values = lists.flatten().flatten()
    return arrow.MapArray.from_arrays(_offsets(lists), convert_keys(keys), convert_values(values), mask=maps.is_null())


def _offsets(lists: Array) -> Array:
    """Return where each list begins in the flattened values; null lists are empty there."""
    lengths = kernels.fill_null(kernels.list_value_length(lists), 0)
    ends = kernels.cumulative_sum(kernels.cast(lengths, arrow.int32()))
    return arrow.concat_arrays([arrow.array([0], arrow.int32()), ends])
