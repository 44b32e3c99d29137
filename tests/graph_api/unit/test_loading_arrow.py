"""Arrow IPC files: what is read, and what a hostile one comes to."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.worker.loading import arrow_messages
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph, refusal


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[LoadingGraph]:
    """Open a database with one table."""
    with open_graph(tmp_path / "g") as opened:
        opened.run("CREATE NODE TABLE T(id STRING PRIMARY KEY, n INT64, l INT64[])")
        yield opened


def stream(*batches: pa.RecordBatch, **options: Any) -> bytes:
    """Write batches as a stream."""
    written = io.BytesIO()
    with pa.ipc.new_stream(written, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return written.getvalue()


def file(*batches: pa.RecordBatch, **options: Any) -> bytes:
    """Write batches as a file."""
    written = io.BytesIO()
    with pa.ipc.new_file(written, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return written.getvalue()


def batch(first: int = 0, rows: int = 3) -> pa.RecordBatch:
    """Return a batch with keys from a number on."""
    numbers = range(first, first + rows)
    return pa.record_batch({"id": [f"k{number}" for number in numbers], "n": pa.array(numbers, pa.int64())})


def test_all_batches_are_read_in_order(graph: LoadingGraph) -> None:
    """Rows are numbered through, and empty batches are nothing."""
    report = graph.load("T", graph.place(stream(batch(), batch().slice(0, 0), batch(3))), "arrow")
    assert (report["rows_in_file"], report["rows_loaded"]) == (6, 6)
    error = refusal(graph.load, "T", graph.place(stream(batch(10), batch(12))), "arrow")
    assert (error.context["reason"], error.context["row"]) == ("duplicate_key", 4)


@pytest.mark.parametrize("write", [stream, file])
def test_dictionaries_may_differ_between_batches(graph: LoadingGraph, write: Any) -> None:
    """As deltas; each batch is read with its own."""
    batches = [
        pa.record_batch({"id": pa.array(values).dictionary_encode(), "n": [1] * len(values)})
        for values in (["a", "b"], ["a2", "b2", "c2"])
    ]
    merged = pa.Table.from_batches(batches).unify_dictionaries().to_batches()
    content = write(*merged, emit_dictionary_deltas=True) if write is file else write(*batches)
    assert graph.load("T", graph.place(content), "arrow")["rows_loaded"] == 5
    assert graph.count("T") == 5


def test_layouts_of_other_writers_are_read(graph: LoadingGraph) -> None:
    """Views, run-end encoding, large and fixed lists."""
    for number, (ids, numbers, lists) in enumerate(
        [
            (pa.string_view(), pa.int8(), pa.large_list(pa.int32())),
            (pa.large_string(), pa.uint64(), pa.list_(pa.int64(), 2)),
            (pa.string(), pa.float64(), pa.list_(pa.int8())),
        ]
    ):
        columns = {
            "id": pa.array([f"a{number}", f"b{number}"], ids),
            "n": pa.array([1, 2], numbers),
            "l": pa.array([[1, 2], [3, 4]], lists),
        }
        graph.load("T", graph.place(stream(pa.record_batch(columns))), "arrow")
    runs = pa.RunEndEncodedArray.from_arrays([1, 3], pa.array([7, 8]))
    graph.load("T", graph.place(stream(pa.record_batch({"id": ["x", "y", "z"], "n": runs}))), "arrow")
    assert graph.run("MATCH (n:T) WHERE n.id IN ['x','y','z'] RETURN sum(n.n)")[0][0] == 23
    found = graph.run("MATCH (n:T) WHERE n.l IS NOT NULL RETURN n.l")
    assert sorted(row[0] for row in found) == [[1, 2]] * 3 + [[3, 4]] * 3


def test_a_dictionary_of_a_long_text_is_spelled_out_in_pieces(graph: LoadingGraph) -> None:
    """Sixteen thousand rows that share a text of 64 KiB are a gigabyte, but never at once."""
    graph.run("CREATE NODE TABLE L(id INT64 PRIMARY KEY, s STRING)")
    rows = 2_000
    indices = pa.array([0] * rows, pa.int32())
    long = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 65_536]))
    content = stream(pa.record_batch({"id": pa.array(range(rows)), "s": long}))
    assert graph.load("L", graph.place(content), "arrow")["rows_loaded"] == rows


@pytest.mark.parametrize("write", [stream, file])
@pytest.mark.parametrize("cut", [1, 7, 8, 9, 100, 400])
def test_what_is_cut_off_is_refused(graph: LoadingGraph, write: Any, cut: int) -> None:
    """Also between two batches, where it would look complete."""
    error = refusal(graph.load, "T", graph.place(write(batch(), batch(3))[:-cut]), "arrow")
    assert error.context["reason"] == "damaged"
    assert graph.count("T") == 0


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0ARROW1\0\0", b"\xff\xff\xff\xff\0\0\0\0", b"x" * 100])
def test_what_is_no_arrow_is_refused(graph: LoadingGraph, content: bytes) -> None:
    """With a reason."""
    assert refusal(graph.load, "T", graph.place(content), "arrow").context["reason"] in {"damaged", "missing_key"}


def test_two_streams_in_a_row_are_refused(graph: LoadingGraph) -> None:
    """The rows of the second would be left out silently."""
    error = refusal(graph.load, "T", graph.place(stream(batch()) + stream(batch(3))), "arrow")
    assert "one stream" in error.detail


@pytest.mark.parametrize("write", [stream, file])
@pytest.mark.parametrize("claimed", [arrow_messages.MAX_BATCH_BYTES + 1, 2**62])
def test_a_buffer_that_claims_to_be_huge_is_refused_before_it_is_made(
    graph: LoadingGraph, write: Any, claimed: int
) -> None:
    """The length that a compressed buffer has in its first eight bytes decides how much is allocated."""
    rows = 10_000
    content = bytearray(write(pa.record_batch({"id": ["x" * 50] * rows, "n": [1] * rows}), compression="zstd"))
    true_length = struct.pack("<q", 8 * rows)
    place = content.index(true_length)
    content[place : place + 8] = struct.pack("<q", claimed)
    error = refusal(graph.load, "T", graph.place(bytes(content)), "arrow")
    assert error.context["reason"] == "batch_too_large", error


@pytest.mark.parametrize("write", [stream, file])
def test_any_damaged_byte_is_refused_or_harmless(graph: LoadingGraph, write: Any) -> None:
    """Lengths and offsets that lie lead nowhere outside of the file."""
    whole = write(batch(0, 5), batch(5, 5), compression="lz4")
    for place in range(0, len(whole), 23):
        content = bytearray(whole)
        content[place] ^= 0xFF
        try:
            graph.load("T", graph.place(bytes(content)), "arrow", mode="replace", detach=True)
        except LoadError:
            continue
    assert graph.leftovers() == []


def test_columns_beyond_all_measure_are_refused(graph: LoadingGraph) -> None:
    """A schema of a hundred thousand columns is read, and not matched."""
    columns = {f"c{number}": pa.array([], pa.int8()) for number in range(20_000)}
    error = refusal(graph.load, "T", graph.place(stream(pa.record_batch(columns))), "arrow")
    assert error.context["reason"] == "too_many_columns"
