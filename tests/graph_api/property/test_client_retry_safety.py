"""Under any order of faults each acknowledged write has happened exactly once, and no write twice."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robosystems.graph_api.client import AsyncGraphClient, GraphApiError, GraphClient, GraphClientConfig, QueryResult
from tests.graph_api.fault_proxy import Fate, Fault, FaultProxy
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE Mark(id SERIAL, n INT64, PRIMARY KEY(id))"
WRITE = "CREATE (:Mark {n: $n})"
WRITES = 4

FAULTS = st.builds(
    Fault,
    st.sampled_from(Fate),
    status=st.sampled_from([500, 502, 503, 504]),
    keep=st.sampled_from([0, 1, 60, 200, 300]),
) | st.just(Fault(Fate.REFUSE, status=429))  # Who answers 429 has served nothing.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file."""
    with ServerProcess(tmp_path_factory.mktemp("retries")) as server:
        with server.client() as client:
            client.create_database("marks", "custom", custom_schema_ddl=DDL)
        yield server


@pytest.fixture(scope="module")
def proxy(server: ServerProcess) -> Iterator[FaultProxy]:
    """Run one proxy before the server."""
    with FaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Give each write a number of its own."""
    return itertools.count()


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(FAULTS, max_size=10),
    asynchronous=st.booleans(),
    keys=st.booleans(),
    as_transaction=st.booleans(),
)
def test_no_write_happens_twice(
    server: ServerProcess,
    proxy: FaultProxy,
    numbers: Iterator[int],
    faults: list[Fault],
    *,
    asynchronous: bool,
    keys: bool,
    as_transaction: bool,
) -> None:
    """Whatever the way does: an acknowledged write is there once, one that failed is there once or not at all."""
    proxy.plan(*faults)
    config = GraphClientConfig(
        retry_delay_s=0.001, max_retry_delay_s=0.005, max_retries=3, breakers_enabled=False, keys_enabled=keys
    )
    mine = list(itertools.islice(numbers, WRITES))
    if asynchronous:
        acknowledged = asyncio.run(_write_later(AsyncGraphClient(proxy.url, server.key, config=config), mine))
    else:
        acknowledged = _write_now(
            GraphClient(proxy.url, server.key, config=config), mine, as_transaction=as_transaction
        )
    with server.client() as onlooker:
        found = onlooker.query(
            "marks", "MATCH (m:Mark) WHERE list_contains($mine, m.n) RETURN m.n AS n, count(*) AS times", {"mine": mine}
        )
    times = {row["n"]: row["times"] for row in found}
    assert {number: times.get(number) for number in acknowledged} == dict.fromkeys(acknowledged, 1)
    assert all(count == 1 for count in times.values())


def _write_now(client: GraphClient, numbers: list[int], *, as_transaction: bool) -> list[int]:
    """Write numbers with the synchronous client; return those that were acknowledged."""
    acknowledged: list[int] = []
    with client:
        for number in numbers:
            try:
                if as_transaction:
                    client.transaction("marks", [(WRITE, {"n": number})])
                else:
                    client.query("marks", WRITE, {"n": number})
            except GraphApiError:
                continue
            acknowledged.append(number)
    return acknowledged


async def _write_later(client: AsyncGraphClient, numbers: list[int]) -> list[int]:
    """Write numbers with the asynchronous client, all at once; return those that were acknowledged."""
    async with client:
        outcomes = await asyncio.gather(
            *(client.query("marks", WRITE, {"n": number}) for number in numbers), return_exceptions=True
        )
    for outcome in outcomes:
        assert isinstance(outcome, QueryResult | GraphApiError)
    return [number for number, outcome in zip(numbers, outcomes, strict=True) if isinstance(outcome, QueryResult)]
