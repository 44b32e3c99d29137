"""Loading Parquet files: columns by name, and values exactly as they were, whoever wrote the file."""

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.domain.errors import LoadError, TableNotFoundError
from robosystems.graph_api.worker.loading.parquet_file import ParquetSource, open_parquet, read_batches
from robosystems.graph_api.worker.loading.target import read_target
from tests.graph_api.unit.loading_support import LoadingGraph, load_order, open_graph, refusal

UTC = dt.UTC
NOON = dt.datetime(2024, 5, 6, 12, 0, 0, 123456)  # noqa: DTZ001 - times without zone are the point


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open one database for the module; tests make tables of their own."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        yield opened


def reads_it_itself(graph: LoadingGraph, table: str, path: Path) -> bool:
    """Tell whether the engine is given the file as it is."""
    order = load_order(table, path)
    return ParquetSource.open(path, order, read_target(graph.connection, order)).casts_if_read_by_engine() is not None


def test_columns_are_matched_by_name_and_never_by_position(graph: LoadingGraph) -> None:
    """Swapped columns arrive where their names say."""
    graph.run("CREATE NODE TABLE Swapped(id STRING PRIMARY KEY, name STRING, age INT64)")
    path = graph.parquet({"age": [1, 2], "name": ["n1", "n2"], "id": ["k1", "k2"]})
    assert reads_it_itself(graph, "Swapped", path)
    report = graph.load("Swapped", path)
    assert graph.run("MATCH (n:Swapped) RETURN n.* ORDER BY n.id") == [["k1", "n1", 1], ["k2", "n2", 2]]
    assert (report["table"], report["rows_loaded"]) == ("Swapped", 2)
    assert report["columns"] == ["id", "name", "age"]
    assert report["ignored_columns"] == []
    assert report["execution_time_ms"] > 0


def test_unknown_columns_are_named_with_the_columns_of_the_table(graph: LoadingGraph) -> None:
    """A column that the table lacks stops the load, unless it is to be ignored."""
    graph.run("CREATE NODE TABLE Known(id INT64 PRIMARY KEY, name STRING)")
    path = graph.parquet({"id": [1], "Name": ["x"], "surplus": [Decimal("1.5")]})
    error = refusal(graph.load, "Known", path)
    assert "'Name' (the table has 'name': case counts)" in error.detail
    assert "'surplus'" in error.detail
    assert "It takes 'id', 'name'" in error.detail
    assert error.context["columns"] == ["Name", "surplus"]
    report = graph.load("Known", path, ignore_unknown_columns=True)
    assert (report["columns"], report["ignored_columns"]) == (["id"], ["Name", "surplus"])
    assert graph.run("MATCH (n:Known) RETURN n.*") == [[1, None]]


def test_a_missing_key_column_is_an_error(graph: LoadingGraph) -> None:
    """Without its key no node can be loaded; a name in another case is pointed out."""
    graph.run("CREATE NODE TABLE Keyed(id INT64 PRIMARY KEY, name STRING)")
    assert "lacks column 'id', the key" in refusal(graph.load, "Keyed", graph.parquet({"name": ["x"]})).detail
    assert "It has 'ID'" in refusal(graph.load, "Keyed", graph.parquet({"ID": [1]})).detail


def test_repeated_columns_are_refused(graph: LoadingGraph) -> None:
    """Two columns of one name can't be matched by name."""
    graph.run("CREATE NODE TABLE Repeated(id INT64 PRIMARY KEY)")
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    assert "more than one column 'id'" in refusal(graph.load, "Repeated", graph.parquet(table)).detail


def test_a_table_that_does_not_exist_is_not_found(graph: LoadingGraph) -> None:
    """The error points at a table whose name differs in case."""
    graph.run("CREATE NODE TABLE Cased(id INT64 PRIMARY KEY)")
    with pytest.raises(TableNotFoundError, match="There is 'Cased'"):
        graph.load("cased", graph.parquet({"id": [1]}))
    with pytest.raises(TableNotFoundError, match="no table 'x` DROP'"):
        graph.load("x` DROP", graph.parquet({"id": [1]}))


def test_missing_columns_become_null_or_their_default(graph: LoadingGraph) -> None:
    """Defaults have the column's own type: the engine's COPY alone gives 7, 0, 7, 0 for INT32 DEFAULT 7."""
    graph.run(
        "CREATE NODE TABLE Defaulted(id INT64 PRIMARY KEY, plain STRING, a INT32 DEFAULT 7, b DOUBLE DEFAULT 5, "
        "c STRING DEFAULT 'it\\'s', d DECIMAL(10,2) DEFAULT CAST('1.5' AS DECIMAL(10,2)), e BOOL DEFAULT true, "
        "f UUID DEFAULT gen_random_uuid(), g DATE DEFAULT date('2024-01-02'), h UINT8 DEFAULT 9, j SERIAL, "
        "k DATE DEFAULT current_date())"
    )
    count = 5000
    graph.load("Defaulted", graph.parquet({"id": range(count)}))
    rows = graph.run(
        "MATCH (n:Defaulted) RETURN DISTINCT n.plain, n.a, n.b, n.c, n.d, n.e, n.g, n.h, n.k = current_date()"
    )
    assert rows == [[None, 7, 5.0, "it's", Decimal("1.50"), True, dt.date(2024, 1, 2), 9, True]]
    assert graph.run("MATCH (n:Defaulted) RETURN count(DISTINCT n.f), count(DISTINCT n.j)") == [[count, count]]


def test_a_computed_default_is_refused_rather_than_guessed(graph: LoadingGraph) -> None:
    """A default that is an expression can't be applied; with the column in the file it isn't needed."""
    graph.run("CREATE NODE TABLE Computed(id INT64 PRIMARY KEY, a INT64 DEFAULT 1+1)")
    error = refusal(graph.load, "Computed", graph.parquet({"id": [1]}))
    assert "'a', whose default is computed" in error.detail
    assert graph.load("Computed", graph.parquet({"id": [1], "a": [5]}))["rows_loaded"] == 1


def test_nulls_in_the_file_stay_null_where_the_column_has_a_default(graph: LoadingGraph) -> None:
    """A default is for what the file does not have, not for what it has as null."""
    graph.run("CREATE NODE TABLE Nulled(id INT64 PRIMARY KEY, a INT32 DEFAULT 7)")
    graph.load("Nulled", graph.parquet({"id": [1], "a": pa.array([None], pa.int32())}))
    graph.load("Nulled", graph.parquet({"id": [2], "a": pa.nulls(1)}))
    assert graph.run("MATCH (n:Nulled) RETURN n.*") == [[1, None], [2, None]]


def test_columns_that_the_database_numbers_are_refused(graph: LoadingGraph) -> None:
    """Own numbers in a SERIAL column would collide with later ones."""
    graph.run("CREATE NODE TABLE Numbered(id SERIAL PRIMARY KEY, name STRING)")
    assert (
        "numbered by the database" in refusal(graph.load, "Numbered", graph.parquet({"id": [5], "name": ["x"]})).detail
    )
    graph.load("Numbered", graph.parquet({"name": ["x", "y"]}))
    assert graph.run("MATCH (n:Numbered) RETURN n.* ORDER BY n.id") == [[0, "x"], [1, "y"]]


ENCODINGS: list[tuple[Any, str]] = [
    (pa.int64(), "DELTA_BINARY_PACKED"),
    (pa.int32(), "DELTA_BINARY_PACKED"),
    (pa.string(), "DELTA_BYTE_ARRAY"),
    (pa.string(), "DELTA_LENGTH_BYTE_ARRAY"),
    (pa.float64(), "BYTE_STREAM_SPLIT"),
]


@pytest.mark.parametrize(("kind", "encoding"), ENCODINGS, ids=str)
def test_encodings_that_the_engine_misreads_are_converted_first(graph: LoadingGraph, kind: Any, encoding: str) -> None:
    """The engine returns wrong integers for delta encodings, silently, and fails on the others."""
    name = f"Encoded{ENCODINGS.index((kind, encoding))}"
    column = {pa.string(): "STRING", pa.float64(): "DOUBLE", pa.int32(): "INT32"}.get(kind, "INT64")
    graph.run(f"CREATE NODE TABLE {name}(id INT64 PRIMARY KEY, v {column})")
    numbers = [(7919 * i * i + 13) % 2_000_003 - 1_000_000 for i in range(60_000)]
    values = pa.array([str(n) if kind == pa.string() else n for n in numbers]).cast(kind)
    path = graph.parquet(
        {"id": range(60_000), "v": values}, use_dictionary=False, column_encoding={"id": "PLAIN", "v": encoding}
    )
    assert not reads_it_itself(graph, name, path)
    graph.load(name, path)
    assert [row[0] for row in graph.run(f"MATCH (n:{name}) RETURN n.v ORDER BY n.id")] == values.to_pylist()


@pytest.mark.parametrize("options", [{"compression": "lz4"}, {"use_deprecated_int96_timestamps": True}], ids=str)
def test_files_outside_of_what_was_proven_are_converted_first(graph: LoadingGraph, options: dict[str, Any]) -> None:
    """Other compressions and old timestamps arrive all the same."""
    name = f"Unproven{len(options['compression']) if 'compression' in options else 0}"
    graph.run(f"CREATE NODE TABLE {name}(id INT64 PRIMARY KEY, t TIMESTAMP)")
    path = graph.parquet({"id": [1, 2], "t": pa.array([NOON, None], pa.timestamp("us"))}, **options)
    assert not reads_it_itself(graph, name, path)
    graph.load(name, path)
    assert graph.run(f"MATCH (n:{name}) RETURN n.t ORDER BY n.id") == [[NOON], [None]]


def test_names_that_differ_in_case_only_are_told_apart(graph: LoadingGraph) -> None:
    """The engine can't read such a file itself; the right column is loaded nevertheless."""
    graph.run("CREATE NODE TABLE Twins(id INT64 PRIMARY KEY, name STRING)")
    graph.load("Twins", graph.parquet({"id": [1], "Name": ["no"], "name": ["yes"]}), ignore_unknown_columns=True)
    assert graph.run("MATCH (n:Twins) RETURN n.name") == [["yes"]]


def test_hostile_column_names_are_only_names(graph: LoadingGraph) -> None:
    """Quotes, backticks and keywords in names change no statement."""
    graph.run("CREATE NODE TABLE Odd(id INT64 PRIMARY KEY, `a b` STRING, `x'``y` STRING, `return` STRING)")
    graph.load("Odd", graph.parquet({"id": [1], "a b": ["1"], "x'`y": ["2"], "return": ["3"]}))
    assert graph.run("MATCH (n:Odd) RETURN n.*") == [[1, "1", "2", "3"]]
    error = refusal(graph.load, "Odd", graph.parquet({"id": [2], "q`) RETURN 1 //": ["x"], "\x00": ["y"]}))
    assert error.context["columns"] == ["q`) RETURN 1 //", "\x00"]


def test_a_damaged_file_is_named_as_one(graph: LoadingGraph) -> None:
    """No Parquet at all, a cut file and a file with a broken page are errors; nothing is kept."""
    graph.run("CREATE NODE TABLE Damaged(id INT64 PRIMARY KEY, s STRING)")
    good = graph.parquet(
        {"id": range(50_000), "s": [f"text {i}" for i in range(50_000)]}, compression="zstd"
    ).read_bytes()
    broken = bytearray(good)
    broken[200:2000] = bytes(1800)
    for content in (b"", b"hello", b"PAR1xxxxPAR1", good[:-20], good[: len(good) // 2], bytes(broken)):
        assert isinstance(refusal(graph.load, "Damaged", graph.place(content)), LoadError)
    assert graph.count("Damaged") == 0
    assert graph.leftovers() == []
    assert graph.load("Damaged", graph.place(good))["rows_loaded"] == 50_000


def test_text_that_is_not_utf8_is_refused_with_its_row(graph: LoadingGraph) -> None:
    """Such text could be stored, but never be sent to a client."""
    graph.run("CREATE NODE TABLE Garbled(id INT64 PRIMARY KEY, s STRING)")
    garbled = pa.Array.from_buffers(pa.string(), 3, pa.array([b"fine", b"ok", b"\xff\xfe"]).buffers())
    error = refusal(graph.load, "Garbled", graph.parquet({"id": [1, 2, 3], "s": garbled}))
    assert (error.context["row"], error.context["column"]) == (3, "s")


def test_an_empty_file_loads_nothing(graph: LoadingGraph) -> None:
    """No rows are no error."""
    graph.run("CREATE NODE TABLE Empty(id INT64 PRIMARY KEY)")
    assert graph.load("Empty", graph.parquet({"id": pa.array([], pa.int64())}))["rows_loaded"] == 0


def test_wide_rows_are_read_in_small_batches(graph: LoadingGraph) -> None:
    """A batch is bounded in bytes, not only in rows."""
    path = graph.parquet({"s": [chr(97 + i % 26) * 1_000_000 + str(i) for i in range(100)]}, compression="none")
    sizes = [batch.nbytes for batch in read_batches(open_parquet(path), ["s"])]
    assert len(sizes) > 2
    assert max(sizes) < 64 << 20


def test_records_of_public_companies_load_as_they_are(graph: LoadingGraph) -> None:
    """Text columns with many nulls, and wholly null ones, as filings have them."""
    graph.run(
        "CREATE NODE TABLE Entity(identifier STRING PRIMARY KEY, cik STRING, name STRING, exchange STRING, "
        "is_parent BOOLEAN, parent_entity_id STRING, created_at STRING)"
    )
    rows = 2000
    table = pa.table(
        {
            "identifier": [f"0000{i:06d}" for i in range(rows)],
            "cik": [f"{i:010d}" for i in range(rows)],
            "name": pa.array([f"Company {i} LLP" for i in range(rows)]).dictionary_encode(),
            "exchange": pa.array(["Nasdaq" if i % 3 else None for i in range(rows)], pa.large_string()),
            "is_parent": [i % 7 == 0 for i in range(rows)],
            "parent_entity_id": pa.nulls(rows, pa.string()),
            "created_at": ["2024-01-01T00:00:00Z"] * rows,
        }
    )
    path = graph.parquet(table, row_group_size=300)
    assert reads_it_itself(graph, "Entity", path)
    assert graph.load("Entity", path)["rows_loaded"] == rows
    assert graph.run("MATCH (n:Entity) WHERE n.exchange IS NULL RETURN count(*)") == [[667]]
    assert graph.run("MATCH (n:Entity {identifier: '0000000007'}) RETURN n.cik, n.is_parent, n.name") == [
        ["0000000007", True, "Company 7 LLP"]
    ]
    assert pq.ParquetFile(path).metadata.num_row_groups > 1


def test_uuids_in_the_parquet_type_arrive(graph: LoadingGraph) -> None:
    """UUIDs as 16 bytes, with and without Parquet's own type."""
    graph.run("CREATE NODE TABLE Ids(id UUID PRIMARY KEY)")
    known = [uuid.UUID(int=5), uuid.UUID(int=2**128 - 1)]
    raw = pa.array([value.bytes for value in known], pa.binary(16))
    graph.load("Ids", graph.parquet({"id": pa.ExtensionArray.from_storage(pa.uuid(), raw.slice(0, 1))}))
    graph.load("Ids", graph.parquet({"id": raw.slice(1, 1)}))
    assert sorted(row[0] for row in graph.run("MATCH (n:Ids) RETURN n.id")) == known
