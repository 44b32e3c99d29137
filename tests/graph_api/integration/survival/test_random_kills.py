"""Any process may be killed at any moment while clients write: nothing acknowledged is lost, nothing leaks."""

import itertools
import os
import random
import signal
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, Footprint, leftovers, within
from tests.graph_api.integration.survival.journal import Entry, Journal, Outcome, check_all, make_database
from tests.graph_api.integration.survival.writers import REFUSED_KINDS, writing
from tests.graph_api.server_process import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.soak]

DATABASES = ("one", "two", "three")
CLIENTS = 3


class Victim(StrEnum):
    """Who is killed."""

    WORKER = "worker"
    TEMPLATE = "template"
    WORKER_AND_TEMPLATE = "worker and template"
    SERVER = "server"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, with three open databases; each answer comes from their processes."""
    with ServerProcess(
        tmp_path_factory.mktemp("kills"),
        LBUG_MEMORY_PER_DB_MB="1024",
        LBUG_MAX_ROWS="10000000",
        LBUG_RESULT_CACHE_MB="0",
    ) as server:
        with server.http() as http:
            for name in DATABASES:
                make_database(http, name)
        yield server


@pytest.fixture(scope="module")
def journal(server: ServerProcess) -> Journal:
    """Give the journal of everything that this file writes."""
    return Journal(server.folder / "journal.txt")


def answers(http: httpx.Client, graph_id: str) -> bool:
    """Whether a database answers a query."""
    answer = http.post(f"/databases/{graph_id}/query", json={"cypher": "MATCH (n:N {id: 0}) RETURN n.op AS op"})
    return answer.is_success


def await_recovery_of(server: ServerProcess, graph_id: str) -> None:
    """Wait until a database answers again."""
    with server.http() as http:
        assert within(WAIT_S, lambda: answers(http, graph_id))


def strike(server: ServerProcess, victim: Victim, graph_id: str) -> float:
    """Kill, and wait until all is well again; return the seconds that that took: as a rule a tenth of one."""
    family = Family(server.process_id)
    if victim is Victim.SERVER:
        return restart(server)
    old = family.kill_template() if victim is not Victim.WORKER else None
    began = time.monotonic()
    if victim is not Victim.TEMPLATE:
        family.kill_worker(graph_id)
        await_recovery_of(server, graph_id)
    if old is not None:
        assert within(WAIT_S, lambda: family.template() not in {None, old})
    return time.monotonic() - began


def restart(server: ServerProcess) -> float:
    """Kill the API process, see all others end by themselves, and start it again; return the seconds."""
    orphans = Family(server.process_id).members()
    began = time.monotonic()
    server.kill()
    assert within(WAIT_S, lambda: not any(Path(f"/proc/{process_id}").exists() for process_id in orphans))
    server.start()
    return time.monotonic() - began


def failed(entries: list[Entry], *, except_of: str | None) -> list[Entry]:
    """Return the writes that should have been acknowledged and were not, those of one database left out."""
    return [
        entry
        for entry in entries
        if entry.graph_id != except_of and entry.outcome is not Outcome.ACKNOWLEDGED and entry.kind not in REFUSED_KINDS
    ]


def victims(rng: random.Random, rounds: int) -> Iterator[Victim]:
    """Deal each kind of victim before any comes again."""
    decks = itertools.chain.from_iterable(rng.sample(list(Victim), k=len(Victim)) for _ in itertools.count())
    return itertools.islice(decks, rounds)


def test_no_acknowledged_write_is_lost_whoever_is_killed(
    server: ServerProcess, journal: Journal, rng: random.Random, rounds: int
) -> None:
    """Each write is there once or not at all, as acknowledged, and whole; other databases see no failed request."""
    for number, victim in enumerate(victims(rng, rounds), 1):
        before = len(journal.entries)
        struck = rng.choice(DATABASES)
        with writing(server, journal, DATABASES, rng, clients=CLIENTS):
            time.sleep(rng.uniform(0.1, 0.6))
            seconds = strike(server, victim, struck)
            time.sleep(rng.uniform(0.1, 0.3))
        entries = list(journal.entries.values())[before:]
        print(f"round {number}: {victim} of {struck}, {len(entries)} writes, well again after {seconds:.3f} s")  # noqa: T201
        if victim is not Victim.SERVER:
            assert not failed(entries, except_of=None if victim is Victim.TEMPLATE else struck)
        check_all(server, journal, DATABASES)
    print(sorted(journal.outcomes().items()))  # noqa: T201
    assert {entry.outcome for entry in journal.entries.values() if entry.kind in REFUSED_KINDS} <= {
        Outcome.REFUSED,
        Outcome.UNKNOWN,
    }


def test_killed_workers_and_templates_leave_nothing(server: ServerProcess, journal: Journal, rounds: int) -> None:
    """However often they die, the API process holds no more descriptors, sockets, threads or processes than before."""
    family = Family(server.process_id)

    def kill_all() -> None:
        for name in DATABASES:
            strike(server, Victim.WORKER, name)
        strike(server, Victim.WORKER_AND_TEMPLATE, DATABASES[0])

    kill_all()
    before = Footprint.of(server.process_id)
    for _ in range(rounds):
        kill_all()
    settled = within(WAIT_S, lambda: Footprint.of(server.process_id).fits_into(before))
    assert settled, f"before {before}, after {Footprint.of(server.process_id)}"
    assert within(WAIT_S, lambda: len(family.members()) == 1 + len(DATABASES)), family.members()


def test_a_killed_server_leaves_no_process_and_no_lock(
    server: ServerProcess, journal: Journal, rng: random.Random
) -> None:
    """Workers and template end with it, even if it had been stopped before; the next server opens everything."""
    with writing(server, journal, DATABASES, rng, clients=1):
        time.sleep(0.2)
        os.kill(server.process_id, signal.SIGSTOP)
        time.sleep(0.1)
        restart(server)
    check_all(server, journal, DATABASES)


def test_a_server_that_ends_after_all_this_leaves_nothing(server: ServerProcess, journal: Journal) -> None:
    """A clean stop: no process, nothing in `incoming` and `tmp`, no half-made database, and every write on disk."""
    family = Family(server.process_id).members()
    assert server.stop() == 0
    assert within(WAIT_S, lambda: not any(Path(f"/proc/{process_id}").exists() for process_id in family))
    assert leftovers(server.folder / "databases") == []
    server.start()
    check_all(server, journal, DATABASES)
