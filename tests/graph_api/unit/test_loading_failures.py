"""Loads that fail keep nothing, leave nothing, and say what was wrong."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from robosystems.graph_api.backends.lbug.engine import StatementInterrupted
from robosystems.graph_api.domain.errors import InvalidRequestError, QueryCancelledError, QueryTimeoutError
from robosystems.graph_api.worker.loading import Watch, load_file
from tests.graph_api.unit.loading_support import LoadingGraph, load_order, open_graph, refusal

ROWS: Final = 300_000


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadingGraph]:
    """Open one database for the module."""
    with open_graph(tmp_path_factory.mktemp("graph") / "g") as opened:
        opened.run("CREATE NODE TABLE T(id STRING PRIMARY KEY, n INT64)")
        yield opened


@pytest.fixture(autouse=True)
def emptied(graph: LoadingGraph) -> Iterator[None]:
    """Leave the table empty; no transaction and no temporary file may be left."""
    yield
    graph.run("MATCH (n:T) DETACH DELETE n")
    assert graph.leftovers() == []


def ids(count: int, start: int = 0) -> list[str]:
    """Return keys."""
    return [f"id-{number:08d}" for number in range(start, start + count)]


def test_a_duplicate_at_the_end_of_a_large_file_undoes_all_of_it(graph: LoadingGraph) -> None:
    """The rows are named, nothing is kept, and the good file loads afterwards."""
    keys = ids(ROWS)
    path = graph.parquet({"id": [*keys, keys[77]], "n": range(ROWS + 1)}, row_group_size=50_000)
    error = refusal(graph.load, "T", path)
    assert f"Rows 78 and {ROWS + 1} have the same key 'id-00000077'" in error.detail
    assert error.context == {
        "reason": "duplicate_key",
        "column": "id",
        "value": "id-00000077",
        "row": ROWS + 1,
        "first_row": 78,
    }
    assert graph.count("T") == 0
    assert graph.load("T", graph.parquet({"id": keys, "n": range(ROWS)}))["rows_loaded"] == ROWS


def keys_that_lead_astray(graph: LoadingGraph) -> list[str]:
    """Return some keys of table T that the index does not lead to their own row."""
    every = [row[0] for row in graph.run("MATCH (n:T) RETURN n.id ORDER BY n.n")][::997]
    return [
        key
        for key in every
        if graph.run(f"MATCH (n:T {{id: '{key}'}}) RETURN n.id, n.n = {int(key[3:])}") != [[key, True]]
    ]


def test_after_wrong_keys_the_index_is_sound(graph: LoadingGraph) -> None:
    """Keys are checked before the engine sees them: a failed COPY of nodes leads later keys to wrong rows."""
    graph.load("T", graph.parquet({"id": ids(100_000), "n": range(100_000)}))
    reopened = graph.reopened
    for keys in (["id-x", "id-x"], ["id-x", None], ["id-x", "id-00000007"]):
        refusal(graph.load, "T", graph.parquet({"id": pa.array(keys, pa.string()), "n": [1, 2]}))
    assert graph.reopened == reopened
    graph.load("T", graph.parquet({"id": ids(100_000, 100_000), "n": range(100_000, 200_000)}))
    assert keys_that_lead_astray(graph) == []


def test_a_copy_of_nodes_that_failed_asks_for_the_engine_to_be_reopened(graph: LoadingGraph) -> None:
    """For what only the engine can find; reopened, it goes on soundly."""
    graph.load("T", graph.parquet({"id": ids(100_000), "n": range(100_000)}))
    reopened = graph.reopened
    graph.run("CREATE NODE TABLE G(id STRING PRIMARY KEY, s STRING)")
    garbled = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    refusal(graph.load, "G", graph.parquet({"id": ["a", "b"], "s": garbled}))
    assert graph.reopened == reopened + 1
    graph.load("T", graph.parquet({"id": ids(100_000, 100_000), "n": range(100_000, 200_000)}))
    assert keys_that_lead_astray(graph) == []


def test_a_failed_load_of_relationships_needs_no_reopening(tmp_path: Path) -> None:
    """Its rows vanish as they should, also where the nodes fill more than one group of the engine."""
    with open_graph(tmp_path / "g") as graph:
        graph.run("CREATE NODE TABLE T(id STRING PRIMARY KEY, n INT64)")
        graph.run("CREATE REL TABLE R(FROM T TO T, w INT64)")
        graph.load("T", graph.parquet({"id": ids(140_000), "n": range(140_000)}))
        step = range(0, 140_000, 7)
        starts = ids(140_000)[::7]
        good = {"from": starts, "to": [*starts[1:], starts[0]], "w": step}
        bad = {"from": [*starts, "id-x"], "to": [*starts, "id-x"], "w": range(len(starts) + 1)}
        graph.load("R", graph.parquet(good))
        refusal(graph.load, "R", graph.parquet(bad))
        graph.load("R", graph.parquet(good))
        graph.load("T", graph.parquet({"id": ids(100_000, 140_000), "n": range(140_000, 240_000)}))
        assert graph.reopened == 0
        assert keys_that_lead_astray(graph) == []
        found = graph.run("MATCH (a:T)-[r:R]->(b:T) WHERE a.n = r.w AND b.n = (r.w + 7) % 140000 RETURN count(*)")
        assert found == [[2 * len(starts)]]


def test_a_key_that_exists_already_is_named(graph: LoadingGraph) -> None:
    """Nodes are neither replaced nor skipped; those that were there stay as they were."""
    graph.load("T", graph.parquet({"id": ["a", "b"], "n": [1, 2]}))
    for load in (
        lambda: graph.load("T", graph.parquet({"id": ["c", "b"], "n": [3, 4]})),
        lambda: graph.load_csv("T", "id,n\nc,3\nb,4\n"),
        lambda: graph.load_ndjson("T", [{"id": "c"}, {"id": "b"}]),
    ):
        error = refusal(load)
        assert error.context == {"reason": "key_exists", "column": "id", "value": "b", "row": 2}
        assert "table 'T' has the key 'b' already" in error.detail
    assert graph.run("MATCH (n:T) RETURN n.* ORDER BY n.id") == [["a", 1], ["b", 2]]


def test_a_null_key_is_named(graph: LoadingGraph) -> None:
    """In a file that the engine reads itself."""
    error = refusal(graph.load, "T", graph.parquet({"id": pa.array(["a", "b", None]), "n": [1, 2, 3]}))
    assert (error.context["reason"], error.context["row"], error.context["column"]) == ("missing_value", 3, "id")


def test_long_values_are_shortened_in_errors(graph: LoadingGraph) -> None:
    """An error is no place for a megabyte; the rows are found all the same."""
    error = refusal(graph.load_csv, "T", f"id,n\na,{'9' * 100_000}\n")
    assert len(error.detail) < 400
    assert len(str(error.context["value"])) <= 100
    key = "k" * 1000
    error = refusal(graph.load, "T", graph.parquet({"id": [key, key]}))
    assert len(error.detail) < 400
    assert error.context["row"] == 2


def test_an_interrupt_ends_the_load_and_keeps_nothing(graph: LoadingGraph) -> None:
    """Whoever watches the clock stops the engine; the connection goes on working."""
    path = graph.parquet({"id": ids(ROWS), "n": range(ROWS)})
    done = threading.Event()

    def keep_interrupting() -> None:
        while not done.wait(0.005):
            graph.connection.interrupt()

    thread = threading.Thread(target=keep_interrupting)
    thread.start()
    try:
        with pytest.raises(StatementInterrupted):
            graph.load("T", path)
    finally:
        done.set()
        thread.join()
    assert graph.count("T") == 0
    assert graph.load("T", path)["rows_loaded"] == ROWS


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_the_deadline_ends_the_conversion_too(graph: LoadingGraph, form: str) -> None:
    """Where no engine runs that could be interrupted."""
    content = {
        "parquet": graph.parquet({"id": [1]}).read_bytes(),
        "csv": b'id,n\n"a",1\n',
        "ndjson": b'{"id": "a"}\n',
    }[form]
    with pytest.raises(QueryTimeoutError, match="within 0 seconds"):
        graph.load("T", graph.place(content), form, timeout_s=0.0)


def test_whoever_waits_can_end_the_conversion(graph: LoadingGraph) -> None:
    """A cancelled load stops between two batches."""

    def cancelled() -> None:
        raise QueryCancelledError("The load was cancelled.")

    path = graph.place(b"id,n\na,1\n")
    with pytest.raises(QueryCancelledError):
        load_file(graph.connection, load_order("T", path, "csv"), graph.directory, Watch(cancelled))


def test_files_outside_of_the_incoming_directory_are_refused(graph: LoadingGraph, tmp_path: Path) -> None:
    """Neither by another path nor by a link nor by a pattern."""
    outside = tmp_path / "outside"
    outside.write_bytes(graph.parquet({"id": ["a"], "n": [1]}).read_bytes())
    incoming = graph.directory / "incoming"
    link = incoming / "link"
    link.symlink_to(outside)
    inside = incoming / "deeper"
    inside.mkdir()
    (inside / "file").write_bytes(outside.read_bytes())
    starred = incoming / "file*"
    starred.write_bytes(outside.read_bytes())
    for path in (
        outside,
        link,
        incoming / ".." / ".." / "outside",
        incoming / "nothing",
        incoming,
        inside / "file",
        starred,
        Path("/etc/passwd"),
        graph.directory / "graph.lbug",
    ):
        with pytest.raises(InvalidRequestError):
            graph.load("T", path)
    assert graph.count("T") == 0


def test_an_unknown_format_is_refused(graph: LoadingGraph) -> None:
    """The error names the known ones."""
    with pytest.raises(InvalidRequestError, match="use one of parquet, arrow, csv, ndjson"):
        graph.load("T", graph.place(b"x"), "xlsx")


def test_a_file_without_any_column_of_the_table_is_refused(graph: LoadingGraph) -> None:
    """Numbering alone fills no row."""
    graph.run("CREATE NODE TABLE OnlyNumbers(id SERIAL PRIMARY KEY)")
    error = refusal(graph.load, "OnlyNumbers", graph.parquet({"x": [1]}), ignore_unknown_columns=True)
    assert error.context["reason"] == "no_columns"


def test_no_failure_leaves_a_transaction_open(graph: LoadingGraph) -> None:
    """After each kind of failure the connection begins a transaction as if nothing had been."""
    for text in ("id,n\na,1\na,2\n", "id,n\na,x\n", "id,zz\na,1\n", "id,n\n,1\n", ""):
        refusal(graph.load_csv, "T", text)
        graph.run("BEGIN TRANSACTION")
        graph.run("ROLLBACK")


def test_the_loaded_file_stays_where_it_was(graph: LoadingGraph) -> None:
    """It belongs to whoever put it there."""
    path = graph.place(b"id,n\na,1\n")
    graph.load("T", path, "csv")
    assert path.read_bytes() == b"id,n\na,1\n"
