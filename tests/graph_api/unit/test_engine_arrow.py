"""Arrow batches of the engine whose inner arrays without elements have no offsets."""

from typing import Any

import pyarrow as pa
import pytest

from robosystems.graph_api.backends.lbug.engine_arrow import sound

_GARBAGE = pa.py_buffer(b"\xff\xff\xff\x7f")
"""An offset that points far outside."""


def _unset(kind: pa.DataType) -> Any:
    """Return an array of no elements, as the engine leaves it."""
    if pa.types.is_list(kind):
        return pa.Array.from_buffers(kind, 0, [None, _GARBAGE], children=[_unset(kind.value_type)])
    if pa.types.is_string(kind):
        return pa.Array.from_buffers(kind, 0, [None, _GARBAGE, pa.py_buffer(b"")])
    return pa.array([], kind)


def _empty_lists(element: pa.DataType) -> Any:
    """Return two lists without elements and a null."""
    offsets = pa.py_buffer(b"\0" * 16)
    valid = pa.py_buffer(b"\x03")
    return pa.Array.from_buffers(pa.list_(element), 3, [valid, offsets], 1, children=[_unset(element)])


def _batch(array: Any) -> Any:
    return pa.RecordBatch.from_arrays([array, pa.array(range(len(array)))], names=["x", "n"])


@pytest.mark.parametrize(
    "element",
    [
        pa.list_(pa.int64()),
        pa.list_(pa.list_(pa.string())),
        pa.string(),
    ],
    ids=str,
)
def test_inner_arrays_without_elements_are_made_whole(element: pa.DataType) -> None:
    """What could not be read, counted or written is as it should be, and the values are the same."""
    for array in (_empty_lists(element), pa.StructArray.from_arrays([_empty_lists(element)], ["s"])):
        batch = sound(_batch(array))
        batch.validate(full=True)
        assert batch.nbytes < 1000
        lists = [value["s"] if isinstance(value, dict) else value for value in batch.column(0).to_pylist()]
        assert lists == [[], [], None]
        assert pa.ipc.open_stream(_written(batch)).read_all().to_batches() == [batch]


def test_maps_and_unions_are_made_whole() -> None:
    """The entries of maps, and members of unions that no value has, count as inner arrays."""
    kind = pa.map_(pa.string(), pa.list_(pa.int64()))
    entries = pa.StructArray.from_arrays([pa.array([], pa.string()), _unset(pa.list_(pa.int64()))], ["key", "value"])
    maps = pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(b"\0" * 8)], 0, children=[entries])
    codes, offsets = pa.array([0], pa.int8()), pa.array([0], pa.int32())
    union = pa.UnionArray.from_dense(codes, offsets, [pa.array([5]), _unset(pa.list_(pa.int64()))], ["a", "b"])
    for array, expected in ((maps, [[]]), (union, [5])):
        batch = sound(_batch(array))
        batch.validate(full=True)
        assert batch.column(0).to_pylist() == expected
        assert batch.nbytes < 1000


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[[1], [], None], None, [[2, 3]]]),
        pa.array([[("a", [1]), ("b", None)], None, []], pa.map_(pa.string(), pa.list_(pa.int64()))),
        pa.array([{"a": [[1]], "b": None}, None, {"a": [], "b": "x"}]),
        pa.array([[[1], [2]], None, [None, []]], pa.list_(pa.list_(pa.int64()), 2)),
    ],
    ids=["lists", "maps", "structs", "arrays"],
)
def test_other_values_stay_as_they_are(values: Any) -> None:
    """Nothing changes in whole arrays, also where only a part of them is shown."""
    for array in (values, values.slice(1), values.slice(1, 1), values.slice(2)):
        batch = sound(_batch(array))
        batch.validate(full=True)
        assert batch == _batch(array)


def test_plain_batches_pass_as_they_are() -> None:
    """Columns that cannot be damaged cost nothing."""
    batch = _batch(pa.array([{"a": 1, "b": "x"}]))
    assert sound(batch) is batch


def _written(batch: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()
