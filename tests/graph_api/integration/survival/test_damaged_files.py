"""Files that were cut off, overwritten, emptied or lost while nobody looked: noticed, said, and never passed over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, within
from tests.graph_api.integration.survival.journal import Journal, Outcome, found_rows, make_database
from tests.graph_api.integration.survival.writers import ROW, write
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

ROWS: Final = 30
FILE: Final = "graph.lbug"
LOG: Final = "graph.lbug.wal"
NONSENSE: Final = b"nonsense" * 64


def cut_tail(folder: Path) -> None:
    """Cut off the last bytes of the log."""
    content = (folder / LOG).read_bytes()
    (folder / LOG).write_bytes(content[:-7])


def overwrite_middle(folder: Path) -> None:
    """Overwrite some bytes in the middle of the log."""
    content = bytearray((folder / LOG).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(byte ^ 0xFF for byte in content[middle : middle + 16])
    (folder / LOG).write_bytes(content)


def remove_log(folder: Path) -> None:
    """Remove the log."""
    (folder / LOG).unlink()


def empty_log(folder: Path) -> None:
    """Empty the log."""
    (folder / LOG).write_bytes(b"")


def remove_file(folder: Path) -> None:
    """Remove the database file."""
    (folder / FILE).unlink()


def empty_file(folder: Path) -> None:
    """Empty the database file."""
    (folder / FILE).write_bytes(b"")


def overwrite_file(folder: Path) -> None:
    """Overwrite the beginning of the database file."""
    with (folder / FILE).open("r+b") as file:
        file.write(NONSENSE)


def damage_manifest(folder: Path) -> None:
    """Overwrite the manifest."""
    (folder / "manifest.json").write_bytes(NONSENSE)


def nothing(folder: Path) -> None:
    """Leave everything as it is."""
    assert (folder / LOG).stat().st_size > 0


DAMAGES: Final[dict[str, Callable[[Path], None]]] = {
    "cuttail": cut_tail,
    "middle": overwrite_middle,
    "nolog": remove_log,
    "emptylog": empty_log,
    "nofile": remove_file,
    "nothing1": empty_file,
    "nonsense": overwrite_file,
    "manifest": damage_manifest,
    "healthy": nothing,
}
"""What is done to which database."""


@dataclass(frozen=True)
class Damaged:
    """A server whose databases were damaged while it was down.

    Attributes:
        server: The server, started again.
        journal: What had been written before; all of it was acknowledged.
    """

    server: ServerProcess
    journal: Journal

    def prefix(self, http: httpx.Client, graph_id: str) -> int:
        """Return how many of the writes are there, having checked that they are the first ones."""
        found = found_rows(http, graph_id)
        sent = [entry.op for entry in self.journal.entries.values() if entry.graph_id == graph_id]
        assert found == dict.fromkeys(sent[: len(found)], 1)
        return len(found)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Damaged]:
    """Fill databases, kill the server so that their logs stay, damage them, and start it again."""
    folder = tmp_path_factory.mktemp("damaged")
    with ServerProcess(folder, LBUG_MEMORY_PER_DB_MB="256", LBUG_RESULT_CACHE_MB="0") as server:
        journal = Journal(folder / "journal.txt")
        with server.http() as http:
            for name in DAMAGES:
                make_database(http, name)
                outcomes = {write(http, journal, name, ROW).outcome for _ in range(ROWS)}
                assert outcomes == {Outcome.ACKNOWLEDGED}
        orphans = Family(server.process_id).kill_at_once()
        server.kill()
        assert within(WAIT_S, lambda: not any(Path(f"/proc/{process_id}").exists() for process_id in orphans))
        for name, damage in DAMAGES.items():
            damage(folder / "databases" / name)
        server.start()
        yield Damaged(server, journal)


@pytest.fixture
def http(damaged: Damaged) -> Iterator[httpx.Client]:
    """Give a client of the server."""
    with damaged.server.http() as http:
        yield http


def described(http: httpx.Client, graph_id: str) -> dict[str, Any]:
    """Describe a database."""
    answer = http.get(f"/databases/{graph_id}")
    assert answer.status_code == httpx.codes.OK
    return answer.json()


def refusal(http: httpx.Client, graph_id: str) -> dict[str, Any]:
    """Send a query that must be refused because the database is broken; return the problem."""
    answer = http.post(f"/databases/{graph_id}/query", json={"cypher": "MATCH (n) RETURN count(n) AS n"})
    assert (answer.status_code, answer.json().get("code")) == (503, "DATABASE_BROKEN"), answer.text
    return answer.json()


def test_a_log_that_nobody_damaged_is_replayed_silently(damaged: Damaged, http: httpx.Client) -> None:
    """A kill alone loses nothing, and nothing is reported."""
    assert damaged.prefix(http, "healthy") == ROWS
    assert described(http, "healthy")["possible_loss"] == []


@pytest.mark.parametrize("graph_id", ["cuttail", "middle"])
def test_a_torn_log_is_set_aside_and_its_valid_prefix_replayed(
    damaged: Damaged, http: httpx.Client, graph_id: str
) -> None:
    """The rows before the damage are there; the loss is on record, with a copy of the log; writing goes on."""
    kept = damaged.prefix(http, graph_id)
    assert 0 < kept < ROWS
    (sentence,) = described(http, graph_id)["possible_loss"]
    folder = damaged.server.folder / "databases" / graph_id
    (copy,) = folder.glob(f"{LOG}.torn-*")
    assert copy.name in sentence
    assert http.post(f"/databases/{graph_id}/query", json={"cypher": "CREATE (:N {id: 7, op: 0})"}).is_success


@pytest.mark.parametrize("graph_id", ["nolog", "emptylog"])
def test_a_lost_log_is_noticed(damaged: Damaged, http: httpx.Client, graph_id: str) -> None:
    """The engine would open an older state without a word."""
    assert "log" in refusal(http, graph_id)["detail"]


@pytest.mark.parametrize("graph_id", ["nofile", "nothing1"])
def test_a_lost_file_is_noticed(damaged: Damaged, http: httpx.Client, graph_id: str) -> None:
    """The engine would make a new, empty database without a word."""
    assert FILE in refusal(http, graph_id)["detail"]
    assert described(http, graph_id)["status"] == "broken"
    assert FILE in described(http, graph_id)["status_reason"]


@pytest.mark.parametrize("graph_id", ["nonsense", "manifest"])
def test_a_database_that_cannot_be_opened_is_quarantined_and_can_be_deleted(
    damaged: Damaged, http: httpx.Client, graph_id: str
) -> None:
    """It is listed with the reason, refused, and deleted on request; its name is free then."""
    refusal(http, graph_id)
    assert described(http, graph_id)["status"] == "broken"
    assert described(http, graph_id)["status_reason"]
    listed = {record["graph_id"]: record["status"] for record in http.get("/databases").json()["databases"]}
    assert listed[graph_id] == "broken"
    assert http.delete(f"/databases/{graph_id}").status_code == httpx.codes.OK
    make_database(http, graph_id)
    assert found_rows(http, graph_id) == {}
