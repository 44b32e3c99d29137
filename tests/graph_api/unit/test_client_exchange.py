"""The way of a call through repetitions, deadlines and the breaker, without any I/O."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import msgspec
import pytest

from robosystems.graph_api.client import LoadOptions, file_operations, operations
from robosystems.graph_api.client.breaker import BreakerState, CircuitBreaker
from robosystems.graph_api.client.config import GraphClientConfig
from robosystems.graph_api.client.exceptions import (
    CircuitOpenError,
    ForeignAnswerError,
    IncompleteStreamError,
    ServerUnreachableError,
)
from robosystems.graph_api.client.exchange import Link, Pause, Send, exchange
from robosystems.graph_api.client.operation import Operation, Request
from robosystems.graph_api.client.retry import failure_from_answer, pause_before
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    IdempotencyInProgressError,
    PoolExhaustedError,
    QueryTimeoutError,
    RateLimitedError,
    StatementError,
    WorkerCrashedError,
)

READ = operations.query("g", "MATCH (n) RETURN n")
WRITE = operations.query("g", "CREATE (:P {id: 1})")
ROWS = {"columns": ["n"], "types": ["INT64"], "data": [{"n": 1}], "truncated": False, "execution_time_ms": 1.0}
OK = httpx.Response(200, json=ROWS)
NO_KEYS = httpx.Response(200, json={"idempotency_keys": False})
KEYS = httpx.Response(200, json={"idempotency_keys": True})
REFUSED = httpx.ConnectError("refused")
LOST = httpx.ReadError("reset")

Outcome = httpx.Response | httpx.HTTPError


def problem(status: int, code: str, **members: Any) -> httpx.Response:
    """Return an answer in the words of the service."""
    return httpx.Response(status, json={"code": code, "detail": code.lower(), "request_id": "r-1", **members})


def foreign(status: int, **headers: str) -> httpx.Response:
    """Return an answer of something in between."""
    request = httpx.Request("GET", "http://g")
    return httpx.Response(status, text="<html>", headers=headers, request=request)


class Course:
    """Drives one call with planned outcomes, a clock of its own, and pauses that take no time.

    Attributes:
        sent: The requests, but those that ask what the server can do.
        pauses: Seconds of each pause.
        asked: How often the server was asked what it can do.
    """

    def __init__(self, *outcomes: Outcome, info: Outcome = NO_KEYS, **settings: Any) -> None:
        self.now = 1_000.0
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.asked = 0
        self.left = list(outcomes)
        self.info = info
        config = GraphClientConfig(**settings)
        self.breaker = CircuitBreaker(
            "it", threshold=config.breaker_threshold, reset_s=config.breaker_reset_s, clock=lambda: self.now
        )
        self.link = Link(config, self.breaker, clock=lambda: self.now, draw=lambda: 1.0)

    def then(self, *outcomes: Outcome) -> None:
        """Say what comes next."""
        self.left = list(outcomes)

    def run(self, operation: Operation[Any], *, takes_s: float = 0.0) -> Any:
        """Go through the call; each sending takes so long."""
        course = exchange(operation.request, operation.read, self.link)
        try:
            action = next(course)
            while True:
                if isinstance(action, Pause):
                    self.pauses.append(action.seconds)
                    self.now += action.seconds
                    action = next(course)
                    continue
                outcome = self._outcome(action)
                self.now += takes_s
                action = course.throw(outcome) if isinstance(outcome, Exception) else course.send(outcome)
        except StopIteration as done:
            return done.value

    def _outcome(self, send: Send) -> Outcome:
        if send.request.path == "/info":
            self.asked += 1
            return self.info
        self.sent.append(send)
        return self.left.pop(0)


@pytest.mark.parametrize(
    "outcome",
    [
        REFUSED,
        LOST,
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("closed"),
        foreign(500),
        foreign(502),
        foreign(503),
        foreign(429),
        problem(429, "RATE_LIMITED", retryable=True),
        problem(503, "POOL_EXHAUSTED", retryable=True),
        problem(503, "WORKER_CRASHED", retryable=True),
        httpx.Response(200, text='{"columns": ["n"], "da'),
    ],
)
def test_a_read_is_repeated_after_what_may_pass(outcome: Outcome) -> None:
    """A read can be repeated whatever happened to the first attempt."""
    course = Course(outcome, OK)
    assert course.run(READ).rows == [{"n": 1}]
    assert len(course.sent) == 2


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (problem(400, "STATEMENT_ERROR", retryable=False), StatementError),
        (problem(504, "QUERY_TIMEOUT", retryable=False), QueryTimeoutError),
        (problem(500, "INTERNAL", retryable=False), GraphApiError),
        (foreign(404), GraphApiError),
    ],
)
def test_what_cannot_pass_is_not_repeated(outcome: httpx.Response, kind: type[GraphApiError]) -> None:
    """What the server refuses for good is raised at once, even for a read."""
    course = Course(outcome, OK)
    with pytest.raises(kind) as caught:
        course.run(READ)
    assert type(caught.value) is kind
    assert len(course.sent) == 1


@pytest.mark.parametrize("outcome", [LOST, httpx.ReadTimeout("late"), foreign(500), foreign(502)])
def test_writes_are_not_sent_again_when_their_fate_is_unknown(outcome: Outcome) -> None:
    """A write that may have been carried out is never repeated at a server that honours no keys."""
    course = Course(outcome, OK)
    with pytest.raises((ServerUnreachableError, ForeignAnswerError)):
        course.run(WRITE)
    assert len(course.sent) == 1


def test_a_crash_in_a_write_is_not_repeated() -> None:
    """The server itself says that nobody knows what happened to the write."""
    course = Course(problem(503, "WORKER_CRASHED", retryable=False), OK, info=KEYS)
    with pytest.raises(WorkerCrashedError):
        course.run(WRITE)
    assert len(course.sent) == 1


@pytest.mark.parametrize(
    "outcome",
    [REFUSED, httpx.ConnectTimeout("slow"), foreign(429), problem(503, "POOL_EXHAUSTED", retryable=True)],
)
def test_a_write_that_did_nothing_is_repeated(outcome: Outcome) -> None:
    """Without a connection, or when the server refused, a write can be repeated."""
    course = Course(outcome, OK)
    course.run(WRITE)
    assert len(course.sent) == 2


def test_a_write_is_repeated_with_its_key_where_keys_are_honoured() -> None:
    """At a server that honours keys, the very same request goes out again under the same key."""
    course = Course(LOST, foreign(502), OK, info=KEYS)
    course.run(operations.query("g", "CREATE (:P {id: 1})", timeout=30), takes_s=1.0)
    first, second, third = (send.request for send in course.sent)
    assert first.key is not None
    assert first == second == third


def test_a_write_that_is_still_being_served_is_waited_for() -> None:
    """After a lost answer the first attempt may go on: its answer is asked for until it is there or time is up."""
    served = problem(409, "IDEMPOTENCY_IN_PROGRESS", retryable=True)
    course = Course(LOST, *[served] * 8, OK, info=KEYS, max_retries=2)
    assert course.run(operations.query("g", "CREATE (:P {id: 1})", timeout=60)).rows == [{"n": 1}]
    course = Course(LOST, *[served] * 50, info=KEYS, max_retries=2)
    with pytest.raises(IdempotencyInProgressError):
        course.run(operations.query("g", "CREATE (:P {id: 1})", timeout=20))
    assert course.now - 1_000 <= 20


def test_a_key_of_the_caller_is_sent() -> None:
    """Who names a key decides what counts as the same call."""
    course = Course(OK)
    course.run(operations.query("g", "CREATE (:P {id: 1})", idempotency_key="mine"))
    assert course.sent[0].request.key == "mine"


def test_a_read_carries_no_key() -> None:
    """A key costs the server a record on disk; reads need none."""
    course = Course(OK)
    course.run(READ)
    assert course.sent[0].request.key is None


def test_what_the_server_can_do_is_asked_once() -> None:
    """Whether keys are honoured is remembered, and asked again when it could not be learned."""
    asked = Course(OK, OK, OK, info=LOST)
    asked.run(WRITE)
    assert not asked.link.keys_honoured
    asked.info = KEYS
    asked.run(WRITE)
    assert asked.link.keys_honoured
    asked.info = NO_KEYS
    asked.run(WRITE)
    assert asked.link.keys_honoured


def test_a_server_that_is_left_alone_is_not_asked_either() -> None:
    """A write to a server whose breaker is open sends nothing at all."""
    course = Course(LOST, breaker_threshold=1, retries_enabled=True)
    with pytest.raises(ServerUnreachableError):
        course.run(WRITE)
    course.link.asked_at -= 1_000
    course.asked = 0
    with pytest.raises(CircuitOpenError):
        course.run(WRITE)
    assert (course.asked, len(course.sent)) == (0, 1)


def test_retry_after_is_honoured() -> None:
    """The pause is at least what the server asked for, for 429 and 503 alike, in its words or a proxy's."""
    course = Course(
        problem(429, "RATE_LIMITED", retryable=True, retry_after=7.5),
        problem(503, "POOL_EXHAUSTED", retryable=True, retry_after=3),
        foreign(503, **{"Retry-After": "2"}),
        OK,
    )
    course.run(READ)
    assert [pause >= least for pause, least in zip(course.pauses, (7.5, 3, 2), strict=True)] == [True] * 3


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    """When the pause would end after the time of the call, the error is raised at once and says how long to wait."""
    course = Course(problem(503, "POOL_EXHAUSTED", retryable=True, retry_after=30), OK)
    with pytest.raises(PoolExhaustedError) as caught:
        course.run(operations.query("g", "RETURN 1", timeout=20))
    assert caught.value.retry_after == 30
    assert course.pauses == []


def test_pauses_grow_and_are_drawn() -> None:
    """The longest pause grows by its factor up to its limit; the pause is drawn below it."""
    config = GraphClientConfig(retry_delay_s=0.1, retry_backoff=2, max_retry_delay_s=0.5)
    failure = failure_from_answer(foreign(503))
    longest = [pause_before(attempt, failure, config, 1.0) for attempt in range(5)]
    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
    assert pause_before(3, failure, config, 0.0) == 0.0
    assert pause_before(3, failure, config, 0.5) == pytest.approx(0.25)


def test_repetitions_end() -> None:
    """After the last repetition the last error is raised."""
    course = Course(*[foreign(503)] * 3, foreign(429), max_retries=3)
    with pytest.raises(RateLimitedError):
        course.run(READ)
    assert len(course.sent) == 4


def test_the_time_of_the_call_bounds_everything() -> None:
    """Repetitions get what is left of the time, the server is told, and no repetition begins after its end."""
    course = Course(*[LOST] * 10, max_retries=10)
    with pytest.raises(ServerUnreachableError):
        course.run(operations.query("g", "RETURN 1", timeout=10), takes_s=3.0)
    told = [send.request.timeout_s for send in course.sent]
    assert len(told) == 4
    assert told[0] == 10
    assert all(later < earlier for earlier, later in itertools.pairwise(each or 0 for each in told))
    assert course.now - 1_000 < 10 + 3


def test_switched_off_retries_send_once() -> None:
    """LBUG_RETRY_LOGIC_ENABLED=false: every outcome is shown as it is."""
    course = Course(REFUSED, OK, retries_enabled=False)
    with pytest.raises(ServerUnreachableError):
        course.run(READ)
    assert len(course.sent) == 1


def test_an_upload_that_is_spent_is_not_repeated() -> None:
    """Content that can be read only once cannot be sent again; what was not begun, and files, can."""
    course = Course(foreign(429), OK)
    lines = iter([b"name\n", b"Ada\n"])
    load = file_operations.load("g", "P", lines, LoadOptions(format="csv"))
    assert load.request.upload is not None
    pieces = load.request.upload.pieces()
    assert isinstance(pieces, Iterable)
    next(iter(pieces))
    with pytest.raises(RateLimitedError):
        course.run(load)
    assert len(course.sent) == 1


def test_the_breaker_opens_and_closes_by_a_health_check() -> None:
    """After failures in a row calls are refused without being sent; then `/health` goes before the next call."""
    course = Course(LOST, LOST, breaker_threshold=2, breaker_reset_s=10, retries_enabled=False)
    for _ in range(2):
        with pytest.raises(ServerUnreachableError):
            course.run(READ)
    with pytest.raises(CircuitOpenError) as caught:
        course.run(READ)
    assert caught.value.retry_after == pytest.approx(10)
    assert len(course.sent) == 2
    course.now += 10
    course.then(LOST)
    with pytest.raises(ServerUnreachableError):
        course.run(READ)
    assert course.sent[-1].request.path == "/health"
    course.now += 10
    course.then(httpx.Response(200, json={"status": "healthy"}), OK)
    course.run(READ)
    assert [send.request.path for send in course.sent[-2:]] == ["/health", "/databases/g/query"]
    assert course.breaker.state is BreakerState.CLOSED


def test_without_health_checks_the_call_itself_probes() -> None:
    """LBUG_HEALTH_CHECKS_ENABLED=false: no `/health` goes before."""
    course = Course(LOST, breaker_threshold=1, health_checks_enabled=False, retries_enabled=False)
    with pytest.raises(ServerUnreachableError):
        course.run(READ)
    course.now += 100
    course.then(OK)
    course.run(READ)
    assert [send.request.path for send in course.sent] == ["/databases/g/query"] * 2
    assert course.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "outcome",
    [
        problem(400, "STATEMENT_ERROR", retryable=False),
        problem(500, "INTERNAL", retryable=False),
        problem(503, "POOL_EXHAUSTED", retryable=True),
        problem(503, "DATABASE_BROKEN", retryable=False),
        problem(507, "DISK_FULL", retryable=False),
        problem(504, "QUERY_TIMEOUT", retryable=False),
        foreign(404),
    ],
)
def test_what_one_tenant_is_refused_does_not_shut_out_others(outcome: httpx.Response) -> None:
    """An answer in the words of the service shows that it lives: the breaker stays closed."""
    course = Course(*[outcome] * 20, breaker_threshold=2, retries_enabled=False)
    for _ in range(20):
        with pytest.raises(GraphApiError):
            course.run(READ)
    assert course.breaker.state is BreakerState.CLOSED


def test_a_call_that_is_given_up_frees_the_probe() -> None:
    """A probe whose task is cancelled says nothing: the next call may probe."""
    course = Course(breaker_threshold=1, breaker_reset_s=5)
    course.breaker.admit().failed()
    course.now += 5
    given_up = exchange(READ.request, lambda answer: answer, course.link)
    next(given_up)
    given_up.close()
    course.then(OK, OK)
    course.run(READ)
    assert course.breaker.state is BreakerState.CLOSED


def test_no_connection_left_in_the_pool_is_no_sign_of_sickness() -> None:
    """A client that waits for its own connections has learned nothing about the server."""
    course = Course(*[httpx.PoolTimeout("full")] * 3, OK, breaker_threshold=1)
    course.run(WRITE)
    assert course.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "read", [lambda answer: msgspec.json.decode(answer.content), lambda _: _broken()], ids=["json", "stream"]
)
def test_a_success_that_broke_off_is_an_error(read: Callable[[httpx.Response], object]) -> None:
    """An answer that does not end is never taken for one."""
    course = Course(*[httpx.Response(200, text='{"columns": [')] * 9)
    with pytest.raises(IncompleteStreamError):
        course.run(Operation(Request("GET", "/status"), read))


@pytest.mark.parametrize("document", [{"hello": "world"}, [], "yes"])
def test_a_success_of_another_kind_of_server_is_an_error(document: object) -> None:
    """An answer in an unknown form says so, and is not asked for again."""
    request = httpx.Request("POST", "http://elsewhere")
    course = Course(httpx.Response(200, json=document, request=request), OK)
    with pytest.raises(ForeignAnswerError, match="http://elsewhere"):
        course.run(READ)
    assert len(course.sent) == 1


def _broken() -> None:
    raise IncompleteStreamError("no end")
