"""The server is killed while requests with idempotency keys run, and they are sent again: none ever happens twice."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, within
from tests.graph_api.integration.survival.watching import Watch
from tests.graph_api.server_process import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.soak]

NAME: Final = "one"
DDL: Final = "CREATE NODE TABLE Event(id SERIAL, request STRING, PRIMARY KEY(id))"
NOTE: Final = "modify idempotency.sqlite-wal"
COMMIT: Final = "(create|modify) graph.lbug.wal"
POINTS: Final = {
    "while it is noted that the request begins": (NOTE,),
    "while the request is committed": (NOTE, COMMIT),
    "while it is noted how the request ended": (NOTE, COMMIT, NOTE),
}
"""Steps of one request, as they show in files: the server is killed at the last of them."""

SEEN_S: Final = 20.0
CLIENTS: Final = 8
KINDS: Final = ("query", "transaction", "load")


@dataclass
class Sender:
    """Sends requests with keys and remembers what each was answered.

    Attributes:
        server: Where to.
        answers: First answer of each key that had one.
        unknown: Keys whose outcome was said to be unknown.
    """

    server: ServerProcess
    answers: dict[str, bytes] = field(default_factory=dict[str, bytes])
    unknown: set[str] = field(default_factory=set[str])

    def open(self) -> None:
        """Open the database, so that its opening is not taken for a commit, and keeps nobody waiting."""
        with self.server.http() as http:
            count = {"cypher": "MATCH (e:Event) RETURN count(*)"}
            assert within(WAIT_S, lambda: http.post(f"/databases/{NAME}/query", json=count).is_success)

    def send(self, http: httpx.Client, key: str) -> httpx.Response | None:
        """Send the request of a key, or send it again; None if no answer came."""
        kind = key.partition("-")[0]
        statement = {"cypher": "CREATE (:Event {request: $key})", "parameters": {"key": key}}
        bodies: dict[str, dict[str, Any]] = {
            "query": {"json": statement},
            "transaction": {"json": {"statements": [statement]}},
            "load": {"content": f"request\n{key}\n", "params": {"format": "csv"}},
        }
        path = f"/databases/{NAME}/{kind}" + ("/Event" if kind == "load" else "")
        try:
            response = http.post(path, headers={"Idempotency-Key": key}, **bodies[kind])
        except httpx.TransportError:
            return None
        self.judge(key, response)
        return response

    def judge(self, key: str, response: httpx.Response) -> None:
        """Hold an answer against what was answered before."""
        if response.is_success:
            assert key not in self.unknown, f"{key}: unknown, and then answered"
            assert self.answers.setdefault(key, response.content) == response.content, key
        elif response.json()["code"] == "OUTCOME_UNKNOWN":
            assert key not in self.answers, f"{key}: answered, and then unknown"
            self.unknown.add(key)
        else:
            assert response.status_code in {409, 503}, response.text

    def settle(self, http: httpx.Client, key: str) -> None:
        """Send a request until it has an answer, and once more."""

        def settled() -> bool:
            response = self.send(http, key)
            return response is not None and (key in self.answers or key in self.unknown)

        assert within(WAIT_S, settled), key
        again = self.send(http, key)
        assert again is not None
        assert (again.headers.get("idempotency-replayed") == "true") is (key in self.answers)

    def check(self, keys: list[str]) -> None:
        """Send all again, then count: what was answered has happened once, what is unknown at most once."""
        with self.server.http() as http:
            for key in keys:
                self.settle(http, key)
            rows = http.post(
                f"/databases/{NAME}/query",
                json={"cypher": "MATCH (e:Event) RETURN e.request AS r", "max_rows": 100_000},
            ).json()["data"]
        happened = Counter(row["r"] for row in rows)
        assert not {key: times for key, times in happened.items() if times > 1}
        assert not [key for key in keys if key in self.answers and happened[key] != 1]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """Give a sender to one server for this file, with one database."""
    with ServerProcess(tmp_path_factory.mktemp("repeated")) as server:
        with server.http() as http:
            body = {"graph_id": NAME, "schema_type": "custom", "custom_schema_ddl": DDL}
            assert http.post("/databases", json=body).status_code == 201
        yield Sender(server)


def restart(server: ServerProcess) -> None:
    """Kill the API process, see all others end by themselves, and start it again."""
    orphans = Family(server.process_id).members()
    server.kill()
    assert within(WAIT_S, lambda: not any(Path(f"/proc/{process_id}").exists() for process_id in orphans))
    server.start()


@pytest.mark.parametrize(("point", "kind"), list(zip(POINTS, ["load", "query", "transaction"], strict=True)))
def test_a_kill_at_any_step_makes_nothing_happen_twice(sender: Sender, point: str, kind: str) -> None:
    """Sent again after the restart, the request has its stored answer, an unknown outcome, or was never begun."""
    key = f"{kind}-{point.replace(' ', '-')}"
    sender.open()
    with sender.server.http() as http:

        def send() -> None:
            sender.send(http, key)

        with Watch(sender.server.folder / "databases") as watch:
            beside = threading.Thread(target=send)
            beside.start()
            seen = all(watch.sees(step, SEEN_S) for step in POINTS[point])
            restart(sender.server)
            beside.join(timeout=60)
    assert not beside.is_alive()
    assert seen, f"{point}: not seen"
    sender.check([key])


def test_kills_at_random_make_nothing_happen_twice(sender: Sender, rng: random.Random, rounds: int) -> None:
    """Many clients, all kinds of requests, any moment."""
    keys: list[str] = []
    for number in range(max(1, rounds // 2)):
        sender.open()
        stop = threading.Event()
        sent: list[list[str]] = [[] for _ in range(CLIENTS)]

        def write(
            client: int, number: int = number, stop: threading.Event = stop, sent: list[list[str]] = sent
        ) -> None:
            with sender.server.http() as http:
                for turn in itertools.count():
                    if stop.is_set():
                        return
                    sent[client].append(f"{KINDS[turn % 3]}-{number}-{client}-{turn}")
                    if sender.send(http, sent[client][-1]) is None:
                        return

        clients = [threading.Thread(target=write, args=(client,)) for client in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(rng.uniform(0.05, 0.5))
        restart(sender.server)
        stop.set()
        for client in clients:
            client.join(timeout=60)
        new = list(itertools.chain.from_iterable(sent))
        keys += new
        sender.check(new)
        unknown = sum(key in sender.unknown for key in new)
        print(f"round {number + 1}: {len(new)} requests, {unknown} with an unknown outcome")  # noqa: T201
    assert keys
