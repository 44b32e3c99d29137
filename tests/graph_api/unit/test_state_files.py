"""What a node remembers, in real files: one writer, commits shared, nothing lost, nobody else let in."""

import asyncio
import json
import sqlite3
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from robosystems.graph_api.domain.access import GraphSet, KeyRecord, Scope
from robosystems.graph_api.domain.audit import AuditEntry
from robosystems.graph_api.domain.errors import UnavailableError
from robosystems.graph_api.domain.idempotency import Outcome, RequestIdentity, Retention
from robosystems.graph_api.state.audit_file import AuditFile
from robosystems.graph_api.state.opening import NodeMemory, open_node_memory
from robosystems.graph_api.state.sqlite_file import SqliteFile

Result = TypeVar("Result")
NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
KEEP = Retention(max_age_s=3_600, max_owner_records=1_000, max_bytes=1 << 30)
TABLES = ("CREATE TABLE IF NOT EXISTS t(x INTEGER PRIMARY KEY)",)


def key_of(key_id: str, **fields: object) -> KeyRecord:
    """Return a key."""
    known: dict[str, object] = {
        "key_id": key_id,
        "digest": b"\0\xff" * 16,
        "name": "Ünïcode 'name'",
        "scope": Scope.WRITE,
        "graphs": GraphSet.parse(["a", "b*"]),
        "created_at": NOW,
        "created_by": "admin",
    }
    return KeyRecord(**(known | fields))  # pyright: ignore[reportArgumentType]


def named(key: str, *, owner: str = "o", graph_id: str = "g", incarnation: str = "1") -> RequestIdentity:
    """Return an identity."""
    return RequestIdentity(owner, graph_id, incarnation, key)


def done(body: bytes | None = b"{}", size: int = 2) -> Outcome:
    """Return an outcome."""
    return Outcome(
        "POST /x",
        done=True,
        body_digest=b"d" * 32,
        status=201,
        headers=(("content-type", "application/json"),),
        body=body,
        size=size,
    )


def with_memory(folder: Path, work: Callable[[NodeMemory], Awaitable[Result]]) -> Result:
    """Run work with an open memory."""

    async def run() -> Result:
        async with open_node_memory(folder) as memory:
            return await work(memory)

    return asyncio.run(run())


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """The directory too, whatever it was before."""
    (tmp_path / ".node").mkdir(mode=0o755)

    async def work(memory: NodeMemory) -> list[int]:
        await memory.keys.put(key_of("k"))
        await memory.audit.record(AuditEntry("act", None, "success", "admin"))
        return [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / ".node").iterdir()]

    modes = with_memory(tmp_path, work)
    assert set(modes) == {0o600}
    assert stat.S_IMODE((tmp_path / ".node").stat().st_mode) == 0o700


def test_keys_come_back_as_they_were(tmp_path: Path) -> None:
    """Each field, with and without a value; a change replaces, a removal removes."""
    full = key_of("full", expires_at=NOW + timedelta(days=1), disabled=True, last_used_at=NOW)
    bare = key_of("bare", graphs=None)

    async def write(memory: NodeMemory) -> None:
        for record in (full, bare, key_of("gone")):
            await memory.keys.put(record)
        await memory.keys.put(key_of("bare", graphs=None, name="new"))
        await memory.keys.remove("gone")
        await memory.keys.remove("never")
        await memory.keys.touch({"bare": NOW, "never": NOW})

    with_memory(tmp_path, write)
    found = with_memory(tmp_path, lambda memory: memory.keys.load())
    assert found == [key_of("bare", graphs=None, name="new", last_used_at=NOW), full]


def test_the_signing_secret_stays(tmp_path: Path) -> None:
    """Tokens outlive a restart; another node has another secret."""
    first = with_memory(tmp_path, lambda memory: memory.keys.signing_secret())
    assert len(first) == 32
    assert with_memory(tmp_path, lambda memory: memory.keys.signing_secret()) == first
    (tmp_path / "other").mkdir()
    assert with_memory(tmp_path / "other", lambda memory: memory.keys.signing_secret()) != first


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    """Two writers of one memory would execute one request twice."""

    async def work(memory: NodeMemory) -> None:
        await memory.keys.put(key_of("k"))
        with pytest.raises(UnavailableError, match=r"keys\.sqlite"):
            async with open_node_memory(tmp_path):
                pass
        assert [record.key_id for record in await memory.keys.load()] == ["k"]

    with_memory(tmp_path, work)


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    """The node does not start without its keys, and does not begin new ones over them."""
    (tmp_path / ".node").mkdir()
    damaged = tmp_path / ".node" / "keys.sqlite"
    damaged.write_bytes(b"this is no database" * 100)
    with pytest.raises(UnavailableError, match=r"keys\.sqlite"):
        with_memory(tmp_path, lambda memory: memory.keys.load())
    assert damaged.read_bytes() == b"this is no database" * 100


def test_who_waits_together_is_committed_together(tmp_path: Path) -> None:
    """Sixty-four changes that wait while one runs share one commit, in their order."""
    path = tmp_path / "t.sqlite"
    held = threading.Event()

    async def work() -> tuple[int, list[int]]:
        file = SqliteFile(path, TABLES)
        await file.open()

        def hold(_: sqlite3.Connection) -> None:
            held.wait(30)

        def insert(connection: sqlite3.Connection) -> int:
            before = connection.total_changes
            connection.execute("INSERT INTO t DEFAULT VALUES")
            assert connection.in_transaction
            return before

        first = asyncio.ensure_future(file.run(hold))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(file.run(insert)) for _ in range(64)]
        await asyncio.sleep(0)
        size_before = path.with_name("t.sqlite-wal").stat().st_size
        held.set()
        order = await asyncio.gather(*waiting)
        await first
        grown = path.with_name("t.sqlite-wal").stat().st_size - size_before
        await file.close()
        return grown, list(order)

    grown, order = asyncio.run(work())
    assert order == sorted(order)
    assert grown < 8 * 4_200  # Pages of one or two commits; sixty-four commits would be as many pages.


def test_a_failing_change_is_undone_alone(tmp_path: Path) -> None:
    """Its neighbours in the transaction are kept."""

    async def work() -> list[tuple[int]]:
        file = SqliteFile(tmp_path / "t.sqlite", TABLES)
        await file.open()

        def good(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO t DEFAULT VALUES")

        def bad(connection: sqlite3.Connection) -> None:
            good(connection)
            connection.execute("INSERT INTO nowhere VALUES (1)")

        outcomes = await asyncio.gather(*(file.run(w) for w in (good, bad, good)), return_exceptions=True)
        assert [isinstance(outcome, UnavailableError) for outcome in outcomes] == [False, True, False]
        rows = await file.run(lambda connection: connection.execute("SELECT count(*) FROM t").fetchall())
        await file.close()
        with pytest.raises(UnavailableError):
            await file.run(good)
        return rows

    assert asyncio.run(work()) == [(2,)]


def test_a_caller_that_goes_away_hurts_nobody(tmp_path: Path) -> None:
    """Its change happens; the others hear of theirs."""

    async def work() -> int:
        file = SqliteFile(tmp_path / "t.sqlite", TABLES)
        await file.open()

        def insert(connection: sqlite3.Connection) -> None:
            time.sleep(0.02)
            connection.execute("INSERT INTO t DEFAULT VALUES")

        leaving = asyncio.ensure_future(file.run(insert))
        await asyncio.sleep(0)
        leaving.cancel()
        await file.run(insert)
        (row,) = await file.run(lambda connection: connection.execute("SELECT count(*) FROM t").fetchall())
        await file.close()
        return row[0]

    assert asyncio.run(work()) == 2


def test_a_request_is_begun_once(tmp_path: Path) -> None:
    """Whoever comes second learns what is known, also after a restart."""

    async def begin(memory: NodeMemory) -> None:
        assert await memory.outcomes.begin(named("a"), "POST /x") is None
        assert await memory.outcomes.begin(named("a"), "POST /y") == Outcome("POST /x")
        for other in (named("b"), named("a", owner="p"), named("a", graph_id="h"), named("a", incarnation="2")):
            assert await memory.outcomes.begin(other, "POST /x") is None
        await memory.outcomes.finish(named("b"), done())
        await memory.outcomes.release(named("a", owner="p"))

    async def look(memory: NodeMemory) -> None:
        assert await memory.outcomes.begin(named("a"), "POST /z") == Outcome("POST /x")
        assert await memory.outcomes.begin(named("b"), "POST /z") == done()
        assert await memory.outcomes.begin(named("a", owner="p"), "POST /z") is None

    with_memory(tmp_path, begin)
    with_memory(tmp_path, look)


def test_the_requests_of_a_database_are_forgotten_with_it(tmp_path: Path) -> None:
    """All incarnations and owners; other databases keep theirs."""

    async def work(memory: NodeMemory) -> None:
        mine = [named("a"), named("a", incarnation="2"), named("b", owner="p")]
        for identity in (*mine, named("a", graph_id="other")):
            await memory.outcomes.begin(identity, "POST /x")
        await memory.outcomes.forget("g")
        for identity in mine:
            assert await memory.outcomes.begin(identity, "POST /x") is None
        assert await memory.outcomes.begin(named("a", graph_id="other"), "POST /x") is not None

    with_memory(tmp_path, work)


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (KEEP, ["k0", "k1", "k2", "k3", "k4", "k5"]),
        (Retention(0, 1_000, 1 << 30), ["k1"]),
        (Retention(3_600, 2, 1 << 30), ["k1", "k4", "k5"]),
        (Retention(3_600, 1_000, 2 * 5_000), ["k1", "k4", "k5"]),
    ],
)
def test_what_is_old_or_too_much_is_forgotten_oldest_first(
    tmp_path: Path, retention: Retention, left: list[str]
) -> None:
    """By age, by number, by size; what is in progress stays."""

    async def work(memory: NodeMemory) -> list[str]:
        for number in range(6):
            await memory.outcomes.begin(named(f"k{number}"), "POST /x")
            if number != 1:
                await memory.outcomes.finish(named(f"k{number}"), done(b"x" * 4_000, 4_000))
        while await memory.outcomes.purge(retention, {named("k1")}):
            pass
        return [
            f"k{number}"
            for number in range(6)
            if await memory.outcomes.begin(named(f"k{number}"), "POST /x") is not None
        ]

    assert with_memory(tmp_path, work) == left


def test_acts_are_lines_and_large_files_are_put_aside(tmp_path: Path) -> None:
    """In their order, each once, in so many files and no more."""
    path = tmp_path / "audit.jsonl"

    async def work() -> None:
        log = AuditFile(path, max_bytes=300, max_files=2)
        for number in range(12):
            await log.record(AuditEntry("act", f"target-{number}", "success", "admin", "r", "::1"))

    asyncio.run(work())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    lines = [
        json.loads(line)
        for name in ("audit.jsonl.2", "audit.jsonl.1", "audit.jsonl")
        for line in (tmp_path / name).read_text().splitlines()
    ]
    targets = [int(line["target"].removeprefix("target-")) for line in lines]
    assert targets == list(range(targets[0], 12))
    assert set(lines[0]) == {"timestamp", "act", "target", "outcome", "key_id", "request_id", "address"}


def test_an_act_that_cannot_be_written_down_does_not_fail(tmp_path: Path) -> None:
    """The act has happened; the log of the server says that its line is missing."""
    asyncio.run(AuditFile(tmp_path / "nowhere" / "audit.jsonl").record(AuditEntry("act", None, "success", "admin")))
