"""Exports and imports beside writers, slow clients and deaths: a whole archive or a broken one, all or nothing."""

import contextlib
import io
import random
import socket
import tarfile
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.archive_files import PART, ArchiveFile, small_archive
from tests.graph_api.server_process import ServerProcess
from tests.graph_api.tenant import Tenant, tenant_of, wait_until
from tests.graph_api.waiting import answered

pytestmark = pytest.mark.integration

LEDGERS = (
    "CREATE NODE TABLE Bulk(id INT64, text STRING, PRIMARY KEY(id)); "
    "CREATE NODE TABLE Debit(id INT64, amount INT64, PRIMARY KEY(id)); "
    "CREATE NODE TABLE Credit(id INT64, amount INT64, PRIMARY KEY(id)); "
    "CREATE REL TABLE Entry(FROM Debit TO Credit, amount INT64)"
)
BULK_ROWS = 30_000
"""With a kilobyte of noise each: more than all buffers between a worker and a slow client hold."""

ACCOUNTS = 50
PARQUET = "application/x-parquet"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest.fixture(scope="module")
def noise() -> bytes:
    """Make a file of rows that cannot be compressed away."""
    source = random.Random(4)
    texts = [source.randbytes(500).hex() for _ in range(BULK_ROWS)]
    file = io.BytesIO()
    pq.write_table(pa.table({"id": range(BULK_ROWS), "text": texts}), file)
    return file.getvalue()


@pytest.fixture(scope="module")
def ledgers(server: RunningServer, noise: bytes) -> Iterator[Tenant]:
    """Give a database whose export does not fit into the buffers on the way to the client."""
    with tenant_of(server, LEDGERS) as tenant:
        tenant.rows(
            f"UNWIND range(1, {ACCOUNTS}) AS i CREATE (:Debit {{id: i, amount: 0}})-[:Entry {{amount: 0}}]->"
            "(:Credit {id: i, amount: 0})"
        )
        assert tenant.load("Bulk", noise, PARQUET).status_code == 200
        yield tenant


@contextlib.contextmanager
def slow_export(tenant: Tenant, **options: Any) -> Generator[tuple[Iterator[bytes], bytes]]:
    """Begin an export and take its first piece only; gives the rest and that piece."""
    small = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)])
    with (
        httpx.Client(base_url=tenant.http.base_url, headers=tenant.http.headers, transport=small, timeout=60) as client,
        client.stream("GET", tenant.url("/export"), params=options) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        pieces = answer.iter_raw()
        yield pieces, next(pieces)


def export(tenant: Tenant) -> bytes:
    """Export a database as fast as it goes."""
    answer = answered(lambda: tenant.http.get(tenant.url("/export")))
    assert answer.status_code == 200, answer.text
    return answer.content


def table(archive: bytes, folder: str) -> list[dict[str, Any]]:
    """Return the rows of all parts in a folder."""
    members = ArchiveFile.unpack(archive)
    return [row for name in members.members if name.startswith(folder) for row in members.rows(name)]


def balance(archive: bytes) -> tuple[int, int, int, int]:
    """Return the sums of both ledgers and of the entries between them, and how many entries there are."""
    debit, credit = (table(archive, f"nodes/{name}/") for name in ("Debit", "Credit"))
    entries = table(archive, "relationships/Entry/")
    first, second, between = (sum(row["amount"] for row in rows) for rows in (debit, credit, entries))
    return first, second, between, len(entries)


def write_everything(tenant: Tenant, round_: int) -> None:
    """Change both ledgers and the entries in one transaction each time, and make the engine checkpoint."""
    for account in range(1, ACCOUNTS, 7):
        done = tenant.transact(
            f"MATCH (d:Debit {{id: {account}}}) SET d.amount = d.amount + 3",
            f"MATCH (c:Credit {{id: {account}}}) SET c.amount = c.amount + 3",
            f"MATCH (d:Debit {{id: {account}}}), (c:Credit {{id: {account}}}) CREATE (d)-[:Entry {{amount: 3}}]->(c)",
        )
        assert done.status_code == 200, done.text
    done = tenant.transact(
        f"MATCH (d:Debit {{id: {round_ + 2}}})-[e:Entry]->() DELETE e",
        f"MATCH (d:Debit {{id: {round_ + 2}}}) DELETE d",
        f"MATCH (c:Credit {{id: {round_ + 2}}}) DELETE c",
    )
    assert done.status_code == 200, done.text
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [10**6 + round_], "text": ["late"]}), file)
    assert tenant.load("Bulk", file.getvalue(), PARQUET).status_code == 200  # A load ends with a checkpoint.


def test_an_export_shows_one_moment_whatever_is_written_meanwhile(ledgers: Tenant) -> None:
    """Nothing that was committed after its beginning is in it; and the writers do not wait for a slow client."""
    before = balance(export(ledgers))
    with slow_export(ledgers) as (pieces, first):
        for round_ in range(3):
            write_everything(ledgers, round_)
        archive = first + b"".join(pieces)
    assert balance(archive) == before
    assert len(table(archive, "nodes/Bulk/")) == BULK_ROWS
    after = export(ledgers)
    debit, credit, entries, _ = balance(after)
    assert debit == credit == entries > 0
    assert len(table(after, "nodes/Bulk/")) == BULK_ROWS + 3


def test_exports_beside_a_busy_writer_balance(server: RunningServer) -> None:
    """Every archive shows a state between two transactions."""
    with tenant_of(server, LEDGERS) as tenant, ThreadPoolExecutor(1) as pool:
        tenant.rows(f"UNWIND range(1, {ACCOUNTS}) AS i CREATE (:Debit {{id: i, amount: 0}})")
        tenant.rows(f"UNWIND range(1, {ACCOUNTS}) AS i CREATE (:Credit {{id: i, amount: 0}})")
        done = threading.Event()

        def write() -> None:
            with server.client(checked=False) as http:
                writer = Tenant(http, tenant.graph_id, tenant.directory)
                for round_ in range(10):
                    write_everything(writer, round_)
            done.set()

        writing = pool.submit(write)
        archives: list[bytes] = []
        while not done.is_set() and not writing.done():
            archives.append(export(tenant))
        writing.result()
        for archive in archives:
            debit, credit, entries, _ = balance(archive)
            assert debit == credit == entries


def test_a_change_of_the_schema_ends_an_export_and_does_not_wait_for_it(ledgers: Tenant) -> None:
    """The client sees a broken body; the next export is whole."""
    with slow_export(ledgers) as (pieces, _):
        ledgers.rows("ALTER TABLE Debit ADD note STRING")
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert table(export(ledgers), "nodes/Debit/")[0]["note"] is None


def test_one_export_of_a_database_runs_at_a_time(ledgers: Tenant) -> None:
    """The second is told to come back; other databases are not concerned, nor are queries."""
    with slow_export(ledgers) as (pieces, first):
        with httpx.Client(base_url=ledgers.http.base_url, headers=ledgers.http.headers) as other:
            second = other.get(ledgers.url("/export"))
        assert (second.status_code, second.json()["code"]) == (409, "DATABASE_BUSY")
        assert second.json()["retryable"]
        assert ledgers.rows("RETURN 1 AS x") == [{"x": 1}]
        whole = first + b"".join(pieces)
    assert balance(whole) == balance(export(ledgers))


def test_an_export_is_listed_and_can_be_cancelled(ledgers: Tenant) -> None:
    """The body breaks off, so that nobody takes it for an archive."""
    with slow_export(ledgers) as (pieces, _):
        (query,) = ledgers.running()
        assert query["cypher"] == "export"
        assert ledgers.http.delete(ledgers.url(f"/queries/{query['query_id']}")).status_code in {200, 202, 204}
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    wait_until(lambda: not ledgers.running())


def test_a_client_that_goes_away_ends_its_export(ledgers: Tenant) -> None:
    """Nothing goes on running for nobody."""
    with slow_export(ledgers):
        assert ledgers.running()
    wait_until(lambda: not ledgers.running())
    assert export(ledgers)


def test_an_export_ends_at_its_deadline(ledgers: Tenant) -> None:
    """However slowly the client reads."""
    with slow_export(ledgers, timeout=2) as (pieces, _):
        wait_until(lambda: not ledgers.running())
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)


def workers(process_id: int, directory: str) -> list[psutil.Process]:
    """Return the worker processes that have a database open in a directory of this name, `*` for any."""
    found: list[psutil.Process] = []
    for child in psutil.Process(process_id).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(Path(file.path).parent.match(directory) for file in child.open_files()):
                found.append(child)
    return found


def test_a_worker_that_dies_breaks_its_export_off(server: RunningServer, ledgers: Tenant) -> None:
    """What was sent is no archive, and the database is back at once."""
    with slow_export(ledgers) as (pieces, first):
        (worker,) = workers(server.process.pid, ledgers.graph_id)
        worker.kill()
        received = [first]
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(pieces)
    with (
        tarfile.open(fileobj=io.BytesIO(b"".join(received)), ignore_zeros=False) as tar,
        contextlib.suppress(tarfile.ReadError),
    ):
        assert "summary.json" not in tar.getnames()
    assert balance(export(ledgers))[3]


# -- imports ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large() -> bytes:
    """Make an archive whose import takes a while."""
    names = [f"p{number:07d}" for number in range(60_000)]
    archive = small_archive().replace_part(PART, pa.table({"name": names, "age": range(len(names))}))
    knows = pa.table({"_src": names, "_dst": names[::-1], "since": range(len(names))})
    return archive.replace_part("relationships/Knows/0/part-00000.parquet", knows).pack()


def staged(databases: Path, pattern: str) -> bool:
    """Return whether an import has come so far that there is such a file."""
    return any(databases.glob(f".new-*/{pattern}"))


POINTS = {
    "as soon as it is opened": "graph.lbug",
    "while a table is converted": "tmp/import-*.parquet",
    "while rows are written": "graph.lbug.wal",
}


@pytest.mark.parametrize("pattern", POINTS.values(), ids=POINTS.keys())
def test_an_import_whose_worker_dies_leaves_nothing(server: RunningServer, large: bytes, pattern: str) -> None:
    """The answer says so, the database is as it was, and the same archive can be sent again."""
    with tenant_of(server, None) as tenant, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(tenant.http.post, tenant.url("/import"), content=large)
        wait_until(lambda: staged(server.base_path, pattern) or answer.done())
        for worker in workers(server.process.pid, ".new-*"):
            worker.kill()
        outcome = answer.result()
        if outcome.status_code != 200:  # It may have been quicker.
            assert (outcome.status_code, outcome.json()["code"]) == (503, "WORKER_CRASHED")
            assert outcome.json()["retryable"]
            assert tenant.http.get(tenant.url("/schema")).json()["tables"] == []
            outcome = answered(lambda: tenant.http.post(tenant.url("/import"), content=large))
        assert outcome.json()["nodes_imported"] == 60_000
        assert tenant.count() == 60_000
        wait_until(lambda: not list(server.base_path.glob(".new-*")))


@pytest.mark.parametrize(
    "pattern", ["graph.lbug.wal", "answered"], ids=["while rows are written", "when it has answered"]
)
def test_a_server_that_dies_leaves_all_of_an_import_or_nothing(tmp_path: Path, large: bytes, pattern: str) -> None:
    """After the next start there is no third state, and nothing is left lying about."""
    databases = tmp_path / "node" / "databases"
    with ServerProcess(tmp_path / "node") as server, ThreadPoolExecutor(1) as pool:
        with server.http() as http:
            assert http.post("/databases", json={"graph_id": "kg1", "schema_type": "custom"}).status_code == 201
            answer = pool.submit(http.post, "/databases/kg1/import", content=large)
            wait_until(lambda: answer.done() or staged(databases, pattern))
            server.kill()
            with contextlib.suppress(httpx.TransportError):
                assert answer.result().status_code == 200
        server.start()
        with server.http() as http:
            tables = answered(lambda: http.get("/databases/kg1/schema", params={"counts": "true"})).json()["tables"]
            assert [table["row_count"] for table in tables] in ([], [60_000, 60_000])
            assert tables or answer.exception() is not None
            assert not list(databases.glob(".new-*"))
            if not tables:
                assert http.post("/databases/kg1/import", content=large).status_code == 200


def test_an_import_can_be_cancelled(server: RunningServer, large: bytes) -> None:
    """It is listed; cancelled, it has changed nothing."""
    with tenant_of(server, None) as tenant, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(tenant.http.post, tenant.url("/import"), content=large)
        with server.client(checked=False) as http:
            other = Tenant(http, tenant.graph_id, tenant.directory)
            wait_until(lambda: answer.done() or any(query["cypher"] == "import" for query in other.running()))
            for query in other.running():
                http.delete(tenant.url(f"/queries/{query['query_id']}"))
        outcome = answer.result()
        if outcome.status_code != 200:
            assert outcome.json()["code"] == "QUERY_CANCELLED"
            assert tenant.http.get(tenant.url("/schema")).json()["tables"] == []
        wait_until(lambda: not list(server.base_path.glob(".new-*")))


def beside_an_import(server: RunningServer, large: bytes, act: Callable[[Tenant], None]) -> tuple[int, str | None]:
    """Do something to a database while an archive is being imported into it; return status and code of the import."""
    with tenant_of(server) as tenant, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(tenant.http.post, tenant.url("/import"), content=large)
        wait_until(lambda: staged(server.base_path, "tmp/import-*.parquet") or answer.done())
        with server.client(checked=False) as http:
            act(Tenant(http, tenant.graph_id, tenant.directory))
        outcome = answer.result()
        return outcome.status_code, outcome.json().get("code")


def test_a_row_written_during_an_import_is_not_lost(server: RunningServer, large: bytes) -> None:
    """The import gives way: it was promised an empty database."""

    def write(tenant: Tenant) -> None:
        # At the moment of the exchange a request is told to come back.
        assert answered(lambda: tenant.ask("CREATE (:Person {name: 'first', age: 1})")).status_code == 200
        counted = answered(lambda: tenant.ask("MATCH (p:Person) RETURN count(*) AS n"))
        kept.append(counted.json()["data"][0]["n"])

    kept: list[int] = []
    assert beside_an_import(server, large, write) in {(409, "DATABASE_NOT_EMPTY"), (200, None)}
    assert kept in ([1], [60_001])


def test_a_database_can_be_deleted_during_an_import(server: RunningServer, large: bytes) -> None:
    """The import ends; nothing comes back."""

    def delete(tenant: Tenant) -> None:
        wait_until(lambda: tenant.http.delete(tenant.url()).status_code == 200)

    status, code = beside_an_import(server, large, delete)
    assert (status, code) in {(404, "DATABASE_NOT_FOUND"), (200, None)}
    wait_until(lambda: not list(server.base_path.glob(".new-*")))


def test_reads_go_on_during_an_import(server: RunningServer, large: bytes) -> None:
    """They see the database as it was, until it is another one."""

    def read(tenant: Tenant) -> None:
        counted = answered(lambda: tenant.ask("MATCH (p:Person) RETURN count(*) AS n"))
        assert counted.json()["data"][0]["n"] in {0, 60_000}

    assert beside_an_import(server, large, read) == (200, None)


def test_one_import_into_a_database_runs_at_a_time(server: RunningServer, large: bytes) -> None:
    """The second is told to come back."""
    outcomes: list[httpx.Response] = []
    first = beside_an_import(
        server, large, lambda tenant: outcomes.append(tenant.http.post(tenant.url("/import"), content=large))
    )
    assert first == (200, None)
    assert outcomes[0].json()["code"] in {"DATABASE_BUSY", "DATABASE_NOT_EMPTY", "SHUTTING_DOWN"}
