"""Every step at which a process can die, enumerated by what it does to files, and a kill at each."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, leftovers, within
from tests.graph_api.integration.survival.journal import DDL, Journal, Outcome, check_all, found_rows, make_database
from tests.graph_api.integration.survival.watching import Watch
from tests.graph_api.integration.survival.writers import BY_NAME, write
from tests.graph_api.server_process import ServerProcess
from tests.graph_api.waiting import answered

pytestmark = [pytest.mark.integration, pytest.mark.soak]

NAME: Final = "one"
OTHER: Final = "two"
NEW: Final = {"graph_id": OTHER, "schema_type": "custom", "custom_schema_ddl": DDL}
IDLE_S: Final = 1.0
THEN: Final = ", then "
MISSED_S: Final = 45.0
"""A step that is not seen for so long does not exist any more: the list below has to be put right."""

LATEST_S: Final = 0.01
"""Repeated kills come up to so long after the step."""

CHECKPOINT: Final = (
    "create graph.lbug.checkpoint.intent.lock",
    "create graph.lbug.shadow",
    "modify graph.lbug.shadow",
    "modify graph.lbug",
    "delete graph.lbug.shadow",
    "delete graph.lbug.checkpoint.apply.lock",
)
"""Steps of a checkpoint."""

LOAD: Final = (
    "create [0-9a-f]{32}",
    "create load-.*",
    "create graph.lbug.wal",
    "delete load-.*",
    "delete [0-9a-f]{32}",
)
OPEN: Final = ("open incoming", "open lock", "open graph.lbug")
CREATE: Final = (
    "create [.]new-.*",
    "moved_to two",
    "create lock",
    "create graph.lbug",
    "modify graph.lbug",
    "create graph.lbug.wal",
    f"create graph.lbug.wal{THEN}moved_to manifest.json",
)
DELETE: Final = ("moved_from two", "delete graph.lbug")


@dataclass(frozen=True)
class Site:
    """Where the faults happen.

    Attributes:
        server: The server.
        journal: Of the database `one`.
        rng: Chooses delays.
    """

    server: ServerProcess
    journal: Journal
    rng: random.Random

    @property
    def databases(self) -> Path:
        """The directory of the databases."""
        return self.server.folder / "databases"

    def kill_at(self, step: str, kill: Callable[[], object], action: Callable[[], object], *, delay: float) -> None:
        """Run an action beside, and kill as soon as the step is seen, or the last of several."""
        with Watch(self.databases) as watch:
            beside = threading.Thread(target=action)
            beside.start()
            seen = all(watch.sees(each, MISSED_S) for each in step.split(THEN))
            if seen:
                time.sleep(delay)
                kill()
            beside.join(timeout=60)
        assert not beside.is_alive()
        assert seen, f"{step} was not seen"

    def write(self, kind: str) -> Callable[[], None]:
        """Return the action that writes to the database."""

        def action() -> None:
            with self.server.http() as http:
                write(http, self.journal, NAME, BY_NAME[kind])

        return action

    def until_closed(self) -> None:
        """Let the database be closed because nobody uses it."""
        family = Family(self.server.process_id)
        assert within(WAIT_S, lambda: family.worker(NAME) is None)

    def ready(self) -> None:
        """Open the database."""
        with self.server.http() as http:
            assert within(WAIT_S, lambda: is_answered(http, NAME))

    def repair(self) -> None:
        """Put right what a failed test has left: each test finds a server that runs, with one database."""
        if not self.server.is_running:
            self.server.kill()
            self.server.start()
        self.ready()
        with self.server.http() as http:
            if OTHER in listed(http):
                assert http.delete(f"/databases/{OTHER}").status_code == httpx.codes.OK
        self.tidy()

    def tidy(self) -> None:
        """See that nothing is left of what was interrupted."""
        assert within(WAIT_S, lambda: leftovers(self.databases) == []), leftovers(self.databases)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, with one database; each answer comes from its process."""
    folder = tmp_path_factory.mktemp("faults")
    settings = {"LBUG_IDLE_CLOSE_SECONDS": str(IDLE_S), "LBUG_MEMORY_PER_DB_MB": "1024", "LBUG_RESULT_CACHE_MB": "0"}
    with ServerProcess(folder, more_keys=(), **settings) as server:
        with server.http() as http:
            make_database(http, NAME)
        yield server
        server.stop()
        assert leftovers(folder / "databases") == []


@pytest.fixture(scope="module")
def journal(server: ServerProcess) -> Journal:
    """Give the journal of everything that this file writes."""
    return Journal(server.folder / "journal.txt")


@pytest.fixture
def site(server: ServerProcess, journal: Journal, rng: random.Random) -> Site:
    """Give the site, its database open."""
    site = Site(server, journal, rng)
    site.repair()
    return site


@pytest.fixture
def delays(rng: random.Random, rounds: int) -> list[float]:
    """Give the delays of kills after their step: none in a short run, random ones besides in a long one."""
    return [0.0, *(rng.uniform(0, LATEST_S) for _ in range(rounds // 10))]


def is_answered(http: httpx.Client, graph_id: str) -> bool:
    """Whether a query is answered."""
    with contextlib.suppress(httpx.TransportError):
        return http.post(f"/databases/{graph_id}/query", json={"cypher": "RETURN 1 AS x"}).is_success
    return False


def listed(http: httpx.Client) -> list[str]:
    """Return the names of all databases."""
    return [record["graph_id"] for record in http.get("/databases").json()["databases"]]


def kill_worker_of(server: ServerProcess, graph_id: str) -> Callable[[], None]:
    """Return what kills the worker of a database, if it has one; looked up now, or else when it is called."""
    family = Family(server.process_id)
    known = family.worker(graph_id)

    def kill() -> None:
        process_id = known or family.worker(graph_id)
        if process_id is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)

    return kill


@pytest.mark.parametrize("kind", ["row", "transaction", "load"])
def test_a_worker_killed_when_a_write_arrives_loses_nothing(site: Site, kind: str, delays: list[float]) -> None:
    """Before the commit, or right in it: the write is whole or absent."""
    for delay in [*delays, 0.001, 0.003]:
        kill = kill_worker_of(site.server, NAME)
        beside = threading.Thread(target=site.write(kind))
        beside.start()
        time.sleep(delay)
        kill()
        beside.join(timeout=60)
        assert not beside.is_alive()
        check_all(site.server, site.journal, (NAME,))


@pytest.mark.parametrize("kind", ["row", "transaction"])
def test_a_worker_killed_at_the_commit_loses_nothing(site: Site, kind: str, delays: list[float]) -> None:
    """Between the log and the answer: the write is whole or absent, and there if it was acknowledged."""
    for delay in delays:
        site.kill_at("modify graph.lbug.wal", kill_worker_of(site.server, NAME), site.write(kind), delay=delay)
        check_all(site.server, site.journal, (NAME,))


@pytest.mark.parametrize("kind", ["row", "transaction", "load"])
def test_a_worker_killed_after_the_answer_loses_nothing(site: Site, kind: str) -> None:
    """What was acknowledged is there."""
    kill = kill_worker_of(site.server, NAME)
    with site.server.http() as http:
        entry = write(http, site.journal, NAME, BY_NAME[kind])
        kill()
        assert entry.outcome is Outcome.ACKNOWLEDGED
        site.ready()
        assert found_rows(http, NAME)[entry.op] == entry.rows


@pytest.mark.parametrize("step", [*LOAD, *CHECKPOINT])
def test_a_worker_killed_in_a_load_loses_nothing(site: Site, step: str, delays: list[float]) -> None:
    """From the first byte to the checkpoint after it: the load is whole or absent, and its files are gone."""
    for delay in delays:
        site.kill_at(step, kill_worker_of(site.server, NAME), site.write("load"), delay=delay)
        check_all(site.server, site.journal, (NAME,))
    site.tidy()


@pytest.mark.parametrize("step", [*CHECKPOINT, "delete graph.lbug.wal"])
def test_a_worker_killed_while_it_closes_loses_nothing(site: Site, step: str) -> None:
    """A database that is closed because nobody uses it opens again with all its rows."""
    kill = kill_worker_of(site.server, NAME)
    site.write("row")()
    site.kill_at(step, kill, site.until_closed, delay=0.0)
    check_all(site.server, site.journal, (NAME,))


@pytest.mark.parametrize("victim", ["worker", "template"])
@pytest.mark.parametrize("step", OPEN)
def test_a_process_killed_while_a_database_opens_costs_nothing(site: Site, step: str, victim: str) -> None:
    """The opening is repeated; the write that caused it is answered, and nothing is quarantined."""
    site.until_closed()
    family = Family(site.server.process_id)
    kill = kill_worker_of(site.server, NAME) if victim == "worker" else family.kill_template
    site.kill_at(step, kill, site.write("row"), delay=0.0)
    check_all(site.server, site.journal, (NAME,))


def test_a_load_opens_a_closed_database(site: Site) -> None:
    """The file that waits for the opening is there when the database is open."""
    site.until_closed()
    with site.server.http() as http:
        assert write(http, site.journal, NAME, BY_NAME["load"]).outcome is Outcome.ACKNOWLEDGED
    check_all(site.server, site.journal, (NAME,))


@pytest.mark.parametrize("step", CREATE)
def test_a_worker_killed_while_a_database_is_created_leaves_all_or_nothing(site: Site, step: str) -> None:
    """The creation succeeds, or fails and leaves the name free."""
    with site.server.http() as http:
        answers: list[httpx.Response] = []

        def create() -> None:
            answers.append(http.post("/databases", json=NEW))

        site.kill_at(step, kill_worker_of(site.server, OTHER), create, delay=0.0)
        assert answers[0].status_code in {201, 503}
        if not answers[0].is_success:
            assert not (site.databases / OTHER).exists()
            assert http.post("/databases", json=NEW).status_code == httpx.codes.CREATED
        assert found_rows(http, OTHER) == {}  # The kill may have come after the acknowledgement.
        assert http.delete(f"/databases/{OTHER}").status_code == httpx.codes.OK
    site.tidy()


@pytest.mark.parametrize(
    "step",
    [
        "create [.]new-.*",
        "moved_to two",
        "create graph.lbug.wal",
        f"create graph.lbug.wal{THEN}moved_to manifest.json",
    ],
)
def test_a_server_killed_while_a_database_is_created_leaves_all_or_nothing(site: Site, step: str) -> None:
    """After the restart it is there with its tables, or its name is free and nothing of it is left."""

    def create() -> None:
        with site.server.http() as http, contextlib.suppress(httpx.TransportError):
            http.post("/databases", json=NEW)

    site.kill_at(step, site.server.kill, create, delay=0.0)
    site.server.start()
    with site.server.http() as http:
        is_there = OTHER in listed(http)
        assert is_there is (site.databases / OTHER).exists()
        if not is_there:
            make_database(http, OTHER)
        assert found_rows(http, OTHER) == {}
        assert http.delete(f"/databases/{OTHER}").status_code == httpx.codes.OK
    site.tidy()


@pytest.mark.parametrize("step", DELETE)
def test_a_server_killed_while_a_database_is_deleted_leaves_all_or_nothing(site: Site, step: str) -> None:
    """After the restart it is there, or gone for good with all its files."""
    with site.server.http() as http:
        make_database(http, OTHER)

    def delete() -> None:
        with site.server.http() as http, contextlib.suppress(httpx.TransportError):
            http.delete(f"/databases/{OTHER}")

    site.kill_at(step, site.server.kill, delete, delay=0.0)
    site.server.start()
    with site.server.http() as http:
        counting = {"cypher": "MATCH (n:N) RETURN count(n) AS n"}
        there = answered(lambda: http.post(f"/databases/{OTHER}/query", json=counting))
        assert there.status_code in {200, 404}
        if there.is_success:
            assert there.json()["data"] == [{"n": 2}]
            assert http.delete(f"/databases/{OTHER}").status_code == httpx.codes.OK
    site.tidy()


@pytest.mark.parametrize("step", ["modify graph.lbug.wal", "modify graph.lbug.shadow"])
def test_a_server_killed_while_it_writes_loses_nothing(site: Site, step: str) -> None:
    """In the commit, in a load, in the checkpoint: whole or absent, and no file of the load is left."""
    kind = "row" if step.endswith("wal") else "load"
    site.kill_at(step, site.server.kill, site.write(kind), delay=0.0)
    site.server.start()
    check_all(site.server, site.journal, (NAME,))
    site.tidy()


def test_a_server_killed_while_it_starts_can_be_started_again(site: Site) -> None:
    """Nothing of the interrupted start is in the way, and nothing of it is left."""
    site.server.kill()

    def start() -> None:
        with contextlib.suppress(RuntimeError):  # It says that the process ended.
            site.server.start()

    site.kill_at("open graph.lbug", lambda: os.kill(site.server.process_id, signal.SIGKILL), start, delay=0.0)
    site.server.kill()  # Waits for it, in case it was ready just before the kill.
    site.server.start()
    check_all(site.server, site.journal, (NAME,))
    site.tidy()
