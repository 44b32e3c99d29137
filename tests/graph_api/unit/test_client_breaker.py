"""The circuit breaker of the clients, against a model of it and under threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from robosystems.graph_api.client.breaker import Breakers, BreakerState, CircuitBreaker, Permit
from robosystems.graph_api.client.exceptions import CircuitOpenError

THRESHOLD = 3
RESET_S = 10.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class BreakerModel(RuleBasedStateMachine):
    """Any order of calls, outcomes and times: the breaker does what the plainest model does."""

    permits = Bundle("permits")

    @initialize()
    def begin(self) -> None:
        """Begin closed."""
        self.clock = Clock()
        self.breaker = CircuitBreaker("it", threshold=THRESHOLD, reset_s=RESET_S, clock=self.clock)
        self.state = BreakerState.CLOSED
        self.failures = 0
        self.opened_at = 0.0
        self.changes = 0

    @rule(target=permits)
    def call(self) -> object:
        """A call is admitted exactly when the model says so."""
        over = self.clock.now >= self.opened_at + RESET_S
        if self.state is BreakerState.HALF_OPEN or (self.state is BreakerState.OPEN and not over):
            with pytest.raises(CircuitOpenError) as caught:
                self.breaker.admit()
            left = max(0.0, self.opened_at + RESET_S - self.clock.now)
            assert caught.value.retry_after == pytest.approx(left)
            return multiple()
        if self.state is BreakerState.OPEN:
            self._become(BreakerState.HALF_OPEN)
        permit = self.breaker.admit()
        assert permit.is_probe == (self.state is BreakerState.HALF_OPEN)
        return permit, self.changes

    @rule(pair=consumes(permits), outcome=st.sampled_from(["succeeded", "failed", "dropped"]), twice=st.booleans())
    def report(self, pair: tuple[Permit, int], outcome: str, *, twice: bool) -> None:
        """An outcome counts once, and only if the state is still that of the call."""
        permit, changes = pair
        getattr(permit, outcome)()
        if twice:
            permit.failed()
        if changes != self.changes:
            return
        if outcome == "failed":
            self.failures += 1
            if permit.is_probe or self.failures >= THRESHOLD:
                self.opened_at = self.clock.now
                self._become(BreakerState.OPEN)
        elif outcome == "succeeded":
            self.failures = 0
            if permit.is_probe:
                self._become(BreakerState.CLOSED)
        elif permit.is_probe:
            self._become(BreakerState.OPEN)

    @rule(seconds=st.sampled_from([0.5, 5.0, RESET_S, 100.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    @invariant()
    def agrees(self) -> None:
        """The states are the same."""
        if hasattr(self, "breaker"):
            assert self.breaker.state is self.state

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self.changes += 1


TestBreakerModel = BreakerModel.TestCase
TestBreakerModel.settings = settings(
    max_examples=60, stateful_step_count=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def test_of_many_threads_one_probes() -> None:
    """When the time is over, one of many calls at once passes; the others are refused."""
    clock = Clock()
    breaker = CircuitBreaker("it", threshold=1, reset_s=RESET_S, clock=clock)
    breaker.admit().failed()
    clock.now = RESET_S
    together = threading.Barrier(8)

    def call(_: int) -> bool:
        together.wait()
        try:
            return breaker.admit().is_probe
        except CircuitOpenError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 1


def test_clients_of_one_server_share_its_breaker() -> None:
    """A server has one breaker, whoever asks; another server has another."""
    breakers = Breakers()
    one = breakers.of("http://a", threshold=3, reset_s=1)
    assert breakers.of("http://a", threshold=9, reset_s=9) is one
    assert breakers.of("http://b", threshold=3, reset_s=1) is not one
