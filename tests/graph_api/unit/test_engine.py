"""The engine behind `backends.lbug.engine`: both bindings, plans and the schema, results, interrupts."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from robosystems.graph_api.backends.lbug.engine import (
    Engine,
    EngineConfig,
    EngineConnection,
    StatementInterrupted,
    native_binding,
    signature,
)
from robosystems.graph_api.backends.lbug.engine_values import EngineDecimal
from robosystems.graph_api.domain.errors import (
    DatabaseBrokenError,
    GraphApiError,
    InvalidParameterError,
    QueryMemoryExceededError,
    StatementError,
)
from robosystems.graph_api.worker.arrow import arrow

_TABLE = "CREATE NODE TABLE P(id INT64, v INT64, PRIMARY KEY(id))"
_LOOKUP = "MATCH (p:P {id: $i}) RETURN p.v"


def _config(path: Path, **options: int) -> EngineConfig:
    return EngineConfig(
        path=path / "graph.lbug", **({"buffer_pool_bytes": 64 << 20, "max_db_bytes": 1 << 33} | options)
    )


@pytest.fixture(params=[False, True], ids=["private", "public"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Open a database through the binding's private classes, and again through its public ones."""
    with Engine.open(_config(tmp_path), public_only=request.param) as engine:
        yield engine


@pytest.fixture
def connection(engine: Engine) -> Iterator[EngineConnection]:
    """Connect to the database."""
    connection = engine.connect()
    yield connection
    connection.close()


def _rows(connection: EngineConnection, text: str, **parameters: object) -> list[list[object]]:
    with connection.run(text, parameters) as result:
        return list(result.rows())


def test_private_binding_is_used_with_the_pinned_version() -> None:
    """The installed engine is one whose private classes were tested; otherwise everything would be slow unnoticed."""
    assert native_binding() is not None


def test_results_are_read_by_rows_in_parts_and_again(connection: EngineConnection) -> None:
    """Rows come in order, in parts, and once more after a rewind, also after another statement has run."""
    result = connection.run("UNWIND range(1, 5) AS x RETURN x, 'n' + string(x) AS x")
    assert (result.columns, result.types, result.row_count) == (["x", "x"], ["INT64", "STRING"], 5)
    assert result.take(2) == [[1, "n1"], [2, "n2"]]
    connection.run("RETURN 1").close()
    assert result.take(9) == [[3, "n3"], [4, "n4"], [5, "n5"]]
    assert result.take(1) == []
    result.rewind()
    assert next(result.rows()) == [1, "n1"]
    result.close()


def test_results_become_arrow_in_batches(connection: EngineConnection) -> None:
    """Arrow batches hold at most as many rows as asked for, and nulls are nulls."""
    with connection.run("UNWIND range(1, 10) AS x RETURN CASE WHEN x % 3 = 0 THEN NULL ELSE x END AS x") as result:
        batches = list(result.batches(4))
    assert [batch.num_rows for batch in batches] == [4, 4, 2]
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == [
        1,
        2,
        None,
        4,
        5,
        None,
        7,
        8,
        None,
        10,
    ]


def test_plans_survive_a_change_of_the_schema(engine: Engine) -> None:
    """A cached text gives right answers on all connections after its table was dropped, made anew or altered."""
    one, other = engine.connect(), engine.connect()
    both = (one, other)
    one.run(_TABLE).close()
    one.run("CREATE (:P {id: 1, v: 7})").close()
    assert [_rows(each, _LOOKUP, i=1) for each in both] == [[[7]], [[7]]]
    one.run("DROP TABLE P").close()
    one.run("CREATE NODE TABLE P(id INT64, w DATE, v STRING, PRIMARY KEY(id))").close()
    one.run("CREATE (:P {id: 1, v: 'seven'})").close()
    assert [_rows(each, _LOOKUP, i=1) for each in both] == [[["seven"]], [["seven"]]]
    other.run("ALTER TABLE P DROP v").close()
    for each in both:
        with pytest.raises(StatementError, match="Cannot find property v"):
            _rows(each, _LOOKUP, i=1)
    other.run("ALTER TABLE P ADD v DOUBLE DEFAULT 2.5").close()
    assert [_rows(each, _LOOKUP, i=1) for each in both] == [[[2.5]], [[2.5]]]
    one.close()
    other.close()


def test_integers_of_all_widths_share_no_plan(connection: EngineConnection) -> None:
    """The engine narrows integers by value; each width is read back exactly, in any order."""
    values = [1, 2**40, -1, 200, 2**63 - 1, -(2**63), 40_000, 70_000, -70_000, 2**31, 0]
    assert [_rows(connection, "RETURN $v", v=value)[0][0] for value in values * 2] == values * 2


@pytest.mark.parametrize("value", [True, 1.5, "text", None, [1, 300], ["a"], [1.5], [True], [[1], []], {"a": 1}])
def test_parameters_come_back_as_they_were(connection: EngineConnection, value: object) -> None:
    """A value of each kind goes through the engine unchanged, also from the cache."""
    assert [_rows(connection, "RETURN $v", v=value) for _ in range(3)] == [[[value]]] * 3


def test_typed_values_of_one_text_share_no_plan(connection: EngineConnection) -> None:
    """A text gets the right type for each value, in any order, whatever plan it had before."""
    values: list[object] = [
        EngineDecimal(Decimal("1.5"), 20, 2),
        date(2020, 1, 2),
        5,
        EngineDecimal(Decimal("-1.25"), 20, 3),
        UUID(int=7),
        b"\x00",
        timedelta(3),
        "x",
        {"d": EngineDecimal(Decimal("1.5"), 20, 5)},
        {"d": EngineDecimal(Decimal("1.5"), 20, 6)},
    ]
    for value in values * 2:
        with connection.run("RETURN $v", {"v": value}) as result:
            assert result.take(1) == [[value]]
            if isinstance(value, EngineDecimal):
                assert result.types == [f"DECIMAL({value.precision}, {value.scale})"]


def test_structs_of_one_text_share_no_plan(connection: EngineConnection) -> None:
    """Objects with other fields under the same text are not read with the first one's plan."""
    text = "UNWIND $rows AS r RETURN r"
    for rows in ([{"a": 1}], [{"b": "x"}], [{"a": None, "b": 2.5}]):
        assert _rows(connection, text, rows=rows) == [[row] for row in rows]


def test_signature_tells_types_apart_but_not_values() -> None:
    """Equal signatures mean equal types for the engine; where it would have to look at each element there is none."""
    assert signature({"a": 1, "b": "x"}) == signature({"b": "y", "a": 2})
    assert (
        len({signature({"a": value}) for value in (1, 200, 300, 40_000, 2**31 - 1, 2**31, 2**40, 1.0, True, "s")}) == 10
    )
    assert signature({"a": [1, 2**40]}) == signature({"a": [3]})
    typed = [date(2020, 1, 2), datetime(2020, 1, 2, tzinfo=UTC), timedelta(1), UUID(int=1), b"x"]
    decimals = [EngineDecimal(Decimal(1), 5, 2), EngineDecimal(Decimal(1), 5, 3), EngineDecimal(Decimal(1), 6, 2)]
    assert len({signature({"a": value}) for value in [*typed, *decimals, "x", 1, 1.0]}) == 11
    assert signature({"a": decimals[0]}) == signature({"a": EngineDecimal(Decimal(2), 5, 2)})
    unsigned: list[object] = [[1, None], [], {}, [[1]], [1, 1.5]]
    assert [signature({"a": value}) for value in unsigned] == [None] * 5


def test_statement_cache_is_bounded(tmp_path: Path) -> None:
    """Thousands of texts keep only as many plans as were asked for."""
    with Engine.open(_config(tmp_path, statement_cache=10)) as engine:
        connection = engine.connect()
        for number in range(50):
            assert _rows(connection, f"RETURN {number}") == [[number]]
        assert connection.cached_statements == 10
        connection.forget_statements()
        assert connection.cached_statements == 0
        connection.close()


def test_several_statements_in_one_text_are_refused(tmp_path: Path) -> None:
    """The engine itself refuses a second statement, whatever the tokenizer thinks of the text."""
    with Engine.open(_config(tmp_path)) as engine:
        connection = engine.connect()
        with pytest.raises(StatementError, match="multiple statements"):
            connection.run("RETURN 1; CREATE NODE TABLE X(id INT64, PRIMARY KEY(id))")
        assert _rows(connection, "CALL show_tables() RETURN name") == []
        connection.close()


def test_arrow_tables_can_be_scanned(connection: EngineConnection) -> None:
    """A table given as a parameter is copied into the database."""
    connection.run(_TABLE).close()
    table = arrow.table({"id": [1, 2, 3], "v": [10, 20, 30]})
    connection.run("COPY P FROM $rows", {"rows": table}).close()
    assert connection.count_nodes("P") == 3
    assert _rows(connection, _LOOKUP, i=2) == [[20]]


def test_interrupt_stops_a_statement_and_spares_the_next(connection: EngineConnection) -> None:
    """An interrupted statement raises its own error; the connection goes on, whenever the interrupt came."""
    connection.run(_TABLE).close()
    connection.run("UNWIND range(1, 3000) AS i CREATE (:P {id: i})").close()
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.wait(0.01):
            connection.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(StatementInterrupted):
        connection.run("MATCH (a:P), (b:P), (c:P) WHERE a.id * b.id * c.id = 7 RETURN count(*)")
    ended.set()
    thread.join()
    connection.interrupt()
    assert _rows(connection, "MATCH (p:P) RETURN count(*)") == [[3000]]


def test_interrupted_write_changes_nothing(connection: EngineConnection) -> None:
    """A write that is interrupted leaves no row behind, and the next write works."""
    connection.run(_TABLE).close()
    connection.run("CREATE (:P {id: -1})").close()
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.wait(0.05):
            connection.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(StatementInterrupted):
        connection.run("UNWIND range(1, 5000000) AS i CREATE (:P {id: i})")
    ended.set()
    thread.join()
    assert _rows(connection, "MATCH (p:P) RETURN count(*)") == [[1]]
    connection.run("CREATE (:P {id: 2})").close()
    assert _rows(connection, "MATCH (p:P) RETURN count(*)") == [[2]]


def test_too_little_memory_leaves_the_connection_usable(connection: EngineConnection) -> None:
    """A statement that needs more than the buffer pool is refused with its own error; the next one runs."""
    with pytest.raises(QueryMemoryExceededError):
        connection.run("UNWIND range(1, 20000000) AS x RETURN string(x) + 'abcdefghijklmnop' AS s ORDER BY s")
    assert _rows(connection, "RETURN 1") == [[1]]


def test_missing_type_of_a_parameter_is_explained(connection: EngineConnection) -> None:
    """An empty list where a type is needed says what to do about it, and that works."""
    with pytest.raises(InvalidParameterError, match="CAST"):
        connection.run("RETURN $p", {"p": []})
    assert _rows(connection, "RETURN CAST($p AS STRING[])", p=[]) == [[[]]]


def test_value_that_the_binding_cannot_take_is_the_callers_error(connection: EngineConnection) -> None:
    """Whatever the binding raises for a parameter is a domain error."""
    for value in (2**64, "\ud800", [1, "x"], [True, 2]):
        with pytest.raises(GraphApiError):
            connection.run("RETURN $p", {"p": value})


def test_file_that_is_no_database_is_broken(tmp_path: Path) -> None:
    """A file of something else is not opened, and not changed."""
    path = tmp_path / "graph.lbug"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(DatabaseBrokenError):
        Engine.open(_config(tmp_path))
    assert path.read_bytes() == b"something else" * 1000


def test_plans_of_large_results_do_not_use_up_the_memory(tmp_path: Path) -> None:
    """A plan that is kept holds its last result: many large results, one after the other, must not add up."""
    rows = "UNWIND range(1, 300000) AS i RETURN i, CAST(hash(i) AS STRING) + '" + 80 * "x" + "' AS t"
    config = EngineConfig(path=tmp_path / "graph.lbug", buffer_pool_bytes=64 << 20, max_db_bytes=1 << 33)
    with Engine.open(config) as engine, closing(engine.connect(1)) as connection, closing(engine.connect(1)) as other:
        for number in range(4):
            for each in (connection, other):
                with each.run(f"{rows}{number}") as result:
                    assert result.row_count == 300_000


def test_results_are_read_batch_by_batch(tmp_path: Path) -> None:
    """Where the binding lets itself be tapped, as in a worker, only the rows that are asked for are converted."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig\n"
        "from robosystems.graph_api.backends.lbug.engine_batches import BATCHES\n"
        "config = EngineConfig(Path(sys.argv[1]), buffer_pool_bytes=64 << 20, max_db_bytes=1 << 33)\n"
        "with Engine.open(config) as engine:\n"
        "    connection = engine.connect(1)\n"
        "    if sys.argv[2] == 'tapped':\n"
        "        connection.prepare_batches()\n"
        "    with connection.run('UNWIND range(1, 10) AS i RETURN i') as result:\n"
        "        batches = [result.next_batch(4), result.next_batch(1), result.next_batch(100)]\n"
        "        sizes = [batch.num_rows for batch in batches]\n"
        "        first = [batch['i'][0].as_py() for batch in batches]\n"
        "        print(BATCHES.works, sizes, first, result.next_batch(1), result.arrow_schema().names)\n"
        "    connection.close()\n"
    )
    for way, expected in (
        ("tapped", "True [4, 1, 5] [1, 5, 6] None ['i']\n"),
        ("whole", "False [4, 4, 2] [1, 5, 9] None ['i']\n"),
    ):
        command = [sys.executable, "-c", program, str(tmp_path / f"{way}.lbug"), way]
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert run.stdout == expected
