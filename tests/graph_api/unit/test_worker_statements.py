"""A real worker over its socket: reads, writes, transactions, and what they answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from robosystems.graph_api.backends.lbug.wire import Format, Kind
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

_NONE = {"nodes_created": 0, "nodes_deleted": 0, "relationships_created": 0, "relationships_deleted": 0}


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start a template for the tests of this module."""
    with running_template() as harness:
        yield harness


@pytest.fixture
def worker(template: TemplateHarness, tmp_path: Path) -> Iterator[WorkerClient]:
    """Open a database with one node table and one relationship table."""
    client = template.open(tmp_path)
    client.write("CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))")
    client.write("CREATE REL TABLE K(FROM P TO P, w DOUBLE)")
    yield client
    assert template.shut(client) == 0


def _add(worker: WorkerClient, *ids: int) -> None:
    worker.write("UNWIND $ids AS i CREATE (:P {id: i, name: 'n' + string(i)})", {"ids": list(ids)})


def test_document_holds_rows_and_figures(worker: WorkerClient) -> None:
    """A small answer is one document; its summary says the same as its body."""
    _add(worker, 1, 2)
    answer = worker.run("MATCH (p:P) WHERE p.id > $least RETURN p.id, p.name AS name ORDER BY p.id", {"least": 0})
    document = answer.json
    assert document.pop("execution_time_ms") > 0
    assert document == {
        "columns": ["p.id", "name"],
        "types": ["INT64", "STRING"],
        "data": [{"p.id": 1, "name": "n1"}, {"p.id": 2, "name": "n2"}],
        "row_count": 2,
        "truncated": False,
    }
    assert (answer.rows, answer.flags, answer.streamed) == (2, 0, False)


def test_many_rows_come_as_a_stream(worker: WorkerClient) -> None:
    """A large answer begins with HEAD and comes in chunks of bounded size."""
    request_id = worker.start("UNWIND range(1, 100000) AS x RETURN x", format=Format.NDJSON)
    worker.pump(lambda: worker.answers[request_id].ended)
    chunks = worker.answers[request_id].chunks
    answer = worker.wait(request_id)
    assert answer.streamed
    assert max(map(len, chunks)) <= 128 << 10
    assert answer.lines[99_999] == {"x": 100_000}
    assert answer.lines[100_000]["summary"]["row_count"] == answer.rows == 100_000


def test_cap_on_rows_sets_the_flag(worker: WorkerClient) -> None:
    """A cut answer says so in its summary too."""
    answer = worker.run("UNWIND range(1, 10) AS x RETURN x", max_rows=3)
    assert (answer.rows, answer.flags & 1, answer.json["truncated"], len(answer.data)) == (3, 1, True, 3)


def test_read_that_writes_is_refused_and_changes_nothing(worker: WorkerClient) -> None:
    """The engine itself proves that a text is a read, the first time and after each change of the schema."""
    for text in (
        "CREATE (:P {id: 1})",
        "MATCH (p:P) SET p.name = 'x'",
        "CREATE NODE TABLE X(id INT64, PRIMARY KEY(id))",
    ):
        answer = worker.run(text)
        assert answer.error == "STATEMENT_FORBIDDEN"
        assert answer.failure is not None
        assert "mode 'write'" in answer.failure.detail
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 0}]
    assert worker.run("CALL show_tables() RETURN count(*) AS n").data == [{"n": 2}]


def test_worker_goes_on_after_each_error(worker: WorkerClient) -> None:
    """Errors of statements and parameters are answered by their codes, and the same connection runs the next read."""
    for text, parameters, code in (
        ("RETUR 1", {}, "STATEMENT_ERROR"),
        ("RETURN nope", {}, "STATEMENT_ERROR"),
        ("RETURN 1 / $zero", {"zero": 0}, "STATEMENT_ERROR"),
        ("RETURN $missing", {}, "INVALID_PARAMETER"),
        ("RETURN $p", {"p": []}, "INVALID_PARAMETER"),
        ("RETURN 1; RETURN 2", {}, "INVALID_REQUEST"),
    ):
        assert worker.run(text, parameters).error == code
        assert worker.run("RETURN 1 AS x").data == [{"x": 1}]


def test_parameters_of_all_shapes_are_read_back(worker: WorkerClient) -> None:
    """Values of all widths and shapes go through one cached text without disturbing one another."""
    values = [1, 300, 2**40, -5, 1.5, "x", True, None, [1, 2], ["a"], [{"a": 1}, {"a": None, "b": "z"}], {"k": [1.5]}]
    expected = [*values[:10], [{"a": 1, "b": None}, {"a": None, "b": "z"}], values[11]]
    for _ in range(2):
        assert [worker.run("RETURN $v AS v", {"v": value}).data[0]["v"] for value in values] == expected


def test_answers_follow_a_change_of_the_schema(worker: WorkerClient) -> None:
    """A text that was proven and cached gives right columns and rows after its table was replaced."""
    text = "MATCH (p:P {id: $id}) RETURN p, p.name AS name"
    _add(worker, 1)
    first = worker.run(text, {"id": 1})
    assert (first.json["types"], first.data[0]["name"]) == (["NODE", "STRING"], "n1")
    worker.write("DROP TABLE K")
    worker.write("DROP TABLE P")
    worker.write("CREATE NODE TABLE P(id INT64, name DATE, extra DOUBLE, PRIMARY KEY(id))")
    worker.write("CREATE (:P {id: 1, name: date('20000-01-01'), extra: 0.5})")
    second = worker.run(text, {"id": 1})
    assert second.json["types"] == ["NODE", "DATE"]
    assert second.data[0]["name"] == "20000-01-01"
    assert second.data[0]["p"]["extra"] == 0.5


def test_writes_count_what_they_change(worker: WorkerClient) -> None:
    """Counters are net changes of the named tables, whether by one statement or by many like it."""
    tables = ("p", "K", "nosuchtable")
    for number in range(3):
        answer = worker.write("CREATE (:P {id: $id})", {"id": number}, counted_tables=tables)
        assert answer.json["counters"] == {**_NONE, "nodes_created": 1}
    linked = worker.write("MATCH (a:P), (b:P) WHERE a.id < b.id CREATE (a)-[:K {w: 1.0}]->(b)", counted_tables=tables)
    assert linked.json["counters"] == {**_NONE, "relationships_created": 3}
    assert worker.write("MATCH (p:P) SET p.name = 'x'", counted_tables=tables).json["counters"] == _NONE
    merged = worker.write("UNWIND range(1, 5) AS i MERGE (:P {id: i})", counted_tables=tables)
    assert merged.json["counters"] == {**_NONE, "nodes_created": 3}
    gone = worker.write("MATCH (p:P {id: 1}) DETACH DELETE p", counted_tables=None)
    assert gone.json["counters"] == {**_NONE, "nodes_deleted": 1, "relationships_deleted": 2}
    assert (
        worker.write("MATCH ()-[k:K]->() DELETE k", counted_tables=None).json["counters"]["relationships_deleted"] == 1
    )


def test_write_returns_its_rows(worker: WorkerClient) -> None:
    """A write can return rows, few or many, in each layout."""
    few = worker.write("UNWIND range(1, 3) AS i CREATE (p:P {id: i}) RETURN p.id AS id", format=Format.JSON_ARRAYS)
    assert sorted(few.data) == [[1], [2], [3]]
    many = worker.write("UNWIND range(10, 60000) AS i CREATE (p:P {id: i}) RETURN p.id AS id", format=Format.NDJSON)
    assert many.streamed
    assert many.rows == 59_991
    assert many.lines[-1]["summary"]["counters"] == _NONE


def test_slow_reader_of_a_write_does_not_hold_the_lane(worker: WorkerClient) -> None:
    """While the rows of a write wait for credit, other writes run."""
    slow = worker.start(
        "UNWIND range(1, 60000) AS i CREATE (p:P {id: i}) RETURN p.id", write=True, format=Format.NDJSON, credit=1
    )
    for number in range(70_000, 70_020):
        worker.write("CREATE (:P {id: $id})", {"id": number})
    assert not worker.answers[slow].ended
    worker.post(Kind.CREDIT, slow, (1 << 30).to_bytes(4, "little"))
    assert worker.wait(slow).rows == 60_000
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 60_020}]


def test_stopped_transfer_of_a_committed_write_says_so(worker: WorkerClient) -> None:
    """When only the rows of a write are stopped, the error doesn't claim that nothing has changed."""
    slow = worker.start(
        "UNWIND range(1, 60000) AS i CREATE (p:P {id: i}) RETURN p.id", write=True, format=Format.NDJSON, credit=1
    )
    worker.pump(lambda: worker.answers[slow].streamed)
    worker.cancel(slow)
    answer = worker.wait(slow)
    assert answer.error == "QUERY_CANCELLED"
    assert answer.failure is not None
    assert answer.failure.context["committed"] is True
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 60_000}]


def test_waiting_writes_are_committed_together_but_answered_alone(worker: WorkerClient) -> None:
    """Of many writes that wait at once each gets its own answer; one that fails takes none with it."""
    worker.write("CREATE (:P {id: $id})", {"id": 1000}, counted_tables=("P",))
    ids = [*range(50), 7, *range(50, 60)]
    pending = [worker.start("CREATE (:P {id: $id})", {"id": i}, write=True, counted_tables=("P",)) for i in ids]
    answers = [worker.wait(request_id) for request_id in pending]
    failed = [i for i, answer in zip(ids, answers, strict=True) if answer.failure is not None]
    assert failed == [7]
    assert answers[50].error == "STATEMENT_ERROR"
    assert {answer.json["counters"]["nodes_created"] for answer in answers if answer.failure is None} == {1}
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 61}]


def test_writes_take_effect_in_the_order_in_which_they_came(worker: WorkerClient) -> None:
    """The last of many waiting writes to one row wins, whatever was committed together."""
    _add(worker, 1)
    pending = [
        worker.start("MATCH (p:P {id: 1}) SET p.name = p.name + $c", {"c": c}, write=True)
        for c in "abcdefghijklmnop" * 4
    ]
    for request_id in pending:
        assert worker.wait(request_id).failure is None
    assert worker.run("MATCH (p:P {id: 1}) RETURN p.name AS n").data == [{"n": "n1" + "abcdefghijklmnop" * 4}]


def test_transaction_is_all(worker: WorkerClient) -> None:
    """Statements of a transaction see one another, schema changes included; one document answers for all."""
    answer = worker.transact(
        "CREATE (:P {id: 1})",
        "CREATE NODE TABLE Q(id INT64, PRIMARY KEY(id))",
        "CREATE (:Q {id: 5})",
        "MATCH (p:P), (q:Q) RETURN p.id, q.id",
        counted_tables=("P", "Q"),
    )
    results = answer.json["results"]
    assert results[3]["data"] == [{"p.id": 1, "q.id": 5}]
    assert [result["counters"]["nodes_created"] for result in results] == [1, 0, 1, 0]
    assert worker.run("MATCH (q:Q) RETURN q.id").data == [{"q.id": 5}]


def test_transaction_is_nothing(worker: WorkerClient) -> None:
    """If one statement fails, none has happened; the error says which one it was."""
    _add(worker, 1)
    for bad in ("CREATE (:P {id: 1})", "RETURN nope", "RETUR 1", "RETURN $missing"):
        answer = worker.transact(
            "CREATE (:P {id: 2})", "CREATE NODE TABLE Q(id INT64, PRIMARY KEY(id))", bad, "RETURN 1"
        )
        assert answer.failure is not None
        assert answer.failure.context["statement_number"] == 3
        assert answer.failure.context["statement"] == bad
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 1}]
    assert worker.run("CALL show_tables() RETURN count(*) AS n").data == [{"n": 2}]


def test_cancelled_transaction_is_rolled_back(worker: WorkerClient) -> None:
    """A transaction that is stopped in the middle leaves nothing behind and the lane free."""
    answer = worker.transact("CREATE (:P {id: 1})", "UNWIND range(2, 9000000) AS i CREATE (:P {id: i})", timeout_s=0.3)
    assert answer.error == "QUERY_TIMEOUT"
    assert worker.run("MATCH (p:P) RETURN count(*) AS n").data == [{"n": 0}]
    worker.write("CREATE (:P {id: 1})")


def test_unreadable_request_is_refused(worker: WorkerClient) -> None:
    """A payload that is no request gets an answer instead of ending the worker."""
    for kind in (Kind.RUN, Kind.TRANSACTION, Kind.LOAD):
        assert worker.wait(worker.ask(kind, b"\xc1")).error == "INVALID_REQUEST"
    worker.cancel(4711)
    worker.post(Kind.CREDIT, 4711, b"\1\0\0\0")
    assert worker.run("RETURN 1 AS x").data == [{"x": 1}]


def test_figures_of_the_worker_add_up(worker: WorkerClient) -> None:
    """STATS counts what has ended, and is answered at once."""
    before = worker.stats()
    worker.run("RETURN 1")
    worker.write("CREATE (:P {id: 1})")
    after = worker.stats()
    assert (after["reads"] - before["reads"], after["writes"] - before["writes"]) == (1, 1)
    assert after["waiting"] == 0
    assert after["lanes"] >= 1


def test_a_measured_plan_can_be_asked_for_again_and_again(worker: WorkerClient) -> None:
    """PROFILE and EXPLAIN of one text, in turns with the text itself: the process lives."""
    _add(worker, 1, 2)
    text = "MATCH (p:P) RETURN p.id ORDER BY p.id"
    for _ in range(100):
        for prefix in ("PROFILE ", "EXPLAIN ", ""):
            assert worker.run(prefix + text).failure is None
