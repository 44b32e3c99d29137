"""The clients behind a proxy that loses, delays and cuts: what is acknowledged happened once, what is read is whole."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from robosystems.graph_api.client import (
    AsyncGraphClient,
    CircuitOpenError,
    GraphClient,
    GraphClientConfig,
    IncompleteStreamError,
    LoadOptions,
    ServerUnreachableError,
)
from robosystems.graph_api.client.breaker import PROCESS_BREAKERS, BreakerState
from tests.graph_api.fault_proxy import Fate, Fault, FaultProxy
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE Mark(id SERIAL, n INT64, PRIMARY KEY(id))"
COUNT = "MATCH (m:Mark {n: $n}) RETURN count(m) AS times"
SOON = GraphClientConfig(retry_delay_s=0.001, max_retry_delay_s=0.01, breakers_enabled=False)


class Caller:
    """Calls one of the two clients in the same words."""

    def __init__(self, client: AsyncGraphClient | GraphClient) -> None:
        self.client = client

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method in a thread, or await it."""
        if isinstance(self.client, GraphClient):
            return await asyncio.to_thread(getattr(self.client, method), *arguments, **options)
        answer = getattr(self.client, method)(*arguments, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def stream(self, method: str, *arguments: Any, **options: Any) -> list[Any]:
        """Read a whole stream."""
        if isinstance(self.client, GraphClient):
            return await asyncio.to_thread(lambda: list(getattr(self.client, method)(*arguments, **options)))
        return [item async for item in getattr(self.client, method)(*arguments, **options)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file."""
    with ServerProcess(tmp_path_factory.mktemp("faults")) as server:
        with server.client() as client:
            client.create_database("marks", "custom", custom_schema_ddl=DDL)
        yield server


@pytest.fixture(scope="module")
def proxy(server: ServerProcess) -> Iterator[FaultProxy]:
    """Run one proxy before the server."""
    with FaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture(params=["async", "sync"])
async def caller(request: pytest.FixtureRequest, server: ServerProcess, proxy: FaultProxy) -> AsyncIterator[Caller]:
    """Give each of the two clients in turn, behind the proxy with nothing planned."""
    proxy.plan()
    if request.param == "async":
        async with AsyncGraphClient(proxy.url, server.key, config=SOON) as asynchronous:
            yield Caller(asynchronous)
    else:
        with GraphClient(proxy.url, server.key, config=SOON) as synchronous:
            yield Caller(synchronous)


def times(server: ServerProcess, n: int) -> int:
    """Count how often a write happened, asked without the proxy."""
    with server.client() as client:
        return client.query("marks", COUNT, {"n": n})[0]["times"]


@pytest.mark.parametrize(
    "fate",
    [Fate.RESET, Fate.CLOSE, Fate.LOSE_ANSWER, Fate.CUT_ANSWER, Fate.REFUSE, Fate.SPOIL],
    ids=lambda fate: fate.value,
)
async def test_reads_survive_every_fault(caller: Caller, proxy: FaultProxy, fate: Fate) -> None:
    """Whatever happens to the first two attempts of a read, the third brings the answer."""
    proxy.plan(Fault(fate), Fault(fate, keep=300))
    assert (await caller.call("query", "marks", "RETURN 1 AS one")).rows == [{"one": 1}]
    assert proxy.left == 0


@pytest.mark.parametrize("keep", [0, 40, 400, 100_000])
@pytest.mark.parametrize("method", ["query_stream", "arrow_stream"])
async def test_a_stream_that_is_cut_is_never_complete(
    caller: Caller, proxy: FaultProxy, method: str, keep: int
) -> None:
    """A stream that broke off raises after the rows that came; it is not begun again behind the caller's back."""
    proxy.plan(Fault(Fate.CUT_ANSWER, keep=keep), *[Fault(Fate.CUT_ANSWER, keep=0)] * 9)
    with pytest.raises((IncompleteStreamError, ServerUnreachableError)):
        await caller.stream(method, "marks", "UNWIND range(1, 50000) AS i RETURN i")


async def test_a_stream_is_begun_again_before_its_first_row(caller: Caller, proxy: FaultProxy) -> None:
    """Nothing has been given out yet: the request is repeated like any read."""
    proxy.plan(Fault(Fate.RESET), Fault(Fate.REFUSE, status=503))
    assert len(await caller.stream("query_stream", "marks", "UNWIND range(1, 10) AS i RETURN i")) == 10


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, Fate.CUT_ANSWER, Fate.SPOIL], ids=lambda fate: fate.value)
@pytest.mark.parametrize("status", [500, 502])
async def test_a_write_whose_answer_is_lost_happens_once(
    caller: Caller, proxy: FaultProxy, server: ServerProcess, fate: Fate, status: int
) -> None:
    """The write was served and its answer lost, twice: the caller gets the answer in the end, and it happened once."""
    number = time.monotonic_ns()
    proxy.plan(*[Fault(fate, status=status)] * 2)
    written = await caller.call("query", "marks", "CREATE (:Mark {n: $n})", {"n": number})
    assert written.counters["nodes_created"] == 1
    assert times(server, number) == 1


async def test_writes_with_a_fate_unknown_are_sent_once_without_keys(proxy: FaultProxy, server: ServerProcess) -> None:
    """A client that sends no keys repeats no write that may have happened, and says so."""
    number = time.monotonic_ns()
    config = GraphClientConfig(retry_delay_s=0.001, breakers_enabled=False, keys_enabled=False)
    seen = len(proxy.seen)
    proxy.plan(Fault(Fate.LOSE_ANSWER))
    async with AsyncGraphClient(proxy.url, server.key, config=config) as client:
        with pytest.raises(ServerUnreachableError, match="look before you repeat") as caught:
            await client.query("marks", "CREATE (:Mark {n: $n})", {"n": number})
    assert caught.value.context["sent"] is True
    assert len(proxy.seen) == seen + 1
    assert times(server, number) == 1


async def test_a_load_behind_faults_happens_once(caller: Caller, proxy: FaultProxy, server: ServerProcess) -> None:
    """A load that was refused is sent again from its beginning; one whose answer was lost is not done twice."""
    number = time.monotonic_ns()
    proxy.plan(Fault(Fate.REFUSE, status=429), Fault(Fate.LOSE_ANSWER))
    loaded = await caller.call("load", "marks", "Mark", f"n\n{number}\n".encode(), LoadOptions(format="csv"))
    assert loaded.rows_loaded == 1
    assert times(server, number) == 1


async def test_429_is_repeated_when_the_server_says(caller: Caller, proxy: FaultProxy) -> None:
    """`Retry-After` is waited for, for writes too: 429 means that nothing was done."""
    proxy.plan(Fault(Fate.REFUSE, status=429, retry_after=1))
    began = time.monotonic()
    await caller.call("query", "marks", "CREATE (:Mark {n: -1})")
    assert time.monotonic() - began >= 1.0


async def test_a_slow_way_is_waited_for(caller: Caller, proxy: FaultProxy) -> None:
    """A delay within the time of the call is no fault."""
    proxy.plan(Fault(delay_s=0.5))
    assert (await caller.call("query", "marks", "RETURN 1 AS one", timeout=30)).rows == [{"one": 1}]


async def test_clients_leave_a_sick_server_alone_and_find_it_again(server: ServerProcess) -> None:
    """Both clients of a URL share its breaker: failures of one shut out the other, and one success lets both in."""
    config = GraphClientConfig(breaker_threshold=3, breaker_reset_s=0.2, retries_enabled=False)
    with FaultProxy(server.url, spared=()) as proxy, GraphClient(proxy.url, server.key, config=config) as synchronous:
        async with AsyncGraphClient(proxy.url, server.key, config=config) as asynchronous:
            proxy.plan(*[Fault(Fate.RESET)] * 4)
            for _ in range(3):
                with pytest.raises(ServerUnreachableError):
                    await asynchronous.query("marks", "RETURN 1")
            breaker = PROCESS_BREAKERS.of(proxy.url, threshold=3, reset_s=0.2)
            assert breaker.state is BreakerState.OPEN
            answers = await asyncio.to_thread(_until_answered, synchronous)
            assert answers == [{"one": 1}]
            assert (await asynchronous.query("marks", "RETURN 1 AS one")).rows == [{"one": 1}]
            assert breaker.state is BreakerState.CLOSED
            assert "/health" in [each.path for each in proxy.seen]


def _until_answered(client: GraphClient) -> list[dict[str, Any]]:
    """Ask until the breaker lets a call through and it is answered."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return client.query("marks", "RETURN 1 AS one").rows
        except (CircuitOpenError, ServerUnreachableError):
            time.sleep(0.05)
    raise TimeoutError
