"""A journal of writes, kept outside of the service: what was sent, and what was answered."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from tests.graph_api.server_process import ServerProcess
from tests.graph_api.waiting import answered

DDL = "CREATE NODE TABLE N(id INT64, op INT64, PRIMARY KEY(id)); CREATE REL TABLE E(FROM N TO N, op INT64)"
"""Tables of every database that a journal describes. Each row says with its `op` which write made it."""

ANCHORS = "CREATE (:N {id: 0, op: 0}), (:N {id: 1, op: 0})"
"""The nodes that relationships connect: relationships have no key, so a write that is done twice shows."""

_FOUND = (
    "MATCH (n:N) WHERE n.op > 0 RETURN n.op AS op, count(*) AS found",
    "MATCH (:N)-[e:E]->(:N) RETURN e.op AS op, count(*) AS found",
)


class Outcome(StrEnum):
    """What is known of a write."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """The answer says for certain that nothing was written."""
    UNKNOWN = "unknown"
    """No answer, or one that leaves it open."""


@dataclass
class Entry:
    """One write.

    Attributes:
        op: Its number: unique in the journal.
        graph_id: Its database.
        kind: How it was sent.
        rows: How many rows it makes.
        outcome: What is known of it.
        detail: The answer, if it was no success.
    """

    op: int
    graph_id: str
    kind: str
    rows: int
    outcome: Outcome = Outcome.SENT
    detail: str = ""

    @property
    def may_be_found(self) -> frozenset[int]:
        """Numbers of rows that may be in the database."""
        match self.outcome:
            case Outcome.ACKNOWLEDGED:
                return frozenset({self.rows})
            case Outcome.REFUSED:
                return frozenset({0})
            case _:
                return frozenset({0, self.rows})


class Journal:
    """All writes of a test; threads share it.

    Args:
        path: A file that gets a line for each event, for whoever looks into a failure.
    """

    def __init__(self, path: Path) -> None:
        self.entries: dict[int, Entry] = {}
        self._lock = threading.Lock()
        self._path = path

    def sent(self, graph_id: str, kind: str, rows: int) -> Entry:
        """Note a write that is about to be sent, and give it a number."""
        with self._lock:
            entry = Entry(len(self.entries) + 1, graph_id, kind, rows)
            self.entries[entry.op] = entry
            self._line(entry)
        return entry

    def settle(self, entry: Entry, outcome: Outcome, detail: str = "") -> None:
        """Note how a write was answered."""
        with self._lock:
            entry.outcome, entry.detail = outcome, detail
            self._line(entry)

    def outcomes(self) -> Counter[str]:
        """Count kinds and outcomes."""
        return Counter(f"{entry.kind} {entry.outcome}" for entry in self.entries.values())

    def contradictions(self, graph_id: str, found: Mapping[int, int]) -> list[str]:
        """Compare a database with the journal.

        Args:
            graph_id: The database.
            found: Rows in it by number of the write.
        """
        mine = {entry.op: entry for entry in self.entries.values() if entry.graph_id == graph_id}
        wrong = [
            f"{entry}: {found.get(op, 0)} rows"
            for op, entry in mine.items()
            if found.get(op, 0) not in entry.may_be_found
        ]
        return [*wrong, *(f"{op}: never sent here" for op in found.keys() - mine.keys())]

    def _line(self, entry: Entry) -> None:
        with self._path.open("a") as file:
            file.write(f"{entry.op} {entry.graph_id} {entry.kind} {entry.rows} {entry.outcome} {entry.detail}\n")


def found_rows(http: httpx.Client, graph_id: str) -> Counter[int]:
    """Read from a database how many rows each write has made, also when its process has just been killed."""
    found: Counter[int] = Counter()
    for cypher in _FOUND:
        answer = answered(lambda cypher=cypher: http.post(f"/databases/{graph_id}/query", json={"cypher": cypher}))
        assert answer.status_code == httpx.codes.OK, answer.text
        document = answer.json()
        assert document["truncated"] is False
        found.update({row["op"]: row["found"] for row in document["data"]})
    return found


def make_database(http: httpx.Client, graph_id: str) -> None:
    """Create a database for a journal."""
    body = {"graph_id": graph_id, "schema_type": "custom", "custom_schema_ddl": DDL}
    assert http.post("/databases", json=body).status_code == httpx.codes.CREATED
    assert http.post(f"/databases/{graph_id}/query", json={"cypher": ANCHORS}).status_code == httpx.codes.OK


def check_all(server: ServerProcess, journal: Journal, graph_ids: tuple[str, ...]) -> None:
    """Assert that every database holds what the journal says."""
    with server.http() as http:
        wrong = [line for name in graph_ids for line in journal.contradictions(name, found_rows(http, name))]
    assert not wrong, f"{len(wrong)} contradictions: {wrong[:10]}"
