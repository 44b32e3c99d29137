"""Somebody sets the wall clock while the service runs: deadlines, idle closing and figures do not notice."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, within
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE N(id INT64, PRIMARY KEY(id))"
ENDLESS = "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b WITH a % b AS c RETURN max(c)"
TIMEOUT_S = 2.0
IDLE_S = 2.0
DAY_S = 86_400.0
NAMES = ("busy", "resting")


@dataclass(frozen=True)
class Clock:
    """The wall clock of the server.

    Attributes:
        file: Says how far it is from the real one.
    """

    file: Path

    def set_to(self, offset_s: float) -> None:
        """Set it, in one step, to so many seconds after the real one, or before it."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(offset_s))
        fresh.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Give a clock that is right at first."""
    clock = Clock(tmp_path / "offset")
    clock.set_to(0)
    return clock


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[ServerProcess]:
    """Run a server on that clock, with two databases; one is never used."""
    program = "tests.graph_api.integration.stepped_clock"
    with ServerProcess(
        tmp_path,
        program=program,
        LBUG_IDLE_CLOSE_SECONDS=str(IDLE_S),
        STEPPED_CLOCK_FILE=str(clock.file),
        LBUG_RESULT_CACHE_MB="0",
    ) as server:
        with server.http() as http:
            for name in NAMES:
                body = {"graph_id": name, "schema_type": "custom", "custom_schema_ddl": DDL}
                assert http.post("/databases", json=body).status_code == 201
        yield server


@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S, 30 * 365 * DAY_S], ids=["forward", "back", "far"])
def test_a_step_of_the_wall_clock_moves_no_deadline(server: ServerProcess, clock: Clock, step_s: float) -> None:
    """A running query ends at its deadline, no earlier and no later; idle databases close; no figure is absurd."""
    with server.http() as http, server.http() as beside, ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        body = {"cypher": ENDLESS, "timeout": TIMEOUT_S}
        running = pool.submit(http.post, "/databases/busy/query", json=body)
        assert within(WAIT_S, lambda: bool(pending(beside)))
        clock.set_to(step_s)
        assert within(WAIT_S, lambda: all(0 <= elapsed < 60_000 for elapsed in pending(beside)))
        answer = running.result(timeout=WAIT_S)
        assert answer.json()["code"] == "QUERY_TIMEOUT"
        assert time.monotonic() - began >= TIMEOUT_S
        assert beside.post("/databases/busy/query", json={"cypher": "RETURN 1 AS x"}).json()["data"] == [{"x": 1}]
        assert within(WAIT_S, lambda: not any(beside.get(f"/databases/{name}").json()["open"] for name in NAMES))
        seconds = [float(text) for text in re.findall(r"_seconds_sum\S* (\S+)", beside.get("/metrics").text)]
        assert seconds
        assert all(0 <= each < 600 for each in seconds)
    assert abs((last_line(server) - datetime.now(UTC)).total_seconds() - step_s) < 600, "the clock was not set"


def pending(http: httpx.Client) -> list[float]:
    """Return how long each pending query of the busy database has been running, in milliseconds."""
    return [query["elapsed_ms"] for query in http.get("/databases/busy/queries").json()["queries"]]


def last_line(server: ServerProcess) -> datetime:
    """Return the moment of the last line of the server's log."""
    return datetime.fromisoformat(json.loads(server.log.read_text().splitlines()[-1])["timestamp"])
