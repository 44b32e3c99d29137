"""A real worker under pressure: slow beside fast, deadlines, cancels, credit."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robosystems.graph_api.backends.lbug.wire import CREDIT, Format, Kind
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

_SLOW = "MATCH (a:P), (b:P), (c:P) WHERE a.id * b.id + c.id = -1 RETURN count(*) AS n"
_LANES = 3


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start a template for the tests of this module."""
    with running_template() as harness:
        yield harness


@pytest.fixture
def worker(template: TemplateHarness, tmp_path: Path) -> Iterator[WorkerClient]:
    """Open a database in which `_SLOW` takes minutes."""
    client = template.open(tmp_path, reader_lanes=_LANES)
    client.write("CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))")
    client.write("UNWIND range(1, 5000) AS i CREATE (:P {id: i, name: 'n' + string(i)})")
    yield client
    assert template.shut(client) == 0


def _lookup(worker: WorkerClient, number: int) -> int:
    return worker.start("MATCH (p:P {id: $id}) RETURN p.name AS name", {"id": number})


def test_pipelined_lookups_are_all_answered(worker: WorkerClient) -> None:
    """Hundreds of requests sent without waiting get their own answers."""
    pending = {_lookup(worker, number): number for number in range(1, 1001)}
    for request_id, number in pending.items():
        assert worker.wait(request_id).data == [{"name": f"n{number}"}]


def test_slow_read_does_not_hold_up_fast_ones(worker: WorkerClient) -> None:
    """While long reads run, short ones are answered by other lanes; later the slow ones can be cancelled."""
    slow = [worker.start(_SLOW) for _ in range(_LANES - 1)]
    for number in range(1, 200):
        assert worker.wait(_lookup(worker, number)).data == [{"name": f"n{number}"}]
    assert not any(worker.answers[request_id].ended for request_id in slow)
    for request_id in slow:
        worker.cancel(request_id)
        assert worker.wait(request_id).error == "QUERY_CANCELLED"


def test_everything_busy_still_listens(worker: WorkerClient) -> None:
    """With all lanes busy, requests wait, control frames work, and the deadlines of what waits hold."""
    slow = [worker.start(_SLOW) for _ in range(_LANES)]
    time.sleep(0.2)
    waiting = _lookup(worker, 1)
    impatient = worker.start("RETURN 1", timeout_s=0.1)
    cancelled = worker.start("RETURN 2")
    worker.cancel(cancelled)
    assert worker.wait(cancelled).error == "QUERY_CANCELLED"
    assert worker.wait(impatient).error == "QUERY_TIMEOUT"
    figures = worker.stats()
    assert (figures["lanes"], figures["lanes_busy"], figures["waiting"] >= 1) == (_LANES, _LANES, True)
    worker.cancel(slow[0])
    assert worker.wait(slow[0]).error == "QUERY_CANCELLED"
    assert worker.wait(waiting).data == [{"name": "n1"}]
    for request_id in slow[1:]:
        worker.cancel(request_id)
        assert worker.wait(request_id).error == "QUERY_CANCELLED"
    for number in range(1, 100):
        assert worker.wait(_lookup(worker, number)).data == [{"name": f"n{number}"}]


def test_deadline_is_answered_in_time(worker: WorkerClient) -> None:
    """A read, a write and a waiting request past their deadlines are answered soon after, with their own error."""
    for write in (False, True):
        started = time.monotonic()
        answer = worker.run(_SLOW, timeout_s=0.3, write=write)
        assert answer.error == "QUERY_TIMEOUT"
        assert answer.failure is not None
        assert answer.failure.context["timeout_s"] == pytest.approx(0.3)
        assert 0.29 < time.monotonic() - started < 20.0
    assert worker.stats()["interrupts"] == 2


def test_request_without_time_is_not_run(worker: WorkerClient) -> None:
    """A request whose time is over when it arrives changes nothing."""
    pending = [worker.start("CREATE (:P {id: $id})", {"id": -i}, write=True, timeout_s=0.0) for i in range(1, 100)]
    assert {worker.wait(request_id).error for request_id in pending} == {"QUERY_TIMEOUT"}
    assert worker.run("MATCH (p:P) WHERE p.id < 0 RETURN count(*) AS n").data == [{"n": 0}]


def test_timeout_of_a_write_is_true(worker: WorkerClient) -> None:
    """Whatever moment the deadline hits: a write that answers with a timeout has changed nothing, another has."""
    done = 0
    for number in range(1, 200):
        timeout_s = 0.00002 * number
        text = "CREATE (p:P {id: $id}) RETURN p.id"
        done += worker.run(text, {"id": -number}, write=True, timeout_s=timeout_s).failure is None
    assert worker.run("MATCH (p:P) WHERE p.id < 0 RETURN count(*) AS n").data == [{"n": done}]


def test_late_cancel_spares_the_next_statement(worker: WorkerClient) -> None:
    """Cancels that come while and after a statement ends never hit the one that follows."""
    for number in range(1, 300):
        request_id = _lookup(worker, number)
        worker.cancel(request_id)
        following = _lookup(worker, number)
        answer = worker.wait(request_id)
        assert answer.failure is None or answer.error == "QUERY_CANCELLED"
        assert worker.wait(following).data == [{"name": f"n{number}"}]


def test_waiting_write_can_be_cancelled(worker: WorkerClient) -> None:
    """A write that waits behind another is answered at once when cancelled, and never runs."""
    running = worker.start(_SLOW, write=True)
    waiting = worker.start("CREATE (:P {id: -7})", write=True)
    worker.cancel(waiting)
    assert worker.wait(waiting).error == "QUERY_CANCELLED"
    worker.cancel(running)
    assert worker.wait(running).error == "QUERY_CANCELLED"
    assert worker.run("MATCH (p:P {id: -7}) RETURN count(*) AS n").data == [{"n": 0}]


def test_stream_stops_at_its_credit(worker: WorkerClient) -> None:
    """No more bytes than there is credit for are sent; more credit, in any portions, brings the rest."""
    worker.auto_credit = False
    request_id = worker.start("UNWIND range(1, 200000) AS x RETURN x", format=Format.NDJSON, credit=1000)
    answer = worker.answers[request_id]
    worker.pump(lambda: sum(map(len, answer.chunks)) >= 1000)
    assert worker.run("RETURN 1 AS x").data == [{"x": 1}]
    assert sum(map(len, answer.chunks)) == 1000
    granted = 1000
    for portion in (1, 5000, 300_000):
        worker.post(Kind.CREDIT, request_id, CREDIT.pack(portion))
        granted += portion
        worker.pump(lambda bound=granted: sum(map(len, answer.chunks)) >= bound)
        assert sum(map(len, answer.chunks)) == granted
    worker.post(Kind.CREDIT, request_id, CREDIT.pack(1 << 30))
    assert worker.wait(request_id).rows == 200_000


def test_stream_without_credit_can_be_cancelled(worker: WorkerClient) -> None:
    """A stream that waits for credit ends by a cancel or at its deadline, and frees its lane."""
    worker.auto_credit = False
    for timeout_s, code in ((30.0, "QUERY_CANCELLED"), (0.5, "QUERY_TIMEOUT")):
        text = "UNWIND range(1, 200000) AS x RETURN x"
        request_id = worker.start(text, format=Format.NDJSON, credit=10, timeout_s=timeout_s)
        worker.pump(lambda request_id=request_id: worker.answers[request_id].streamed)
        if code == "QUERY_CANCELLED":
            worker.cancel(request_id)
        assert worker.wait(request_id).error == code
    assert worker.run("RETURN 1 AS x").data == [{"x": 1}]


def test_slow_readers_on_all_lanes_starve_nobody_for_ever(worker: WorkerClient) -> None:
    """Streams without credit hold lanes only until their deadlines; what waits behind them runs then."""
    worker.auto_credit = False
    text = "UNWIND range(1, 200000) AS x RETURN x"
    streams = [worker.start(text, format=Format.NDJSON, credit=10, timeout_s=1.0) for _ in range(_LANES)]
    waiting = _lookup(worker, 5)
    assert worker.wait(waiting).data == [{"name": "n5"}]
    assert {worker.wait(request_id).error for request_id in streams} == {"QUERY_TIMEOUT"}


def test_mixture_of_everything_ends(worker: WorkerClient) -> None:
    """Short and long reads, writes, streams, cancels and deadlines at once: each request gets exactly one answer."""
    pending: list[int] = []
    for round_number in range(60):
        pending += [_lookup(worker, number) for number in range(1, 20)]
        pending.append(worker.start(_SLOW, timeout_s=0.05))
        pending.append(worker.start("CREATE (:P {id: $id})", {"id": -round_number - 1}, write=True))
        pending.append(worker.start("UNWIND range(1, 30000) AS x RETURN x", format=Format.NDJSON))
        worker.cancel(pending[-1 - round_number % 4])
    answers = [worker.wait(request_id) for request_id in pending]
    codes = {answer.failure.code for answer in answers if answer.failure is not None}
    assert codes <= {"QUERY_CANCELLED", "QUERY_TIMEOUT"}
    assert worker.stats()["waiting"] == 0


def test_schema_changes_beside_reads(worker: WorkerClient) -> None:
    """Tables are made, altered and dropped while all lanes read from cached plans: all is answered, nothing crashes."""
    pending: list[int] = []
    for number in range(40):
        text = "MATCH (p:P) WHERE p.id > $id RETURN p, p.name LIMIT 50"
        pending += [worker.start(text, {"id": each}) for each in range(20)]
        pending.append(worker.start(f"CREATE NODE TABLE T{number}(id INT64, PRIMARY KEY(id))", write=True))
        pending.append(worker.start(f"ALTER TABLE P ADD c{number} DATE DEFAULT date('2020-01-01')", write=True))
        pending += [worker.start("MATCH (p:P) RETURN count(*)") for _ in range(10)]
        pending.append(worker.start(f"ALTER TABLE P DROP c{number}", write=True))
        pending.append(worker.start(f"DROP TABLE T{number}", write=True))
    for request_id in pending:
        assert worker.wait(request_id).failure is None
    assert worker.run("MATCH (p:P {id: 1}) RETURN p").json["row_count"] == 1


def test_schema_change_waits_for_a_long_read_but_others_go_on(worker: WorkerClient) -> None:
    """A change of the schema waits for the reads that run; meanwhile short reads are answered, and then it happens."""
    slow = worker.start(_SLOW)
    time.sleep(0.1)
    change = worker.start("CREATE NODE TABLE Later(id INT64, PRIMARY KEY(id))", write=True)
    impatient = worker.start("CREATE NODE TABLE Never(id INT64, PRIMARY KEY(id))", write=True, timeout_s=0.5)
    for number in range(1, 30):
        assert worker.wait(_lookup(worker, number)).data == [{"name": f"n{number}"}]
    assert worker.wait(impatient).error == "QUERY_TIMEOUT"
    assert not worker.answers[change].ended
    worker.cancel(slow)
    assert worker.wait(slow).error == "QUERY_CANCELLED"
    assert worker.wait(change).failure is None
    tables = worker.run("CALL show_tables() RETURN name").data
    assert {table["name"] for table in tables} == {"P", "Later"}


def test_waiting_schema_change_can_be_cancelled(worker: WorkerClient) -> None:
    """A change of the schema that waits for a long read ends by a cancel and leaves the gate open."""
    slow = worker.start(_SLOW)
    time.sleep(0.1)
    change = worker.start("CREATE NODE TABLE Never(id INT64, PRIMARY KEY(id))", write=True)
    time.sleep(0.1)
    worker.cancel(change)
    assert worker.wait(change).error == "QUERY_CANCELLED"
    assert worker.wait(_lookup(worker, 1)).data == [{"name": "n1"}]
    worker.cancel(slow)
    assert worker.wait(slow).error == "QUERY_CANCELLED"
