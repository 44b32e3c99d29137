"""A real worker whose writer lane commits together what waits: order, failures, cancels, deadlines, death."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graph_api.worker_harness import Answer, TemplateHarness, WorkerClient, running_template

_ENDLESS = (
    "UNWIND range(1, 100000) AS a UNWIND range(1, 1000000) AS b WITH sum(a % b) AS s CREATE (:P {id: -s, name: ''})"
)
"""Runs for longer than any test; since it may create any number of nodes, nothing is committed together with it."""

_ADD = "CREATE (:P {id: $id, name: $name})"
_GROUP = 32


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start a template for the tests of this module."""
    with running_template() as harness:
        yield harness


@pytest.fixture
def worker(template: TemplateHarness, tmp_path: Path) -> Iterator[WorkerClient]:
    """Open a database with one table; the worker knows what a single CREATE changes, so that it can group them."""
    client = template.open(tmp_path)
    client.write("CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))")
    client.write(_ADD, {"id": -1, "name": ""}, counted_tables=("P",))
    yield client
    assert template.shut(client) == 0


class Waiting:
    """Writes that wait behind one that does not end, so that the lane finds all of them at once."""

    def __init__(self, worker: WorkerClient) -> None:
        self._worker = worker
        self._first = worker.start(_ENDLESS, write=True)
        self._commits = worker.stats()["commits"]
        self.sent: list[int] = []

    def add(self, number: int, **options: float) -> int:
        """Send a write of one row."""
        parameters = {"id": number, "name": f"n{number}"}
        self.sent.append(self._worker.start(_ADD, parameters, write=True, counted_tables=("P",), **options))
        return self.sent[-1]

    def set(self, text: str, **parameters: object) -> None:
        """Send a write that changes rows."""
        self.sent.append(self._worker.start(text, parameters, write=True))

    def go(self) -> list[Answer]:
        """Let them run, and return their answers."""
        self._worker.cancel(self._first)
        assert self._worker.wait(self._first).error == "QUERY_CANCELLED"
        return [self._worker.wait(request_id) for request_id in self.sent]

    @property
    def commits(self) -> int:
        """How many commits there were since they were sent."""
        return self._worker.stats()["commits"] - self._commits


def _wait_for_some(worker: WorkerClient, pending: list[int], count: int) -> None:
    """Wait until so many of the requests are answered."""
    worker.pump(lambda: sum(worker.answers[each].ended for each in pending) >= count)


def _ids(worker: WorkerClient) -> list[int]:
    rows = worker.run("MATCH (p:P) WHERE p.id >= 0 RETURN p.id AS id ORDER BY id").data
    return [row["id"] for row in rows]


def test_what_waits_is_one_commit(worker: WorkerClient) -> None:
    """As many as fit into a group; each answer has its own counters."""
    waiting = Waiting(worker)
    for number in range(_GROUP):
        waiting.add(number)
    answers = waiting.go()
    assert {answer.json["counters"]["nodes_created"] for answer in answers} == {1}
    assert waiting.commits == 1
    assert _ids(worker) == list(range(_GROUP))


def test_more_than_a_group_is_several_commits_in_order(worker: WorkerClient) -> None:
    """Nothing waits for ever, and nothing overtakes."""
    waiting = Waiting(worker)
    for number in range(3 * _GROUP):
        waiting.add(number)
    assert all(answer.failure is None for answer in waiting.go())
    assert waiting.commits == 3
    assert _ids(worker) == list(range(3 * _GROUP))


@pytest.mark.parametrize("place", [0, 13, 30])
def test_a_failure_in_a_group_is_its_own(worker: WorkerClient, place: int) -> None:
    """First, in the middle or last: the others are run again one by one, and each is answered as if it were alone."""
    waiting = Waiting(worker)
    for number in range(31):
        waiting.add(-1 if number == place else number)
    answers = waiting.go()
    assert [number for number, answer in enumerate(answers) if answer.failure is not None] == [place]
    assert answers[place].error == "STATEMENT_ERROR"
    assert {answer.json["counters"]["nodes_created"] for answer in answers if answer.failure is None} == {1}
    assert _ids(worker) == [number for number in range(31) if number != place]
    assert waiting.commits == 30


def test_what_was_stopped_while_it_waited_holds_nobody_up(worker: WorkerClient) -> None:
    """A cancelled and an expired request get their own answers, change nothing, and the rest is one commit."""
    waiting = Waiting(worker)
    for number in range(10):
        waiting.add(number, timeout_s=0.05 if number == 3 else 30.0)
    worker.cancel(waiting.sent[7])
    worker.pump(lambda: worker.answers[waiting.sent[3]].ended and worker.answers[waiting.sent[7]].ended)
    answers = waiting.go()
    assert answers[3].error == "QUERY_TIMEOUT"
    assert answers[7].error == "QUERY_CANCELLED"
    assert [number for number, answer in enumerate(answers) if answer.failure is not None] == [3, 7]
    assert waiting.commits == 1
    assert _ids(worker) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_cancels_and_deadlines_at_any_moment_of_groups_are_true(worker: WorkerClient) -> None:
    """Whenever they hit: a row is there exactly if its answer says so."""
    outcomes: dict[int, Answer] = {}
    for first in range(0, 600, 60):
        pending = {
            number: worker.start(
                _ADD, {"id": number, "name": ""}, write=True, timeout_s=0.0002 * (number % 60) if number % 5 else 30.0
            )
            for number in range(first, first + 60)
        }
        for number in list(pending)[::7]:
            worker.cancel(pending[number])
        outcomes |= {number: worker.wait(request_id) for number, request_id in pending.items()}
    codes = {answer.error for answer in outcomes.values() if answer.failure is not None}
    assert codes <= {"QUERY_CANCELLED", "QUERY_TIMEOUT"}
    assert _ids(worker) == [number for number, answer in outcomes.items() if answer.failure is None]


def test_order_holds_across_keys(worker: WorkerClient) -> None:
    """Each of a hundred waiting writes takes what the one before it left in another row."""
    letters = "abcdefghij" * 10
    ids = list(range(len(letters) + 1))
    worker.write("UNWIND $ids AS i CREATE (:P {id: i, name: ''})", {"ids": ids})
    waiting = Waiting(worker)
    for number, letter in enumerate(letters):
        waiting.set("MATCH (a:P {id: $a}), (b:P {id: $b}) SET b.name = a.name + $c", a=number, b=number + 1, c=letter)
    assert all(answer.failure is None for answer in waiting.go())
    assert worker.run("MATCH (p:P {id: $id}) RETURN p.name AS name", {"id": len(letters)}).data == [{"name": letters}]
    assert waiting.commits < len(letters) / 4


def test_transactions_and_batches_keep_their_place_among_single_writes(worker: WorkerClient) -> None:
    """Each is one commit of its own; what comes before and after it is not committed with it."""
    waiting = Waiting(worker)
    waiting.add(0)
    waiting.set("UNWIND range(1, 1000) AS i CREATE (:P {id: i, name: 'n'})")
    waiting.add(1001)
    waiting.add(1002)
    assert all(answer.failure is None for answer in waiting.go())
    assert waiting.commits == 3
    before = worker.stats()["commits"]
    assert worker.transact(*(f"CREATE (:P {{id: {number}}})" for number in range(1003, 1103))).failure is None
    assert worker.stats()["commits"] == before + 1
    assert _ids(worker) == list(range(1103))


def test_a_read_in_the_lane_sees_the_writes_before_it_and_none_after_it(worker: WorkerClient) -> None:
    """A statement that only returns something takes its turn, in a group like any other."""
    waiting = Waiting(worker)
    for number in range(20):
        waiting.add(number)
        waiting.set("MATCH (p:P) WHERE p.id >= 0 RETURN count(*) AS n")
    answers = waiting.go()
    assert [answer.data[0]["n"] for answer in answers[1::2]] == list(range(1, 21))


def test_every_acknowledged_write_survives_a_death_amid_groups(template: TemplateHarness, tmp_path: Path) -> None:
    """Killed while hundreds wait: what was answered is there, and what is there is a beginning of what was sent."""
    worker = template.open(tmp_path)
    worker.write("CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))")
    acknowledged = 0
    for _ in range(3):
        first = acknowledged
        pending = [worker.start(_ADD, {"id": first + number, "name": "x" * 50}, write=True) for number in range(400)]
        _wait_for_some(worker, pending, 70)
        os.kill(worker.process_id, signal.SIGKILL)
        with pytest.raises((EOFError, ConnectionError)):
            worker.pump(lambda: False)
        answered = [worker.answers[each].ended for each in pending]
        assert template.exit_of(worker) == -signal.SIGKILL
        worker.close()
        worker = template.open(tmp_path)
        ids = _ids(worker)
        assert ids == list(range(len(ids)))
        assert len(ids) >= first + sum(answered)
        assert answered == sorted(answered, reverse=True)
        acknowledged = len(ids)
    assert template.shut(worker) == 0


def test_what_a_statement_changes_is_counted_once_for_all_its_runs_in_a_transaction(worker: WorkerClient) -> None:
    """The same CREATE a hundred times: each answer counts one node, also when the transaction before it was undone."""
    text = "CREATE (:P {id: 7, name: 'twice'})"
    assert worker.transact(text, text, counted_tables=("P",)).error == "STATEMENT_ERROR"
    rows = ["MERGE (p:P {id: 7}) SET p.name = 'x'", *(f"CREATE (:P {{id: {number}}})" for number in range(8, 12))]
    results = worker.transact(text.replace("7", "1"), *rows, counted_tables=("P",)).json["results"]
    assert [result["counters"]["nodes_created"] for result in results] == [1] * 6
    again = worker.transact("MATCH (p:P {id: 7}) DELETE p", text, counted_tables=None).json["results"]
    assert [result["counters"]["nodes_deleted"] for result in again] == [1, 0]
    assert again[1]["counters"]["nodes_created"] == 1
