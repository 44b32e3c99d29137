"""Loading CSV: what is a value, what is null, and which line is broken."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.worker.loading.csv_text import MAX_RECORD_BYTES
from tests.graph_api.unit.loading_support import LoadingGraph, open_graph, refusal


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open one database for the module."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        opened.run(
            "CREATE NODE TABLE T(id INT64 PRIMARY KEY, s STRING, n INT64, d DATE, m DECIMAL(10,2), b BOOL, x DOUBLE)"
        )
        yield opened


@pytest.fixture(autouse=True)
def emptied(graph: LoadingGraph) -> Iterator[None]:
    """Leave the table as it was: empty, and no temporary file."""
    yield
    graph.run("MATCH (n:T) DELETE n")
    assert graph.leftovers() == []


def loaded(graph: LoadingGraph, text: str | bytes, **order: Any) -> list[list[Any]]:
    """Load CSV and return key and text of all rows."""
    graph.load_csv("T", text, **order)
    return graph.run("MATCH (n:T) RETURN n.id, n.s ORDER BY n.id")


def test_columns_are_matched_by_the_names_in_the_header(graph: LoadingGraph) -> None:
    """The order in the file doesn't matter, missing columns are null."""
    report = graph.load_csv("T", "b,x,s,id,m,d\ntrue,1e3,text,7,12.5,2024-02-29\n")
    assert report["columns"] == ["id", "s", "d", "m", "b", "x"]
    assert graph.run("MATCH (n:T) RETURN n.*") == [
        [7, "text", None, dt.date(2024, 2, 29), Decimal("12.50"), True, 1000.0]
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id,s\n1,\n", [[1, None]]),
        ('id,s\n1,""\n', [[1, ""]]),
        ("id,s\n1,NULL\n2,NA\n3,nan\n", [[1, "NULL"], [2, "NA"], [3, "nan"]]),
        ('id,s\n1,"two\nlines"\n2,"two\r\nlines"\n', [[1, "two\nlines"], [2, "two\r\nlines"]]),
        ('id,s\n1,"a ""quoted"" word"\n2,""""\n', [[1, 'a "quoted" word'], [2, '"']]),
        ('id,s\n1,5" pipe\n', [[1, '5" pipe']]),
        ("id,s\n1, spaced \n", [[1, " spaced "]]),
        ("id,s\n1,back\\slash\\n\n", [[1, "back\\slash\\n"]]),
        ("id,s\r\n1,a\r\n2,b\r\n", [[1, "a"], [2, "b"]]),
        ("id,s\r1,a\r2,b\r", [[1, "a"], [2, "b"]]),
        ("id,s\n1,a\n2,b", [[1, "a"], [2, "b"]]),
        ("\n\nid,s\n\n1,a\n\n2,b\n\n", [[1, "a"], [2, "b"]]),
        ('"id","s"\n"1","a"\n', [[1, "a"]]),
        ("id,s\n1,z\u00e9\U0001f600\n", [[1, "z\u00e9\U0001f600"]]),
        ("id,s\n1,nul\x00byte\n", [[1, "nul\x00byte"]]),
        ('id,s\n1,"comma, inside"\n', [[1, "comma, inside"]]),
        ("id,s\n", []),
        ("id,s", []),
    ],
)
def test_text_arrives_as_it_was_written(graph: LoadingGraph, text: str, rows: list[list[Any]]) -> None:
    """Nulls, quotes, line ends, blanks and bytes."""
    assert loaded(graph, text) == rows


def test_a_byte_order_mark_is_not_part_of_the_first_name(graph: LoadingGraph) -> None:
    """Spreadsheets write one."""
    assert loaded(graph, b"\xef\xbb\xbfid,s\n1,a\n") == [[1, "a"]]


def test_the_same_bytes_further_on_are_text(graph: LoadingGraph) -> None:
    """Also where a data line begins with them."""
    assert loaded(graph, "s,id\n\ufeffa,1\n") == [[1, "\ufeffa"]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^", "\\", " "])
def test_other_delimiters_can_be_given(graph: LoadingGraph, delimiter: str) -> None:
    """Any ASCII character but quotes and line breaks."""
    text = f'id{delimiter}s\n1{delimiter}"a{delimiter}b"\n'
    assert loaded(graph, text, delimiter=delimiter) == [[1, f"a{delimiter}b"]]


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r", "\x00", "é"])
def test_impossible_delimiters_are_refused(graph: LoadingGraph, delimiter: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidRequestError, match="delimiter"):
        graph.load_csv("T", "id,s\n1,a\n", delimiter=delimiter)


def test_values_that_are_not_text_may_be_blank_padded_or_quoted_empty(graph: LoadingGraph) -> None:
    """Writers that quote everything have no other way to say null."""
    graph.load_csv("T", 'id,n,d,m,x,b\n 1 , 5 , 2024-01-01 , 1.5 , .5 , TRUE \n"2","","","","",""\n')
    assert graph.run("MATCH (n:T) RETURN n.n, n.d, n.m, n.x, n.b ORDER BY n.id") == [
        [5, dt.date(2024, 1, 1), Decimal("1.50"), 0.5, True],
        [None] * 5,
    ]


def test_whole_numbers_may_carry_a_zero_fraction(graph: LoadingGraph) -> None:
    """Programs that know no null among whole numbers write 5.0 for 5."""
    graph.load_csv("T", "id,n\n1.0,5.0\n2,+7\n")
    assert graph.run("MATCH (n:T) RETURN n.id, n.n ORDER BY n.id") == [[1, 5], [2, 7]]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", "5.5"),
        ("n", "9223372036854775808"),
        ("n", "five"),
        ("n", "1e3"),
        ("d", "2024-02-30"),
        ("d", "1/2/2024"),
        ("m", "1.005"),
        ("m", "123456789.00"),
        ("m", "1e1000000000"),
        ("m", "nan"),
        ("x", "1e400"),
        ("x", "1,5"),
        ("b", "yes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_row(graph: LoadingGraph, column: str, value: str) -> None:
    """Nothing is rounded, cut or guessed."""
    error = refusal(graph.load_csv, "T", f'id,{column}\n1,\n\n2,"{value}"\n')
    assert error.context["row"] == 2
    assert error.context["column"] == column
    assert error.context["value"] == repr(value)
    assert value in error.detail
    assert graph.count("T") == 0


def test_a_line_with_too_few_or_too_many_fields_is_refused_with_its_line(graph: LoadingGraph) -> None:
    """The physical line counts, also behind a value with line breaks."""
    error = refusal(graph.load_csv, "T", 'id,s\n1,"a\nb"\n\n2\n')
    assert "Line 5 (row 2) has 1 fields, but there are 2 columns" in error.detail
    assert (error.context["line"], error.context["row"]) == (5, 2)
    assert "Line 3 (row 2) has 3 fields" in refusal(graph.load_csv, "T", "id,s\n1,a\n2,b,c\n").detail


@pytest.mark.parametrize("tail", ['2,"never closed\n3,c\n', '2,"closed"early\n3,c\n', '2,"a"b"\n', '2,"x""\n', '2,"'])
def test_broken_quoting_is_refused_with_its_line(graph: LoadingGraph, tail: str) -> None:
    """A quote that is never closed would swallow the rest of the file."""
    error = refusal(graph.load_csv, "T", f'id,s\n1,"fine"\n{tail}')
    assert error.context["line"] == 3
    assert error.context["reason"] == "quoting"


def test_text_that_is_not_utf8_is_refused_with_its_row(graph: LoadingGraph) -> None:
    """Latin-1 is not guessed; UTF-16 is named."""
    error = refusal(graph.load_csv, "T", b"id,s\n1,fine\n2,caf\xe9\n")
    assert "Row 2, column 's'" in error.detail
    assert "not UTF-8" in error.detail
    assert "UTF-16" in refusal(graph.load_csv, "T", "id,s\n1,a\n".encode("utf-16")).detail
    assert "header" in refusal(graph.load_csv, "T", b"id,caf\xe9\n1,a\n").detail


def test_a_file_without_header_is_refused(graph: LoadingGraph) -> None:
    """Without names nothing can be matched; a data line in its place gives unknown columns."""
    assert refusal(graph.load_csv, "T", b"").context["reason"] == "no_header"
    assert refusal(graph.load_csv, "T", b"\n\n").context["reason"] == "no_header"
    assert refusal(graph.load_csv, "T", b"1,text\n2,text\n").context["reason"] == "missing_key"
    assert "more than one column 's'" in refusal(graph.load_csv, "T", "id,s,s\n1,a,b\n").detail


def test_unknown_columns_can_be_left_out(graph: LoadingGraph) -> None:
    """Their values aren't even looked at."""
    text = b"id,zz,s\n1,\xff,a\n"
    assert refusal(graph.load_csv, "T", text).context["columns"] == ["zz"]
    report = graph.load_csv("T", text, ignore_unknown_columns=True)
    assert (report["columns"], report["ignored_columns"]) == (["id", "s"], ["zz"])


def test_a_null_key_is_refused_with_its_row(graph: LoadingGraph) -> None:
    """A key that was left empty."""
    error = refusal(graph.load_csv, "T", "id,s\n1,a\n,b\n")
    assert (error.context["row"], error.context["column"], error.context["reason"]) == (2, "id", "missing_value")


def test_many_blocks_are_one_file(graph: LoadingGraph) -> None:
    """Rows are numbered across the pieces in which a large file is read."""
    lines = [f'{i},"some longer text\nin two lines {i}",{i}' for i in range(700_000)]
    lines[650_000] = '650000,"x",wrong'
    text = "id,s,n\n" + "\n".join(lines) + "\n"
    assert len(text) > 20 << 20
    error = refusal(graph.load_csv, "T", text)
    assert (error.context["row"], error.context["value"]) == (650_001, "'wrong'")
    assert graph.load_csv("T", text.replace("wrong", "1"))["rows_loaded"] == 700_000


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_long_record_between_short_ones_is_read(graph: LoadingGraph, quote: str) -> None:
    """Each row arrives once, those before the long one and those behind it."""
    rows = [f"{i},short" for i in range(400_000)]
    rows[300_000] = f"300000,{quote}{'x' * (9 << 20)}{quote}"
    assert graph.load_csv("T", "id,s\n" + "\n".join(rows))["rows_loaded"] == 400_000
    assert graph.run("MATCH (n:T) WHERE size(n.s) > 5 RETURN n.id, size(n.s)") == [[300_000, 9 << 20]]


def test_a_record_that_is_too_long_is_refused(graph: LoadingGraph) -> None:
    """The limit is named."""
    error = refusal(graph.load_csv, "T", "id,s\n1," + "x" * (2 * MAX_RECORD_BYTES + 1000) + "\n2,a\n")
    assert error.context["reason"] == "record_too_long"


def test_thousands_of_columns_are_read(graph: LoadingGraph) -> None:
    """Most of them to be left out."""
    names = ",".join(f"c{i}" for i in range(5000))
    values = ",".join(str(i) for i in range(5000))
    text = f"id,{names},s\n1,{values},a\n"
    assert loaded(graph, text, ignore_unknown_columns=True) == [[1, "a"]]


def test_lists_structs_and_maps_are_json_in_csv(graph: LoadingGraph) -> None:
    """Nested values as the query results print them."""
    graph.run(
        "CREATE NODE TABLE Nested(id INT64 PRIMARY KEY, l DATE[], s STRUCT(a INT64, b STRING), m MAP(STRING, DOUBLE))"
    )
    graph.load_csv("Nested", 'id,l,s,m\n1,"[""2024-01-02"", null]","{""a"": 5}","{""k"": 1.5}"\n2,,,\n')
    assert graph.run("MATCH (n:Nested) RETURN n.l, n.s, n.m ORDER BY n.id") == [
        [[dt.date(2024, 1, 2), None], {"a": 5, "b": None}, {"k": 1.5}],
        [None, None, None],
    ]
    error = refusal(graph.load_csv, "Nested", 'id,s\n3,"{""c"": 5}"\n')
    assert error.context["row"] == 1
    assert "unknown field" in error.detail


def test_the_characters_of_hostile_values_are_only_text(graph: LoadingGraph) -> None:
    """What looks like Cypher, or like a formula, is a value."""
    hostile = "') RETURN 1 //"
    assert loaded(graph, f"id,s\n1,{hostile}\n2,=1+1\n") == [[1, hostile], [2, "=1+1"]]
