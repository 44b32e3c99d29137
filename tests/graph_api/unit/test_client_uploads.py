"""What a load sends, from everything that can be loaded."""

import datetime as dt
import io
import json
from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.client import LoadOptions, QueryResult, table_of_file
from robosystems.graph_api.client.uploads import FileUpload, upload_of
from robosystems.graph_api.domain.errors import InvalidRequestError

ROWS = {"name": ["Ada", "Grace"], "age": [36, None]}
CSV = LoadOptions(format="csv")


def content(upload: FileUpload) -> bytes:
    """Read all of it."""
    pieces = upload.pieces()
    assert isinstance(pieces, Iterable)
    return b"".join(pieces)


def test_a_path_says_its_format_and_its_size(tmp_path: Path) -> None:
    """Format and compression follow from the name, and the size is announced."""
    file = tmp_path / "Person.csv.gz"
    file.write_bytes(b"12345")
    for source in (file, str(file)):
        upload = upload_of(source, LoadOptions())
        assert upload.media_type == "text/csv"
        assert upload.headers == {"Content-Encoding": "gzip", "Content-Length": "5"}
        assert (content(upload), content(upload)) == (b"12345", b"12345")


def test_an_open_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    """A file can be sent again from the same place; one that cannot go back is sent once."""
    file = tmp_path / "Person.ndjson"
    file.write_bytes(b"skipped{}\n")
    with file.open("rb") as opened:
        opened.seek(7)
        upload = upload_of(opened, LoadOptions())
        assert upload.media_type == "application/x-ndjson"
        assert (content(upload), content(upload)) == (b"{}\n", b"{}\n")
    pipe = io.BytesIO(b"a\n1\n")
    pipe.seekable = lambda: False  # pyright: ignore[reportAttributeAccessIssue]
    spent = upload_of(pipe, CSV)
    assert spent.repeatable
    assert content(spent) == b"a\n1\n"
    assert not spent.repeatable


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    """A file that gives text says how to open it."""
    with pytest.raises(InvalidRequestError, match="'rb'"):
        content(upload_of(io.StringIO("a\n1\n"), CSV))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "source",
    [
        pa.table(ROWS),
        pa.table(ROWS).to_reader(),
        pa.record_batch(ROWS),
        pd.DataFrame(ROWS),
        pl.DataFrame(ROWS),
        QueryResult(
            ["name", "age"],
            ["STRING", "INT64"],
            [{"name": "Ada", "age": 36}, {"name": "Grace", "age": None}],
            truncated=False,
            execution_time_ms=1,
        ),
    ],
    ids=["table", "reader", "batch", "pandas", "polars", "result"],
)
def test_tables_are_sent_as_parquet(source: Any) -> None:
    """Whatever speaks the Arrow C stream interface becomes the same rows in Parquet."""
    upload = upload_of(source, LoadOptions())
    assert upload.media_type == "application/vnd.apache.parquet"
    found = pq.read_table(io.BytesIO(content(upload))).select(["name", "age"]).to_pydict()
    assert found["name"] == ["Ada", "Grace"]
    assert found["age"] in ([36, None], [36.0, None])


def test_a_large_table_is_sent_a_group_of_rows_at_a_time() -> None:
    """The content comes in pieces, each far smaller than the whole."""
    table = pa.table({"i": pa.array(range(1_000_000), pa.int64())})
    upload = upload_of(table, LoadOptions())
    pieces = upload.pieces()
    assert isinstance(pieces, Iterable)
    sizes = [len(piece) for piece in pieces]
    assert len(sizes) > 10
    assert max(sizes) < sum(sizes) / 5
    assert upload.repeatable
    assert not upload_of(table.to_reader(), LoadOptions()).again


def test_rows_are_sent_as_lines() -> None:
    """Mappings become NDJSON, with dates, decimals and bytes as the server reads them."""
    rows = [{"d": dt.date(2020, 1, 2), "m": Decimal("1.50"), "b": b"ab"}, {"d": None}]
    upload = upload_of(rows, LoadOptions())
    assert upload.media_type == "application/x-ndjson"
    lines = [json.loads(line) for line in content(upload).splitlines()]
    assert lines == [{"d": "2020-01-02", "m": "1.50", "b": "YWI="}, {"d": None}]
    assert content(upload)
    spent = upload_of(iter(rows), LoadOptions())
    assert len(content(spent).splitlines()) == 2
    assert not spent.repeatable


async def test_pieces_need_a_format() -> None:
    """Bytes have no name that says what they are."""

    async def later() -> AsyncIterator[bytes]:
        yield b"a\n"

    for source in (b"a\n1\n", iter([b"a\n", b"1\n"]), later()):
        with pytest.raises(InvalidRequestError, match="format"):
            upload_of(source, LoadOptions())
    assert content(upload_of([b"a\n", b"1\n"], CSV)) == b"a\n1\n"
    upload = upload_of(later(), CSV)
    pieces = upload.pieces()
    assert not isinstance(pieces, Iterable)
    assert [piece async for piece in pieces] == [b"a\n"]
    assert not upload.repeatable


@pytest.mark.parametrize("source", [{"name": "Ada"}, 7, None, []])
def test_what_cannot_be_loaded_is_refused(source: Any) -> None:
    """A single row, a number, nothing: the error says what to give."""
    with pytest.raises(InvalidRequestError, match="source"):
        upload_of(source, LoadOptions())


@pytest.mark.parametrize(
    ("name", "table"), [("Entity.parquet", "Entity"), ("a/KNOWS.csv.gz", "KNOWS"), ("P.x.ndjson", "P")]
)
def test_the_table_of_a_file_is_its_name_without_endings(name: str, table: str) -> None:
    """`Entity.parquet` is for `Entity`, compressed or not."""
    assert table_of_file(name) == table
