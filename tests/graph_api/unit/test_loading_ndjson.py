"""Loading NDJSON: one object per line, numbers exact, and errors that name the line."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from robosystems.graph_api.worker.loading.ndjson_file import MAX_LINE_BYTES
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph, refusal


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open one database for the module."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        opened.run("CREATE NODE TABLE T(id INT64 PRIMARY KEY, s STRING, n INT32 DEFAULT 7, m DECIMAL(30,12), u UINT64)")
        yield opened


@pytest.fixture(autouse=True)
def emptied(graph: LoadingGraph) -> Iterator[None]:
    """Leave the table as it was: empty, and no temporary file."""
    yield
    graph.run("MATCH (n:T) DELETE n")
    assert graph.leftovers() == []


def rows(graph: LoadingGraph, columns: str) -> list[list[Any]]:
    """Return columns of all rows."""
    return graph.run(f"MATCH (n:T) RETURN {columns} ORDER BY n.id")


def test_missing_keys_are_null(graph: LoadingGraph) -> None:
    """A column that no object has gets its default; one that some have is null elsewhere."""
    report = graph.load_ndjson("T", [{"id": 1, "s": "a"}, {"s": "b", "id": 2}, {"id": 3}])
    assert report["columns"] == ["id", "s"]
    assert rows(graph, "n.id, n.s, n.n") == [[1, "a", 7], [2, "b", 7], [3, None, 7]]
    graph.load_ndjson("T", [{"id": 4, "n": 5}, {"id": 5}, {"id": 6, "n": None}])
    assert rows(graph, "n.n")[3:] == [[5], [None], [None]]


def test_numbers_are_exact(graph: LoadingGraph) -> None:
    """Integers of 64 bits and decimals digit by digit."""
    graph.load_ndjson(
        "T",
        b'{"id": 9223372036854775807, "u": 18446744073709551615, "m": 123456789012345678.000000000001}\n'
        b'{"id": -9223372036854775808, "u": 0, "m": "0.1"}\n{"id": 2.0, "n": 3.0, "m": 1e3}\n',
    )
    assert rows(graph, "n.id, n.u, n.m") == [
        [-(2**63), 0, Decimal("0.1")],
        [2, None, Decimal(1000)],
        [2**63 - 1, 2**64 - 1, Decimal("123456789012345678.000000000001")],
    ]


def test_every_type_can_be_loaded(graph: LoadingGraph) -> None:
    """Each column type in its JSON form."""
    graph.run(
        "CREATE NODE TABLE A(id STRING PRIMARY KEY, b BOOL, i INT128, f FLOAT, x DOUBLE, d DATE, t TIMESTAMP, "
        "z TIMESTAMP_TZ, u UUID, v INTERVAL, o BLOB, j JSON, l INT64[], e FLOAT[3], r STRUCT(a INT64, b DATE), "
        "m MAP(STRING, INT64[]), k MAP(INT64, STRING))"
    )
    value = {
        "id": "x", "b": True, "i": 2**100, "f": 1.5, "x": 1, "d": "2024-01-02", "t": "2024-01-02T03:04:05.000006",
        "z": "2024-01-02T03:04:05+01:00", "u": "00000000-0000-0000-0000-000000000005", "v": "2 days", "o": "AP8=",
        "j": {"deep": [1, {"x": None}]}, "l": [1, None], "e": [1, 2, 3], "r": {"b": "2024-01-02"},
        "m": {"k": [1, 2], "q": None}, "k": {"5": "five"},
    }  # fmt: skip
    graph.load_ndjson("A", [value, {"id": "nothing"}, {**dict.fromkeys(value), "id": "nulls"}])
    found = graph.run("MATCH (n:A) RETURN n.* ORDER BY n.id DESC")
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001 - a time without zone is the point
    assert found[0] == [
        "x", True, Decimal(2**100), 1.5, 1.0, dt.date(2024, 1, 2), moment,
        dt.datetime(2024, 1, 2, 2, 4, 5, tzinfo=dt.UTC), UUID(int=5), dt.timedelta(2), b"\x00\xff",
        '{"deep":[1,{"x":null}]}', [1, None], [1.0, 2.0, 3.0], {"a": None, "b": dt.date(2024, 1, 2)},
        {"k": [1, 2], "q": None}, {5: "five"},
    ]  # fmt: skip
    assert found[1][1:] == found[2][1:] == [None] * 16


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('{"id": 2, "s": 5}', "s"),
        ('{"id": 2, "n": "5"}', "n"),
        ('{"id": 2, "n": true}', "n"),
        ('{"id": 2, "n": 5.5}', "n"),
        ('{"id": 2, "n": 2147483648}', "n"),
        ('{"id": 2, "u": -1}', "u"),
        ('{"id": 2, "m": 0.0000000000001}', "m"),
        ('{"id": 2, "m": 1e1000000000}', "m"),
        ('{"id": 2, "m": "x"}', "m"),
        ('{"id": 9223372036854775808}', "id"),
        ('{"id": null}', "id"),
        ('{"s": "no key"}', "id"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_row(graph: LoadingGraph, line: str, column: str) -> None:
    """Text is no number, and a number no text."""
    error = refusal(graph.load_ndjson, "T", f'{{"id": 1}}\n{line}\n'.encode())
    assert (error.context["row"], error.context["column"]) == (2, column)
    assert graph.count("T") == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 2',
        "{'id': 2}",
        '{"id": 2,}',
        '{"id": 2} {"id": 3}',
        "[2]",
        "2",
        "null",
        '{"id": NaN}',
        "x",
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_object_is_refused_with_its_number(graph: LoadingGraph, line: str) -> None:
    """The physical line counts."""
    error = refusal(graph.load_ndjson, "T", f'{{"id": 1}}\n\n{line}\n{{"id": 4}}\n'.encode())
    assert (error.context["line"], error.context["row"]) == (3, 2)


def test_unknown_keys_are_refused_by_name_or_left_out(graph: LoadingGraph) -> None:
    """Wherever they appear, and inside of structs too."""
    lines: list[object] = [{"id": 1}, {"id": 2, "S": "a", "s": "b"}, {"id": 3, "zz": {"deep": 1}}]
    error = refusal(graph.load_ndjson, "T", lines)
    assert error.detail.startswith("Line 2: The file has columns that table 'T' does not take: 'S' (the table has 's'")
    report = graph.load_ndjson("T", lines, ignore_unknown_columns=True)
    assert (report["rows_loaded"], set(report["ignored_columns"])) == (3, {"S", "zz"})
    graph.run("CREATE NODE TABLE R(id INT64 PRIMARY KEY, r STRUCT(a INT64))")
    error = refusal(graph.load_ndjson, "R", [{"id": 1, "r": {"a": 1, "c": 2}}])
    assert "unknown field" in error.detail
    assert error.context["line"] == 1


def test_a_json_array_is_pointed_out(graph: LoadingGraph) -> None:
    """The most common confusion."""
    assert "one object per line" in refusal(graph.load_ndjson, "T", b'[{"id": 1}, {"id": 2}]').detail


def test_bytes_around_the_lines_do_not_matter(graph: LoadingGraph) -> None:
    """A byte order mark, CRLF, empty lines, a last line without end."""
    report = graph.load_ndjson("T", b'\xef\xbb\xbf{"id": 1}\r\n\r\n  \n{"id": 2}\n\n{"id": 3}')
    assert report["rows_loaded"] == 3
    assert graph.load_ndjson("T", b"")["rows_loaded"] == 0
    assert graph.load_ndjson("T", b"\n\n")["rows_loaded"] == 0


def test_text_arrives_as_it_was_escaped(graph: LoadingGraph) -> None:
    """Escapes, control characters and characters outside of the first plane; half a pair is refused."""
    graph.load_ndjson("T", b'{"id": 1, "s": "\\ud83d\\ude00 \\u0000 \\n \\" \xc3\xa9"}\n{"id": 2, "s": ""}\n')
    assert rows(graph, "n.s") == [['\U0001f600 \x00 \n " \u00e9'], [""]]
    assert refusal(graph.load_ndjson, "T", b'{"id": 3, "s": "\\ud800"}\n').context["line"] == 1
    assert "UTF-8" in refusal(graph.load_ndjson, "T", b'{"id": 3, "s": "\xff"}\n').detail


def test_the_needed_columns_are_missed_in_the_first_object(graph: LoadingGraph) -> None:
    """With the same advice as for other files."""
    assert "lacks column 'id', the key" in refusal(graph.load_ndjson, "T", [{"ID": 1}]).detail
    graph.run("CREATE REL TABLE E(FROM T TO T)")
    assert "give from_column=src" in refusal(graph.load_ndjson, "E", [{"src": 1, "dst": 2}]).detail


def test_many_blocks_are_one_file(graph: LoadingGraph) -> None:
    """Lines and rows are numbered across the pieces in which a large file is read."""
    lines: list[object] = [{"id": i, "s": "some longer text " * 5} for i in range(100_000)]
    assert graph.load_ndjson("T", lines)["rows_loaded"] == 100_000
    lines = [{"id": -1 - i, "s": "some longer text " * 5} for i in range(100_000)]
    lines[90_000] = {"id": 5.5}
    assert refusal(graph.load_ndjson, "T", lines).context["row"] == 90_001
    lines[90_000] = {"id": "5"}
    assert refusal(graph.load_ndjson, "T", lines).context["line"] == 90_001
    assert graph.count("T") == 100_000


def test_a_long_line_is_read_and_one_that_is_too_long_refused(graph: LoadingGraph) -> None:
    """Larger than a block, but within the limit; beyond it the limit is named."""
    graph.load_ndjson("T", [{"id": 1, "s": "x" * (5 << 20)}, {"id": 2}])
    assert graph.run("MATCH (n:T {id: 1}) RETURN size(n.s)") == [[5 << 20]]
    error = refusal(graph.load_ndjson, "T", b'{"id": 3, "s": "' + b"x" * (2 * MAX_LINE_BYTES) + b'"}\n')
    assert error.context["reason"] == "line_too_long"
